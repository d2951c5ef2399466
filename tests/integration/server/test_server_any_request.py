"""Thousands of random requests to every address that the application has: none is answered with a server's error.

The addresses are read from the application itself, so those of new rooms are asked, too. Some of what is asked for is
there: a laptop, its backup, an activity, a package, and a teacher who is logged in.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import itertools
import json
import re
import xmlrpc.client
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from sugar_server import app as application
from sugar_server import serve as serving
from sugar_server.config import load

from tests.bundles import activity

from .laptop import made_up_key, register

REQUESTS = 10_000
METHODS = ["GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"]
NAMES = ["nickname", "machine_sn", "machine_uuid", "pubkey", "owner_pubkey", "owner_signature", "signature", "nonce"]
NAMES += [
    "uid",
    "serial",
    "date",
    "lang",
    "page",
    "name",
    "cmd",
    "from",
    "to",
    "identity",
    "token",
    "q",
    "done",
    "id",
]
NAMES += ["heir", "password", "next", "values"]
WORDS = ["SHC00700123", "../../etc/passwd", "%00", "0" * 64, "'; DROP TABLE registrations; --", "-1", "", "é\u202e"]
WORDS += ["stats-info", "stats-upload", "2026-01-01", "9" * 30, "org.example.Paint"]
KEY = made_up_key()
SNAPSHOT = "datastore-2026-11-26_12:00"
IDENTITY = hashlib.sha256(base64.b64decode(KEY)).hexdigest()
UID = "0a000001-0000-4000-8000-000000000000"

text = st.one_of(st.sampled_from([*WORDS, KEY, f"ssh-rsa {KEY}"]), st.text(max_size=40))
segments = st.one_of(st.sampled_from([*WORDS, "register", "status", "find", "nonce", "groups"]), st.text(max_size=20))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | text, inner, max_size=8),
    max_leaves=12,
)
calls = st.builds(
    lambda method, arguments: xmlrpc.client.dumps(tuple(arguments), method, allow_none=True).encode(
        "utf-8", "replace"
    ),
    st.sampled_from(["register", "system.listMethods"]),
    st.lists(text, max_size=5),
)
forms = st.dictionaries(st.sampled_from(NAMES), text, max_size=4).map(
    lambda pairs: "&".join(f"{quote(k)}={quote(v, errors='replace')}" for k, v in pairs.items()).encode()
)
bodies = st.one_of(
    st.just(b""), st.binary(max_size=200), calls, forms, json_values.map(lambda value: json.dumps(value).encode())
)
queries = st.one_of(
    st.sampled_from(["cmd=stats-info", "cmd=stats-upload", "lang=es&q=x&page=2", "from=7", "id=org.example.Paint"]),
    st.dictionaries(st.sampled_from(NAMES), text, max_size=3).map(
        lambda pairs: "&".join(f"{quote(k)}={quote(v, errors='replace')}" for k, v in pairs.items())
    ),
)
types = st.sampled_from(
    ["application/json", "text/xml", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)


parts = st.booleans().flatmap(lambda is_there: st.none() if is_there else segments)
"""What stands in a path's place: None for something that is there."""
odd = st.sampled_from(["", "[", "*", "-", "x" * 500, "a b:c:d", "[::1", "\xe9", "null", "http://[", "W/", '"', "=;="])
dates = st.sampled_from(["Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Foo 99999 00:00:00 -9999", "*"])
headers = st.fixed_dictionaries(
    {},
    optional={
        "Range": st.sampled_from(["bytes=0-5", "bytes=-1", "bytes=9-1", "bytes=99999999999-", "bytes="]),
        "If-Range": dates | odd,
        "If-None-Match": odd,
        "If-Modified-Since": dates | odd,
        "Accept-Language": st.sampled_from(["es;q=2,fr;q=0.1,*", "es-PE"]) | odd,
        "Host": st.sampled_from(["127.0.0.1:99999", "user@host:port", "schoolserver"]) | odd,
        "Origin": odd,
        "Referer": odd,
        "Cookie": st.just("sugar_language=xx") | odd,
    },
)


class Enough(Exception):
    """All that is wanted of serve() is the application that it makes."""


@pytest.fixture
def school(debian_server):
    """A server with all rooms, and something in each."""
    server = debian_server
    folders = {name: server.state / name for name in ("library", "repository", "backup")}
    server.configure(
        "[server]\nfqdn = school.example.pe\n[library]\naslo = yes\n"
        f"folder = {folders['library']}\n[repository]\nenabled = yes\nfolder = {folders['repository']}\n"
        f"[backup]\nfolder = {folders['backup']}\nmost_load = 1000\nmost_recent_laptops = 100000\n"
        "most_used_percent = 100\n"
    )
    for folder in folders.values():
        folder.mkdir()
    (folders["repository"] / "Release").write_text("Suite: bookworm\n")
    activity(folders["library"] / "Paint.xo")
    home = folders["backup"] / "homes" / IDENTITY
    entry = home / SNAPSHOT / UID[:2] / UID
    (entry / "metadata").mkdir(parents=True)
    (entry / "metadata" / "title").write_text("Once upon a time")
    (entry / "data").write_text("x")
    (home / ".serial").write_text("SHC00700123")
    server.start()
    assert register(server.url, "SHC00700123", "Ñusta", "", KEY)["success"] == "OK"
    return server


