"""The check of statistics: green on the real daemon, and red with the reason on one that is off or counts wrongly."""

from __future__ import annotations

import json
import re
import urllib.request
import xmlrpc.client
from typing import Any

import pytest
from sugaroid.checks.statistics import DATABASE

from .other_server import Act, Answer, answering
from .services import Services, failed, seen

REGISTERED = {"success": "OK", "jabberserver": "school.example.pe", "backupurl": "x@school.example.pe:y"}


def _sums(services: Services) -> list[tuple[str, float, int]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{services.port}/statistics.json", timeout=10) as answer:
        return [(each["field"], each["total"], each["laptops"]) for each in json.load(answer)]


def test_a_well_school_counts_one_second_once(services: Services) -> None:
    services.start()
    report = services.check("statistics")
    assert failed(report) == {}
    assert re.fullmatch("one sample in 86400 s", seen(report)["statistics: what the server wants"])
    assert _sums(services) == [("uptime", 1, 1)]
    assert len(report.identities) == 1
    assert len(report.left) == 1
    assert DATABASE in report.left[0]
    assert report.as_dict()["left"] == report.left


def test_statistics_are_off(services: Services) -> None:
    services.configure(statistics="enabled = no")
    services.start()
    report = services.check("statistics")
    assert failed(report) == {"statistics: what the server wants": "the server wants no statistics: enable is false"}
    assert report.left == []


def test_nobody_is_there(services: Services) -> None:
    report = services.check("statistics")
    assert "Connection refused" in failed(report)["statistics: a laptop with a key of ed25519 registers"]
    assert report.identities == []


def _server(fault: str) -> Act:
    """A server of statistics, well but for one fault."""
    taken: dict[str, int] = {}

    def act(method: str, path: str, body: bytes, _: dict[str, str]) -> Answer:
        if path == "/":
            return 200, {}, xmlrpc.client.dumps((REGISTERED,), methodresponse=True).encode()
        if fault == "refuses":
            return 403, {}, b'{"error": "no laptop is registered under this name"}'
        if fault == "no JSON":
            return 200, {}, b"<html>"
        answer = _uploaded(fault, taken, json.loads(body)) if method == "POST" else _info(fault, taken)
        return 200, {}, json.dumps(answer).encode()

    return act


def _uploaded(fault: str, taken: dict[str, int], upload: dict[str, Any]) -> dict[str, Any]:
    at = upload["values"][-1][0] if upload["values"] else 0
    again = taken.get(upload["name"]) == at
    if fault == "moves on":
        at += taken.get(upload["name"], 0)
    if fault != "forgets":
        taken[upload["name"]] = at
    return {"added": 0 if again and fault != "counts twice" else 1}


def _info(fault: str, taken: dict[str, int]) -> dict[str, Any]:
    step = -1 if fault == "no step" else 60
    after = 0 if fault == "asks again" else 60
    return {"enable": True, "step": step, "rras": [], "status": {name: at + after for name, at in taken.items()}}


FAULTS = {
    "refuses": ("what the server wants", "stats-info: status 403, no laptop is registered under this name"),
    "no JSON": ("what the server wants", "the answer is no JSON object"),
    "no step": ("what the server wants", "step is no number of seconds"),
    "forgets": ("an upload", "the server took a sample and does not know of it"),
    "asks again": ("an upload", "the server wants again what it has"),
    "counts twice": ("the same upload again", "was counted again"),
    "moves on": ("the same upload again", "changed what the server wants next"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_errs(services: Services, fault: str) -> None:
    name, why = FAULTS[fault]
    with answering(_server(fault)) as port:
        report = services.check("statistics", port=port)
    assert list(failed(report)) == [f"statistics: {name}"]
    assert why in failed(report)[f"statistics: {name}"]


def test_our_own_faulty_server_can_be_well(services: Services) -> None:
    with answering(_server("none")) as port:
        assert failed(services.check("statistics", port=port)) == {}
