"""Registration against Python's own XML-RPC server, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
import time
import xmlrpc.server
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sugaroid import registration
from sugaroid.checks.registration import judge
from sugaroid.checks.report import Unexpected
from sugaroid.errors import CannotConnect, MalformedReply, RegistrationRefused
from sugaroid.profile import Hardware, Profile
from sugaroid.registration import Registered, register, register_now

ANA = Profile.make("ana", nick="Ñandú <&> 🐢")
XO = Hardware("SHC00700123", "9D0F8A4C-0000-4C1B-9D9D-000000000001")
GOOD = {"success": "OK", "jabberserver": "school.lima", "backupurl": "SHC00700123@school.lima:datastore-current"}


class _Handler(xmlrpc.server.SimpleXMLRPCRequestHandler):
    rpc_paths = ("/",)
    requests: list[tuple[str, str | None, str | None]] = []  # noqa: RUF012

    def do_POST(self) -> None:  # noqa: N802 - the standard library's name
        self.requests.append((self.requestline, self.headers["Host"], self.headers["Content-Type"]))
        super().do_POST()


@contextmanager
def _serving(server: Any) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _answering(reply: Any) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    calls: list[tuple[Any, ...]] = []

    def take(*arguments: Any) -> Any:
        calls.append(arguments)
        if isinstance(reply, Exception):
            raise reply
        return reply

    server = xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), _Handler, logRequests=False, allow_none=True)
    server.register_function(take, "register")
    with _serving(server) as port:
        yield port, calls


def _register(port: int) -> Registered:
    return register_now(ANA, "schoolserver", XO, address="127.0.0.1", port=port)


def test_the_request_is_sugars() -> None:
    _Handler.requests.clear()
    with _answering({**GOOD, "more": 1}) as (port, calls):
        answer = _register(port)

    assert calls == [("SHC00700123", "Ñandú <&> 🐢", XO.uuid, ANA.pubkey)]
    assert _Handler.requests == [("POST / HTTP/1.1", f"schoolserver:{port}", "text/xml")]
    assert answer == Registered("school.lima", "SHC00700123@school.lima:datastore-current")


def test_a_refusal_needs_an_error() -> None:
    with _answering({"success": "ERR", "error": "not on the list"}) as (port, _):  # noqa: SIM117
        with pytest.raises(RegistrationRefused, match="not on the list"):
            _register(port)


@pytest.mark.parametrize(
    "reply",
    [
        {"success": "ERR"},
        {"success": "OK", "jabberserver": "x"},
        {"success": "OK", "backupurl": "x"},
        {"success": "OK", "jabberserver": "x", "backupurl": 7},
        {"jabberserver": "x", "backupurl": "x"},
        ["OK"],
        "OK",
        True,
        None,
    ],
)
def test_replies_that_kill_the_shell(reply: Any) -> None:
    with _answering(reply) as (port, _), pytest.raises(MalformedReply):
        _register(port)


def test_a_fault_is_no_connection() -> None:
    with _answering(RuntimeError("boom")) as (port, _), pytest.raises(CannotConnect, match=r"a fault.*boom"):
        _register(port)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (500, b"", "HTTP status 500"),
        (404, b"<html>", "HTTP status 404"),
        (200, b"", "no answer to use"),
        (200, b"not xml", "no answer to use"),
        (200, b"<?xml version='1.0'?><methodResponse></methodResponse>", "no answer to use|rubbish"),
        (200, b"<methodResponse><params><param><value><i4>x</i4></value></param></params></methodResponse>", "."),
        (200, b"<methodResponse><params><param></params></methodResponse>", "."),
        (200, b"\xff\xfe\x00", "."),
    ],
)
def test_rubbish_is_no_connection(status: int, body: bytes, why: str) -> None:
    class Rubbish(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    with _serving(http.server.HTTPServer(("127.0.0.1", 0), Rubbish)) as port, pytest.raises(CannotConnect, match=why):
        _register(port)


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        with pytest.raises(CannotConnect, match="Connection refused"):
            _register(taken.getsockname()[1])


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert registration.TIMEOUT_SECONDS == 8.0
    monkeypatch.setattr(registration, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(CannotConnect, match="nothing within"):
        _register(silent.getsockname()[1])


def test_a_dripping_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "DEADLINE_SECONDS", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
                for _ in range(20):
                    connection.sendall(b" ")
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        start = time.monotonic()
        with pytest.raises(CannotConnect, match="no whole answer"):
            port = server.getsockname()[1]
            asyncio.run(register(ANA, "schoolserver", XO, address="127.0.0.1", port=port))
        assert time.monotonic() - start < 1.5


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("SHC1@school.lima:backup", "school.lima"),
        ("school.lima:datastore-current", "school.lima"),
        ("school", "school"),
    ],
)
def test_the_backup_host_as_ds_backup_finds_it(url: str, host: str) -> None:
    assert Registered("x", url).backup_host == host


@pytest.mark.parametrize(
    ("jabberserver", "backupurl", "why"),
    [
        ("other.lima", "x@school.lima:y", "other.lima"),
        ("", "x@school.lima:y", "jabberserver"),
        ("school.lima", "", "empty"),
        ("school.lima", "rsync://school.lima/x", "scheme"),
    ],
)
def test_answers_with_which_a_laptop_is_lost(jabberserver: str, backupurl: str, why: str) -> None:
    judge(Registered("School.Lima", "x@school.lima:y"), "school.lima")
    with pytest.raises(Unexpected, match=why):
        judge(Registered(jabberserver, backupurl), "school.lima")
