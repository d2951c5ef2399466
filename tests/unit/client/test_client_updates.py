"""The page of activities, versions, and what a laptop takes."""

from __future__ import annotations

import http.server
import threading

import pytest
from sugar_client.update import choose, fetch, page
from sugar_client.update.installed import installed
from sugar_client.update.version import Version

URL = "http://schoolserver/activities/"


def record(bundle_id="org.example.A", version="1", url="a.xo", more=""):
    return (
        f'<div class="x olpc-activity-info"><span class="olpc-activity-id"> {bundle_id}\n</span>'
        f'<b class="olpc-activity-version">{version}</b><p class="olpc-activity-url"><a href="{url}">get</a></p>'
        f"{more}</div>"
    )


def read(text):
    return {one.bundle_id: (str(one.version), one.url, one.optional) for one in page.read(text, URL).values()}


def test_a_record():
    assert read("<html><body>" + record() + "</body></html>") == {"org.example.A": ("1", URL + "a.xo", False)}


@pytest.mark.parametrize("more", ["<br>", "<img src=x>", "<p>open", "<li>a<li>b", "</i></b>", "<br/>"])
def test_tags_that_are_not_closed_do_not_merge_records(more):
    assert list(read(record(more=more) + record("org.example.B"))) == ["org.example.A", "org.example.B"]


def test_the_address_may_be_on_the_element_itself_and_elsewhere():
    old, new = '"olpc-activity-url"><a href="a.xo">', '"olpc-activity-url" href="/x/a.xo"><a>'
    text = record().replace(old, new)
    assert read(text)["org.example.A"][1] == "http://schoolserver/x/a.xo"
    assert read(record(url="https://other.example/a.xo"))["org.example.A"][1] == "https://other.example/a.xo"


def test_of_one_id_the_highest_version_counts_and_the_later_of_two():
    text = "".join(record(version=one, url=f"v{one}") for one in ("1.10", "1.9", "1.10.0"))
    assert read(text) == {"org.example.A": ("1.10.0", URL + "v1.10.0", False)}


def test_optional_and_names():
    text = record(
        more='<i class="olpc-activity-optional">1</i><h2 class="olpc-activity-name">A &amp;\n <b>ñ</b></h2>'
    )
    offer = page.read(text, URL)["org.example.A"]
    assert (offer.optional, offer.name) == (True, "A & ñ")
    assert page.read(record(), URL)["org.example.A"].name == "org.example.A"


@pytest.mark.parametrize(
    "text",
    [
        record(version="1.02"),
        record(version=""),
        record(bundle_id=""),
        record(url=""),
        record(url="file:///etc/passwd"),
        record(url="javascript:x"),
        record(url="http://[x"),
        record(version="9" * 5000),
        record()[:-6],
        "",
    ],
)
def test_what_is_no_offer(text):
    assert read(text) == {}


def test_what_a_laptop_takes():
    offers = page.read(
        record("org.a", "2") + record("org.b", "1") + record("org.c", "1.0-peru") + record("org.d", "1", "d.xol"), URL
    )
    here = {"org.a": Version("1"), "org.c": Version("1")}
    assert [one.bundle_id for one in choose.newer(offers.values(), here, False)] == ["org.a", "org.b", "org.d"]


def test_versions():
    rising = [Version(text) for text in ("0", "1", "1.0.1", "1.2", "1.10", "9", "10", "157.3", "201.2")]
    assert sorted(set(rising)) == rising
    assert Version("1.0") == Version("1") == Version("1-peru")
    for text in ("", "1.2.", "1.02", "1.2peru", "1.2-peru2", "1 "):
        with pytest.raises(ValueError):
            Version(text)


def test_what_is_installed(tmp_path):
    for folder, text in (
        ("A", "[Activity]\nname = a\nbundle_id = org.a\nactivity_version = 3\n"),
        ("B", "[Activity]\nname = b 100 %\nservice_name = org.b\n"),
        ("Bad", "bundle_id = x\n"),
        ("Worse", "[Activity]\nbundle_id = org.w\nactivity_version = 01\n"),
    ):
        info = tmp_path / f"{folder}.activity" / "activity" / "activity.info"
        info.parent.mkdir(parents=True)
        info.write_text(text)
    assert {key: str(one) for key, one in installed([tmp_path, tmp_path / "none"]).items()} == {
        "org.a": "3",
        "org.b": "0",
    }


class _Sly(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302 if self.path == "/file" else 200)
        if self.path == "/file":
            self.send_header("Location", "file:///etc/passwd")
        self.end_headers()
        if self.path == "/huge":
            for _ in range(20):
                self.wfile.write(b" " * 2**20)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def sly():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Sly)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_servers_that_mislead(sly, tmp_path):
    for path in ("/file", "/huge"):
        with pytest.raises(fetch.Unreachable):
            fetch.page(sly + path, "test", {})
    with pytest.raises(fetch.Unreachable, match="size"):
        fetch.size(sly + "/", "test", {})
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/x", "nonsense"):
        with pytest.raises(fetch.Unreachable):
            fetch.page(url, "test", {})


def test_a_download_can_be_cancelled(sly, tmp_path):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(fetch.Cancelled):
        fetch.download(sly + "/huge", tmp_path / "x", "test", cancel, lambda part: None, {})
