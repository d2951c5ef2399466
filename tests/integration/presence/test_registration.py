"""In-band registration as telepathy-gabble does it, before SASL on the direct TLS port."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from .server import Server
from .wire import CLIENT, REGISTER, Client, account, condition

Connect = Callable[[], Client]


def test_form_has_user_name_and_password_and_nothing_else(connect: Connect) -> None:
    answer = connect().iq("get", "<query xmlns='jabber:iq:register'/>")
    fields = [child.tag for child in answer.find(REGISTER + "query") or ()]
    assert sorted(fields) == [REGISTER + "instructions", REGISTER + "password", REGISTER + "username"]


def test_the_second_registration_of_a_name_is_a_conflict(connect: Connect) -> None:
    name, password = account(1001)
    assert connect().register(name, password).get("type") == "result"
    again = connect().register(name, "0" * 40)
    assert condition(again) == "conflict"
    error = again.find(CLIENT + "error")
    assert error is not None
    assert error.get("type") == "cancel"


def test_a_conflict_does_not_change_the_password(connect: Connect) -> None:
    name, password = account(1002)
    connect().register(name, password)
    connect().register(name, "f" * 40)
    client = connect()
    client.login(name, password)
    assert client.jid == f"{name}@{client.domain}/sugar"


@pytest.mark.parametrize(
    "name", ["teacher", "a" * 39, "a" * 41, "g" * 40, "a" * 39 + "é", "admin@x", "a" * 20 + " " * 20]
)
def test_names_that_no_laptop_has_are_refused(connect: Connect, server: Server, name: str) -> None:
    before = server.stored("accounts")
    assert condition(connect().register(name, "0" * 40)) == "not-acceptable"
    assert server.stored("accounts") == before


def test_a_data_form_in_the_answer_is_no_way_around_the_rule_for_names(connect: Connect) -> None:
    answer = connect().iq(
        "set",
        "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>jabber:iq:register</value></field>"
        "<field var='username'><value>teacher</value></field>"
        "<field var='password'><value>secret</value></field></x></query>",
    )
    assert condition(answer) == "not-acceptable"


def test_a_class_registers_from_one_address_at_once(connect: Connect) -> None:
    started = time.monotonic()
    answers = [connect().register(*account(2000 + number)) for number in range(100)]
    assert [answer.get("type") for answer in answers] == ["result"] * 100
    assert time.monotonic() - started < 20


def test_an_account_removes_itself(connect: Connect, server: Server) -> None:
    name, password = account(1003)
    client = connect()
    client.register(name, password)
    client.login(name, password)
    removed = client.iq("set", "<query xmlns='jabber:iq:register'><remove/></query>")
    assert removed.get("type") == "result"
    assert not [path for path in server.folder.glob("data/**/*") if name in path.name]
    assert connect().register(name, password).get("type") == "result"
