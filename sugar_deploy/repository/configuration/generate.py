"""Generates a deployment's configuration packages; nothing is built again that has not changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from sugar_deploy.folder import Folder
from sugar_deploy.repository.build import Say, quiet
from sugar_deploy.repository.configuration.certificates import read_certificates
from sugar_deploy.repository.configuration.deb import deb_name, write_deb
from sugar_deploy.repository.configuration.laptops import client_config, clients
from sugar_deploy.repository.configuration.machines import repository, server_config, servers
from sugar_deploy.repository.configuration.package import Package
from sugar_deploy.repository.configuration.record import Record, date, read_record, write_record
from sugar_deploy.repository.lock import exclusive
from sugar_deploy.repository.proved import Proved
from sugar_deploy.scenario.plan import Plan


def configuration_debs(
    folder: Folder,
    plan: Plan,
    keys_asc: str,
    say: Say = quiet,
    *,
    clock: Callable[[], float] = time.time,
    proved: Proved | None = None,
) -> tuple[Path, ...]:
    """The deployment's configuration packages as .deb files, sorted; KEYS_ASC are its repository's public keys.

    Those that PROVED knows are not read again.
    """
    proved = proved or Proved()
    wanted = packages(plan, keys_asc, read_certificates(folder.certificates))
    area = folder.repository / "configuration"
    with exclusive(folder.repository / "configuration.lock", f"another process generates {area}", say):
        area.mkdir(parents=True, exist_ok=True)
        path = folder.repository / "configuration.json"
        record = read_record(path)
        before = dict(record)
        now = int(clock())
        # Recorded before they are built, so that no version is ever given to two contents.
        for package in wanted:
            record[package.name] = date(package, record.get(package.name), now)
        if record != before:
            write_record(path, record)
        debs = tuple(_built(package, record, area, proved) for package in wanted)
        if record != before:
            write_record(path, record)
        for old in set(area.glob("*.deb")) - set(debs):
            old.unlink()
    return tuple(sorted(debs))


def packages(plan: Plan, keys_asc: str, certificates: Mapping[str, str]) -> tuple[Package, ...]:
    """All configuration packages of a deployment. Pure."""
    return (
        repository(plan, keys_asc, certificates),
        server_config(plan),
        *servers(plan),
        client_config(plan),
        *clients(plan),
    )


def _built(package: Package, record: Record, area: Path, proved: Proved) -> Path:
    generated = record[package.name]
    path = area / deb_name(package, generated.version)
    if not (path.is_file() and proved.sha256(path) == generated.sha256):
        write_deb(package, generated.version, generated.epoch, area)
        record[package.name] = replace(generated, sha256=proved.sha256(path))
    return path
