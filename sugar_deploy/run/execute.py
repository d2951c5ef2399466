"""Runs ansible-playbook under the guard: events to the run's folder and to whoever watches."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from sugar_deploy.errors import DeployError
from sugar_deploy.run.ansible import Playbook, playbook_argv, playbook_environment, shell_line
from sugar_deploy.run.events import Event, HostResult, Tally
from sugar_deploy.run.guard import INTERRUPTED
from sugar_deploy.run.scrub import Scrubber
from sugar_deploy.run.store import Run

Watch = Callable[[Event, Tally], None]
Guard = subprocess.Popen[bytes]


def _ask_to_end(guard: Guard) -> None:
    """Closing its standard input asks the guard to end the run."""
    if guard.stdin and not guard.stdin.closed:
        guard.stdin.close()


class Recorder:
    """Writes lines to a file of the run, and remembers the first failure instead of losing its reader.

    A reader that stopped reading would stall Ansible, or kill it in the middle of a task.
    """

    def __init__(self, path: Path, guard: Guard) -> None:
        self.error: OSError | None = None
        self._path = path
        self._guard = guard
        self._file: TextIO | None = None
        self._write(self._open)

    def _open(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1)

    def _write(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            self.error = self.error or error
            _ask_to_end(self._guard)

    def line(self, text: str) -> None:
        """Write one line, newline included."""
        if self._file and not self.error:
            file = self._file
            self._write(lambda: file.write(text))

    def close(self) -> None:
        """Close the file; what it could not take is told by check()."""
        if self._file:
            self._write(self._file.close)

    def check(self) -> None:
        """Raise DeployError if something could not be written."""
        if self.error:
            raise DeployError(
                f"the run was ended, because {self._path} cannot be written: {self.error.strerror}",
                "Make room there, then carry on with `sugar-deploy apply --resume`",
            ) from self.error


def _copy_log(source: int, log: Recorder, scrub: Scrubber) -> None:
    with os.fdopen(source, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            log.line(scrub(line))


@contextlib.contextmanager
def _guarded(
    argv: Iterable[str], log: int, events: int, held: int | None, environment: dict[str, str]
) -> Iterator[Guard]:
    """The guard at work; when left, however that is, the run has ended."""
    guard = subprocess.Popen(
        [sys.executable, "-m", "sugar_deploy.run.guard", *argv],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        # The guard alone keeps the deployment's lock: should this process be killed, it is held until the run ends.
        pass_fds=[events] if held is None else [events, held],
        process_group=0,
        env=environment | {"SUGAR_DEPLOY_EVENTS_FD": str(events), "SUGAR_DEPLOY_KEEP_FDS": str(events)},
    )
    try:
        os.close(events)
        os.close(log)
        yield guard
    except BaseException:
        _ask_to_end(guard)
        raise
    finally:
        _wait(guard)


def _wait(guard: Guard) -> None:
    """Wait until the run has ended; an impatient Ctrl-C changes nothing, as the guard's own patience is limited."""
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            guard.wait()
            _ask_to_end(guard)
            return
        _ask_to_end(guard)


class Events:
    """Reads Ansible's events to their end, whatever happens meanwhile."""

    def __init__(self, file: Recorder, guard: Guard, scrub: Scrubber, watch: Watch) -> None:
        self.total = Tally()
        self.interrupted = False
        self.watch_error: Exception | None = None
        self._file, self._guard, self._scrub, self._watch = file, guard, scrub, watch

    def read(self, lines: Iterable[str]) -> None:
        """Until the last process that writes events has ended."""
        while True:
            try:
                for line in lines:
                    self._take(line)
                return
            except KeyboardInterrupt:
                # The last events are still read.
                self.interrupted = True
                _ask_to_end(self._guard)

    def _take(self, line: str) -> None:
        try:
            event = self._scrub.event(json.loads(line))
        except ValueError:
            return  # The half line of a process that was killed.
        self._file.line(json.dumps(event) + "\n")
        self.total.add(event)
        if self.watch_error is None:
            try:
                self._watch(event, self.total)
            except Exception as error:
                # A terminal that is gone, for one. It is raised again when the run has ended.
                self.watch_error = error
                _ask_to_end(self._guard)


def execute(
    playbook: Playbook,
    run: Run,
    *,
    environment: Mapping[str, str],
    secrets: Iterable[str] = (),
    watch: Watch = lambda _event, _tally: None,
    held: int | None = None,
) -> tuple[int, dict[str, HostResult]]:
    """Run the playbook; returns its exit status (130 when interrupted) and the hosts' results.

    Every event is on disk before `watch` sees it. `held` is the descriptor of a lock that lasts as long as the run.
    """
    argv = playbook_argv(playbook)
    run.write_text(
        "command", f"ANSIBLE_CONFIG={shell_line([str(playbook.project / 'ansible.cfg')])} {shell_line(argv)}\n"
    )
    scrub = Scrubber(secrets)
    events_in, events_out = os.pipe()
    log_in, log_out = os.pipe()
    with _guarded(argv, log_out, events_out, held, playbook_environment(playbook, environment)) as guard:
        log, file = Recorder(run.log, guard), Recorder(run.events, guard)
        logger = threading.Thread(target=_copy_log, args=(log_in, log, scrub), daemon=True)
        logger.start()
        events = Events(file, guard, scrub, watch)
        with os.fdopen(events_in, encoding="utf-8", errors="replace") as lines:
            events.read(lines)
    logger.join(timeout=5)
    for recorder in (file, log):
        recorder.close()
    for recorder in (file, log):
        recorder.check()
    if events.watch_error is not None:
        raise events.watch_error
    return (INTERRUPTED if events.interrupted else guard.returncode), events.total.hosts
