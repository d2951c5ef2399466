"""The pages over HTTP: who is let in, what forms need, how heavy pages are, and that they are valid HTML."""

from __future__ import annotations

import http.client
import re
import sqlite3
import subprocess
import time
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .laptop import made_up_key, register
from .outside import statuses

ROOMS = Path(__file__).with_name("rooms.py")
FORM = "application/x-www-form-urlencoded"


class Browser:
    """Keeps cookies, and sends what browsers send."""

    def __init__(self, server):
        self.server, self.cookies = server, {}
        self.origin = server.url

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(*self.server.address, timeout=20)
        headers = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        connection.close()
        return answer

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, fields=(), origin=True, content_type=FORM, **headers):
        origin = self.origin if origin is True else origin
        return self.ask("POST", path, urlencode(dict(fields)), Origin=origin, Content_Type=content_type, **headers)

    def log_in(self, password, **fields):
        return self.post("/login", {"password": password, **fields})

    def token(self, path):
        return re.search(r'name="token" value="([^"]+)"', self.get(path).text).group(1)


def children(browser):
    return re.findall(r'href="(/laptops/[0-9a-f]+)"', browser.get("/laptops").text)


@pytest.fixture
def browser(running):
    return Browser(running)


def set_password(server):
    return server.command("password").stdout.strip()


def test_what_anyone_sees(browser, running):
    key = made_up_key()
    register(running.url, "SHC00700123", "Ñusta", "c0ffee00-0000-4000-8000-000000000001", key)
    (row,) = running.registrations()
    (child,) = children(browser)
    for path in ("/", "/laptops", child, "/server", "/login"):
        answer = browser.get(path)
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers
        for secret in (key[:40], row["fingerprint"], row["fingerprint"][7:], "SHC00700123", "c0ffee00", "127.0.0.1"):
            assert secret not in answer.text, (path, secret)
    assert "Ñusta" in browser.get("/laptops").text
    assert "Ñusta" not in browser.get("/laptops?q=SHC00700123").text


def test_where_pages_are_not_public(server):
    server.configure("[pages]\npublic = no\n", "conf.d/50-pages.conf")
    server.start()
    register(server.url, "SHC00700123", "Ñusta", "", made_up_key())
    browser = Browser(server)
    assert browser.get("/").status == 200
    for path in ("/laptops", "/server", "/laptops/0123"):
        answer = browser.get(path)
        assert (answer.status, answer.headers["Location"]) == (303, f"/login?next={path}")
    assert browser.log_in(set_password(server), next="/server").headers["Location"] == "/server"
    assert "Ñusta" in browser.get("/laptops").text


def test_without_a_password_nobody_logs_in(browser):
    for word in ("", "password", "None"):
        answer = browser.log_in(word)
        assert answer.status == 403
        assert "sugar-server password" in answer.text
    assert not browser.cookies


def test_logging_in_and_out(browser, running):
    password = set_password(running)
    assert re.fullmatch(r"[a-z2-9-]{19}", password)
    assert browser.log_in(password + "x").status == 403
    assert not browser.cookies
    answer = browser.log_in(password)
    assert (answer.status, answer.headers["Location"]) == (303, "/laptops")
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    before = dict(browser.cookies)
    assert "Log out" in browser.get("/server").text
    assert browser.post("/logout", {"token": browser.token("/server")}).status == 303
    browser.cookies = before
    assert "Log out" not in browser.get("/server").text
    assert password not in running.log.read_text()


def test_a_new_password_logs_out(browser, running):
    browser.log_in(set_password(running))
    assert "Log out" in browser.get("/").text
    set_password(running)
    assert "Log out" not in browser.get("/").text


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: x=y"]
)
def test_the_login_leads_nowhere_else(browser, running, back):
    assert "evil" not in browser.get("/login?" + urlencode({"next": back})).text.split("<form")[1].split("</form")[0]
    answer = browser.log_in(set_password(running), next=back)
    assert answer.headers["Location"] == "/laptops"
    assert "x" not in browser.cookies


