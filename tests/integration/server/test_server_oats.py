"""Theft deterrence over HTTP, as the firmware's oatstime.fth and the protocol's page have it."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import subprocess
import time
import urllib.parse

import pytest
from olpc_security.keys import PrivateKey

from tests import clock
from tests.unit.olpc_security import model

from .deployment import DAY, LAPTOP, LEASE_KEY, OTHER, STRANGER, VECTORS, Deployment, end_of, starts
from .laptop import made_up_key, register

OWN = PrivateKey.from_der((VECTORS / "server.private").read_bytes())


def post(server, body, path="/antitheft/1/"):
    """The answer as it is on the wire."""
    connection = http.client.HTTPConnection(*server.address, timeout=20)
    headers = {"Host": "antitheft.laptop.org", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    # The firmware refuses chunks, and a length that is not the body's.
    assert int(answer.headers["content-length"]) == len(content)
    assert "transfer-encoding" not in answer.headers
    return answer.status, content


def ask(server, laptop, nonce="12345678901234567890"):
    """The members of a laptop's answer, and the signature's words; proved to be the envelope, byte for byte."""
    form = {"serialnum": laptop.serial, "version": "1", "nonce": nonce}
    status, body = post(server, urllib.parse.urlencode(form))
    assert status == 200, body
    found = re.fullmatch(
        rb'\["oatc-signed-resp",1,\[(\["oatc-resp",1,\{.*\}\]),\["sig",1,\["(sig0[^"]*)\n"\]\]\]\]', body, re.DOTALL
    )
    assert found, body
    members = json.loads(found.group(1), strict=False)[2]
    assert members["nonce"] == nonce
    assert list(members) == sorted(members)
    return members, found.group(1), found.group(2).split(b" ")


def is_signed(asked, laptop, keys=(LEASE_KEY.public.der,), now=None):
    _, text, words = asked
    return model.signed(words, text, laptop.serial.encode(), keys, int(now or time.time()))


def mark(laptop, nonce, ending=""):
    return hashlib.sha256(f"{laptop.uuid}:{nonce}{ending}".encode()).hexdigest()


@pytest.fixture
def school(debian_server):
    deployment = Deployment(debian_server)
    deployment.place_key(OWN)
    debian_server.start()
    deployment.bring("delegation", deployment.delegations(OWN.public, LAPTOP, OTHER))
    yield deployment


def start_at(server, moment):
    argv = server.argv("serve", "--root", str(server.root), "--listen", server.url.split("//")[1])
    told = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
    server.start([*clock.at(told), *argv])


def test_time_and_a_lease(school):
    now = time.time()
    for nonce in ("0", "12345678901234567890", "abc-DEF_7", 'with"quote\\'):
        asked = ask(school.server, LAPTOP, nonce)
        assert is_signed(asked, LAPTOP)
        assert not is_signed(asked, OTHER)
        members = asked[0]
        assert abs(end_of(f"x x x {members['time']}".encode()) - now) < 60
        assert members["stolen"] == mark(LAPTOP, nonce)
        assert starts(members["lease"].encode(), LAPTOP, now + 29.9 * DAY)
        assert not starts(members["lease"].encode(), LAPTOP, now + 30.1 * DAY)
    flipped = asked[1].replace(b"oatc-resp", b"oatc-resq")
    assert not is_signed((members, flipped, asked[2]), LAPTOP)


def test_the_same_lease_until_it_is_time_for_another(school):
    server = school.server
    first = ask(server, LAPTOP)[0]["lease"]
    assert ask(server, LAPTOP)[0]["lease"] == first
    now = time.time()
    server.stop()
    for days, is_new in ((14, False), (16, True)):
        start_at(server, now + days * DAY)
        lease = ask(server, LAPTOP)[0]["lease"]
        assert (lease != first) is is_new
        assert starts(lease.encode(), LAPTOP, now + (days + 13) * DAY)
        server.stop()
    server.start()


def test_a_wide_window_makes_no_new_lease_at_each_request(school):
    server = school.server
    server.stop()
    server.configure("[antitheft]\nenabled = yes\nlease_days = 1\nrenew_days = 366\n", "conf.d/antitheft.conf")
    server.start()
    first = ask(server, LAPTOP)[0]["lease"]
    time.sleep(1.1)
    assert ask(server, LAPTOP)[0]["lease"] == first
    assert starts(first.encode(), LAPTOP, time.time() + 0.9 * DAY)


def test_a_stolen_laptop_is_told_so_and_nobody_else(school):
    server = school.server
    before = ask(server, OTHER)[0]
    school.bring("stolen", school.stolen(LAPTOP))
    asked = ask(server, LAPTOP, "77")
    assert is_signed(asked, LAPTOP)
    assert "lease" not in asked[0]
    assert asked[0]["stolen"] == mark(LAPTOP, "77", ":STOLEN")
    assert ask(server, OTHER)[0]["lease"] == before["lease"]
    assert "SHC12345678 is stolen" in server.log.read_text()
    school.bring("stolen", school.stolen())
    assert "lease" in ask(server, LAPTOP)[0]


def test_an_unknown_laptop_hears_the_time_from_this_server_alone(school):
    asked = ask(school.server, STRANGER)
    assert sorted(asked[0]) == ["nonce", "time"]
    assert is_signed(asked, STRANGER, [OWN.public.der])
    assert not is_signed(asked, STRANGER)


def test_an_expired_delegation_renews_nothing(school):
    server = school.server
    school.bring("delegation", school.delegations(OWN.public, STRANGER, days=5))
    server.stop()
    start_at(server, time.time() + 6 * DAY)
    asked = ask(server, STRANGER)
    assert "lease" not in asked[0]
    assert asked[0]["stolen"] == mark(STRANGER, asked[0]["nonce"])
    assert not is_signed(asked, STRANGER)
    later = time.time() + 6 * DAY
    assert starts(ask(server, LAPTOP)[0]["lease"].encode(), LAPTOP, later)
    assert "The delegation for SHC00000003 has expired" in server.log.read_text()


def test_the_registered_only(school):
    server = school.server
    server.stop()
    server.configure("[antitheft]\nenabled = yes\nrenew_for = registered\n", "conf.d/antitheft.conf")
    server.start()
    asked = ask(server, LAPTOP)
    assert is_signed(asked, LAPTOP)
    assert sorted(asked[0]) == ["nonce", "stolen", "time"]
    assert register(server.url, LAPTOP.serial, "x", "", made_up_key())["success"] == "OK"
    assert "lease" in ask(server, LAPTOP)[0]


def test_a_wrong_clock_tells_no_time_and_raises_an_alarm(school):
    server = school.server
    body = f"serialnum={LAPTOP.serial}&version=1&nonce=1"
    assert post(server, body)[0] == 200
    server.stop()
    for moment, words in ((time.time() - 3 * DAY, "went back"), (time.time() + 500 * DAY, "leapt")):
        start_at(server, moment)
        assert post(server, body)[0] == 503
        deadline = time.monotonic() + 10
        while words not in (told := server.command("health", "--url", f"{server.url}/health").stderr):
            assert time.monotonic() < deadline, told
            time.sleep(1.1)
        assert "laptops get no new leases" in told
        server.stop()
    # Somebody looks at the date, and says that it is right.
    argv = server.argv("accept-clock")
    later = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + 500 * DAY))
    done = subprocess.run([*clock.at(later), *argv], env=server.environment(), capture_output=True)
    assert done.returncode == 0, done.stderr
    start_at(server, time.time() + 500 * DAY)
    assert post(server, body)[0] == 200


def test_requests_that_are_none(school):
    good = f"serialnum={LAPTOP.serial}&version=1&nonce=1"
    bad = [
        (b"", 400),
        (b"\xff\xfe", 400),
        (good.replace("version=1", "version=2"), 400),
        (good.replace("nonce=1", ""), 400),
        (good.replace("nonce=1", "nonce=a%20b"), 400),
        (good.replace("nonce=1", "nonce=%0a%22"), 400),
        (good.replace("nonce=1", "nonce=" + "9" * 201), 400),
        (good + "&nonce=2", 400),
        (good.replace(LAPTOP.serial, "'; DROP TABLE"), 400),
        (good + "&x=" + "y" * 5000, 413),
    ]
    for body, status in bad:
        assert post(school.server, body)[0] == status, body
    assert post(school.server, good)[0] == 200
    assert "Traceback" not in school.server.log.read_text()


def test_the_key_is_made_once_and_survives_the_server(school):
    """What is restored from a backup goes on renewing."""
    server = school.server
    ask(server, LAPTOP)
    assert server.command_bytes("lease-key") == OWN.public.der
    server.stop()
    kept = {name: (server.state / name).read_bytes() for name in ("antitheft.private", "antitheft.db")}
    for path in server.state.glob("antitheft*"):
        path.unlink()
    for name, content in kept.items():
        (server.state / name).write_bytes(content)
    server.start()
    assert is_signed(ask(server, LAPTOP), LAPTOP)


def test_where_leases_are_off_there_is_no_such_page(debian_server):
    debian_server.start()
    assert post(debian_server, "serialnum=SHC12345678&version=1&nonce=1")[0] == 404
