"""Debian's real Sugar finds updates on a running school server, fetches and installs them."""

from __future__ import annotations

import configparser
import http.server
import json
import random
import threading

import pytest

from tests.bundles import activity, archive, content


def deploy(laptop, school):
    """The generated settings of a deployment: they name Sugar's own updater."""
    laptop.settings(
        "50_lima",
        "[org.sugarlabs.update]\nbackend='microformat.MicroformatUpdater'\n"
        f"microformat-update-url='{school.url}/activities/'\n",
    )
    return laptop


@pytest.fixture
def deployed(laptop, school):
    return deploy(laptop, school)


@pytest.fixture(params=["laptop", "newer_laptop"])
def either(request, school):
    """Both of Debian's Sugars."""
    return deploy(request.getfixturevalue(request.param), school)


def installed(laptop):
    found = {}
    for info in laptop.activities.glob("*/activity/activity.info"):
        parser = configparser.RawConfigParser()
        parser.read(info)
        found[parser["Activity"]["bundle_id"]] = parser["Activity"]["activity_version"]
    return found


def second(path, bundle_id, version, name):
    """Another activity: its folder has another name."""
    info = f"[Activity]\nname = {name}\nbundle_id = {bundle_id}\nactivity_version = {version}\n"
    info += "exec = sugar-activity3 x.X\nicon = x\nlicense = GPLv3+\n"
    files = {"activity/activity.info": info.encode(), "activity/x.svg": b"<svg/>"}
    return archive(path, {f"{bundle_id}.activity/{inner}": data for inner, data in files.items()})


def test_an_update_is_found_and_installed(either, school, tmp_path):
    either.install(activity(tmp_path / "old.xo", version="1.9"))
    made = activity(school.state / "library" / "ñ new.xo", version="1.10", files={"big": bytes(range(256)) * 3000})
    found = either.update("manual")
    assert found["backend"] == "SchoolServerUpdater"
    assert found["error"] is None
    assert found["updates"] == [
        {
            "id": "org.example.Paint",
            "name": "Paint",
            "version": "1.10",
            "size": made.stat().st_size,
            "optional": False,
        }
    ]
    assert found["finished"] == {"installed": ["org.example.Paint"], "failed": [], "cancelled": False}
    assert installed(either) == {"org.example.Paint": "1.10"}
    assert (either.activities / "Paint.activity" / "big").read_bytes() == bytes(range(256)) * 3000
    parts = [part for _, _, part in found["progress"]]
    assert all(0 <= part <= 1 for part in parts)
    assert list(either.home.rglob("*.xo")) == []


def test_nothing_is_offered_that_is_not_newer(deployed, school, tmp_path):
    deployed.install(activity(tmp_path / "old.xo", version="2"))
    activity(school.state / "library" / "same.xo", version="2.0-peru")
    found = deployed.update("manual")
    assert found["updates"] == []
    assert found["finished"]["installed"] == []


def test_contents_come_into_the_childs_library(either, school):
    """A first one, beside an activity, and then a newer version in a folder of another name."""
    library, home = school.state / "library", either.home / "Library"
    content(library / "atlas-1.xol", info="activity_start = index.html\n")
    activity(library / "Paint.xo")
    found = either.update("manual")
    assert {one["id"]: one["name"] for one in found["updates"]} == {
        "org.example.atlas": "Atlas",
        "org.example.Paint": "Paint",
    }
    assert (found["error"], found["finished"]["failed"], found["finished"]["cancelled"]) == (None, [], False)
    assert len(found["finished"]["installed"]) == 2
    assert installed(either) == {"org.example.Paint": "1"}
    assert (home / "atlas" / "index.html").read_text() == "<p>Atlas</p>"
    assert '<a href="atlas/index.html">Atlas</a>' in (home / "index.html").read_text()
    assert either.update("automatic")["finished"]["installed"] == []
    info = b"[Library]\nname = Atlas <2>\nglobal_name = org.example.atlas\nlibrary_version = 2\n"
    info += b"activity_start = a b.html\n"
    archive(library / "atlas-2.xol", {"mapas/library/library.info": info, "mapas/a b.html": b"new"})
    found = either.update("automatic")
    assert found["finished"], found["error"]
    assert (found["error"], len(found["finished"]["installed"])) == (None, 1)
    assert sorted(path.name for path in home.iterdir()) == ["index.html", "mapas"]
    assert '<a href="mapas/a%20b.html">Atlas &lt;2&gt;</a>' in (home / "index.html").read_text()
    assert list(either.home.rglob("*.xol")) == []


def test_new_activities_come_with_their_names_and_one_can_choose(deployed, school):
    library = school.state / "library"
    second(library / "a.xo", "org.example.A", "3", "Ajedrez & <b>damas</b>")
    second(library / "b.xo", "org.example.B", "1", "Bits")
    content(library / "atlas.xol")
    found = deployed.update("manual", "org.example.A")
    assert {one["id"]: one["name"] for one in found["updates"]} == {
        "org.example.A": "Ajedrez & <b>damas</b>",
        "org.example.B": "Bits",
        "org.example.atlas": "Atlas",
    }
    assert installed(deployed) == {"org.example.A": "3"}


