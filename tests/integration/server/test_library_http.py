"""The library on the web: what Sugar's updaters and curl get from the running daemon."""

from __future__ import annotations

import collections
import random
import socket
import subprocess
import time
import urllib.request
from xml.etree import ElementTree

import pytest

from tests.bundles import activity, content

from .microformat import offers
from .test_server_http import ask


@pytest.fixture
def library(server):
    folder = server.state / "library"
    folder.mkdir()
    server.configure(f"[library]\nfolder = {folder}\naslo = yes\n", "conf.d/library.conf")
    return folder


@pytest.fixture
def school(server, library):
    server.start()
    return server


def page(server):
    url = server.url + "/activities/"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return offers(answer.read().decode(), url)


def curl(*arguments):
    return subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, check=True).stdout


def test_the_page_as_sugar_reads_it(school, library):
    assert page(school) == {}
    activity(library / "Paint-2.xo", version="2", name="P<br> & <li>", info="summary = <b>un</b>closed <p>\n")
    activity(library / "Paint-10.xo", version="10")
    activity(library / "maps ñ&.xo", "org.example.Maps", "1.2-peru")
    content(library / "atlas.xol")
    (library / "broken.xo").write_bytes(b"PK")
    (library / "s.info").write_text("[org.example.atlas]\noptional = yes\n")
    base = school.url + "/activities/"
    assert page(school) == {
        "org.example.Paint": ("10", base + "Paint-10.xo", False),
        "org.example.Maps": ("1.2-peru", base + "maps%20%C3%B1%26.xo", False),
        "org.example.atlas": ("1", base + "atlas.xol", True),
    }
    assert "'broken.xo': it is not a ZIP file" in school.log.read_text()
    for _, url, _ in page(school).values():
        assert urllib.request.urlopen(url, timeout=10).read(2) == b"PK"


def test_five_hundred_bundles_are_read_once(school, library):
    one = activity(library / "0.xo", "org.example.A0").read_bytes()
    for number in range(1, 500):
        (library / f"{number}.xo").write_bytes(one.replace(b"example.A0", b"example.%02x" % (number % 100)))
    page(school)
    started = time.monotonic()
    page(school)
    assert time.monotonic() - started < 1


def test_head_and_length(school, library):
    made = activity(library / "p.xo")
    answer, body = ask(school, "HEAD", "/activities/p.xo")
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(made.stat().st_size)
    assert answer.headers["Content-Type"] == "application/vnd.olpc-sugar"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert body == b""
    content(library / "a.xol")
    assert ask(school, "HEAD", "/activities/a.xol")[0].headers["Content-Type"] == "application/vnd.olpc-content"


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("0-0", 206, slice(0, 1)),
        ("100-199", 206, slice(100, 200)),
        ("500-", 206, slice(500, None)),
        ("-100", 206, slice(-100, None)),
        ("0-99999999", 206, slice(0, None)),
        ("-99999999", 206, slice(0, None)),
        ("99999999-", 416, slice(0, 0)),
        ("-0", 416, slice(0, 0)),
        ("5-2", 200, slice(0, None)),
        ("x", 200, slice(0, None)),
        ("0-1,5-6", 200, slice(0, None)),
    ],
)
def test_ranges(debian_server, tmp_path, wanted, status, part):
    (debian_server.state / "library").mkdir()
    made = activity(debian_server.state / "library" / "p.xo", files={"data": bytes(range(256)) * 9}).read_bytes()
    debian_server.configure(f"[library]\nfolder = {debian_server.state}/library\n", "conf.d/library.conf")
    debian_server.start()
    got = tmp_path / "got"
    url = debian_server.url + "/activities/p.xo"
    shown = curl("-H", f"Range: bytes={wanted}", "-o", got, "-w", "%{http_code} %header{content-range}", url)
    code, _, content_range = shown.partition(" ")
    assert int(code) == status
    assert got.read_bytes() == made[part]
    if status == 206:
        first = range(len(made))[part][0]
        assert content_range == f"bytes {first}-{first + len(made[part]) - 1}/{len(made)}"
    elif status == 416:
        assert content_range == f"bytes */{len(made)}"


def test_conditions(school, library, tmp_path):
    made = activity(library / "p.xo")
    url, got, tag = school.url + "/activities/p.xo", tmp_path / "got", tmp_path / "tag"
    keep = ("-o", got, "-w", "%{http_code} %{size_download}", url)
    size = made.stat().st_size
    assert curl("--etag-save", tag, "-R", *keep) == f"200 {size}"
    assert curl("--etag-compare", tag, *keep) == "304 0"
    assert curl("-z", got, *keep) == "304 0"
    entity = tag.read_text().strip()
    assert curl("-H", f"If-Range: {entity}", "-r", "0-9", *keep) == "206 10"
    activity(made, version="2", info="summary = longer than before\n")
    size = made.stat().st_size
    assert curl("--etag-compare", tag, *keep) == f"200 {size}"
    assert curl("-H", f"If-Range: {entity}", "-r", "0-9", *keep) == f"200 {size}"


def test_nothing_else_is_handed_out(school, library):
    activity(library / "p.xo")
    (library / "s.info").write_text("[x]\n")
    (library / "bad.xo").write_text("no")
    for path in (
        "s.info",
        "bad.xo",
        "..%2fregistrations.db",
        "%2e%2e/registrations.db",
        "none.xo",
        "x/p.xo",
        "%00.xo",
    ):
        assert ask(school, "GET", f"/activities/{path}")[0].status == 404, path
    assert ask(school, "POST", "/activities/p.xo")[0].status == 405


