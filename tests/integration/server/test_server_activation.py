"""Port 191 as laptops in the field speak to it, well and badly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from olpc_security.keys import PrivateKey, PublicKey

from tests import clock
from tests.unit.olpc_security import model

from .conftest import Server
from .deployment import (
    DAY,
    LAPTOP,
    LEASE_KEY,
    OTHER,
    STRANGER,
    VECTORS,
    Deployment,
    end_of,
    received,
    starts,
)
from .laptop import made_up_key, register
from .test_server_copies import damage
from .test_server_pages_http import Browser, set_password

OWN = PrivateKey.from_der((VECTORS / "server.private").read_bytes())


class School:
    """A daemon and its activation service."""

    def __init__(self, server: Server, settings: str = "") -> None:
        self.server = server
        self.deployment = Deployment(server, settings)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = probe.getsockname()
        self.service: subprocess.Popen[bytes] | None = None

    def start(self, moment: float | None = None) -> None:
        """Both; with MOMENT as what their clock says."""
        fake = [] if moment is None else clock.at(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)))
        argv = self.server.argv("serve", "--root", str(self.server.root), "--listen", self.server.url.split("//")[1])
        self.server.start([*fake, *argv])
        argv = self.server.argv("serve-activation", "--listen", f"127.0.0.1:{self.address[1]}")
        with self.server.log.open("ab") as log:
            self.service = subprocess.Popen([*fake, *argv], env=self.server.environment(), stdout=log, stderr=log)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.connect().close()
                return
            time.sleep(0.05)
        raise AssertionError(self.server.log.read_text())

    def stop(self) -> None:
        if self.service is not None:
            self.service.send_signal(signal.SIGTERM)
            self.service.wait(timeout=20)
        self.server.stop()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=30)

    def ask(self, request: bytes = LAPTOP.serial.encode()) -> bytes:
        """As activate.py asks."""
        with self.connect() as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return received(connection)


@pytest.fixture
def make_school(debian_server):
    made = []

    def make(settings: str = "") -> School:
        made.append(School(debian_server, settings))
        return made[-1]

    yield make
    for school in made:
        school.stop()


@pytest.fixture(scope="module")
def school(lasting_server):
    """Its key is delegated to for LAPTOP, the deployment made OTHER's lease, and STRANGER is stolen."""
    one = School(lasting_server)
    one.start()
    key = one.server.command_bytes("lease-key")
    deployment = one.deployment
    assert deployment.bring("delegation", deployment.delegations(PublicKey(key), LAPTOP, STRANGER)) == (
        "2 of 2 delegations are new. Expired ones are left out.\n"
    )
    assert "1 of 1 leases are new." in deployment.bring("leases", deployment.leases(OTHER))
    deployment.bring("stolen", deployment.stolen(STRANGER))
    yield one
    one.stop()


def test_what_each_laptop_gets(school):
    now = time.time()
    lease = school.ask()
    assert starts(lease, LAPTOP, now + 29.9 * DAY)
    assert not starts(lease, LAPTOP, now + 30.1 * DAY)
    assert not starts(lease, OTHER, now)
    assert starts(school.ask(OTHER.serial.encode()), OTHER, now + 364 * DAY)
    assert school.ask(STRANGER.serial.encode()) == b"STOLEN"
    assert school.ask(b"SHC99999999") == b""
    listed = school.server.command("leases").stdout
    assert [line.split()[-1] for line in listed.splitlines() if STRANGER.serial in line] == ["stolen"]


def test_however_it_is_asked(school):
    for request in (b"SHC12345678\n", b"SHC12345678\r\n", b" SHC12345678 ", b"shc12345678"):
        assert starts(school.ask(request), LAPTOP, time.time()), request
    # Without half-close, with and without the line's end, and byte for byte.
    for pieces in ([b"SHC12345678\n"], [b"SHC12345678"], [bytes([byte]) for byte in b"SHC12345678"]):
        with school.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.05 if len(pieces) > 1 else 0)
            assert starts(received(connection), LAPTOP, time.time())


@pytest.mark.parametrize(
    "request_",
    [b"", b"\n", b"SHC1234567", b"SHC123456789", b"\xff\x00" * 300, b"GET / HTTP/1.0\r\n\r\n", b"SHC'; DROP--"],
)
def test_garbage_gets_nothing(school, request_):
    with contextlib.suppress(ConnectionResetError):
        assert school.ask(request_) == b""
    assert starts(school.ask(), LAPTOP, time.time())
    assert "Traceback" not in school.server.log.read_text()


