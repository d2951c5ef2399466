"""The check of the pages: green on the real daemon, and red with the reason on pages that do not work on an XO."""

from __future__ import annotations

import re

import pytest

from .other_server import Answer, answering
from .services import Services, failed, seen

NAMES = {"pages: the first page", "pages: the laptops", "pages: the server", "pages: the login"}
HIDDEN = {"pages: /login is not shown", "pages: /laptops is not shown", "pages: /server is not shown"}


def test_a_well_school_has_pages(services: Services) -> None:
    services.start()
    report = services.check("pages")
    assert failed(report) == {}
    assert seen(report).keys() == NAMES
    assert all(re.fullmatch(r"\d+ bytes, and nothing else to fetch", said) for said in seen(report).values())
    assert set(failed(services.check(expect_no=("pages",)))) == HIDDEN


def test_pages_that_are_for_the_teacher_only(services: Services) -> None:
    services.configure(server="[pages]\npublic = no")
    services.start()
    report = services.check("pages")
    assert failed(report) == {}
    assert seen(report)["pages: the laptops"] == "only for who has logged in"


def test_pages_that_are_off(services: Services) -> None:
    services.configure(server="[pages]\nenabled = no")
    services.start()
    assert set(failed(services.check("pages"))) == NAMES - {"pages: the first page"}
    report = services.check(expect_no=("pages",))
    assert failed(report) == {}
    assert set(seen(report).values()) == {"status 404"}


def test_nobody_is_there(services: Services) -> None:
    assert failed(services.check("pages")).keys() == NAMES
    assert failed(services.check(expect_no=("pages",))) == {}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('<link rel="stylesheet" href="/style.css"/>', "it needs other files: <link href=/style.css>"),
        ('<img src="http://192.0.2.1/a.png"/>', "it needs other files: <img src=http://192.0.2.1/a.png>"),
        ('<img srcset="a.png 2x"/>', "it needs other files: <img srcset=a.png 2x>"),
        ("<script>1</script>", "it has scripts"),
        ("<style>@import 'a.css'</style>", "its style needs other files"),
        ("<style>p { background: url(a.png) }</style>", "its style needs other files"),
        ("x" * 100_001, "100051 bytes, more than 100000"),
        ('<p style="background: url(a.png)">x</p>', "its style needs other files"),
        # A child may be called so.
        ("<style>p { color: red }</style><p>url(a.png) @import</p>", ""),
        ("", ""),
        ('<img src="data:image/png;base64,AAAA"/><style>p { background: url(data:x) }</style><a href="/x">x</a>', ""),
    ],
)
def test_what_an_xo_cannot_show(services: Services, body: str, complaint: str) -> None:
    page = f'<form><input type="password"/></form><p>school</p>{body}'.encode()

    def act(*_: object) -> Answer:
        return 200, {"Content-Type": "text/html"}, page

    with answering(act) as port:
        found = failed(services.check("pages", port=port))
    assert set(found.values()) == ({complaint} if complaint else set())
    assert found.keys() == (NAMES if complaint else set())


def test_a_login_without_a_field_for_the_password(services: Services) -> None:
    with answering(lambda *_: (200, {"Content-Type": "text/html"}, b"<p>closed</p>")) as port:
        assert failed(services.check("pages", port=port)) == {"pages: the login": "no field for a password"}
