"""Takes known secrets out of what is written down about a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from typing import Any

CENSORED = "********"
# What the report is built on; no secret ends up in these, but a short one may be a part of them.
STRUCTURE = frozenset({"event", "host", "hosts", "phase", "action", "status"})


def _forms(secret: str) -> set[str]:
    """A secret as it may stand in a log: plain, in YAML, in a shell's line, and in JSON or Python's, also nested."""
    forms = {secret, secret.replace("'", "''"), shlex.quote(secret).strip("'")}
    for _ in range(2):
        forms |= {quoted[1:-1] for form in forms for quoted in (json.dumps(form), repr(form))}
    return forms


class Scrubber:
    """Takes known secrets out of text before it is written anywhere; as fast for ten thousand of them as for one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        self._size = min(map(len, forms), default=0)
        self._by_start: dict[str, list[str]] = {}
        for form in sorted(forms, key=len, reverse=True):
            self._by_start.setdefault(form[: self._size], []).append(form)

    def __call__(self, text: str) -> str:
        """The text without the secrets; at each place the longest that stands there."""
        if not self._size:
            return text
        kept, last, place = [], 0, 0
        while place <= len(text) - self._size:
            candidates = self._by_start.get(text[place : place + self._size], ())
            found = next((form for form in candidates if text.startswith(form, place)), "")
            if found:
                kept += [text[last:place], CENSORED]
                last = place + len(found)
            place += len(found) or 1
        return "".join([*kept, text[last:]])

    def event(self, event: Any) -> Any:
        """An event without the secrets in its texts: its keys and its structure stay, so that it can be read."""
        if isinstance(event, dict):
            return {key: value if key in STRUCTURE else self.event(value) for key, value in event.items()}
        if isinstance(event, list):
            return [self.event(value) for value in event]
        return self(event) if isinstance(event, str) else event
