"""What is known of each school: its last run, its packages, its phases, its health."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.remote.session import run, session
from sugar_deploy.run.parallel import side_by_side
from sugar_deploy.run.store import all_runs
from sugar_deploy.run.verify import AT_ONCE
from sugar_deploy.scenario.plan import Host

# Each line is one JSON value; what is missing prints null.
SCRIPT = r"""
cat /var/lib/sugar-deploy/journal.json 2>/dev/null | tr '\n' ' ' || true; echo
dpkg-query -W -f '${Package}=${Version} ' sugar-server sugar-server-base prosody-sugar prosody sugaroid \
  2>/dev/null; echo
python3 - <<'PYTHON' 2>/dev/null || echo null
import json, urllib.request, urllib.error
try:
    answer = urllib.request.urlopen("http://127.0.0.1:8080/health", timeout=10)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps(json.load(answer)))
PYTHON
"""


@dataclass(frozen=True, slots=True)
class SchoolStatus:
    """What is known of one school."""

    school: str
    last_run: str = ""
    last_status: str = "never applied"
    snapshot: str = ""
    reachable: bool | None = None
    phases: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    health: str = ""
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {name: getattr(self, name) for name in self.__slots__}


def local_statuses(folder: Folder, hosts: Sequence[Host]) -> dict[str, SchoolStatus]:
    """What this machine's runs tell of each school; every run is read once, the newest first."""
    found: dict[str, SchoolStatus] = {}
    missing = {host.name for host in hosts}
    for past in all_runs(folder.runs):
        about = past.about()
        limit = about.get("limit")
        reached = missing.intersection(map(str, limit)) if isinstance(limit, list) else set()
        if about.get("verb") != "apply" or not reached:
            continue
        results = _table(past.result().get("hosts"))
        for name in reached:
            result = _table(results.get(name))
            back = str(result.get("rolled_back_to", ""))
            found[name] = SchoolStatus(
                name,
                last_run=past.id,
                last_status="rolled back" if back else str(result.get("status", "interrupted")),
                snapshot=back or str(about.get("snapshot", "")),
            )
        missing -= reached
        if not missing:
            break
    return found | {name: SchoolStatus(name) for name in missing}


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _loads(text: str) -> dict[str, Any]:
    try:
        return _table(json.loads(text))
    except ValueError:
        return {}


def remote_status(folder: Folder, host: Host, key: Path | None, known: SchoolStatus) -> SchoolStatus:
    """What the server itself tells, added to what this machine knows."""
    try:
        with session(host.connection, folder.known_hosts, key) as client:
            lines = run(client, SCRIPT).out.splitlines()
    except DeployError as error:
        return replace(known, reachable=False, error=str(error))
    journal, packages, health = [*lines, "", "", ""][:3]
    told = _loads(health)
    return replace(
        known,
        reachable=True,
        phases=tuple(sorted(_table(_loads(journal).get("phases")))),
        packages=tuple(packages.split()),
        health=str(told.get("status", "no answer")) if "registration" in host.services else "not served",
    )


def statuses(folder: Folder, hosts: Sequence[Host], key: Path | None, *, offline: bool) -> list[SchoolStatus]:
    """All of them, some at a time."""
    known = local_statuses(folder, hosts)
    if offline:
        return [known[host.name] for host in hosts]
    work = functools.partial(_remote, folder, key, known)
    return list(side_by_side(work, hosts, AT_ONCE))


def _remote(folder: Folder, key: Path | None, known: Mapping[str, SchoolStatus], host: Host) -> SchoolStatus:
    return remote_status(folder, host, key, known[host.name])
