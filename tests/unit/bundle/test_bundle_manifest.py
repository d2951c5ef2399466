"""The manifest: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.bundle.layout import Layout
from sugar_deploy.bundle.manifest import (
    BadManifest,
    Entry,
    HalfCopied,
    Manifest,
    Since,
    parse,
    read_verified,
    signature,
)
from sugar_deploy.keys.gpg import Gpg, opened

ENTRIES = (Entry("project.tar", 10, "a" * 64), Entry("repository/pool/ñ.deb", 0, "b" * 64))
COMPLETE = Manifest(
    deployment="lima",
    title="Escuelas de Lima",
    snapshot="0123456789ab",
    serial=3,
    since=None,
    created_at="2026-11-21T06:30:00Z",
    tool="0.1.0",
    schools=("san-martin",),
    suites=("bookworm", "trixie"),
    architectures=("amd64",),
    fingerprints=("A" * 40,),
    files=ENTRIES,
)


def changed(**values: Any) -> str:
    found = json.loads(COMPLETE.text())
    found.update(values)
    return json.dumps(found)


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert parse(COMPLETE.text()) == COMPLETE
    assert json.loads(COMPLETE.text())["kind"] == "complete"
    assert COMPLETE.created.isoformat() == "2026-11-21T06:30:00+00:00"


def test_an_incremental_manifest_names_what_the_server_has() -> None:
    held = (Entry("repository/pool/old.deb", 5, "c" * 64),)
    text = changed(kind="incremental", since={"snapshot": "ba9876543210", "serial": 2}, held=[
        {"path": "repository/pool/old.deb", "size": 5, "sha256": "c" * 64}
    ])  # fmt: skip
    found = parse(text)
    assert (found.since, found.held) == (Since("ba9876543210", 2), held)
    assert found.size == 10


def test_one_file_a_line() -> None:
    line = '    {"path": "project.tar", "size": 10, "sha256": "' + "a" * 64 + '"},'
    assert line in COMPLETE.text().splitlines()


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"format": 2}, "format 1"),
        ({"more": 1}, "more"),
        ({"deployment": "../etc"}, "deployment"),
        ({"deployment": ["lima"]}, "deployment"),
        ({"title": "a\x1b[31mb"}, "title"),
        ({"snapshot": "0123456789AB"}, "snapshot"),
        ({"serial": 0}, "serial"),
        ({"serial": True}, "serial"),
        ({"serial": 1.5}, "serial"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"kind": "incremental"}, "kind"),
        ({"since": {"snapshot": "ba9876543210"}, "kind": "incremental"}, "serial"),
        ({"held": [{"path": "x", "size": 1, "sha256": "c" * 64}]}, "since which"),
        ({"schools": ["a", "a"]}, "twice"),
        ({"schools": "a"}, "schools"),
        ({"suites": []}, "no suite"),
        ({"fingerprints": ["abc"]}, "fingerprints"),
        ({"files": []}, "file"),
        ({"files": [{"path": "/etc/passwd", "size": 1, "sha256": "c" * 64}]}, "leads out"),
        ({"files": [{"path": "a/../../b", "size": 1, "sha256": "c" * 64}]}, "leads out"),
        ({"files": [{"path": "a\\b", "size": 1, "sha256": "c" * 64}]}, "leads out"),
        ({"files": [{"path": "a\nb", "size": 1, "sha256": "c" * 64}]}, "path"),
        ({"files": [{"path": "a", "size": -1, "sha256": "c" * 64}]}, "size"),
        ({"files": [{"path": "a", "size": 1, "sha256": "c" * 63}]}, "sha256"),
        ({"files": [{"path": "a", "size": 1}]}, "does not have"),
        ({"files": [{"path": "MANIFEST.json", "size": 1, "sha256": "c" * 64}]}, "lists"),
        ({"files": [{"path": name, "size": 1, "sha256": "c" * 64} for name in ("b", "a")]}, "sorted"),
        ({"files": [{"path": name, "size": 1, "sha256": "c" * 64} for name in ("A", "a")]}, "same name"),
    ],
)
def test_what_we_would_not_have_written_is_refused(values: dict[str, Any], word: str) -> None:
    with pytest.raises(BadManifest, match="Write the stick again") as refused:
        parse(changed(**values))
    assert word in refused.value.message


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1, "format": 1}', "[" * 100_000, "null", "\x00"])
def test_what_is_no_manifest_at_all_is_refused(text: str) -> None:
    with pytest.raises(BadManifest, match="cannot be used"):
        parse(text)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with opened(tmp_path_factory.mktemp("g"), "pass") as gpg:
        gpg.run("--quick-generate-key", "lima repository", "ed25519", "sign", "1y")
        listing = gpg.run("--with-colons", "--list-secret-keys").splitlines()
        fingerprint = next(line.split(":")[9] for line in listing if line.startswith("fpr:"))
        yield gpg, fingerprint


@pytest.fixture
def bundle(key: tuple[Gpg, str], tmp_path: Path) -> Layout:
    gpg, fingerprint = key
    layout = Layout(tmp_path)
    layout.folder.mkdir()
    layout.manifest.write_text(COMPLETE.text())
    layout.signature.write_text(signature(COMPLETE.text(), gpg, [fingerprint]))
    layout.key.write_text(gpg.run("--armor", "--export", fingerprint))
    return layout


def test_a_signed_manifest_is_proved(bundle: Layout) -> None:
    assert read_verified(bundle, bundle.key) == COMPLETE


def test_one_other_byte_is_noticed(bundle: Layout) -> None:
    bundle.manifest.write_text(COMPLETE.text().replace('"serial": 3', '"serial": 4'))
    with pytest.raises(BadManifest, match="it is not what was signed"):
        read_verified(bundle, bundle.key)


def test_without_manifest_or_signature_it_is_half_copied(bundle: Layout) -> None:
    bundle.signature.unlink()
    with pytest.raises(HalfCopied, match="Finish it where it was begun"):
        read_verified(bundle, bundle.key)


def test_a_folder_without_a_bundle_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match="there is no bundle"):
        read_verified(Layout(tmp_path), tmp_path)
