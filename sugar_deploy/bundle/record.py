"""A snapshot's record, as a bundle looks at it: which packages it has for whom, and when it was made."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.repository.record import Item, Record
from sugar_deploy.repository.snapshots import History


def published(folder: Folder) -> Record:
    """What is published now; raises DeployError if nothing is."""
    record = History(folder).published()
    if record is None:
        raise DeployError(
            f"the repository is not published: there is nothing in {folder.published}",
            f"Publish it: sugar-deploy repo publish -C {folder.root}",
        )
    return record


def packages(record: Record, suites: Collection[str], architectures: Collection[str]) -> dict[str, Item]:
    """File name → package, of these suites and architectures; those for all architectures included."""
    wanted = {*architectures, "all"}
    return {
        item.filename: item
        for suite in suites
        for item in record.suites.get(suite, ())
        if item.architecture in wanted
    }


def published_at(record: Record) -> datetime:
    """When it was first published."""
    return datetime.fromisoformat(record.published_at)
