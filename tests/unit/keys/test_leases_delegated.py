"""A region issues leases by the key that it is delegated to: for its own laptops, for as long, and for no others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from olpc_security import issue as issuing
from olpc_security.batch import issue_leases
from olpc_security.delegations import write_delegations
from olpc_security.keys import PrivateKey
from olpc_security.laptop import Laptop
from olpc_security.sign import delegate

from sugar_deploy.cli import main
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.folder import Folder
from sugar_deploy.keys.laptop.keyset import KeySet
from tests.unit.image.fat_reader import Volume
from tests.unit.olpc_security import model

Capture = pytest.CaptureFixture[str]
NOW = 1795700000  # date -u -d @1795700000: 26 November 2026, 13:33:20
DAY = 86400
WORDS = "correct horse battery staple"
UUID = "0AB12C3D-1234-5678-9ABC-DEF012345678"
LAPTOPS = [Laptop(f"SHC{number:08d}", UUID) for number in range(3)]


def run(capsys: Capture, *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deployment's folder and its region's, made by commands, each with the other's public key."""
    root = tmp_path_factory.mktemp("world")
    words = root / "words"
    words.touch(0o600)
    words.write_text(WORDS)
    for name in ("lima", "loreto"):
        start(Folder(root / name), Scenario.ONLINE_SERVER, "lima")
    KeySet(Folder(root / "lima"), "lima").create(["lease"], WORDS, NOW - DAY, 10)
    made = ("keys", "create", "-C", "loreto", "--delegate", "loreto", "--only", "--passphrase-file", "words")
    taken = ("keys", "import", "key", "lima/keys/lease-1.public", "--as", "lease", "-C", "loreto")
    given = ("keys", "import", "key", "loreto/keys/delegate-loreto-1.public", "--as", "delegate-loreto", "-C", "lima")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(root)
        patched.setattr("sugar_deploy.cli.keys_options.now", lambda: NOW)
        for argv in (made, taken, given):
            with pytest.raises(SystemExit) as ended:
                main(list(argv))
            assert not ended.value.code
    return root