def test_forms_of_others_do_nothing(browser, running):
    register(running.url, "SHC00700123", "Ñusta", "", made_up_key())
    password = set_password(running)
    own = {"Origin": None}
    for origin in (None, "null", "http://evil.example", running.url.replace("127.0.0.1", "127.0.0.1.evil.example")):
        assert browser.post("/login", {"password": password}, origin=origin).status == 403
    assert not browser.cookies
    browser.log_in(password)
    (child,) = children(browser)
    token = browser.token(child)
    for fields, origin, status in (
        ({}, True, 403),
        ({"token": ""}, True, 403),
        ({"token": token[:-1]}, True, 403),
        ({"token": token}, "http://evil.example", 403),
        ({"token": token}, None, 403),
    ):
        assert browser.post(child + "/forget", fields, origin=origin).status == status
        assert browser.post("/logout", fields, origin=origin).status == status
    assert browser.post(child + "/forget", {"token": token}, content_type="text/plain").status == 415
    assert browser.post(child + "/forget", {"token": token, "x": "y" * 20_000}).status == 413
    other = Browser(running)
    other.log_in(password)
    assert other.post(child + "/forget", {"token": token}).status == 403
    assert len(running.registrations()) == 1
    # Old browsers know Referer only.
    referer = running.url + child
    assert browser.ask("POST", child + "/forget", urlencode({"token": token}), Referer=referer, **own).status == 415
    headers = {"Content_Type": FORM, "Referer": referer}
    assert browser.ask("POST", child + "/forget", urlencode({"token": token}), **headers).status == 303
    assert running.registrations() == []


def test_without_a_login_nothing_changes(browser, running):
    register(running.url, "SHC00700123", "Ñusta", "", made_up_key())
    set_password(running)
    (child,) = children(browser)
    for path in ("forget", "approve", "adopt"):
        assert browser.post(f"{child}/{path}", {"token": ""}).status == 403
    for path in ("forget", "adopt", "approve", "2026-11-20"):
        answer = browser.get(f"{child}/{path}")
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/login?next=/laptops/")
    assert len(running.registrations()) == 1


def test_guessing_gets_slower_and_reading_does_not(browser, running):
    password = set_password(running)
    statuses = [browser.log_in(f"guess {number}").status for number in range(8)]
    assert statuses[:5] == [403] * 5
    assert 429 in statuses[5:]
    answer = browser.log_in(password)
    assert answer.status == 429
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 4
    assert str(wait) in answer.text.split('role="alert"')[1]
    for _ in range(30):
        assert browser.get("/laptops").status == 200
    time.sleep(wait + 0.1)
    assert browser.log_in(password).status == 303


def test_a_damaged_password_file(browser, running):
    set_password(running)
    (running.state / "teacher-password").write_bytes(b"\xff\x00nonsense")
    assert browser.log_in("nonsense").status == 403
    (running.state / "teacher-password").unlink()
    (running.state / "teacher-password").mkdir()
    assert browser.log_in("nonsense").status == 403
    assert browser.get("/").status == 200
    assert "Traceback" not in running.log.read_text()


def test_the_command(debian_server):
    done = debian_server.command("password")
    assert done.returncode == 1
    assert "systemctl start sugar-server" in done.stderr
    debian_server.start()
    argv = debian_server.argv("password", "--set")

    def set_to(given):
        return subprocess.run(argv, env=debian_server.environment(), input=given, capture_output=True, check=False)

    done = set_to(b"short\n")
    assert done.returncode == 1
    assert b"10 to 200" in done.stderr
    assert set_to(b"\xff\xfe\n").returncode == 1
    done = set_to("contraseña larga\nsecond line\n".encode())
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert Browser(debian_server).log_in("contraseña larga").status == 303
    assert (debian_server.state / "teacher-password").stat().st_mode & 0o777 == 0o600


def test_a_busy_database_is_told_in_words(debian_server):
    debian_server.start()
    browser = Browser(debian_server)
    with sqlite3.connect(debian_server.database, isolation_level=None) as database:
        database.execute("BEGIN EXCLUSIVE")
        answer = browser.get("/laptops")
        assert answer.status == 503
        assert "Try again" in answer.text
        assert browser.get("/").status == 200
    database.close()


