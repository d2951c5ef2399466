"""Accounts that nobody has used for long."""

from __future__ import annotations

import time

from .laptop import Laptop
from .server import running
from .wire import account


def test_unused_accounts_are_removed_and_no_others() -> None:
    settings = "sugar_unused_account_days = 30\nsugar_expiry_first_seconds = 2"
    with running(settings) as server:
        used, unused, online = (Laptop(server.tls_port, server.domain, number) for number in (1, 2, 3))
        today = int(time.time()) // 86400
        for laptop in (used, unused):
            laptop.close()
        for laptop, days in ((used, 29), (unused, 31), (online, 31)):
            noted = next(path for path in server.stored("sugar_seen") if laptop.name in path.name)
            assert f"= {today};" in noted.read_text()
            noted.write_text(f'return {{ ["day"] = {today - days}; }};\n')
        deadline = time.monotonic() + 10
        while len(server.stored("accounts")) > 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        kept = {path.stem for path in server.stored("accounts")}
        assert kept == {account(1)[0], account(3)[0]}
        assert {path.stem for path in server.stored("sugar_seen")} == kept
        assert Laptop(server.tls_port, server.domain, 2).jid  # it makes its account again
