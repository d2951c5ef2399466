"""What a run shows, of one school and of thousands."""

from __future__ import annotations

import io
import time

from rich.console import Console

from sugar_deploy.cli.progress import Progress, report
from sugar_deploy.run.events import Event, HostResult, Tally


def console(*, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, soft_wrap=True)


def shown(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def task(host: str, phase: str = "base") -> Event:
    return {"event": "task", "host": host, "phase": phase, "task": "t"}


def test_ten_thousand_schools_pass_by_and_the_ones_at_work_are_shown() -> None:
    screen = console(terminal=True)
    total = Tally()
    started = time.monotonic()
    with Progress(screen) as progress:
        for number in range(10_000):
            for phase in ("repository", "base", "sshd"):
                event = task(f"school-{number}", phase)
                total.add(event)
                progress(event, total)
        assert time.monotonic() - started < 5
        final = Console(file=io.StringIO(), width=100)
        final.print(progress._table())  # What the terminal is shown next.
    assert "school-9999" in shown(final)
    assert "school-0 " not in shown(final)
    assert "of 10000 begun" in shown(final)


def test_a_log_gets_plain_lines() -> None:
    screen = console()
    total = Tally()
    with Progress(screen) as progress:
        for event in (task("lima"), task("lima"), task("lima", "time")):
            total.add(event)
            progress(event, total)
    assert [line[8:] for line in shown(screen).splitlines()] == ["lima: 3/9 base", "lima: 7/9 time"]


def test_the_report_on_very_many_schools_lists_those_that_need_attention() -> None:
    hosts = {f"school-{number}": HostResult(f"school-{number}", ok=3, finished=True) for number in range(500)}
    hosts["puno"] = HostResult("puno", unreachable=True, task="Get to know", message="Host key verification failed.")
    screen = console()
    report(screen, hosts)
    text = shown(screen)
    assert "school-7" not in text
    assert "Its host key is not pinned in known_hosts: run `sugar-deploy host add puno`" in text
    assert text.rstrip().endswith("501 schools: 500 ok, 1 unreachable")


def test_the_report_on_a_few_lists_all() -> None:
    screen = console()
    report(screen, {"lima": HostResult("lima", ok=3, changed=1, finished=True)})
    assert "lima" in shown(screen)
    assert "changed" in shown(screen)


def test_a_long_task_tells_how_far_it_is() -> None:
    lock = {
        "event": "result",
        "host": "lima",
        "phase": "",
        "task": "t",
        "action": "a",
        "status": "ok",
        "changed": False,
    }
    far = {"event": "progress", "host": "lima", "text": "/var/lib/sugar-backup: 43%, 1.2 GB, 9.8MB/s"}
    plain, total = console(), Tally()
    total.add(lock)
    with Progress(plain) as progress:
        for event in (lock, far, far):
            progress(event, total)
    # Where lines stay, not at every second.
    assert shown(plain).count("lima: /var/lib/sugar-backup: 43%, 1.2 GB, 9.8MB/s") == 1
    with Progress(console(terminal=True)) as progress:
        for event in (lock, far):
            progress(event, total)
        final = Console(file=io.StringIO(), width=100)
        final.print(progress._table())
    assert "43%" in shown(final)
    with Progress(quiet := console(), quiet=True) as progress:
        progress(far, total)
    assert shown(quiet) == ""
