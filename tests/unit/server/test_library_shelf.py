"""The shelf: newest and older versions, what is dropped in and taken out, and what the page makes of it."""

from __future__ import annotations

import logging
import os
from xml.etree import ElementTree

import pytest
from starlette.requests import Request
from sugar_server.library import bundle as bundles
from sugar_server.library import page
from sugar_server.library.shelf import Library
from sugar_server.pages.languages import language
from sugar_server.pages.view import View

from tests.bundles import activity, content


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path, 64 * 2**20)


def offered(library):
    return {item.bundle.bundle_id: (item.bundle.version, item.file) for item in library.look().newest}


def test_the_highest_version_wins_over_the_latest_file(library, tmp_path):
    os.utime(activity(tmp_path / "ten.xo", version="1.10"), (1_000, 1_000))
    activity(tmp_path / "nine.xo", version="1.9")
    activity(tmp_path / "two.xo", version="1.2-peru")
    shelf = library.look()
    assert offered(library) == {"org.example.Paint": ("1.10", "ten.xo")}
    assert [item.file for item in shelf.older["org.example.Paint"]] == ["nine.xo", "two.xo"]


def test_files_come_and_go(library, tmp_path):
    assert library.look().newest == ()
    path = activity(tmp_path / "p.xo")
    assert offered(library) == {"org.example.Paint": ("1", "p.xo")}
    activity(path, version="2")
    assert offered(library) == {"org.example.Paint": ("2", "p.xo")}
    path.unlink()
    assert offered(library) == {}


def test_each_state_of_a_file_is_read_once(library, tmp_path, monkeypatch):
    reads = []
    real = bundles.read
    monkeypatch.setattr("sugar_server.library.shelf.read", lambda *a, **k: reads.append(a) or real(*a, **k))
    for number in range(20):
        activity(tmp_path / f"{number}.xo", f"org.example.A{number}")
    for _ in range(3):
        assert len(library.look().newest) == 20
    assert len(reads) == 20
    activity(tmp_path / "3.xo", "org.example.A3", "2")
    library.look()
    assert len(reads) == 21


def test_a_bad_bundle_is_told_once_and_skipped(library, tmp_path, caplog):
    activity(tmp_path / "good.xo")
    (tmp_path / "bad\x1b[2J.xo").write_text("no")
    (tmp_path / "worse.xo").write_text("no")
    (tmp_path / "notes.txt").write_text("no")
    (tmp_path / "folder.xo").mkdir()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            shelf = library.look()
    assert offered(library) == {"org.example.Paint": ("1", "good.xo")}
    assert {one.file for one in shelf.refused} == {"bad\x1b[2J.xo", "worse.xo", "folder.xo"}
    assert len(caplog.records) == 3
    assert "\x1b" not in caplog.text
    with pytest.raises(FileNotFoundError):
        library.open("worse.xo")


def test_only_bundles_are_handed_out(library, tmp_path):
    inside = activity(tmp_path / "p.xo")
    activity(tmp_path.parent / "outside.xo")
    with library.open("p.xo") as file:
        assert file.read() == inside.read_bytes()
    (tmp_path / ".hidden.xo").write_bytes(inside.read_bytes())
    (tmp_path / "x.info").write_text("")
    for name in ("../outside.xo", ".hidden.xo", "x.info", "none.xo", "", "p.xo\0"):
        with pytest.raises(FileNotFoundError):
            library.open(name)


def test_sidecars(library, tmp_path):
    activity(tmp_path / "p.xo")
    (tmp_path / "school.info").write_text("[org.example.Paint]\ndescription = For 3rd <grade>\noptional = yes\n")
    item = library.look().newest[0]
    assert (item.description, item.optional) == ("For 3rd <grade>", True)
    (tmp_path / "school.info").unlink()
    assert not library.look().newest[0].optional


HARD = "<br> & \"quotes\" 'ñandú' ]]> <li>"


def test_the_page_is_well_formed_and_its_attributes_are_ascii(library, tmp_path):
    files = {"locale/es/activity.linfo": f"[Activity]\nname = {HARD}\n".encode()}
    activity(
        tmp_path / "ñ & <br> \"q\" 'a'.xo", "org.example.<p>", name=HARD, info=f"summary = {HARD}\n", files=files
    )
    (tmp_path / "<li>.xo").write_text("no")
    content(tmp_path / "a.xol")
    request = Request({"type": "http", "path": "/activities/", "query_string": b"", "headers": []})
    for languages, code in (((), "en"), (("es_pe", "en"), "en"), (("es_pe", "en"), "es"), ((), "fr")):
        view = View(request, f"Escuela {HARD}", language(code), None, 0.0, [("/activities/", f"x {HARD}")])
        text = page.page(view, library.look(), languages).body.decode()
        root = ElementTree.fromstring(text)
        entries = root.iter() if code == "en" else root.find(".//main").iter()
        values = [value for element in entries for value in element.attrib.values()]
        assert all(value.isascii() for value in values)
        links = [element.attrib["href"] for element in root.iter("a")]
        assert "a.xol" in links
        assert all("&" not in link and "<" not in link for link in links)
        assert HARD in [element.text for element in root.iter("h2")]


def test_the_page_speaks_the_readers_language(library, tmp_path):
    files = {
        f"locale/{code}/activity.linfo": f"[Activity]\nname = {name}\n".encode()
        for code, name in (("es", "Pintar"), ("pt_BR", "Pintura"), ("fr", "Peindre"))
    }
    activity(tmp_path / "p.xo", files=files)
    item = library.look().newest[0]
    for languages, name in (
        ((), "Paint"),
        (("es_pe",), "Pintar"),
        (("pt_br", "es"), "Pintura"),
        (("de", "fr"), "Peindre"),
        (("en_us", "fr"), "Paint"),
        (("qu", "de"), "Paint"),
    ):
        assert page.words(item, languages).name == name, languages
