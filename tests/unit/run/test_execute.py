"""What a run records, and that it has ended when something goes wrong beside it. Ansible is played by a script."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.run import execute as module
from sugar_deploy.run.ansible import Playbook
from sugar_deploy.run.events import Event, Tally
from sugar_deploy.run.execute import execute
from sugar_deploy.run.scrub import Scrubber
from sugar_deploy.run.store import Run

# Reports for ever, unless it is told how often; leaves a file when it is asked to end.
PLAYED = """
import json, os, sys, time
from pathlib import Path
events, here, times = int(os.environ["SUGAR_DEPLOY_EVENTS_FD"]), Path(sys.argv[1]), int(sys.argv[2])
(here / "pid").write_text(str(os.getpid()))
try:
    while times:
        times -= 1
        print("TASK", flush=True)
        event = {"event": "result", "host": "lima", "phase": "base", "task": "t", "action": "a", "status": "ok",
                 "changed": False, "seconds": 0.1, "time": 1234.5, "message": "password is 1234"}
        os.write(events, (json.dumps(event) + "\\n").encode())
        time.sleep(0.02)
except KeyboardInterrupt:
    (here / "asked").touch()
os.write(events, b'{"event": "half a li')
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    made = Run(tmp_path / "run")
    made.path.mkdir()
    play(tmp_path, monkeypatch, times=-1)
    return made


def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    argv = (sys.executable, "-c", PLAYED, str(tmp_path), str(times))
    monkeypatch.setattr(module, "playbook_argv", lambda _playbook: argv)


def start(run: Run, watch: object = None, secrets: tuple[str, ...] = ()) -> dict[str, object]:
    options = {"watch": watch} if watch else {}
    _, hosts = execute(Playbook(run.path), run, environment=dict(os.environ), secrets=secrets, **options)  # type: ignore[arg-type]
    return {name: host.ok for name, host in hosts.items()}


def has_ended(folder: Path) -> bool:
    return (folder / "asked").exists() and not Path(f"/proc/{(folder / 'pid').read_text()}").exists()


@pytest.mark.parametrize("name", ["events.jsonl", "ansible.log"])
def test_a_full_disk_ends_the_run_in_order_and_is_told(run: Run, name: str) -> None:
    (run.path / name).symlink_to("/dev/full")
    with pytest.raises(DeployError, match=rf"{name} cannot be written: No space left on device\. .*--resume"):
        start(run)
    assert has_ended(run.path.parent)


def test_a_terminal_that_is_gone_ends_the_run_and_nothing_of_it_is_lost(run: Run) -> None:
    def watch(_event: Event, total: Tally) -> None:
        if total.hosts["lima"].ok == 3:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        start(run, watch)
    assert has_ended(run.path.parent)
    # What Ansible reported while it was ending is there as well.
    assert len(run.events.read_text().splitlines()) >= 3


def test_ctrl_c_again_and_again_still_waits_for_the_run_to_end(run: Run) -> None:
    def watch(_event: Event, total: Tally) -> None:
        if total.hosts["lima"].ok in {2, 3}:
            raise KeyboardInterrupt

    status, _ = execute(Playbook(run.path), run, environment=dict(os.environ), watch=watch)
    assert status == 130
    assert has_ended(run.path.parent)


def test_a_secret_that_looks_like_a_number_or_a_key_does_not_break_the_events(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(tmp_path, monkeypatch, times=2)
    assert start(run, secrets=("1234", "event", '"', "ok")) == {"lima": 2}
    first = json.loads(run.events.read_text().splitlines()[0])
    assert first["time"] == 1234.5
    assert first["message"] == "password is ********"


def test_ten_thousand_secrets_do_not_slow_a_line_down() -> None:
    scrub = Scrubber(f"pass'word-{number:05d}" for number in range(10_000))
    started = time.monotonic()
    for _ in range(100):
        text = scrub("ok: [lima] => pass'word-00042 and pass''word-09999 " + "x" * 500)
    assert text.startswith("ok: [lima] => ******** and ******** xxx")
    assert time.monotonic() - started < 2
