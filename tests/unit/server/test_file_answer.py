"""An answer with a file ends, whatever becomes of the client and of the file."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from sugar_server import file_answer


def request():
    return Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})


async def _nothing():
    return {"type": "http.disconnect"}


@pytest.fixture
def big(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(bytes(1_000_000))
    return path


def test_a_client_that_stops_taking_is_let_go(big, monkeypatch):
    monkeypatch.setattr(file_answer, "_SECONDS_TO_TAKE", 0.1)
    taken = []

    async def send(message):
        taken.append(message)
        if len(taken) == 4:
            await asyncio.Event().wait()

    file = big.open("rb")
    asyncio.run(asyncio.wait_for(file_answer.FileAnswer(request(), file, "x/y")({}, _nothing, send), 5))
    assert file.closed
    assert len(taken) == 4
    assert taken[-1]["more_body"]


def test_a_file_that_is_cut_meanwhile_is_not_told_as_whole(big):
    file = big.open("rb")
    answer = file_answer.FileAnswer(request(), file, "x/y")
    big.write_bytes(bytes(100_000))
    taken = []

    async def send(message):
        taken.append(message)

    asyncio.run(answer({}, _nothing, send))
    assert dict(taken[0]["headers"])[b"content-length"] == b"1000000"
    assert sum(len(message["body"]) for message in taken[1:]) == 100_000
    assert taken[-1]["more_body"]
    assert file.closed


def test_what_is_replaced_meanwhile_is_sent_as_it_was(big, tmp_path):
    file = big.open("rb")
    answer = file_answer.FileAnswer(request(), file, "x/y")
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "new").replace(big)
    taken = []

    async def send(message):
        taken.append(message)

    asyncio.run(answer({}, _nothing, send))
    assert b"".join(message["body"] for message in taken[1:]) == bytes(1_000_000)
