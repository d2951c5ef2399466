"""Progress of a run: a line a host that changes in place on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from sugar_deploy.run.events import Event, HostResult, Tally
from sugar_deploy.scenario.variables import PHASES

PHASE_NAMES = tuple(phase.role for phase in PHASES)
SHOWN_HOSTS = 20
LINE_EVERY_SECONDS = 15.0
"""Where lines stay: how often one tells how far a long task is."""
LISTED_HOSTS = 100
"""Of more schools than these, the report lists only those that need attention."""
STYLES_OF_TROUBLE = {"failed": "red", "unreachable": "red", "interrupted": "magenta"}
STYLES = {"ok": "green", "changed": "yellow"} | STYLES_OF_TROUBLE


class Progress:
    """Shows what a run does while it does it; a context manager, and the run's watcher."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._active: dict[str, HostResult] = {}
        self._begun: set[str] = set()
        # The table is made when the screen is due, not at every event: there are thousands of schools.
        self._live = (
            Live(console=console, refresh_per_second=4, transient=True, get_renderable=self._table)
            if console.is_terminal
            else None
        )
        self._phase_of: dict[str, str] = {}
        self._told: dict[str, tuple[float, str]] = {}
        """When a school last told how far a long task is, and what."""
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        if self._live and not self._quiet:
            self._live.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, event: Event, tally: Tally) -> None:
        """Take note of one event."""
        if self._quiet:
            return
        if event["event"] == "progress":
            self._how_far(event)
            return
        if self._live:
            self._note(event, tally)
            return
        host, phase = event.get("host"), event.get("phase")
        if host and phase and self._phase_of.get(host) != phase:
            self._phase_of[host] = phase
            self._line(f"{host}: {_step(phase)}{phase}")
        if event["event"] == "result" and event["status"] in {"failed", "unreachable"} and not event.get("ignored"):
            self._line(f"{host}: {event['status']}: {event['task']}: {event.get('message', '')}")

    def _how_far(self, event: Event) -> None:
        name, text = event["host"], str(event["text"])
        before = self._told.get(name, (float("-inf"), ""))[0]
        now = time.monotonic()
        if self._live:
            self._told[name] = now, text
        elif now - before >= LINE_EVERY_SECONDS:
            self._told[name] = now, text
            self._line(f"{name}: {text}")

    def _line(self, text: str) -> None:
        seconds = int(time.monotonic() - self._started)
        self._console.print(f"[{seconds // 60:02d}:{seconds % 60:02d}] {text}", markup=False, highlight=False)

    def _note(self, event: Event, tally: Tally) -> None:
        """Keep the schools that are being worked at, the one heard of longest ago first."""
        name = event.get("host")
        if not name or event["event"] not in {"task", "result"}:
            return
        self._begun.add(name)
        host = tally.hosts.get(name)
        self._active.pop(name, None)
        if host:
            self._active[name] = host
        while len(self._active) > SHOWN_HOSTS:
            del self._active[next(iter(self._active))]

    def _table(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for host in sorted(self._active.copy().values(), key=lambda host: host.name):
            style = "red" if host.failed or host.unreachable else ""
            told = self._told.get(host.name, (0.0, ""))[1]
            step = f"{_step(host.phase)}{host.phase}" or told
            table.add_row(host.name, step, f"{host.changed} changed" if host.phase else "", style=style)
        if len(self._begun) > SHOWN_HOSTS:
            table.add_row(f"… of {len(self._begun)} begun")
        return table


def _step(phase: str) -> str:
    return f"{PHASE_NAMES.index(phase) + 1}/{len(PHASE_NAMES)} " if phase in PHASE_NAMES else ""


def report(console: Console, hosts: dict[str, HostResult]) -> None:
    """A line a host: what became of it; failures with their message. Of very many, only those that need attention."""
    listed = {
        name: host for name, host in hosts.items() if len(hosts) <= LISTED_HOSTS or host.status in STYLES_OF_TROUBLE
    }
    table = Table(box=None, pad_edge=False)
    for heading in ("school", "result", "ok", "changed", "time"):
        table.add_column(heading, justify="right" if heading in {"ok", "changed", "time"} else "left", no_wrap=True)
    for name, host in sorted(listed.items()):
        table.add_row(
            name,
            f"[{STYLES[host.status]}]{host.status}[/]",
            str(host.ok),
            str(host.changed),
            f"{host.seconds:.0f} s",
        )
    if listed:
        console.print(table)
    for name, host in sorted(listed.items()):
        if host.message:
            where = f"{name}: {host.phase + ': ' if host.phase else ''}{host.task}"
            remedy = f"\n  {host.remedy}" if host.remedy else ""
            console.print(f"\n{where}\n  {host.message.strip()}{remedy}", markup=False, highlight=False)
    if len(hosts) > 1:
        counts = Counter(host.status for host in hosts.values())
        total = ", ".join(f"{counts[status]} {status}" for status in STYLES if counts[status])
        console.print(f"\n{len(hosts)} schools: {total}", markup=False, highlight=False)
