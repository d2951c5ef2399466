"""What children call themselves stays text: read back by another parser, whatever characters it is made of."""

from __future__ import annotations

import ast
import re
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sugar_server.pages.markup import Html, clean, html

from .test_server_package import SOURCE

PAGES = sorted((SOURCE / "sugar_server" / "pages").glob("*.py"))


class Read(HTMLParser):
    """What a parser sees."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = unknown_decl = handle_pi = handle_comment


@given(st.text())
def test_whatever_a_name_is_it_stays_text(name):
    read = Read(html('<a title="{name}" href="/x">{name}</a>', name=name))
    expected = clean(name)
    assert read.tags == [("a", {"title": expected, "href": "/x"})]
    assert read.text == expected


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='x",
        "</title></textarea></style>",
        "<!--",
        "&lt;b&gt;",
        "{0.__class__}{school}",
        "%s",
    ],
)
def test_hostile_names(name):
    read = Read(html('<p title="{it}"><bdi>{it}</bdi></p>', it=name))
    assert read.tags == [("p", {"title": name}), ("bdi", {})]
    assert read.text == name


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Cn", "Lo", "Zl"])))
def test_nothing_turns_the_text_around_or_breaks_the_page(text):
    shown = clean(text)
    # Every character that Unicode gives an explicit formatting of direction.
    forced = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not [character for character in shown if unicodedata.bidirectional(character) in forced]
    shown.encode("utf-8")
    assert not [c for c in shown if unicodedata.category(c) == "Cc" and c not in "\t\n\r"]
    assert not [c for c in shown if ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF]
    assert len(shown) == len(text)


def test_joiners_that_scripts_and_emoji_need_stay():
    for text in ("می\u200cخواهم", "👩\u200d🏫", "Ñandú", "علي"):
        assert clean(text) == text


def test_values_of_other_kinds():
    some = [html("<i>{it}</i>", it=it) for it in ("a", "<")]
    assert html("{a}{b}{c}{d}", a=None, b=7, c=some, d=Html("<hr>")) == "7<i>a</i><i>&lt;</i><hr>"
    assert html("{a}", a=["<", None, ["&"]]) == "&lt;&amp;"


def test_text_that_was_changed_is_no_longer_html():
    assert html("{it}", it=Html("<b>") + "<script>") == "&lt;b&gt;&lt;script&gt;"
    assert html("{it}", it=Html("<{}>").format("x")) == "&lt;x&gt;"


def _templates():
    """Each literal of the pages that holds a tag."""
    for path in PAGES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"<[a-z/!]", node.value):
                yield path.name, node.value


def test_templates_put_attributes_in_double_quotes():
    found = list(_templates())
    assert len(found) > 20
    for name, template in found:
        assert not re.search(r"=\s*(\{|'|[^\"\s{][^\s<>]*\{)", re.sub(r'="[^"]*"', "", template)), (name, template)
        assert not re.search(r"<[^>]*\s(on[a-z]+|style)=", template), (name, template)


def test_only_literals_are_declared_to_be_html():
    """`Html(...)` of anything else than a literal would switch the escaping off: there are two places, known ones."""
    places = set()
    for path in PAGES:
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if called and node.func.id == "Html" and not isinstance(node.args[0], ast.Constant):
                places.add((path.name, ast.unparse(node.args[0])))
            if called and node.func.id == "html":
                assert isinstance(node.args[0], (ast.Constant, ast.Name, ast.IfExp)), (path.name, ast.unparse(node))
    assert {name for name, _ in places} == {"markup.py", "style.py", "home.py"}
    assert ("home.py", "plot.svg") in places
