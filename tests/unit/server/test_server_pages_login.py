"""Passwords against another scrypt, sessions and limits against a clock that the test moves."""

from __future__ import annotations

import base64
import re
import stat
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from starlette.responses import Response
from sugar_server.pages import password
from sugar_server.pages.addresses import is_nearby
from sugar_server.pages.limits import Limits
from sugar_server.pages.sessions import COOKIE, Sessions


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_generated_password():
    some = {password.generate() for _ in range(200)}
    assert len(some) == 200
    assert all(re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}", one) for one in some)
    assert not set("".join(some)) & set("lo01")


def test_kept_as_scrypt_for_its_owner_only(tmp_path):
    password.write(tmp_path, "correct horse")
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    name, cost, block, parallel, salt, digest = file.read_text().strip().split("$")
    assert name == "scrypt"
    assert "correct" not in file.read_text()
    salt, digest = base64.b64decode(salt), base64.b64decode(digest)
    assert len(salt) >= 16
    assert int(cost) * int(block) >= 2**17  # RFC 7914 and OWASP: not cheaper than N = 16384, r = 8
    Scrypt(salt, len(digest), int(cost), int(block), int(parallel)).verify(b"correct horse", digest)
    again = tmp_path / "again"
    again.mkdir()
    password.write(again, "correct horse")
    assert password.kept(again) != password.kept(tmp_path)


def test_matching(tmp_path):
    password.write(tmp_path, "contrase\u00f1a-larga")
    kept = password.kept(tmp_path)
    assert password.matches("contrase\u00f1a-larga", kept)
    assert password.matches(" contrasen\u0303a-larga\n", kept)  # composed otherwise, copied with blanks
    for wrong in ("", "contraseña-larga2", "Contraseña-larga", "x" * 10**6, "\ud800", "\0"):
        assert not password.matches(wrong, kept)


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "secret",
        "scrypt$16384$8$1$$",
        "scrypt$16384$8$1$!!$!!",
        "scrypt$3$8$1$YWFh$YWFh",
        "scrypt$9999999$99$99$YWFh$YWFh",
    ],
)
def test_a_damaged_file_lets_nobody_in(kept):
    assert not password.matches("", kept)
    assert not password.matches("secret", kept)


