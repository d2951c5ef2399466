# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads usage statistics as sugar-stats' client does: what the server wants to know, then the samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from sugaroid.errors import NotServed
from sugaroid.probes import web
from sugaroid.profile import Profile

Number = Union[int, float]
Sample = tuple[int, Mapping[str, Number]]
"""When it was taken, in seconds since 1970, and its fields."""


@dataclass(frozen=True)
class Info:
    """What a server wants: whether at all, how finely in seconds, and from when on of each database."""

    enable: bool
    step: int
    archives: tuple[str, ...]
    status: Mapping[str, int]


class Statistics:
    """One laptop's statistics at one server. The laptop's name is its key's SHA-1, as that of its account."""

    def __init__(self, profile: Profile, server: str, address: str, port: int) -> None:
        self._where = (address, port, server)
        self.path = f"/user/{profile.account}"

    def info(self) -> Info:
        """What the server wants, blocking; NotServed for an answer that sugar-stats' client cannot use."""
        return read_info(self._ask("stats-info"))

    def upload(self, database: str, samples: Sequence[Sample]) -> Mapping[str, Any]:
        """Bring samples of one database, in ascending time, blocking; the server's answer."""
        body = json.dumps({"name": database, "values": [[at, dict(fields)] for at, fields in samples]})
        return self._ask("stats-upload", body.encode())

    def _ask(self, command: str, body: bytes | None = None) -> dict[str, Any]:
        method, headers = ("GET", {}) if body is None else ("POST", {"Content-Type": "application/json"})
        page = web.ask(*self._where, f"{self.path}?cmd={command}", method=method, body=body, headers=headers)
        try:
            answer = json.loads(page.body)
        except ValueError:
            answer = None
        if page.status != 200:
            why = answer.get("error") if isinstance(answer, dict) else None
            raise NotServed(f"{command}: status {page.status}" + (f", {why}" if why else ""))
        if not isinstance(answer, dict):
            raise NotServed(f"{command}: the answer is no JSON object")
        return answer


def read_info(answer: Mapping[str, Any]) -> Info:
    """The answer to stats-info, checked."""
    enable, step, archives, status = (answer.get(name) for name in ("enable", "step", "rras", "status"))
    if not isinstance(enable, bool):
        raise NotServed("stats-info: enable is not true or false")
    if type(step) is not int or step < 1:
        raise NotServed("stats-info: step is no number of seconds")
    if not isinstance(archives, list) or not all(isinstance(each, str) for each in archives):
        raise NotServed("stats-info: rras is no list of texts")
    if not isinstance(status, dict) or not all(type(at) is int for at in status.values()):
        raise NotServed("stats-info: status has other values than timestamps")
    return Info(enable, step, tuple(archives), status)


def wanted(info: Info, database: str, samples: Sequence[Sample]) -> list[Sample]:
    """What a laptop uploads of its samples: what is not older than the server's next wish."""
    since = info.status.get(database, 0)
    return [sample for sample in samples if sample[0] >= since] if info.enable else []
