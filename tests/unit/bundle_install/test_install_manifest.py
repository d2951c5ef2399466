"""The manifest's rules, each broken once: refused by name, and the server as it was, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sugar_deploy.bundle.install.server import Server
from tests.unit.bundle_install.conftest import MakeStick, refused
from tests.unit.bundle_install.sticks import Key

Fields = dict[str, Any]


def put(name: str, value: object) -> Callable[[Fields], None]:
    def change(fields: Fields) -> None:
        fields[name] = value

    return change


def drop(name: str) -> Callable[[Fields], None]:
    def change(fields: Fields) -> None:
        del fields[name]

    return change


def in_first_file(name: str, value: object) -> Callable[[Fields], None]:
    def change(fields: Fields) -> None:
        fields["files"][0][name] = value

    return change


def twice(fields: Fields) -> None:
    fields["files"].insert(0, fields["files"][0])


def unsorted(fields: Fields) -> None:
    fields["files"].reverse()


def lists_itself(fields: Fields) -> None:
    fields["files"].insert(0, {"path": "MANIFEST.json", "size": 1, "sha256": "0" * 64})


# The manifest's rules, each broken once, and signed all the same by the key that the server trusts.
RULES: dict[str, tuple[Callable[[Fields], None], str]] = {
    "another format": (put("format", 2), "its format is 2, and this sugar-deploy reads format 1"),
    "a field is missing": (drop("title"), "missing or unknown: title"),
    "a field is unknown": (put("extra", 1), "missing or unknown: extra"),
    "the deployment is no name": (put("deployment", "../lima"), "deployment is"),
    "the title is empty": (put("title", ""), "title is"),
    "the title drives the terminal": (put("title", "\x1b[2J"), "title is"),
    "the snapshot is no id": (put("snapshot", "../../etc"), "snapshot is"),
    "the serial is nothing": (put("serial", 0), "serial is 0"),
    "the serial is a text": (put("serial", "5"), "serial is '5'"),
    "the serial is a truth": (put("serial", True), "serial is True"),
    "since is half": (put("since", {"snapshot": "0123456789ab"}), "does not have serial, snapshot"),
    "kind and since differ": (put("kind", "incremental"), "its kind is 'incremental'"),
    "the time is none": (put("created_at", "yesterday"), "created_at is no time"),
    "the tool is no version": (put("tool", "0.1.0;reboot"), "tool is"),
    "a school is no name": (put("schools", ["San Martín"]), "schools is"),
    "a school stands there twice": (put("schools", ["san-martin", "san-martin"]), "schools names one twice"),
    "no suite": (put("suites", []), "it names no suite, architecture, key or file"),
    "no architecture": (put("architectures", []), "it names no suite, architecture, key or file"),
    "no key": (put("fingerprints", []), "it names no suite, architecture, key or file"),
    "a key is no fingerprint": (put("fingerprints", ["ABCD"]), "fingerprints is"),
    "other keys than key.asc": (put("fingerprints", ["A" * 40]), "key.asc does not hold the keys"),
    "no files": (put("files", []), "it names no suite, architecture, key or file"),
    "a file leads out": (in_first_file("path", "../install.sh"), "leads out of the bundle"),
    "a file is absolute": (in_first_file("path", "/etc/passwd"), "leads out of the bundle"),
    "a file has a backslash": (in_first_file("path", "a\\b"), "leads out of the bundle"),
    "a file has no hash": (in_first_file("sha256", "0"), "sha256 is '0'"),
    "a size is negative": (in_first_file("size", -1), "size is -1"),
    "a file has more to say": (in_first_file("mode", 7), "does not have path, sha256, size"),
    "a file stands there twice": (twice, "two files have the same name"),
    "files are unsorted": (unsorted, "files is not sorted"),
    "it lists itself": (lists_itself, "it lists MANIFEST.json"),
    "held without since": (
        put("held", [{"path": "repository/x", "size": 1, "sha256": "0" * 64}]),
        "does not say since which snapshot",
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_a_manifest_that_breaks_a_rule(make_stick: MakeStick, installed: Server, name: str) -> None:
    change, message = RULES[name]
    refused(installed, make_stick(serial=4, change=change).write(), message)


def test_a_manifest_that_is_no_json(make_stick: MakeStick, installed: Server) -> None:
    stick = make_stick(serial=4).write()
    for text in ("", "{", "[]", '{"a": 1, "a": 2}', "[" * 100_000, "\0" * 100):
        (stick.folder / "MANIFEST.json").write_text(text)
        refused(installed, stick, r"MANIFEST\.json cannot be used")


def test_a_manifest_that_was_changed_after_it_was_signed(make_stick: MakeStick, installed: Server) -> None:
    stick = make_stick(serial=4).write()
    manifest = stick.folder / "MANIFEST.json"
    manifest.write_text(manifest.read_text().replace('"serial": 4', '"serial": 9'))
    refused(installed, stick, "cannot be trusted.*it is not what was signed")


@pytest.mark.parametrize("signature", ["", "garbage", "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END"])
def test_a_signature_that_is_none(make_stick: MakeStick, installed: Server, signature: str) -> None:
    stick = make_stick(serial=4).write()
    (stick.folder / "MANIFEST.json.asc").write_text(signature)
    refused(installed, stick, "cannot be trusted")


def test_a_foreign_key_of_the_same_name(make_stick: MakeStick, installed: Server, keys: dict[str, Key]) -> None:
    error = refused(installed, make_stick(serial=4, signed=("foreign",)).write(), "signed by another key")
    assert keys["old"].fingerprint[:4] in error.message


def test_a_foreign_key_smuggled_into_key_asc(make_stick: MakeStick, installed: Server, keys: dict[str, Key]) -> None:
    stick = make_stick(serial=4).write()
    whole = (stick.folder / "key.asc").read_text()
    stick.trusted = (keys["old"], keys["foreign"])
    stick.change = put("fingerprints", [keys["old"].fingerprint])
    stick.write()
    refused(installed, stick, r"key\.asc does not hold the keys")
    for text in ("", "garbage", whole.replace("m", "n", 3)[: len(whole) // 2]):
        (stick.folder / "key.asc").write_text(text)
        refused(installed, stick, r"key\.asc")
