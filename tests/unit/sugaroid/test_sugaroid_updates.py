"""The updater's rules on hand-made pages, against the rules of Sugar's own microformat and bundle versions."""

from __future__ import annotations

import pytest
from sugaroid.errors import NotServed
from sugaroid.updates import Offer, page_url, place, read_page, updates, version_numbers

URL = "http://school.lima/activities/"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1", (1,)),
        ("0", (0,)),
        ("10", (10,)),
        ("1.2.3", (1, 2, 3)),
        ("1.0", (1,)),
        ("1.0.0", (1,)),
        ("0.0", (0,)),
        ("1.2.3-peru", (1, 2, 3)),
        ("1.2~dfsg", (1, 2)),
        ("1-2", (1,)),
    ],
)
def test_versions(text: str, numbers: tuple[int, ...]) -> None:
    assert version_numbers(text) == numbers


@pytest.mark.parametrize("text", ["", "1.2peru", "1.2.", "1.02", "01", "1.2-peru2", "1-", "v1", "1..2", "١"])
def test_no_versions(text: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        version_numbers(text)


def _record(bundle_id: str, version: str, inner: str = "") -> str:
    return (
        f'<div class="olpc-activity-info"><b class="x olpc-activity-id"> {bundle_id}\n</b>{inner}'
        f'<i class="olpc-activity-version">{version}</i>'
        f'<p class="olpc-activity-url"><span><a href="{bundle_id}.xo">a</a><a href="other">b</a></span></p></div>'
    )


def test_a_page() -> None:
    page = read_page(
        '<h1 id="olpc-activity-group-name">San <b>Martín</b></h1>'
        + _record("org.a", "9", "<br/><img src='x'/>")
        + _record("org.a", "10")
        + _record("org.a", "2")
        + _record("org.b", "1.2-peru", '<s class="olpc-activity-optional">1</s>'),
        URL,
    )
    assert page.group == "San Martín"
    assert page.offers == {
        "org.a": Offer("org.a", "10", URL + "org.a.xo"),
        "org.b": Offer("org.b", "1.2-peru", URL + "org.b.xo", optional=True),
    }
    assert (page.begun, page.ended, page.unclosed, page.incomplete) == (4, 4, (), 0)


def test_of_equal_versions_the_later_counts() -> None:
    page = read_page(_record("org.a", "1") + _record("org.a", "1.0"), URL)
    assert page.offers["org.a"].version == "1.0"


def test_pieces_of_an_id_are_joined() -> None:
    page = read_page(_record("org.<b>exam</b> ple", "1"), URL)
    assert list(page.offers) == ["org.example"]


@pytest.mark.parametrize("tag", ["<br>", "<img src='x'>", "<hr>", "<li>", "<p>"])
def test_an_unclosed_tag_swallows_the_next_record(tag: str) -> None:
    page = read_page(f"<body>{_record('org.a', '1', tag)}{_record('org.b', '2')}</body>", URL)
    assert page.offers == {} or list(page.offers) == ["org.aorg.b"]
    assert page.begun == 2
    assert page.ended < 2
    assert any(tag.strip("<>").partition(" ")[0] in where for where in page.unclosed)


def test_what_is_incomplete_is_dropped() -> None:
    page = read_page(_record("org.a", "1.02") + _record("", "1") + _record("org.b", "3"), URL)
    assert list(page.offers) == ["org.b"]
    assert page.incomplete == 2


def test_what_a_laptop_fetches() -> None:
    offers = [
        Offer("newer", "2", "u"),
        Offer("equal", "1.0", "u"),
        Offer("older", "9", "u"),
        Offer("unknown", "1", "u"),
        Offer("optional", "5", "u", optional=True),
    ]
    installed = {"newer": "1.9", "equal": "1", "older": "10", "optional": "1"}
    assert [offer.bundle_id for offer in updates(offers, installed)] == ["newer", "optional", "unknown"]
    assert [offer.bundle_id for offer in updates(offers, installed, automatic=True)] == ["newer", "unknown"]


def test_where_a_bundle_is() -> None:
    assert page_url("school.lima", 80) == URL
    assert page_url("school.lima", 8080) == "http://school.lima:8080/activities/"
    assert place("http://School.lima/a/b.xo?c=d", "school.lima", "10.0.0.1") == (
        *("10.0.0.1", 80, "school.lima", "/a/b.xo?c=d"),
    )
    assert place("http://other.lima:81/b.xo", "school.lima", "10.0.0.1") == ("other.lima", 81, "other.lima", "/b.xo")
    for url in ("ftp://school.lima/b.xo", "https://school.lima/b.xo", "http://school.lima:x/b.xo", "b.xo"):
        with pytest.raises(NotServed):
            place(url, "school.lima", "10.0.0.1")
