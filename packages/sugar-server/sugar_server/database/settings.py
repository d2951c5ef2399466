# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the database: [database] in the settings files."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from sugar_server.values import Keys, Wrong


def postgresql_url(value: str) -> str:
    """A PostgreSQL connection URI, as libpq takes it."""
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"postgresql", "postgres"} and value.isprintable() and "//" in value
    except ValueError:
        sound = False
    if not sound:
        # Not quoted: it may hold a password.
        raise Wrong("is not a PostgreSQL URL", "Write it as postgresql:///sugar?host=/run/postgresql.")
    return value


KEYS: Keys = {"url": postgresql_url}


@dataclass(frozen=True)
class DatabaseSettings:
    """Where the rooms keep their tables, checked."""

    url: str | None = None
    """Of a PostgreSQL database; None: each room has a SQLite file in the state's folder."""
