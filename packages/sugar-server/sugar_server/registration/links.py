# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that belong to an identity beside the one that it is registered with.

Only keys whose possession is proved come here: a key linked to a stranger's identity would open it his backups.
"""

from __future__ import annotations

from sugar_server.database import Database


class Links:
    """The linked keys in the registrations' database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def identity_of(self, fingerprint: str) -> str | None:
        """The identity that a key is linked to, by its fingerprint."""
        rows = self._database.rows("SELECT identity FROM linked_keys WHERE fingerprint = ?", fingerprint)
        return str(rows[0]["identity"]) if rows else None

    def link(self, fingerprint: str, key: str, identity: str, at: str) -> None:
        """Links a key to an identity; what it had as an identity of its own becomes that one's."""
        self._database.run(
            "INSERT INTO linked_keys (fingerprint, key, identity, first_at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (fingerprint) DO UPDATE SET identity = excluded.identity",
            fingerprint,
            key,
            identity,
            at,
        )
        self._database.run("UPDATE linked_keys SET identity = ? WHERE identity = ?", identity, fingerprint)
        self._database.run(
            "INSERT INTO serials (fingerprint, serial, last_at) "
            "SELECT ?, serial, last_at FROM serials WHERE fingerprint = ? "
            "ON CONFLICT (fingerprint, serial) DO NOTHING",
            identity,
            fingerprint,
        )
        for row in self._database.rows(
            "SELECT first_at, class_group FROM registrations WHERE fingerprint = ?", fingerprint
        ):
            self._database.run(
                "UPDATE registrations SET class_group = COALESCE(class_group, ?), "
                "first_at = CASE WHEN first_at < ? THEN first_at ELSE ? END WHERE fingerprint = ?",
                row["class_group"],
                row["first_at"],
                row["first_at"],
                identity,
            )
        for table in ("registrations", "held", "serials"):
            self._database.run(f"DELETE FROM {table} WHERE fingerprint = ?", fingerprint)  # noqa: S608

    def forget(self, fingerprint: str) -> int:
        """Removes a linked key, or all that are linked to an identity."""
        return self._database.run(
            "DELETE FROM linked_keys WHERE fingerprint = ? OR identity = ?", fingerprint, fingerprint
        )