def test_unsuitable_passwords_change_nothing(tmp_path):
    password.write(tmp_path, "the first one")
    before = password.kept(tmp_path)
    for text in ("", "short", " " * 50, "x" * 201):
        with pytest.raises(password.Unsuitable):
            password.write(tmp_path, text)
    assert password.kept(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 1


def test_no_password_yet(tmp_path):
    assert password.kept(tmp_path) is None


@pytest.fixture
def sessions(tmp_path, clock):
    password.write(tmp_path, "a long password")
    return Sessions(tmp_path, clock)


def begin(sessions, tmp_path):
    """A session's request and the cookie's attributes."""
    response = Response()
    sessions.begin(response, password.kept(tmp_path))
    cookie = response.headers["set-cookie"]
    token, *attributes = cookie.split("; ")
    name, _, value = token.partition("=")
    assert name == COOKIE
    return SimpleNamespace(cookies={COOKIE: value}), {attribute.lower() for attribute in attributes}


def test_the_cookie(sessions, tmp_path):
    request, attributes = begin(sessions, tmp_path)
    assert attributes == {"httponly", "path=/", "samesite=strict"}
    other, _ = begin(sessions, tmp_path)
    assert len(request.cookies[COOKIE]) >= 43  # 256 bits
    assert request.cookies != other.cookies
    assert sessions.of(request).form_token != sessions.of(other).form_token
    assert request.cookies[COOKIE] not in repr(vars(sessions))


def test_strangers(sessions, tmp_path):
    begin(sessions, tmp_path)
    for cookies in ({}, {COOKIE: ""}, {COOKIE: "x" * 43}, {COOKIE: "é\ud800"}):
        assert not sessions.authorized(SimpleNamespace(cookies=cookies))


def test_half_an_hour_idle(sessions, tmp_path, clock):
    request, _ = begin(sessions, tmp_path)
    clock.now += 29 * 60
    assert sessions.authorized(request)
    clock.now += 29 * 60
    assert sessions.authorized(request)
    clock.now += 30 * 60
    assert not sessions.authorized(request)
    clock.now -= 30 * 60
    assert not sessions.authorized(request)


def test_twelve_hours_at_most(sessions, tmp_path, clock):
    request, _ = begin(sessions, tmp_path)
    for _ in range(12 * 3 - 1):
        clock.now += 20 * 60
        assert sessions.authorized(request)
    clock.now += 20 * 60
    assert not sessions.authorized(request)


def test_a_new_password_ends_all_sessions(sessions, tmp_path):
    request, _ = begin(sessions, tmp_path)
    assert sessions.authorized(request)
    password.write(tmp_path, "a long password")
    assert not sessions.authorized(request)


def test_without_the_password_nobody_is_in(sessions, tmp_path):
    request, _ = begin(sessions, tmp_path)
    (tmp_path / password.NAME).unlink()
    assert not sessions.authorized(request)


def test_logging_out(sessions, tmp_path):
    request, _ = begin(sessions, tmp_path)
    response = Response()
    sessions.end(request, response)
    assert not sessions.authorized(request)
    assert "max-age=0" in response.headers["set-cookie"].lower()


def test_sessions_do_not_fill_the_memory(sessions, tmp_path):
    requests = [begin(sessions, tmp_path)[0] for _ in range(300)]
    assert sum(map(sessions.authorized, requests)) == 100
    assert sessions.authorized(requests[-1])


def test_the_forms_token(sessions, tmp_path):
    session = sessions.of(begin(sessions, tmp_path)[0])
    assert session.sent_by_own_form(session.form_token)
    for token in ("", session.form_token[:-1], session.form_token + "x", "\ud800"):
        assert not session.sent_by_own_form(token)


def test_each_failure_makes_the_wait_longer(clock):
    limits, waits = Limits(clock), []
    for _ in range(14):
        limits.tried("10.0.0.7")
        waits.append(limits.seconds_to_wait("10.0.0.7"))
        clock.now += waits[-1]
        assert limits.seconds_to_wait("10.0.0.7") == 0
    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4:] == sorted(waits[4:])
    assert waits[4] >= 1
    assert waits[-1] == 60
    assert limits.seconds_to_wait("10.0.0.8") == 0
    clock.now += 15 * 60 + 1
    limits.tried("10.0.0.7")
    assert limits.seconds_to_wait("10.0.0.7") == 0


def test_many_addresses_help_nobody_and_the_teacher_does_not_wait_for_them(clock):
    limits = Limits(clock)
    limits.tried("10.0.0.1")
    limits.succeeded("10.0.0.1")
    for number in range(5000):
        limits.tried(f"10.1.{number // 250}.{number % 250}")
    assert limits.seconds_to_wait("10.9.9.9") == 10
    assert limits.seconds_to_wait("10.0.0.1") == 0
    assert len(limits._by_address) <= 1000


def test_success_forgets_the_failures(clock):
    limits = Limits(clock)
    for _ in range(10):
        limits.tried("10.0.0.1")
    limits.succeeded("10.0.0.1")
    assert limits.seconds_to_wait("10.0.0.1") == 0


@pytest.mark.parametrize(
    ("address", "nearby"),
    [
        ("192.168.1.7", True),
        ("10.255.0.1", True),
        ("172.18.96.1", True),
        ("172.32.0.1", False),
        ("169.254.3.4", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("fd00::7", True),
        ("2001:db8::1", False),
        ("203.0.113.9", False),
        ("8.8.8.8", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_addresses(address, nearby):
    assert is_nearby(address) is nearby