def test_automatic_updates_leave_out_what_is_optional(deployed, school):
    library = school.state / "library"
    second(library / "a.xo", "org.example.A", "3", "A")
    second(library / "b.xo", "org.example.B", "1", "B")
    (library / "s.info").write_text("[org.example.B]\noptional = yes\n")
    found = deployed.update("automatic")
    assert found["finished"] == {"installed": ["org.example.A"], "failed": [], "cancelled": False}
    assert installed(deployed) == {"org.example.A": "3"}
    assert [one["optional"] for one in deployed.update("manual")["updates"]] == [True]


def test_a_school_that_does_not_answer(deployed, school):
    school.stop()
    found = deployed.update("manual")
    assert "does not answer" in found["error"]
    assert found["finished"]["cancelled"] is True


def test_a_child_who_changes_her_mind(deployed, school):
    big = random.Random(7).randbytes(3_000_000)
    activity(school.state / "library" / "big.xo", files={"big": big})
    found = deployed.update("cancel")
    assert found["finished"] == {"installed": [], "failed": [], "cancelled": True}
    assert installed(deployed) == {}
    assert list(deployed.home.rglob("*.xo")) == []


class _Breaking(http.server.BaseHTTPRequestHandler):
    """Breaks every first answer in its middle, as school networks do; knows ranges."""

    protocol_version = "HTTP/1.1"
    bundle = b""
    asked: list[str | None] = []  # noqa: RUF012 - one server in one test

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.bundle)))
        self.end_headers()

    def do_GET(self):
        if self.path == "/":
            page = (
                b'<ul><li class="olpc-activity-info"><br>'  # never closed: old Sugar would stumble
                b'<i class="olpc-activity-id">org.example.Paint</i><i class="olpc-activity-version">7</i>'
                b'<b class="olpc-activity-url"><a href="p.xo">x</a></b></li></ul>'
            )
            self._send(200, page, len(page))
            return
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        rest = self.bundle[start:]
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(self.bundle) - 1}/{len(self.bundle)}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest if len(self.asked) > 2 else rest[:100_000])
        self.close_connection = True

    def _send(self, status, body, length):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


def test_a_connection_that_breaks_is_taken_up(laptop, tmp_path):
    pieces = random.Random(7).randbytes(400_000)  # does not shrink in the ZIP file
    _Breaking.bundle = activity(tmp_path / "p.xo", version="7", files={"big": pieces}).read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Breaking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    laptop.settings(
        "50", f"[org.sugarlabs.update]\nmicroformat-update-url='http://127.0.0.1:{server.server_port}/'\n"
    )
    found = laptop.update("manual")
    server.shutdown()
    server.server_close()
    assert _Breaking.asked == [None, "bytes=100000-", "bytes=200000-"]
    assert found["finished"]["installed"] == ["org.example.Paint"]
    assert (laptop.activities / "Paint.activity" / "big").read_bytes() == pieces


def test_the_command_tells_the_same(deployed, school, tmp_path):
    deployed.install(activity(tmp_path / "old.xo", version="1"))
    activity(school.state / "library" / "new.xo", version="2")
    second(school.state / "library" / "b.xo", "org.example.B", "1", "B")
    url = f"{school.url}/activities/"
    rows = json.loads(deployed.run("/usr/bin/python3", "-m", "sugar_client", "updates", "--url", url, "--json"))
    assert [(row["bundle_id"], row["installed"], row["version"]) for row in rows] == [
        ("org.example.B", None, "1"),
        ("org.example.Paint", "1", "2"),
    ]


def test_sugars_own_parser_reads_the_page_too(deployed, school):
    """The parser of Sugar 0.82 to 0.121 in Debian's copy: only what calls it is broken there."""
    library = school.state / "library"
    activity(library / "p.xo", version="1.2-peru", name="<br> & <li>", info="summary = <b>unclosed <p>\n")
    second(library / "ñ b.xo", "org.example.B", "10", "B")
    (library / "s.info").write_text("[org.example.B]\noptional = yes\ndescription = <hr> ñ &amp;\n")
    code = (
        "import sys, json, gi; gi.require_version('Gtk', '3.0'); from urllib.request import urlopen\n"
        "from jarabe.model.update.microformat import _UpdateHTMLParser as Parser\n"
        "url = sys.argv[1]; parser = Parser(url); parser.feed(urlopen(url).read().decode()); parser.close()\n"
        "print(json.dumps({k: [str(v), u, o] for k, (v, u, o) in parser.results.items()}))"
    )
    url = f"{school.url}/activities/"
    assert json.loads(deployed.run("/usr/bin/python3", "-c", code, url)) == {
        "org.example.Paint": ["1.2-peru", url + "p.xo", False],
        "org.example.B": ["10", url + "%C3%B1%20b.xo", True],
    }