@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_a_thousand_laptops(debian_server, tmp_path, language):
    """Each page is under 100 KB, valid, and there soon; the last page of the list has the last laptop."""
    debian_server.configure("[pages]\npublic = yes\n", "conf.d/50-pages.conf")
    python, _, _, *words = debian_server.argv("serve", "--root", str(debian_server.root))
    debian_server.start([python, str(ROOMS), *words, "--listen", debian_server.url.split("//")[1]])
    with sqlite3.connect(debian_server.database) as database:
        database.executemany(
            "INSERT INTO registrations "
            "(fingerprint, key, pubkey, serial, hardware, uuid, nick, address, first_at, last_at) "
            "VALUES (?, 'ssh-rsa AAAA', 'AAAA', ?, 1, NULL, ?, '10.0.0.1', ?, ?)",
            [
                (
                    f"SHA256:{number:043}",
                    f"SHC{number:08X}",
                    f"{number:03} <{'ñ' * 60}>",
                    "2026-02-01T12:00:00Z",
                    "2026-03-01T12:00:00Z",
                )
                for number in range(1000)
            ],
        )
    database.close()
    browser = Browser(debian_server)
    browser.log_in(set_password(debian_server))
    (child, *_) = children(browser)
    # A fingerprint's last digit decides whether the rooms of the test have its backups.
    child = next(one for one in children(browser) if "2026-11-20" in browser.get(one).text)
    snapshot = child + "/2026-11-20_12:00:00"
    pages = ["/", "/laptops", "/laptops?page=10", "/laptops?q=999", "/laptops?page=x&q=%00%ff", "/server", "/login"]
    pages += ["/statistics", child, child + "/forget", child + "/adopt", snapshot, snapshot + "?from=200"]
    for path in pages:
        started = time.monotonic()
        answer = browser.get(path, Accept_Language=language)
        assert time.monotonic() - started < 2
        assert answer.status == 200, path
        assert f'<html lang="{language}"' in answer.text
        assert answer.headers["Content-Language"] == language
        assert len(answer.text.encode()) < 100_000, path
        # Debian's tidy, which knows HTML 5; it exits with 1 for a warning, 2 for an error.
        argv = ["tidy", "-errors", "-quiet", "-utf8", "--drop-empty-elements", "no"]
        done = subprocess.run(argv, input=answer.text, capture_output=True, text=True)
        # It is older than ARIA 1.1.
        complaints = [line for line in done.stderr.splitlines() if 'proprietary attribute "aria-current"' not in line]
        assert complaints == [], path
    assert "999 " in browser.get("/laptops?page=10").text
    assert browser.get("/laptops?page=11").text.count("/laptops/") == 100
    assert "/ds-restore/2026-11-20_12:00:00/uid-0.xoj" in browser.get(snapshot).text
    rss = Path(f"/proc/{debian_server.process.pid}/status").read_text()
    assert int(re.search(r"VmRSS:\s+(\d+) kB", rss).group(1)) < 60 * 1024


SEGMENTS = st.one_of(
    st.sampled_from(["laptops", "login", "logout", "server", "forget", "approve", "adopt", "statistics", "", ".."]),
    st.binary(max_size=12).map(quote),
)
ANYTHING = st.binary(max_size=60).map(lambda data: quote(data, safe="=&;,*"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT"]),
    path=st.lists(SEGMENTS, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    query=st.one_of(
        ANYTHING, ANYTHING.map("q={}".format), ANYTHING.map("page={}".format), ANYTHING.map("lang=".__add__)
    ),
    header=ANYTHING,
    body=st.one_of(st.binary(max_size=300), ANYTHING.map(lambda text: b"token=" + text.encode())),
)
def test_nothing_that_is_asked_is_an_error_of_the_server(debian_server, method, path, query, header, body):
    if debian_server.process is None:
        debian_server.start()
    connection = http.client.HTTPConnection(*debian_server.address, timeout=20)
    headers = {"Accept-Language": header, "Cookie": f"sugar_session={header}; sugar_language={header}"}
    headers |= {"Origin": debian_server.url, "Content-Type": FORM}
    # Not //, which the client would take for a host.
    connection.request(method, "/" + path.lstrip("/") + "?" + query, body if method == "POST" else None, headers)
    answer = connection.getresponse()
    assert answer.status < 500
    assert method != "PUT" or answer.status in {307, 404, 405}
    connection.close()


@pytest.mark.parametrize(
    ("login_from", "outside"),
    [("nearby", [200, 403, 403, 403, 403, 403]), ("anywhere", [200, 200, 200, 403, 200, 200])],
)
def test_from_a_public_address(debian_server, login_from, outside):
    debian_server.configure(f"[pages]\nlogin_from = {login_from}\n", "conf.d/50-pages.conf")
    requests = [("GET", "/"), ("GET", "/laptops"), ("GET", "/login"), ("POST", "/login")]
    requests += [("GET", "/statistics.csv"), ("GET", "/statistics.json")]
    assert statuses(debian_server, *requests) == ([200, 200, 200, 403, 200, 200], outside)


def test_where_there_are_no_pages_there_is_the_first_one_and_no_way_to_others(debian_server):
    debian_server.configure("[pages]\nenabled = no\n", "conf.d/50-pages.conf")
    paths = ["/laptops", "/server", "/statistics", "/statistics.csv", "/statistics.json", "/login"]
    requests = [("GET", "/"), ("GET", "/activities/"), *(("GET", path) for path in paths), ("POST", "/login")]
    wanted = [200, 200, *(404 for _ in paths), 404]
    assert statuses(debian_server, *requests) == (wanted, wanted)
    debian_server.start()
    assert set(re.findall(r'href="(/[^"]*)"', Browser(debian_server).get("/").text)) == {"/", "/activities/"}
