"""The check of updates: green on the real daemon, and red with the reason on pages and bundles that fail laptops."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bundles import activity, archive, content

from .other_server import Answer, answering
from .services import Services, failed, seen

RECORD = (
    '<li class="olpc-activity-info"><span class="olpc-activity-id">{id}</span>{more}'
    '<span class="olpc-activity-version">{version}</span>'
    '<span class="olpc-activity-url"><a href="{url}">here</a></span></li>'
)


def _record(bundle_id: str = "org.example.Paint", version: str = "2", url: str = "p.xo", more: str = "") -> str:
    return RECORD.format(id=bundle_id, version=version, url=url, more=more)


def test_a_well_school(services: Services) -> None:
    activity(services.library / "paint ñ-2.xo", version="2", name="P<br> & <li>", info="summary = <p>unclosed\n")
    activity(services.library / "big.xo", "org.example.Big", "1.2-peru", files={"data": bytes(300_000)})
    content(services.library / "atlas.xol")
    services.start()
    report = services.check("updates")
    assert failed(report) == {}
    assert seen(report)["updates: the page of activities"].startswith("3 activities, ")
    total = sum(path.stat().st_size for path in services.library.iterdir())
    assert seen(report)["updates: the bundles"] == f"3 of 3 bundles are what the page says, {total} bytes"


def test_an_empty_library_is_well(services: Services) -> None:
    services.start()
    report = services.check("updates")
    assert report.ok
    assert seen(report) == {"updates: the page of activities": "a page that offers no activities"}


def test_nobody_is_there(services: Services) -> None:
    assert "Connection refused" in failed(services.check("updates"))["updates: the page of activities"]


def test_the_library_is_off(services: Services) -> None:
    services.configure(library="enabled = no")
    services.start()
    report = services.check("updates")
    assert failed(report) == {"updates: the page of activities": "status 404 for the page of activities"}


PAGES = {
    "an unclosed tag": (
        f"<ul>\n{_record(more='<br>')}\n{_record('org.example.Maps')}</ul>",
        "2 activities begin and laptops see 1 end: a tag is not closed, <br> in line 2",
    ),
    "an unclosed paragraph": (_record(more="<p>text"), "1 activities begin and laptops see 0 end"),
    "no version": (_record(version="1.02"), "1 of 1 activities have no id, address or version to use"),
    "no id": (_record(bundle_id=""), "1 of 1 activities have no id, address or version to use"),
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_laptops_misread(services: Services, page: str) -> None:
    text, why = PAGES[page]
    with answering(lambda *_: (200, {"Content-Type": "text/html"}, text.encode())) as port:
        assert why in failed(services.check("updates", port=port))["updates: the page of activities"]


def _serving(bundle: bytes | None, *, length: bool = True, ranges: bool = True, shift: int = 0):
    def act(method: str, path: str, _: bytes, headers: dict[str, str]) -> Answer:
        if path == "/activities/":
            return 200, {}, _record().encode()
        if bundle is None:
            return 404, {}, b""
        if method == "HEAD" or not ranges:
            return 200, {"Content-Length": str(len(bundle))} if length else {}, bundle
        start, end = map(int, headers["range"].partition("=")[2].split("-"))
        told = {"Content-Range": f"bytes {start}-{end}/{len(bundle)}"}
        return 206, told, bundle[start + shift : end + 1 + shift]

    return act


BUNDLES = {
    "missing": ({"bundle": None}, "org.example.Paint: status 404 for HEAD /activities/p.xo"),
    "no length": ({"length": False}, "HEAD /activities/p.xo has no Content-Length"),
    "no ranges": ({"ranges": False}, "status 200 and not 206"),
    "not a ZIP": ({"bundle": b"no" * 999}, "is no ZIP file that can be read"),
    "encrypted": ({"spoil": (b"PK\x01\x02", 8, 1)}, "is no ZIP file that can be read"),
    "broken": ({"spoil": (b"PK\x01\x02", 16, 255)}, "is no ZIP file that can be read"),
    "other version": ({"version": "3"}, "p.xo is version 3 and not 2"),
    "other activity": ({"bundle_id": "org.example.Maps"}, "p.xo is org.example.Maps and not org.example.Paint"),
    "two folders": ({"files": {"a/x": b"", "b/x": b""}}, "has 2 folders at its top"),
    "no info": ({"files": {"a/x": b""}}, "has neither a/activity/activity.info"),
}


@pytest.mark.parametrize("fault", BUNDLES)
def test_a_bundle_that_laptops_cannot_install(services: Services, tmp_path: Path, fault: str) -> None:
    change, why = BUNDLES[fault]
    if "files" in change:
        made = archive(tmp_path / "p.xo", change["files"])
    else:
        made = activity(tmp_path / "p.xo", change.get("bundle_id", "org.example.Paint"), change.get("version", "2"))
    if "spoil" in change:  # a byte of the central directory's first entry: the flags, or the checksum
        record, offset, bits = change["spoil"]
        spoilt = bytearray(made.read_bytes())
        spoilt[spoilt.index(record) + offset] ^= bits
        made.write_bytes(spoilt)
    ways = {name: change[name] for name in ("bundle", "length", "ranges") if name in change}
    with answering(_serving(**{"bundle": made.read_bytes(), **ways})) as port:
        report = services.check("updates", port=port)
    assert why in failed(report)["updates: the bundles"]


def test_our_own_faulty_server_can_be_well(services: Services, tmp_path: Path) -> None:
    made = activity(tmp_path / "p.xo", version="2")
    with answering(_serving(made.read_bytes())) as port:
        assert services.check("updates", port=port).ok
