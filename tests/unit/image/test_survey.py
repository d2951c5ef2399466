"""What was read of a system, kept beside it: the same as if it were read again, or nothing."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from sugar_deploy.image.survey.reading import trees_of
from sugar_deploy.image.survey.survey import Survey


def tar_of(file: Path, *members: tuple[str, bytes, dict[str, str]]) -> None:
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content, headers in members:
            one = tarfile.TarInfo(name)
            one.size, one.mtime, one.pax_headers = len(content), 1_600_000_000, headers
            tar.addfile(one, io.BytesIO(content))


@pytest.fixture
def system(tmp_path: Path) -> Path:
    able = {"SCHILY.xattr.security.capability": b"\x01\xff".decode("utf-8", "surrogateescape")}
    tar_of(
        tmp_path / "root.tar",
        ("./opt/ping", b"p" * 5000, able),
        (b"./opt/caf\xe9".decode("utf-8", "surrogateescape"), b"c", {}),
        ("./var/lib/dpkg/info/ping.list", b"/.\n/opt/ping\n", {}),
    )
    return tmp_path


def surveyed(*trees: Path) -> Survey:
    survey = Survey()
    survey.add(*trees)
    return survey


def told(survey: Survey) -> tuple[object, ...]:
    return survey.reads(), survey.files(), survey.sizes(), survey.attributes(), survey.base_attributes()


def test_what_was_kept_is_what_was_read(system: Path) -> None:
    read = surveyed(system / "root.tar")
    read.keep(system / "survey.json")
    found = Survey.kept(system / "survey.json", hashlib.sha256((system / "root.tar").read_bytes()).hexdigest())
    assert found is not None
    assert told(found) == told(read)


def test_settings_count_on_top_of_it(system: Path) -> None:
    """A program that they replace has lost its capability, and is counted once."""
    read = surveyed(system / "root.tar")
    read.keep(system / "survey.json")
    found = Survey.kept(system / "survey.json", read.reads()[0].sha256)
    assert found is not None
    tar_of(system / "settings.tar", ("./opt/ping", b"mine", {}))
    found.add(system / "settings.tar")
    assert told(found) == told(surveyed(*trees_of(system)))
    assert hashlib.sha256(b"mine").hexdigest() in found.files()["/opt/ping"]
    assert found.sizes()["bytes"] == len(b"mine") + len(b"c") + len(b"/.\n/opt/ping\n")
    assert found.attributes() == []
    assert found.base_attributes() == [("/opt/ping", "security.capability", b"\x01\xff")]


@pytest.mark.parametrize("damage", ["other tar", "cut off", "other bytes", "empty", "gone"])
def test_what_is_damaged_counts_for_nothing(system: Path, damage: str) -> None:
    read, file = surveyed(system / "root.tar"), system / "survey.json"
    read.keep(file)
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    elif damage != "other tar":
        changed = {"cut off": content[:-40], "other bytes": content.replace(b"/opt/ping", b"/opt/pong"), "empty": b""}
        file.write_bytes(changed[damage])
    assert Survey.kept(file, "0" * 64 if damage == "other tar" else read.reads()[0].sha256) is None
