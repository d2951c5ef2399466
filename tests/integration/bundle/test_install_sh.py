"""`sh install.sh` in a minimal Debian 12 and 13 without any network, from a stick that is mounted read-only."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sugar_deploy.bundle.beside import install_script, readme
from sugar_deploy.bundle.layout import Layout
from sugar_deploy.bundle.manifest import read_verified
from sugar_deploy.bundle.parts import piece
from sugar_deploy.bundle.proof import prove
from sugar_deploy.bundle.watch import Unwatched
from sugar_deploy.bundle.wheels import wheels
from sugar_deploy.bundle.write import Bundle, write
from tests.integration.bundle.minimal_root import STICK, Clock, Machine, fetch_venv, machine, publish
from tests.integration.bundle.real_stick import MIB, formatted, mounted
from tests.unit.bundle_install.sticks import Key, Stick, make_key, project_tar, snapshot_files, tree

INSTALL = Path(__file__).resolve().parents[3] / "sugar_deploy/bundle/install.sh"
# What an installed tool goes through is the same on each release, and each installation takes long.
on_the_newest = pytest.mark.parametrize("school", ["trixie"], indirect=True, scope="module")
BEFORE = int(datetime(2001, 2, 3, tzinfo=UTC).timestamp())
MADE = int(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp())


@dataclass
class School:
    """A machine, and the stick that was brought to it."""

    machine: Machine
    stick: Stick
    key: Key

    def sh(self, *options: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.machine.run("sh", f"{STICK}/install.sh", *options, stick=self.stick.root, text=text)

    def bundle(self) -> Bundle:
        """What the stick holds, for the writer of real sticks."""
        folder = self.stick.folder
        pieces = tuple(sorted(piece(path, folder / path, "packages") for path in self.stick.files))
        manifest = read_verified(Layout(self.stick.root), folder / "key.asc")
        texts = [(folder / name).read_text() for name in ("MANIFEST.json", "MANIFEST.json.asc", "key.asc")]
        return Bundle(pieces, *texts, install=install_script(), readme=readme(manifest))

    def written(self, path: str) -> Path:
        return self.machine.upper / path


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def school(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    suite: str = request.param
    folder = tmp_path_factory.mktemp(f"school-{suite}")
    key = make_key(folder / "k", "lima")
    fresh = machine(suite, folder / "m")
    fetch_venv(fresh, folder / "debs")
    shutil.rmtree(fresh.upper)
    tool = wheels((suite,), ("amd64",), print)
    stick = Stick(folder / "stick", (key,))
    stick.files = {
        **snapshot_files("0123456789ab", 1, {}),
        **publish(folder / "debs", suite, key),
        "project.tar": project_tar({"target": "/srv/mark", "mark": "installed"}, ["san-martin"]),
        **{f"wheels/{path.name}": path.read_bytes() for path in tool.files},
        **{f"wheels/{name}": text.encode() for name, text in tool.lists.items()},
    }
    stick.fields["tool"] = next(
        path.name.split("-")[1] for path in tool.files if path.name.startswith("sugar_deploy-")
    )
    stick.write()
    shutil.copyfile(INSTALL, stick.root / "install.sh")
    yield School(fresh, stick, key)
    fresh.close()
    subprocess.run(["gpgconf", "--homedir", str(key.home), "--kill", "all"], check=True)


def test_a_server_comes_up_from_a_stick_and_nothing_else(school: School, tmp_path: Path) -> None:
    """From a stick as people have them, as the writer has written it: FAT32 or exFAT."""
    refused = school.sh()
    assert refused.returncode == 2, refused.stderr
    assert school.key.fingerprint in refused.stderr
    assert "--fingerprint" in refused.stderr
    assert not school.written("opt/sugar-deploy").exists()

    clock = Clock.give(school.machine, BEFORE)
    kind = {"bookworm": "fat32", "trixie": "exfat"}[school.machine.suite]
    image = formatted(kind, tmp_path / "stick.img", 512 * MIB)
    with mounted(kind, image, tmp_path / "stick") as stick:
        write(school.bundle(), Layout(stick), Unwatched())
        assert prove(stick, None, Unwatched()).whole
        options = ("--fingerprint", school.key.fingerprint, "--set-clock")
        done = school.machine.run("sh", f"{STICK}/install.sh", *options, stick=stick)
    assert done.returncode == 0, done.stdout + done.stderr
    assert clock.told() == [f"set to {MADE + 1}", "hwclock --systohc --utc"]
    clock.remove()
    assert school.written("srv/mark").read_text() == "installed 0123456789ab"
    record = json.loads(school.written("var/lib/sugar-deploy/bundle.json").read_text())
    assert (record["deployment"], record["school"], record["serial"]) == ("lima", "san-martin", 1)
    # The system's own sources were neither asked nor changed.
    assert not list(school.machine.upper.glob("etc/apt/**/*.sources"))
    assert not list(school.machine.upper.glob("var/lib/apt/lists/*"))
    assert not list(school.written("var/tmp").glob("sugar-deploy*"))

    # From now on the key is known, and the link leads to the command.
    again = school.machine.run("/usr/local/bin/sugar-deploy", "install", STICK, "--json", stick=school.stick.root)
    assert again.returncode == 0, again.stdout + again.stderr
    told = json.loads(again.stdout)
    assert (told["status"], told["serial"], told["hosts"]["san-martin"]["changed"]) == ("done", 1, 0)
    once_more = school.sh()
    assert once_more.returncode == 0, once_more.stdout + once_more.stderr


def test_what_was_tampered_with_is_refused_before_it_is_used(school: School) -> None:
    lock = next(path for path in school.stick.files if path.endswith("-amd64.txt"))
    name = next(path for path in school.stick.files if path.endswith(".whl") and "sugar_deploy" in path)
    manifest = "MANIFEST.json"
    for path, change, message in (
        (lock, lambda data: data + b"\n", f"{lock} on the stick is damaged or was tampered with"),
        (
            manifest,
            lambda data: data.replace(b'"Lima"', b'"Limo"'),
            "is not signed by the key that this server",
        ),
        (name, lambda data: data[:-1] + b"!", f"{name} on the stick is damaged or was tampered with"),
    ):
        file = school.stick.folder / path
        whole = file.read_bytes()
        # Even where the tool is there already: as at a first installation.
        shutil.rmtree(school.written("opt/sugar-deploy"), ignore_errors=True)
        before = tree(school.machine.upper)
        file.write_bytes(change(whole))
        try:
            refused = school.sh("--yes")
        finally:
            file.write_bytes(whole)
        assert refused.returncode == 1, refused.stdout + refused.stderr
        assert message in refused.stderr
        assert tree(school.machine.upper) == before


@pytest.mark.parametrize(
    ("created_at", "signed_at", "told"),
    [
        ("2098-07-06T05:04:03Z", "20260102T030405!", "made on 2098-07-06 05:04 UTC"),
        ("2026-01-02T03:04:05Z", "20970102T030405!", "made on 2097-01-02 03:04 UTC"),
    ],
)
def test_a_clock_before_the_bundle_is_told_with_its_remedy(
    school: School, created_at: str, signed_at: str, told: str
) -> None:
    school.stick.fields["created_at"], school.stick.signed_at = created_at, signed_at
    school.stick.sign()
    try:
        refused = school.sh("--yes")
        # Here the clock is the host's, as in a container.
        kept = school.sh("--yes", "--set-clock")
    finally:
        del school.stick.fields["created_at"]
        school.stick.signed_at = "20260102T030405!"
        school.stick.sign()
    assert refused.returncode == 1
    assert told in refused.stderr
    assert "--set-clock" in refused.stderr
    assert kept.returncode == 1
    assert "the clock cannot be set" in kept.stderr


def test_what_is_not_for_this_machine_is_told(school: School) -> None:
    other = {"bookworm": "trixie", "trixie": "bookworm"}[school.machine.suite]
    for field, value, told in (
        ("suites", [other], f"not for {school.machine.suite}"),
        ("architectures", ["armhf"], "not for amd64"),
        ("deployment", "quito", "quito"),
    ):
        school.stick.fields[field] = value
        school.stick.sign()
        try:
            refused = school.sh("--yes")
        finally:
            del school.stick.fields[field]
            school.stick.sign()
        assert refused.returncode == 1, refused.stdout
        assert told in refused.stderr


@on_the_newest
def test_a_half_copied_stick_and_an_unknown_option_are_told(school: School) -> None:
    signature = school.stick.folder / "MANIFEST.json.asc"
    whole = signature.read_bytes()
    signature.unlink()
    try:
        refused = school.sh("--yes")
    finally:
        signature.write_bytes(whole)
    assert refused.returncode == 1
    assert "only half copied" in refused.stderr
    assert school.sh("--fingerprint").returncode == 2
    unknown = school.sh("--yes", "--nonsense")
    assert unknown.returncode == 2
    assert "--nonsense" in unknown.stderr


@on_the_newest
def test_a_wrong_stick_with_another_tool_changes_nothing_at_all(school: School) -> None:
    """Neither its tool nor anything else of it is there afterwards, whatever was asked."""
    assert school.sh("--fingerprint", school.key.fingerprint).returncode == 0
    stick, foreign = school.stick, make_key(school.machine.top / "f", "foreign")
    lock = next(path for path in stick.files if path.endswith("-amd64.txt"))
    plain, rotten = dict(stick.files), stick.folder / "repository/snapshot"
    before = tree(school.machine.upper)
    try:
        stick.files[lock] = plain[lock] + b"# Another tool.\n"
        for fields, keys, told in (
            ({"deployment": "quito"}, (foreign,), "is of the deployment quito, and this server belongs to lima"),
            ({}, (foreign,), "signed by another key"),
            ({}, (school.key,), "repository/snapshot on the stick is damaged or was tampered with"),
        ):
            stick.fields, stick.keys = stick.fields | fields, keys
            stick.write()
            rotten.write_bytes(b"0123456789aB\n")
            refused = school.sh("--yes")
            stick.fields.pop("deployment", None)
            assert refused.returncode == 1, refused.stdout + refused.stderr
            assert told in refused.stderr
            assert tree(school.machine.upper) == before
    finally:
        stick.files, stick.keys = plain, (school.key,)
        stick.write()


@on_the_newest
def test_a_newer_tool_on_the_stick_takes_over_and_the_former_one_stays(school: School) -> None:
    """The new tool's list of wheels names a Debian package that stands in for one: it comes from the stick."""
    tools, stick = school.written("opt/sugar-deploy"), school.stick
    assert school.sh("--fingerprint", school.key.fingerprint).returncode == 0
    first = {path.name for path in tools.iterdir()}
    lock = next(path for path in stick.files if path.endswith("-amd64.txt"))
    plain = stick.files[lock]
    link = school.written("usr/local/bin/sugar-deploy")
    found = [link.readlink()]
    try:
        for number in (2, 3):
            stick.files[lock] = plain + b"# Debian: python3-venv\n" * (number - 1)
            stick.write()
            done = school.machine.run("/usr/local/bin/sugar-deploy", "install", STICK, stick=stick.root)
            assert done.returncode == 0, done.stdout + done.stderr
            found.append(link.readlink())
    finally:
        stick.files[lock] = plain
        stick.write()
    assert len(set(found)) == 3
    kept = {path.parent.parent.name for path in found[1:]}
    assert {path.name for path in tools.iterdir()} == kept
    assert not kept & first
    for name in kept:
        assert "include-system-site-packages = true" in (tools / name / "pyvenv.cfg").read_text()


@on_the_newest
def test_a_tool_that_was_cut_off_while_it_was_installed_is_made_anew(school: School) -> None:
    assert school.sh("--fingerprint", school.key.fingerprint).returncode == 0
    folder = school.written("opt/sugar-deploy") / school.written("usr/local/bin/sugar-deploy").readlink().parts[3]
    (folder / ".complete").unlink()
    (folder / "bin/sugar-deploy").write_text("half")
    done = school.sh()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / ".complete").exists()


@on_the_newest
def test_the_command_asks_nobody_where_nobody_is(school: School) -> None:
    assert school.sh("--fingerprint", school.key.fingerprint).returncode == 0
    shutil.rmtree(school.written("var/lib/sugar-deploy"))
    command = ("/usr/local/bin/sugar-deploy", "install", STICK)
    refused = school.machine.run(*command, stick=school.stick.root)
    assert refused.returncode == 2
    assert school.key.fingerprint[-4:] in refused.stderr
    assert not school.written("var/lib/sugar-deploy").exists()
    nothing = school.machine.run(*command)
    assert nothing.returncode == 2
    assert "Is the right stick mounted there?" in nothing.stderr
    done = school.machine.run(*command, "--yes", "-q", stick=school.stick.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
