"""The pages' languages: catalogues checked by gettext's own tools, and read as the standard library reads them."""

from __future__ import annotations

import gettext
import re
import subprocess
import time

import pytest
from sugar_server.pages.languages import NAMES, Language, direction, language, negotiate
from sugar_server.pages.po import Catalogue

from .test_server_package import SOURCE

PAGES = SOURCE / "sugar_server" / "pages"
LOCALES = sorted((PAGES / "locale").glob("*.po"))
XGETTEXT = ("xgettext", "--from-code=UTF-8", "--language=Python", "--keyword=count:1,2", "--output=-")


def compiled(path, folder, *options):
    """The catalogue as msgfmt compiles it and the standard library reads it."""
    binary = folder / "messages.mo"
    done = subprocess.run(["msgfmt", *options, "-o", binary, path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    with binary.open("rb") as file:
        return gettext.GNUTranslations(file)


@pytest.fixture(scope="module")
def messages():
    """Every message in the source, as xgettext finds them: (message, plural or None)."""
    modules = [*sorted(PAGES.glob("*.py")), PAGES.parent / "library" / "page.py"]
    text = subprocess.run([*XGETTEXT, *modules], capture_output=True, text=True, check=True).stdout
    found = []
    for paragraph in text.split("\n\n")[1:]:
        joined = re.sub(r'"\n"', "", paragraph)
        one = re.search(r'^msgid "(.*)"$', joined, re.MULTILINE)
        many = re.search(r'^msgid_plural "(.*)"$', joined, re.MULTILINE)
        found.append((one.group(1), many.group(1) if many else None))
    assert len(found) > 80
    return found


def test_there_is_a_catalogue_for_each_language():
    assert {path.stem for path in LOCALES} == set(NAMES) - {"en"} == {"es", "fr"}


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_every_message_is_translated(path, messages, tmp_path):
    catalogue = compiled(path, tmp_path, "--check")._catalog
    for one, many in messages:
        if many is None:
            assert catalogue.get(one), f"{path.name}: {one!r} is not translated: see scripts/translations"
        else:
            assert all(catalogue.get((one, form)) for form in (0, 1)), f"{path.name}: {one!r}"


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_nothing_is_translated_that_nobody_says(path, messages, tmp_path):
    said = {one for one, _ in messages}
    for key in compiled(path, tmp_path)._catalog:
        assert (key[0] if isinstance(key, tuple) else key) in said | {""}


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_read_as_the_standard_library_reads_it(path, messages, tmp_path):
    theirs, ours = compiled(path, tmp_path), Catalogue(path)
    for one, many in messages:
        if many is None:
            assert ours.gettext(one) == theirs.gettext(one)
        else:
            for number in (0, 1, 2, 5, 21, 1000):
                assert ours.ngettext(one, many, number) == theirs.ngettext(one, many, number)


TRICKY = r"""
# A comment with "quotes".
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%100!=12 ? 1 : 2);\n"

#, fuzzy
msgid "vague"
msgstr "unklar"

#: somewhere.py:1
#| msgid "former"
msgid "say \"no\"\n"
msgstr ""
"one\t"
"\\two\n"

msgid "{count} day"
msgid_plural "{count} days"
msgstr[0] "a"
msgstr[1] "b"
msgstr[2] "c"

msgid "untranslated"
msgstr ""

#~ msgid "obsolete"
#~ msgstr "gone"
"""


def test_a_tricky_catalogue(tmp_path):
    path = tmp_path / "xx.po"
    path.write_text(TRICKY)
    theirs, ours = compiled(path, tmp_path), Catalogue(path)
    for message in ('say "no"\n', "vague", "untranslated", "obsolete", "former", "unknown"):
        assert ours.gettext(message) == theirs.gettext(message)
    for number in range(130):
        assert ours.ngettext("{count} day", "{count} days", number) == theirs.ngettext(
            "{count} day", "{count} days", number
        )
    assert ours.ngettext("one", "more", 1) == "one"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "en"),
        ("es-PE,es;q=0.9,en;q=0.8", "es"),
        ("en-US,en;q=0.5,fr;q=0.3", "en"),
        ("de, fr;q=0.4, es;q=0.3", "fr"),
        ("qu, es;q=0", "en"),
        ("FR-ca", "fr"),
        ("*", "en"),
        ("fr;q=nonsense, es;q=0.1", "es"),
        ("fr;q=1e9, es;q=0.1", "es"),
        (";;;,,,=;q=", "en"),
        ("es;q=0.1" + "," * 100_000, "es"),
    ],
)
def test_negotiation(header, code):
    assert negotiate(header) == code


def test_directions():
    assert [direction(code) for code in ("en", "es", "ar", "fa", "he", "ur", "qu")] == [
        "ltr",
        "ltr",
        "rtl",
        "rtl",
        "rtl",
        "rtl",
        "ltr",
    ]


@pytest.fixture
def in_lima(monkeypatch):
    monkeypatch.setenv("TZ", "America/Lima")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOON = 1_790_010_000  # 2026-09-21 12:00 in Lima, 17:00 UTC
DAY = 86400


@pytest.mark.parametrize(
    ("before", "english", "french"),
    [
        (0, "today", "aujourd'hui"),
        (11 * 3600, "today", "aujourd'hui"),
        (13 * 3600, "yesterday", "hier"),
        (3 * DAY, "3 days ago", "il y a 3 jours"),
        (-DAY, "2026-09-22 12:00", "2026-09-22 12:00"),
    ],
)
def test_how_long_ago(in_lima, before, english, french):
    for code, text in (("en", english), ("fr", french)):
        shown = language(code).ago(NOON - before, NOON)
        assert re.sub("<[^>]*>", "", shown).replace("&#x27;", "'") == text
    if before == 0:
        assert 'datetime="2026-09-21T17:00:00Z"' in shown


def test_amounts():
    english, french = Language("en"), Language("fr")
    assert [english.amount(size) for size in (0, 1, 999_999, 2_500_000, 64_000_000_000)] == [
        "0 kB",
        "1 kB",
        "1000 kB",
        "2 MB",
        "64 GB",
    ]
    assert french.amount(64_000_000_000) == "64 Go"
