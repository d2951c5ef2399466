"""What the tools say, read as data; and the commands that they are given."""

from __future__ import annotations

import base64

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.keys.armor import dearmor
from sugar_deploy.repository.aptly import OPTIONS, publish_options
from sugar_deploy.repository.build import build_argv, cache_folder
from sugar_deploy.repository.control import Entry, release_entries, stanzas
from sugar_deploy.repository.debs import snapshot_id
from sugar_deploy.repository.lint import Finding, parse
from sugar_deploy.repository.tools import parse_unmet, require


@pytest.mark.parametrize(
    ("stderr", "packages"),
    [
        (
            "dpkg-checkbuilddeps: error: Unmet build dependencies: debhelper-compat (= 13) dh-python",
            {"debhelper", "dh-python"},
        ),
        ("dpkg-checkbuilddeps: error: unmet build dependencies: a (>= 1:2.0~) | b c | d:any e:any", {"a", "c", "e"}),
        ("", set()),
        ("dpkg-checkbuilddeps: error: cannot read control", set()),
    ],
)
def test_unmet_build_dependencies(stderr: str, packages: set[str]) -> None:
    assert parse_unmet(stderr) == packages


def test_all_missing_tools_are_named_at_once() -> None:
    tools = {"sh": "dash", "no-such-program": "one-package", "nor-this": "another"}
    with pytest.raises(DeployError, match="lacks another one-package") as error:
        require(tools, "nothing works")
    assert error.value.remedy == "Run: sudo apt-get install another one-package"


def test_stanzas() -> None:
    text = "Package: a\nDescription: x\n more: of it\n\n\nPackage: b\n"
    assert list(stanzas(text)) == [{"Package": "a", "Description": "x\nmore: of it"}, {"Package": "b"}]


@pytest.mark.parametrize("text", [" continues: nothing\n", "no colon\n", "A: 1\nA: 2\n"])
def test_malformed_stanzas(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        list(stanzas(text))


def test_release_entries() -> None:
    release = {"SHA256": "\nab 12 main/x\ncd 0 y", "SHA512": "\nef 12 main/x"}
    assert release_entries(release, "SHA256") == (Entry("ab", 12, "main/x"), Entry("cd", 0, "y"))
    assert release_entries(release, "SHA512") == (Entry("ef", 12, "main/x"),)
    for bad in ({}, {"SHA256": ""}, {"SHA256": "\nab 12"}, {"SHA256": "\nab many x"}):
        with pytest.raises(ValueError, match=r".+"):
            release_entries(bad, "SHA256")


def test_dearmor() -> None:
    body = base64.b64encode(b"a key").decode()
    armour = (
        f"-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\n{body}\n=AbCd\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )
    assert dearmor(armour) == b"a key"
    for bad in ("", body, armour.replace(body, "%%%"), armour.replace("END", "BEND"), armour.replace("\n\n", "\n")):
        with pytest.raises(ValueError, match="no ASCII armoured public key"):
            dearmor(bad)


def test_lintians_findings() -> None:
    text = "E: a: bad-thing in here [usr/x:3]\nW: b: odd-thing\nN: a note\nwarning: running with root privileges\n"
    assert parse(text) == (
        Finding("error", "a", "bad-thing", "in here [usr/x:3]"),
        Finding("warning", "b", "odd-thing", ""),
    )


def test_the_snapshot_depends_on_all_that_is_published_and_on_nothing_else() -> None:
    one = snapshot_id(["trixie a 1 all 00", "trixie b 1 all 11"], "lima")
    assert one == snapshot_id(["trixie b 1 all 11", "trixie a 1 all 00", "trixie a 1 all 00"], "lima")
    others = {
        snapshot_id(["trixie a 1 all 00"], "lima"),
        snapshot_id(["trixie a 1 all 01", "trixie b 1 all 11"], "lima"),
        snapshot_id(["bookworm a 1 all 00", "trixie b 1 all 11"], "lima"),
        snapshot_id(["trixie a 1 all 00", "trixie b 1 all 11"], "cusco"),
    }
    assert len(others | {one}) == 5
    assert set(one) <= set("0123456789abcdef")
    assert len(one) == 12


def test_commands() -> None:
    assert build_argv() == (
        "dpkg-buildpackage",
        "--build=all",
        "--no-sign",
        "--no-pre-clean",
        "--no-check-builddeps",
    )
    assert "-acquire-by-hash" in publish_options("trixie", "lima")
    assert "-architectures=amd64,arm64,i386,armhf,all" in publish_options("trixie", "lima")
    assert "-skip-signing" in OPTIONS, "aptly signs with one key only"


def test_the_cache_follows_the_xdg_rules() -> None:
    assert str(cache_folder({"HOME": "/home/ana"})) == "/home/ana/.cache/sugar-deploy/packages"
    assert str(cache_folder({"HOME": "/home/ana", "XDG_CACHE_HOME": "/big"})) == "/big/sugar-deploy/packages"
    relative = {"HOME": "/home/ana", "XDG_CACHE_HOME": "not/absolute"}
    assert str(cache_folder(relative)) == "/home/ana/.cache/sugar-deploy/packages"