def test_five_hundred_at_once_while_others_say_nothing(school):
    silent = [school.connect() for _ in range(50)]
    for connection in silent[:25]:
        connection.sendall(b"SHC")

    async def one(number: int) -> bytes:
        reader, writer = await asyncio.open_connection(*school.address)
        writer.write((LAPTOP, OTHER)[number % 2].serial.encode())
        if number % 3:
            writer.write_eof()
        found = await reader.read()
        writer.close()
        return found

    async def all_of_them() -> list[bytes]:
        return await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(500))), 60)

    found = asyncio.run(all_of_them())
    now = time.time()
    # The model's arithmetic is slow: a few of each are proved, the others compared by what is signed.
    assert all(starts(found[number], (LAPTOP, OTHER)[number % 2], now) for number in range(0, 500, 97))
    heads = {lease.split(b" sig0")[0][:20] for lease in found}
    assert heads == {b"act01: SHC12345678 K", b"act01: SHC00000002 K"}
    silent[0].settimeout(20)
    assert received(silent[0]) == b""
    for connection in silent:
        connection.close()


def test_leave_to_set_the_clock(school):
    now = time.time()
    reset = school.ask(b"rtcreset SHC12345678 20110510T200549Z 0000000042").rstrip(b"\n")
    words = reset.split(b" ")
    assert words[:4] == [b"rtc01:", b"SHC12345678", b"20110510T200549Z", b"0000000042"]
    text = b":".join((LAPTOP.serial.encode(), LAPTOP.uuid.encode(), *words[2:5]))
    assert model.signed(words[5:], text, b"SHC12345678", [LEASE_KEY.public.der], int(now))
    assert abs(end_of(b" ".join([*words[1:4], words[4]])) - now) < 60
    assert school.ask(f"rtcreset {STRANGER.serial} 00000000T000000Z 0000000042".encode()) == b""


def test_a_lease_ends_with_its_delegation(make_school):
    school = make_school("lease_days = 300\n")
    school.deployment.place_key(OWN)
    school.start()
    school.deployment.bring("delegation", school.deployment.delegations(OWN.public, LAPTOP, days=10))
    lease, now = school.ask(), time.time()
    assert starts(lease, LAPTOP, now + 9.9 * DAY)
    assert end_of(lease) <= school.deployment.now + 10 * DAY


def test_an_expired_delegation_gives_nothing_and_says_so(make_school):
    school = make_school()
    school.deployment.place_key(OWN)
    school.start()
    school.deployment.bring("delegation", school.deployment.delegations(OWN.public, LAPTOP, days=0.02))
    assert school.ask() == b""
    assert "delegation for SHC12345678 has expired" in school.server.log.read_text()


def test_a_clock_that_went_back_issues_nothing(make_school):
    """What is issued by it would lock the laptop; what the deployment made is handed out all the same."""
    school = make_school()
    school.deployment.place_key(OWN)
    school.start()
    school.deployment.bring("delegation", school.deployment.delegations(OWN.public, LAPTOP, STRANGER))
    school.deployment.bring("leases", school.deployment.leases(OTHER))
    assert starts(school.ask(), LAPTOP, time.time())
    got = school.ask()
    school.stop()
    for moment, words in ((time.time() - 40 * DAY, "went back"), (0, "past"), (time.time() + 3000 * DAY, "leapt")):
        school.start(moment)
        # What it has got already was signed by a right clock.
        assert school.ask() == got
        assert school.ask(STRANGER.serial.encode()) == b""
        assert school.ask(f"rtcreset {LAPTOP.serial} 00000000T000000Z 0000000042".encode()) == b""
        assert starts(school.ask(OTHER.serial.encode()), OTHER, time.time())
        deadline = time.monotonic() + 10
        while words not in school.server.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert words in school.server.log.read_text()
        school.stop()
    school.start()
    assert starts(school.ask(STRANGER.serial.encode()), STRANGER, time.time())


def test_what_is_imported_is_proved(make_school):
    school = make_school()
    deployment = school.deployment
    school.start()
    own = PublicKey(school.server.command_bytes("lease-key"))
    assert own.der == school.server.command_bytes("lease-key")
    foreign = deployment.delegations(OWN.public, LAPTOP)
    assert "It may be to another key" in deployment.refused("delegation", foreign, status=3)
    untrusted = PrivateKey.from_der((VECTORS / "developer.private").read_bytes())
    assert "trusted-key" in deployment.refused("delegation", deployment.delegations(own, LAPTOP, by=untrusted))
    assert "trusted-key" in deployment.refused("leases", deployment.leases(OTHER, by=untrusted))
    deployment.bring("delegation", deployment.delegations(own, LAPTOP))
    # With its UUID known, a lease is proved by its signature.
    good = deployment.leases(LAPTOP)
    good.write_bytes(good.read_bytes().replace(b" K 2", b" K 3"))
    assert "signature" in deployment.refused("leases", good)
    wrong = deployment.stolen(LAPTOP)
    wrong.write_bytes(b"SHC12345678\n# found again\n")
    assert "line 2" in deployment.refused("stolen", wrong)
    assert school.server.command("leases", "--json").stdout.count("SHC") == 1


