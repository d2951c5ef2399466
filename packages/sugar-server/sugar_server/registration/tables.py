# SPDX-License-Identifier: GPL-3.0-or-later
"""The registrations' tables, and the steps that bring older ones to today's format."""

from __future__ import annotations

NAME = "registrations.db"
COLUMNS = "fingerprint, key, pubkey, serial, hardware, uuid, nick, address, first_at, last_at, class_group"
_TABLE = """
CREATE TABLE {name} (
    fingerprint TEXT PRIMARY KEY,   -- SHA256:… of the key's blob: the identity
    key TEXT NOT NULL,              -- type and base64 blob
    pubkey TEXT NOT NULL,           -- exactly as sent: its SHA-1 is the laptop's XMPP name
    serial TEXT NOT NULL,           -- of the latest registration: the account's name
    hardware INTEGER NOT NULL,      -- 1: the serial tells the machine
    uuid TEXT,
    nick TEXT NOT NULL,
    address TEXT NOT NULL,          -- from where the latest registration came
    first_at TEXT NOT NULL,         -- UTC, as 2026-01-31T12:00:00Z
    last_at TEXT NOT NULL
)
"""
_SERIALS = """
CREATE TABLE serials (              -- that an identity has had: a laptop may still come with the one before
    fingerprint TEXT NOT NULL,
    serial TEXT NOT NULL,
    last_at TEXT NOT NULL,
    PRIMARY KEY (fingerprint, serial)
)
"""
_LINKED_KEYS = """
CREATE TABLE linked_keys (          -- of the same child: proved by signatures of both keys
    fingerprint TEXT PRIMARY KEY,   -- of this key
    key TEXT NOT NULL,              -- type and base64 blob
    identity TEXT NOT NULL,         -- the registration's fingerprint
    first_at TEXT NOT NULL
)
"""
STEPS = (
    (
        _TABLE.format(name="registrations"),
        "CREATE INDEX registrations_serial ON registrations (lower(serial))",
        # Refused until somebody approves them; the accepted registration of the same key, if any, stays as it is.
        _TABLE.format(name="held"),
    ),
    # 0.1.0 made it in SQLite's own words.
    ("DROP INDEX registrations_serial", "CREATE INDEX registrations_serial ON registrations (lower(serial))"),
    (
        "ALTER TABLE registrations ADD COLUMN class_group TEXT",
        "ALTER TABLE held ADD COLUMN class_group TEXT",
        _SERIALS,
        "CREATE INDEX serials_serial ON serials (lower(serial))",
        "INSERT INTO serials (fingerprint, serial, last_at) SELECT fingerprint, serial, last_at FROM registrations",
        _LINKED_KEYS,
        "CREATE INDEX linked_keys_identity ON linked_keys (identity)",
    ),
)