def test_old_laptops_that_ask_sugarlabs(school, library):
    made = activity(library / "Paint & co.xo", version="7")
    rdf = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
    em = "{http://www.mozilla.org/2004/em-rdf#}"
    path = "/services/update-aslo.php?id=org.example.Paint&appVersion=0.122"
    root = ElementTree.fromstring(ask(school, "GET", path)[1])
    assert root.find(f".//{rdf}Description") is not None
    assert root.find(f".//{em}version").text == "7"
    assert int(root.find(f".//{em}updateSize").text) == -(-made.stat().st_size // 1024)
    with urllib.request.urlopen(root.find(f".//{em}updateLink").text, timeout=10) as answer:
        assert answer.read() == made.read_bytes()
    for named, told in {
        "10.0.0.1:8080": "10.0.0.1:8080",
        "[fe80::1]": "[fe80::1]",
        "activities.sugarlabs.org": "activities.sugarlabs.org",
        "[": "school.example.pe",
        "a b/c": "school.example.pe",
        "user@evil:80": "school.example.pe",
        "x:99999999": "school.example.pe",
        "": "school.example.pe",
    }.items():
        answer, body = ask(school, "GET", path, Host=named)
        assert answer.status == 200
        assert ElementTree.fromstring(body).find(f".//{em}updateLink").text.startswith(f"http://{told}/activities/")
    root = ElementTree.fromstring(ask(school, "GET", path.replace("Paint", "Nothing"))[1])
    assert root.find(f".//{rdf}Description") is None


def test_bundles_are_added_on_the_command_line(debian_server, tmp_path):
    folder = debian_server.state / "library"
    debian_server.configure(f"[library]\nfolder = {folder}\n", "conf.d/library.conf")
    debian_server.start()

    def command(*words):
        argv = [debian_server.python, "-m", "sugar_server", *words, "--root", str(debian_server.root)]
        return subprocess.run(argv, env=debian_server.environment(), capture_output=True, text=True)

    bad = tmp_path / "bad.xo"
    bad.write_text("no")
    done = command("add-activity", str(activity(tmp_path / "my download (1).xo", version="3")), str(bad))
    assert done.returncode == 1
    assert "Paint 3 is in the library" in done.stdout
    assert f"{bad}: it is not a ZIP file" in done.stdout
    assert page(debian_server)["org.example.Paint"][0] == "3"
    assert [path.name for path in folder.iterdir()] == ["org.example.Paint-3.xo"]
    (folder / "worse.xo").write_text("no")
    listed = command("activities").stdout
    assert "org.example.Paint  3" in listed
    assert "refused   worse.xo  it is not a ZIP file" in listed
    assert command("add-activity", str(tmp_path / "none.xo")).returncode == 1


def test_nonsense_is_answered(school, library):
    """Whatever comes, it is never an error of the server's."""
    activity(library / "p.xo")
    school.stop()
    school.configure("[repository]\nenabled = yes\n", "conf.d/repository.conf")
    school.start()
    dice = random.Random(5)
    words = [
        "bytes=",
        "-",
        ",",
        "0",
        "99999999999999999999",
        "W/",
        '"',
        "*",
        "[",
        "]",
        "%00",
        "%ff",
        "..",
        "/",
        ";q=",
    ]
    words += ["Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Foo 99999 00:00:00 -9999", "es"]
    words += ["\xe9", ":", "&", "x" * 300]
    headers = ["Range", "If-Range", "If-None-Match", "If-Modified-Since", "Accept-Language", "Host"]
    paths = ["/activities/", "/activities/p.xo", "/services/update-aslo.php?id=", "/repository/", "/laptops"]
    counts = collections.Counter()
    for _ in range(600):
        path = dice.choice(paths) + "".join(dice.choices(words, k=dice.randrange(3))).replace(" ", "+")
        lines = [f"{dice.choice(['GET', 'HEAD'])} {path} HTTP/1.1", "Connection: close"]
        chosen = {name: "".join(dice.choices(words, k=3)) for name in dice.sample(headers, 3)}
        lines += [f"{name}: {value}" for name, value in ({"Host": "school"} | chosen).items()]
        with socket.create_connection(school.address, timeout=10) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            status = int(connection.makefile("rb").readline().split()[1])
        counts[status] += 1
        assert status < 500, lines
    assert counts[200] > 20
    assert "Traceback" not in school.log.read_text()


def test_a_folder_that_may_not_be_read(school, library):
    library.rmdir()
    library.write_text("a file")
    assert page(school) == {}
    assert "cannot be read" in school.log.read_text()


def test_the_page_has_the_schools_frame_and_language(school, library):
    activity(library / "Paint-2.xo", version="2")
    activity(library / "Paint-1.xo", version="1")
    (library / "s.info").write_text("[org.example.Paint]\noptional = yes\n")
    url = school.url + "/activities/"
    english = curl(url)
    assert '<a href="/activities/" aria-current="page">Activities</a>' in english
    spanish = curl(url, "-H", "Accept-Language: es-PE,es")
    chosen = curl(url + "?lang=es", "-H", "Accept-Language: fr")
    for text in (spanish, chosen):
        assert "Versiones anteriores:" in text
        assert "Solo a pedido" in text
        assert offers(text, url) == offers(english, url) == {"org.example.Paint": ("2", url + "Paint-2.xo", True)}