@pytest.fixture
def at(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of both, on that day, with a d-lease.sig for all laptops but the last."""
    root = Path(shutil.copytree(world, tmp_path / "world"))
    monkeypatch.chdir(root)
    monkeypatch.setattr("sugar_deploy.cli.keys_options.now", lambda: NOW)
    listed(root / "laptops.csv", LAPTOPS[:2])
    listed(root / "all.csv", LAPTOPS)
    return root


def listed(file: Path, laptops: list[Laptop]) -> None:
    file.write_text("".join(f"{laptop.serial},{laptop.uuid}\n" for laptop in laptops))


def delegated(capsys: Capture, days: int = 100) -> None:
    words = ["--to", "loreto", "-o", "d-lease.sig", "--days", str(days), "--passphrase-file", "words", "-C", "lima"]
    assert run(capsys, "lease", "delegate", "laptops.csv", *words)[0] == 0


def issued(capsys: Capture, laptops: str, days: int = 30, out: str = "leases.sig") -> tuple[int, str, str]:
    by = ["--by", "loreto", "--delegation", "d-lease.sig", "--passphrase-file", "words", "-C", "loreto"]
    return run(capsys, "lease", "issue", laptops, "-o", out, "--days", str(days), *by)


def scanned(data: bytes, laptop: Laptop, root: Path, now: int) -> int:
    key = (root / "lima/keys/lease-1.public").read_bytes()
    return model.scan(data, b"act01:", laptop.serial.encode(), laptop.uuid.encode(), [key], now)


def test_the_region_has_its_own_private_key_and_no_other(at: Path) -> None:
    assert [path.name for path in (at / "loreto/keys").glob("*.pem")] == ["delegate-loreto-1.pem"]
    assert not (at / "lima/keys/delegate-loreto-1.pem").exists()


def test_a_region_issues_for_its_own_laptops(at: Path, capsys: Capture) -> None:
    delegated(capsys)
    status, _, warned = issued(capsys, "laptops.csv")
    assert (status, "not for a laptop as it is" in warned) == (0, True)
    lines = (at / "leases.sig").read_bytes().splitlines(keepends=True)
    for laptop, line in zip(LAPTOPS[:2], lines, strict=True):
        assert scanned(line, laptop, at, NOW + 30 * DAY) == model.VALID
        assert scanned(line, laptop, at, NOW + 30 * DAY + 1) == model.INVALID
        (at / "one.sig").write_bytes(line)
        asked = ["lease", "verify", "one.sig", "--serial", laptop.serial, "--uuid", UUID, "--now", "20261201T000000Z"]
        for folder in ("lima", "loreto"):
            assert run(capsys, *asked, "-C", folder)[:2] == (0, "one.sig: valid: line 1\n")
    status, _, said = issued(capsys, "all.csv", out="more.sig")
    assert (status, "SHC00000002: is not delegated" in said, Path("more.sig").exists()) == (2, True, False)


def test_no_lease_outlives_its_delegation(at: Path, capsys: Capture) -> None:
    delegated(capsys, days=10)
    assert issued(capsys, "laptops.csv", days=30)[0] == 0
    line = (at / "leases.sig").read_bytes().splitlines(keepends=True)[0]
    assert line.startswith(b"act01: SHC00000000 K 20261206T133320Z sig02: ")
    assert scanned(line, LAPTOPS[0], at, NOW + 10 * DAY) == model.VALID
    assert scanned(line, LAPTOPS[0], at, NOW + 10 * DAY + 1) == model.INVALID


def test_what_lets_the_region_issue_nothing(at: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    delegated(capsys, days=10)
    good = (at / "d-lease.sig").read_bytes()
    own = KeySet(Folder(at / "lima"), "lima")
    root, loreto = own.signer("lease", WORDS, NOW), KeySet(Folder(at / "loreto"), "lima")
    server = loreto.signer("delegate-loreto", WORDS, NOW)
    until = "20270101T000000Z"

    def by(key: PrivateKey, to: PrivateKey) -> bytes:
        return write_delegations([issuing.delegation(key, to.public, one, until, NOW) for one in LAPTOPS])

    twice = [
        issuing.delegation(server, server.public, one, until, NOW, delegate(root, server.public, one.serial, until))
        for one in LAPTOPS[:2]
    ]
    cases = {
        # A chain that does not end in the region's key breaks at its last signature.
        "[signature: ": write_delegations(
            [issuing.delegation(root, root.public, one, until, NOW) for one in LAPTOPS]
        ),
        "[trusted-key: ": write_delegations(
            [issuing.delegation(server, server.public, one, until, NOW) for one in LAPTOPS]
        ),
        "rests on 2 delegations": write_delegations(twice),
        "is not delegated, or under another UUID": good.replace(b"0AB12C3D", b"0AB12C3E"),
        "line 1, column 8": b"act01: x",
    }
    for words, content in cases.items():
        (at / "d-lease.sig").write_bytes(content)
        status, _, said = issued(capsys, "laptops.csv")
        assert (status, words in said, (at / "leases.sig").exists()) == (2, True, False), (words, said)
    (at / "d-lease.sig").write_bytes(good)
    monkeypatch.setattr("sugar_deploy.cli.keys_options.now", lambda: NOW + 11 * DAY)
    status, _, said = issued(capsys, "laptops.csv")
    assert (status, "[expired: " in said) == (2, True)
    assert (
        run(capsys, "lease", "issue", "laptops.csv", "-o", "x", "--days", "3", "--by", "loreto", "-C", "loreto")[0]
        == 2
    )


def test_a_delegated_run_that_was_cut_off_is_carried_on(
    at: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    delegated(capsys)

    def cut(*arguments: Any) -> Iterator[object]:
        yield next(iter(issue_leases(*arguments)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("sugar_deploy.keys.lease.issue.issue_leases", cut)
        assert issued(capsys, "laptops.csv")[0] == 130
    with (at / ".leases.sig.part").open("rb+") as draft:
        first = draft.readline()
        assert draft.read() == b""
        draft.write(first[:700])
    status, said, _ = issued(capsys, "laptops.csv")
    assert (status, "1 of them were ready" in said) == (0, True)
    lines = (at / "leases.sig").read_bytes().splitlines(keepends=True)
    assert lines[0] == first
    assert [scanned(line, one, at, NOW) for one, line in zip(LAPTOPS[:2], lines, strict=True)] == [model.VALID] * 2


def test_a_stick_of_several_is_for_the_initramfs_and_split_for_the_firmware(at: Path, capsys: Capture) -> None:
    delegated(capsys)
    assert issued(capsys, "laptops.csv")[0] == 0
    stick = at / "stick"
    (stick / "security").mkdir(parents=True)
    (stick / "security/lease.sig").write_text("a former stick's")
    status, said, warned = run(capsys, "lease", "stick", "leases.sig", stick)
    assert (status, said, "several delegated leases" in warned) == (0, f"{stick}/lease.sig\n", True)
    assert not (stick / "security/lease.sig").exists()
    lines = (at / "leases.sig").read_text().splitlines(keepends=True)
    wrapped = json.loads((stick / "lease.sig").read_bytes(), strict=False)
    assert wrapped == [1, {laptop.serial: line for laptop, line in zip(LAPTOPS[:2], lines, strict=True)}]
    assert run(capsys, "lease", "stick", "leases.sig", "stick.img")[0] == 0
    assert list(Volume((at / "stick.img").read_bytes()).files()) == ["LEASE.SIG"]
    assert run(capsys, "lease", "stick", "leases.sig", "sticks", "--split")[0] == 0
    (at / "twice.sig").write_text(2 * lines[0])
    assert run(capsys, "lease", "stick", "twice.sig", "sticks", "--split")[0] == 2
    for laptop in LAPTOPS[:2]:
        data = (at / "sticks" / laptop.serial / "security/lease.sig").read_bytes()
        assert scanned(data, laptop, at, NOW) == model.VALID
        wrapper = (at / "sticks" / laptop.serial / "lease.sig").read_bytes()
        assert json.loads(wrapper, strict=False) == [1, {laptop.serial: data.decode()}]
