# SPDX-License-Identifier: GPL-3.0-or-later
"""`sugar-client statistics`: collects the days that are over, and uploads them to the school's server."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sugar_client.command import Failed
from sugar_client.profile import Profile
from sugar_client.statistics import journal, laptop, measure, settings, upload
from sugar_client.statistics.queue import Queue
from sugar_client.statistics.sample import EARLIEST, Sample, is_kept, last_midnight

_QUEUE = "statistics.jsonl"


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    command = commands.add_parser("statistics", help="report usage to the school", description=run.__doc__)
    command.add_argument("--show", action="store_true", help="only show what would be sent")
    command.add_argument("--url", help="the school server (default: where the laptop is registered)")
    command.add_argument("--json", action="store_true", help="as JSON, for scripts")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Collects how long which activities were used on the days that are over, and uploads it to the school server."""
    profile, now = Profile.here(), time.time()
    path = profile.own / _QUEUE
    try:
        if not settings.enabled((settings.MACHINE, profile.own / settings.NAME)):
            if not arguments.show:
                _stop(path, now)
            return _tell(arguments, 0, (), "Statistics are switched off on this laptop.")
        if not profile.datastore.is_dir():
            raise Failed(
                f"{profile.folder} has no Journal. Start Sugar once, or run this as the user who uses Sugar."
            )
        if now < EARLIEST:
            return _tell(arguments, 0, (), "The clock is wrong; nothing is collected until it has been set.")
        if arguments.show:
            return _show(arguments, Queue.read(path, now), profile, now)
        return _report(arguments, path, profile, now)
    except OSError as error:
        raise Failed(f"{error.filename or path}: {error.strerror}. Is the disk full?") from None


def collect(queue: Queue, profile: Profile, now: float) -> Queue:
    """The queue with the days that are over and were not in it yet."""
    midnight = last_midnight(now)
    if queue.collected_until == midnight:
        return queue
    samples = measure.usage(journal.entries(profile.datastore), queue.collected_until or 0, midnight)
    samples += measure.machine(profile.folder, midnight)
    return queue.plus((sample for sample in samples if is_kept(sample.at, now)), midnight)


def _show(arguments: argparse.Namespace, queue: Queue, profile: Profile, now: float) -> int:
    if queue.is_unwanted:
        return _tell(arguments, 0, (), "The school server wants no statistics.")
    return _tell(arguments, 0, collect(queue, profile, now).samples, "")


def _report(arguments: argparse.Namespace, path: Path, profile: Profile, now: float) -> int:
    """Asks first. Where the school wants none nothing is collected, until it says that it wants them again."""
    queue = Queue.read(path, now)
    url = (arguments.url or laptop.server(profile)).rstrip("/")
    try:
        account = upload.find(url, laptop.names(profile))
    except upload.NotNow as error:
        if queue.is_unwanted:
            _stop(path, now, is_unwanted=True)
            return _tell(arguments, 0, (), f"{error} It wanted no statistics.")
        queue = collect(queue, profile, now)
        queue.write(path)
        return _tell(arguments, 0, queue.samples, str(error))
    if not account.wanted:
        _stop(path, now, is_unwanted=True)
        return _tell(arguments, 0, (), f"{url} wants no statistics.")
    queue = collect(replace(queue, is_unwanted=False), profile, now)
    queue.write(path)
    return _upload(arguments, account, queue, path)


def _upload(arguments: argparse.Namespace, account: upload.Account, queue: Queue, path: Path) -> int:
    sent, message = 0, f"{account.url} has them."
    try:
        for name in sorted({sample.name for sample in queue.samples}):
            try:
                sent += account.send(name, [sample for sample in queue.samples if sample.name == name])
            except upload.Refused as refused:
                message = f"{account.url} refuses {name}: {refused}."
                if refused.status != 400:  # Only what is wrong in itself will be refused again.
                    break
            queue = queue.without(name)
    except upload.NotNow as error:
        message = str(error)
    queue.write(path)
    return _tell(arguments, sent, queue.samples, message)


def _stop(path: Path, now: float, *, is_unwanted: bool = False) -> None:
    """Delete what waits. The days without statistics are not made up for when they are switched on again."""
    if path.parent.parent.is_dir():
        Queue((), last_midnight(now), is_unwanted).write(path)


def _tell(arguments: argparse.Namespace, sent: int, waiting: tuple[Sample, ...], message: str) -> int:
    if arguments.json:
        samples = [asdict(sample) for sample in waiting]
        told = {"samples": samples} if arguments.show else {"sent": sent, "waiting": len(waiting)}
        print(json.dumps({**told, "message": message}, indent=2))
        return 0
    if arguments.show:
        for sample in waiting:
            day = datetime.fromtimestamp(sample.at - 1, timezone.utc).strftime("%Y-%m-%d")
            print(day, sample.name, *(f"{field}={number}" for field, number in sample.fields.items()))
    else:
        print(f"{sent} samples sent, {len(waiting)} wait.")
    if message:
        print(message)
    return 0