def test_a_second_import_changes_nothing_and_an_older_file_takes_nothing_back(make_school):
    school = make_school()
    school.deployment.place_key(OWN)
    school.start()
    longer = school.deployment.delegations(OWN.public, LAPTOP, OTHER)
    assert "2 of 2" in school.deployment.bring("delegation", longer)
    assert "0 of 2" in school.deployment.bring("delegation", longer)
    assert "0 of 1" in school.deployment.bring(
        "delegation", school.deployment.delegations(OWN.public, LAPTOP, days=9)
    )
    # What has expired is no reason to refuse the rest.
    assert "0 of 0" in school.deployment.bring(
        "delegation", school.deployment.delegations(OWN.public, OTHER, days=-9)
    )
    assert "0 of 0" in school.deployment.bring("leases", school.deployment.leases(STRANGER, days=-1))
    assert "SHC12345678 is stolen" in school.deployment.bring("stolen", school.deployment.stolen(LAPTOP))
    assert school.deployment.bring("stolen", school.deployment.stolen(LAPTOP)) == "1 laptops are on the list.\n"
    assert school.ask() == b"STOLEN"
    assert "stolen no longer" in school.deployment.bring("stolen", school.deployment.stolen())
    assert starts(school.ask(), LAPTOP, time.time())
    with contextlib.closing(sqlite3.connect(school.server.state / "antitheft.db")) as database:
        assert [row[1:] for row in database.execute("SELECT * FROM marks")] == [
            ("SHC12345678", "stolen"),
            ("SHC12345678", "found"),
        ]


def test_nothing_of_it_is_for_others(school):
    for path in school.server.state.glob("antitheft*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert len(list(school.server.state.glob("antitheft*"))) >= 2
    log = school.server.log.read_text()
    assert LAPTOP.uuid not in log
    assert "sig02" not in log


def test_what_was_handed_out_is_handed_out_again_and_told(school):
    first = school.ask()
    time.sleep(1.1)
    assert school.ask() == first
    assert school.ask(OTHER.serial.encode())
    rows = {row["serial"]: row for row in json.loads(school.server.command("leases", "--json").stdout)}
    today = time.strftime("%Y-%m-%d", time.gmtime())
    ends = time.strftime("%Y-%m-%d", time.gmtime(end_of(first)))
    assert (rows[LAPTOP.serial]["lease_until"], rows[LAPTOP.serial]["activated"]) == (ends, today)
    assert rows[OTHER.serial]["activated"] == today
    assert rows[STRANGER.serial]["activated"] is None
    notes = school.server.state / "activations"
    assert stat.S_IMODE(notes.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in notes.iterdir()} == {
        LAPTOP.serial: 0o600,
        OTHER.serial: 0o600,
    }
    # A note of which a power cut has left half is none.
    (notes / LAPTOP.serial).write_bytes(first[:300])
    assert starts(school.ask(), LAPTOP, time.time())
    assert (notes / LAPTOP.serial).stat().st_size == len(first)


@pytest.mark.parametrize(("name", "begin"), [("antitheft.db", 0), ("antitheft.db", 4096), ("antitheft.private", 0)])
def test_what_is_damaged_keeps_nobody_from_the_other_rooms(make_school, name, begin):
    school = make_school()
    server = school.server
    school.deployment.place_key(OWN)
    school.start()
    school.deployment.bring("delegation", school.deployment.delegations(OWN.public, LAPTOP))
    school.stop()
    whole = {path: path.read_bytes() for path in server.state.glob("antitheft.*")}
    if name.endswith(".db"):
        damage(server.state / name, begin)
    else:
        (server.state / name).write_bytes(os.urandom(900))
    school.start()
    assert school.ask() == b""
    body = f"serialnum={LAPTOP.serial}&version=1&nonce=1"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.url}/antitheft/1/", body.encode(), timeout=20)
    assert refused.value.code == 503
    assert register(server.url, LAPTOP.serial, "Ana", "", made_up_key())["success"] == "OK"
    browser = Browser(server)
    browser.log_in(set_password(server))
    assert "Ana" in browser.get("/laptops").text
    (path,) = re.findall(r'href="(/laptops/[0-9a-f]+)"', browser.get("/laptops?q=Ana").text)
    assert "Ana" in browser.get(path).text
    deadline = time.monotonic() + 20
    while name not in (told := server.command("health", "--url", f"{server.url}/health").stderr):
        assert time.monotonic() < deadline, told
        time.sleep(1.1)
    assert "restore" in told.lower()
    school.stop()
    assert "Traceback" not in server.log.read_text()
    for path, content in whole.items():
        path.write_bytes(content)
    school.start()
    assert starts(school.ask(), LAPTOP, time.time())


def test_switched_off_it_serves_nothing(debian_server):
    done = debian_server.command("serve-activation", "--listen", "127.0.0.1:0")
    assert (done.returncode, "[antitheft] enabled" in done.stderr) == (1, True)
    debian_server.start()
    assert not list(debian_server.state.glob("antitheft*"))
