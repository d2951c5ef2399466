"""What Ansible reports, event by event, and what it adds up to for each host."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sugar_deploy.run.remedies import remedy

Event = dict[str, Any]

# As the server itself says that an upgrade has failed and was undone.
_ROLLED_BACK = re.compile(r"rolled back to (?:snapshot (\S+?)|the packages from before)[,:] ")


@dataclass(slots=True)
class HostResult:
    """What a run did to one host."""

    name: str
    ok: int = 0
    changed: int = 0
    failed: bool = False
    unreachable: bool = False
    phase: str = ""
    task: str = ""
    message: str = ""
    seconds: float = 0.0
    changes: list[Event] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    finished: bool = False

    @property
    def status(self) -> str:
        """One word for the report."""
        if self.unreachable:
            return "unreachable"
        if self.failed:
            return "failed"
        if not self.finished:
            return "interrupted"
        return "changed" if self.changed else "ok"

    @property
    def rolled_back_to(self) -> str:
        """The snapshot to which the server has come back after an upgrade that failed; empty if it did not."""
        found = _ROLLED_BACK.match(self.message)
        return (found[1] or "unknown") if found else ""

    @property
    def remedy(self) -> str:
        """What the deployer can do about the message; empty where nobody can tell."""
        return remedy(self.message, self.name)

    def as_dict(self) -> dict[str, Any]:
        """For result.json and --json."""
        return {
            "status": self.status,
            "ok": self.ok,
            "changed": self.changed,
            "seconds": round(self.seconds, 1),
            "phase": self.phase,
            "task": self.task,
            "message": self.message,
            "remedy": self.remedy,
            "rolled_back_to": self.rolled_back_to,
            "changes": [
                {key: change[key] for key in ("phase", "task", "diff") if key in change} for change in self.changes
            ],
            "warnings": self.warnings,
        }


class Tally:
    """Adds events up, host by host."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostResult] = {}

    def host(self, name: str) -> HostResult:
        """That host's result so far."""
        return self.hosts.setdefault(name, HostResult(name))

    def add(self, event: Event) -> None:
        """Take one event into account."""
        kind = event.get("event")
        if kind == "task" and event.get("phase"):
            self.host(event["host"]).phase = event["phase"]
        elif kind == "result":
            self._result(event)
        elif kind == "stats":
            for name, summary in event["hosts"].items():
                result = self.host(name)
                result.finished = True
                # These know of the failures that a role has mended itself.
                result.failed = bool(summary["failures"])
                result.unreachable = bool(summary["unreachable"])
                if result.message and not (result.failed or result.unreachable):
                    result.warnings.append(f"mended: {result.task}: {result.message}")
                    result.message = ""

    def _result(self, event: Event) -> None:
        result = self.host(event["host"])
        result.seconds += event.get("seconds") or 0.0
        result.warnings += event.get("warnings", [])
        status = event["status"]
        if status == "ok":
            result.ok += 1
            # An include reports its children's changes a second time.
            if event["changed"] and "include" not in event["action"]:
                result.changed += 1
                result.changes.append(event)
        elif status in {"failed", "unreachable"} and not event.get("ignored"):
            result.failed = result.failed or status == "failed"
            result.unreachable = result.unreachable or status == "unreachable"
            message = event.get("message", "")
            # The first failure is the cause; those of an `always` block come after it.
            if not result.message:
                result.phase, result.task = event["phase"] or result.phase, event["task"]
                result.message = message
            elif _ROLLED_BACK.match(message):
                # It says the cause as well.
                result.message = message


def tally(events: Iterable[Event]) -> dict[str, HostResult]:
    """The hosts' results after all of the events."""
    total = Tally()
    for event in events:
        total.add(event)
    return total.hosts