@pytest.fixture
def there(school):
    """For each place in a path something that is there, and the headers of a teacher who is logged in."""
    asker = Asker(school.address)
    password = school.command("password").stdout.strip()
    host = f"127.0.0.1:{school.address[1]}"
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{host}"}
    _, answer, cookie = asker.ask("POST", "/login", f"password={quote(password)}".encode(), form)
    teacher = {"Cookie": cookie.partition(";")[0], "Origin": f"http://{host}"}
    _, answer, _ = asker.ask("GET", "/laptops", b"", teacher)
    number = re.search(r'href="/laptops/([0-9a-f]+)"', answer.decode()).group(1)
    named = {
        "number": [number],
        "guid": [hashlib.sha1(KEY.encode()).hexdigest()],
        "serial": ["SHC00700123", IDENTITY],
        "snapshot": [SNAPSHOT],
        "uid": [UID],
        "file": ["Paint.xo", "Release"],
        "name": ["register", "status", "find", "nonce", "groups"],
    }
    return named, teacher


@pytest.fixture
def paths(tmp_path, school):
    """Of all routes of the application as serve() makes it, with their {parameters}."""
    found = []

    def walk(routes, before=""):
        for route in routes:
            if isinstance(route, Mount):
                found.append(f"{before}{route.path}/{{rest}}")
                walk(route.routes, before + route.path)
            elif isinstance(route, Route):
                found.append(before + route.path)

    def noticing(*arguments, **named):
        made = Starlette(*arguments, **named)
        walk(made.routes)
        return made

    def enough(*_):
        raise Enough

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "Starlette", noticing)
        patch.setattr(serving, "_Server", enough)
        patch.setattr(serving, "log_to_journal", lambda: None)
        with pytest.raises(Enough):
            serving.serve(load(school.root), tmp_path, ["127.0.0.1:0"])
    return found


def test_every_address_is_asked(paths):
    assert {"/", "/RPC2", "/health", "/client/{name:path}", "/user/{guid}", "/activities/{file}"} <= set(paths)
    assert {"/services/update-aslo.php", "/repository/{file:path}", "/laptops/{number}/adopt", "/login"} <= set(paths)
    assert {"/backup/1/available/{serial:path}", "/ds-restore/{serial}/{snapshot}/{uid}"} <= set(paths)


class Asker:
    """One connection to the server, made anew where the server ended it."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(*address, timeout=20)

    def ask(self, method, target, body, headers):
        for again in (True, False):
            try:
                self.connection.request(method, target, body, headers)
                answer = self.connection.getresponse()
                return answer.status, answer.read(), answer.headers.get("Set-Cookie", "")
            except (http.client.HTTPException, ConnectionError):
                self.connection.close()
                if not again:
                    raise
        raise AssertionError("unreachable")


def test_no_request_is_the_servers_error(school, paths, there):
    asker, statuses, come = Asker(school.address), [], set()
    named, teacher = there
    routes, turns = [*paths, "/{rest}"], itertools.count()

    def filled(route, drawn):
        """The route with something in each of its places, the same whenever the same is drawn."""
        places = iter(drawn * 3)

        def put(match):
            name, part = re.match(r"\w+", match.group(1)).group(), next(places)
            known = named.get(name, ["x"])
            return quote(known[next(turns) % len(known)] if part is None else part, safe="/", errors="replace")

        return re.sub(r"\{([^}]*)\}", put, route)

    @settings(
        max_examples=-(-REQUESTS // (2 * len(routes))),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(parts, min_size=3, max_size=3),
        queries,
        bodies,
        types,
        st.sampled_from(METHODS),
        headers,
        st.booleans(),
    )
    def ask(drawn, query, body, kind, method, sent, logged_in):
        """The same of every address: to draw it costs more than to ask."""
        sent = {"Content-Type": kind, **sent, **(teacher if logged_in else {})}
        for route in routes:
            path = filled(route, drawn)
            for method_ in {method, "POST"} if method != "POST" else {"POST", "GET"}:
                status, answer, _ = asker.ask(method_, f"{path}?{query}", body, sent)
                assert status < 500, (method_, path, query, sent, answer)
                # Starlette itself refuses unknown methods, and a newline in a path.
                if path.startswith("/client/") and method_ not in {"HEAD", "BREW"} and "%0A" not in path:
                    assert json.loads(answer)["success"] in {"OK", "ERR"}
                statuses.append(status)
                if status in {200, 206}:
                    come.add(route)

    ask()
    # It came somewhere: not all requests were refused for one reason, and each room was seen from inside.
    assert {200, 303, 400, 403, 404, 405, 415} <= set(statuses)
    assert len(statuses) >= REQUESTS
    never = {"/logout", "/laptops/{number}/approve", "/RPC2", "/{rest}"}
    assert set(routes) - come <= never
    assert "Traceback" not in school.log.read_text()
    assert school.process.poll() is None
