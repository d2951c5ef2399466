"""Leases as a deployer issues them: judged by the model of a laptop's firmware that shares nothing with the tool."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from olpc_security.keys import PrivateKey
from olpc_security.laptop import Laptop

from sugar_deploy.cli import keys_options, main
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.errors import InvalidDeployment, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.laptop.keyset import KeySet
from sugar_deploy.keys.lease import issue as issuing
from sugar_deploy.keys.lease.laptops import read_laptops
from tests.unit.image.fat_reader import Volume
from tests.unit.olpc_security import model

Capture = pytest.CaptureFixture[str]
NOW = 1795700000  # date -u -d @1795700000: 26 November 2026, 13:33:20
WORDS = "correct horse battery staple"
UUID = "0AB12C3D-1234-5678-9ABC-DEF012345678"
LAPTOPS = [Laptop(f"SHC{number:08d}", UUID) for number in range(5)]
DAY = 86400


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "lima"
    start(Folder(root), Scenario.ONLINE_SERVER, "lima")
    KeySet(Folder(root), "lima").create(["lease", "developer", "delegate-loreto"], WORDS, NOW, 10)
    return root


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A deployment's folder on that day, with a list of laptops."""
    monkeypatch.setattr("sugar_deploy.cli.keys_options.now", lambda: NOW)
    assert keys_options.now() == NOW
    folder = Folder(Path(shutil.copytree(made, tmp_path / "lima")))
    (tmp_path / "words").touch(0o600)
    (tmp_path / "words").write_text(WORDS)
    (tmp_path / "laptops.csv").write_text("".join(f'"{laptop.serial}", {laptop.uuid}\r\n' for laptop in LAPTOPS))
    return folder


def run(capsys: Capture, *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def leased(capsys: Capture, folder: Folder, *words: str | Path) -> tuple[int, str, str]:
    """`sugar-deploy lease`, with the passphrase."""
    return run(capsys, "lease", *words, "-C", folder.root, "--passphrase-file", folder.root.parent / "words")


def public(folder: Folder, name: str) -> bytes:
    return (folder.laptop_keys / f"{name}-1.public").read_bytes()


def scanned(data: bytes, laptop: Laptop, key: bytes, now: int, tag: bytes = b"act01:") -> int:
    return model.scan(data, tag, laptop.serial.encode(), laptop.uuid.encode(), [key], now)


def test_leases_are_taken_by_their_laptops_for_their_time(folder: Folder, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "leases.sig"
    status, said, _ = leased(capsys, folder, "issue", tmp_path / "laptops.csv", "-o", out, "--days", "30")
    assert (status, "5 of 5 leases" in said) == (0, True)
    data = out.read_bytes()
    assert len(data) == 5 * 630
    for laptop in LAPTOPS:
        for now, result in ((NOW, 1), (NOW + 30 * DAY, 1), (NOW + 30 * DAY + 1, -1)):
            assert scanned(data, laptop, public(folder, "lease"), now) == result
    assert scanned(data, Laptop("SHC99999999", UUID), public(folder, "lease"), NOW) == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    status, _, said = leased(capsys, folder, "issue", tmp_path / "laptops.csv", "-o", out, "--days", "30")
    assert (status, "exists" in said, out.read_bytes() == data) == (2, True, True)


def test_a_stolen_laptop_gets_none(folder: Folder, tmp_path: Path, capsys: Capture) -> None:
    assert run(capsys, "lease", "revoke", "shc00000001", "-C", folder.root)[0] == 0
    assert run(capsys, "lease", "revoke", "SHC00000001", "-C", folder.root)[0] == 0
    assert folder.stolen.read_text() == "SHC00000001\n"
    assert folder.stolen.stat().st_mode & 0o777 == 0o600
    out = tmp_path / "leases.sig"
    _, _, said = leased(capsys, folder, "issue", tmp_path / "laptops.csv", "-o", out, "--days", "30")
    assert "Stolen, and left out: SHC00000001" in said
    found = [scanned(out.read_bytes(), laptop, public(folder, "lease"), NOW) for laptop in LAPTOPS]
    assert found == [1, 0, 1, 1, 1]
    assert run(capsys, "lease", "revoke", "no-serial", "-C", folder.root)[0] == 2


def test_a_run_that_was_cut_off_is_carried_on(folder: Folder, tmp_path: Path) -> None:
    key = KeySet(folder, "lima").signer("lease", WORDS, NOW)
    order = issuing.Order(LAPTOPS, "20270101T000000Z", "30 days", NOW)
    assert issuing.issue(key, order, tmp_path / "whole", workers=1) == 0
    whole = (tmp_path / "whole").read_bytes()
    out, draft, note = tmp_path / "out", tmp_path / ".out.part", tmp_path / ".out.json"

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        issuing.issue(key, order, out, stop, workers=1)
    assert not out.exists()
    # Three leases, of which the third is damaged, and half a fourth.
    draft.write_bytes(whole[:1900] + bytes([whole[1900] ^ 1]) + whole[1901:2200])
    later = issuing.Order(LAPTOPS, "20270102T000000Z", "30 days", NOW + DAY)
    another = issuing.Order(LAPTOPS[:4], "20270102T000000Z", "30 days", NOW + DAY)
    with pytest.raises(UsageError, match="another run that was cut off: 30 days"):
        issuing.issue(key, another, out, workers=1)
    assert json.loads(note.read_text())["until"] == "20270101T000000Z"
    assert issuing.issue(key, later, out, workers=1) == 3
    data = out.read_bytes()
    assert data[:1890] == whole[:1890]
    assert len(data) == 5 * 630
    for laptop in LAPTOPS:
        assert scanned(data, laptop, public(folder, "lease"), NOW) == 1
    assert not draft.exists()
    assert not note.exists()


def test_a_run_that_was_killed_is_carried_on_without_loss_or_doubles(folder: Folder, tmp_path: Path) -> None:
    """The real command with its worker processes, which must not outlive it: they hold the key, and its lock."""
    laptops = [Laptop(f"SHC{number:08d}", UUID) for number in range(1500)]
    (tmp_path / "many.csv").write_text("".join(f"{laptop.serial},{laptop.uuid}\n" for laptop in laptops))
    out, draft = tmp_path / "leases.sig", tmp_path / ".leases.sig.part"
    argv = [sys.executable, "-m", "sugar_deploy", "lease", "issue", tmp_path / "many.csv", "-o", out]
    # The keys were made in the test's own time; this one runs in the real one.
    argv += ["--days", "3650", "-C", folder.root, "--passphrase-file", tmp_path / "words"]
    index = folder.laptop_keys / "keys.json"
    index.write_text(index.read_text().replace('"created": "20261126T', '"created": "20200101T'))
    first = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (draft.exists() and draft.stat().st_size > 100 * 630) and time.monotonic() < deadline:
        time.sleep(0.01)
    first.kill()
    # Its output ends when nobody is left who could write to it.
    first.communicate(timeout=60)
    assert not out.exists()
    begun = draft.read_bytes()
    second = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert (second.returncode, "were ready from a run that was cut off" in second.stdout) == (0, True), second.stderr
    data = out.read_bytes()
    ready = len(begun) // 630 * 630
    assert ready >= 100 * 630
    assert data[:ready] == begun[:ready]
    heads = [line[:18].decode() for line in data.splitlines()]
    assert heads == [f"act01: {laptop.serial}" for laptop in laptops]


def test_a_stick_has_both_copies(folder: Folder, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "leases.sig"
    leased(capsys, folder, "issue", tmp_path / "laptops.csv", "-o", out, "--days", "30")
    (tmp_path / "stick").mkdir()
    assert run(capsys, "lease", "stick", out, tmp_path / "stick")[0] == 0
    assert (tmp_path / "stick/security/lease.sig").read_bytes() == out.read_bytes()
    wrapper = (tmp_path / "stick/lease.sig").read_bytes()
    assert wrapper[:5] == b'[1,{"'
    assert json.loads(wrapper, strict=False)[1] == {
        laptop.serial: f"{line}\n" for laptop, line in zip(LAPTOPS, out.read_text().splitlines(), strict=True)
    }
    image = tmp_path / "stick.img"
    assert run(capsys, "lease", "stick", out, image)[:2] == (0, f"{image}\n{image}.bmap\n")
    assert Volume(image.read_bytes()).files() == {"LEASE.SIG": wrapper, "SECURITY/LEASE.SIG": out.read_bytes()}
    before = image.read_bytes()
    assert run(capsys, "lease", "stick", out, image)[0] == 0
    assert image.read_bytes() == before
    assert run(capsys, "lease", "stick", out, tmp_path / "nowhere")[0] == 2


def test_a_developer_key(folder: Folder, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "develop.sig"
    assert leased(capsys, folder, "developer", tmp_path / "laptops.csv", "-o", out)[0] == 0
    assert scanned(out.read_bytes(), LAPTOPS[4], public(folder, "developer"), 0, b"dev01:") == 1
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick/lease.sig").write_text("leases that lie there already")
    assert run(capsys, "lease", "stick", out, tmp_path / "stick")[0] == 0
    assert sorted(str(path.relative_to(tmp_path / "stick")) for path in (tmp_path / "stick").rglob("*.sig")) == [
        "lease.sig",
        "security/develop.sig",
    ]


def test_a_server_renews_for_its_own_laptops_and_no_others(folder: Folder, tmp_path: Path, capsys: Capture) -> None:
    from olpc_security import issue
    from olpc_security.delegations import read_delegations

    out = tmp_path / "d-lease.sig"
    words = ["delegate", tmp_path / "laptops.csv", "--to", "loreto", "-o", out, "--days", "100"]
    assert leased(capsys, folder, *words)[0] == 0
    assert out.stat().st_mode & 0o777 == 0o600
    server: PrivateKey = KeySet(folder, "lima").signer("delegate-loreto", WORDS, NOW)
    chain = read_delegations(out.read_bytes())[LAPTOPS[0]].chain
    root = public(folder, "lease")
    lease = issue.lease(server, LAPTOPS[0], "20270101T000000Z", NOW, chain).line.encode()
    assert scanned(lease, LAPTOPS[0], root, NOW) == 1
    stolen = issue.lease(server, LAPTOPS[1], "20270101T000000Z", NOW, chain).line.encode()
    assert scanned(stolen, LAPTOPS[1], root, NOW) == -1, "the chain is another laptop's"
    assert scanned(lease, LAPTOPS[0], root, NOW + 101 * DAY) == -1


def test_why_a_laptop_does_not_take_a_file(folder: Folder, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "leases.sig"
    leased(capsys, folder, "issue", tmp_path / "laptops.csv", "-o", out, "--days", "30")
    asked = ["lease", "verify", out, "-C", folder.root, "--serial", LAPTOPS[2].serial, "--uuid"]
    assert run(capsys, *asked, UUID, "--now", "20261201T000000Z")[:2] == (0, f"{out}: valid: line 3\n")
    status, said, _ = run(capsys, *asked, UUID, "--now", "20270101T000000Z")
    assert (status, "line 3, column 22: it expired at 20261226T133320Z" in said) == (1, True)
    status, said, _ = run(capsys, *asked, UUID[:-1] + "0", "--now", "20261201T000000Z")
    assert (status, "[signature: " in said) == (1, True)
    assert run(capsys, *asked, "no-uuid")[0] == 2
    KeySet(folder, "lima").rotate("lease", WORDS, NOW, 10)
    assert run(capsys, *asked, UUID, "--now", "20261201T000000Z")[0] == 0, "laptops trust the former key on"
    status, said, _ = run(capsys, "lease", "inspect", out)
    assert said.splitlines()[0].startswith("lease for SHC00000000, disposition K, until 20261226T133320Z, signed")


def test_a_clock_reset(folder: Folder, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "rtcreset.sig"
    words = ["reset-clock", "--serial", "SHC00000000", "--uuid", UUID, "--current", "20110510T200549Z", "--count"]
    assert leased(capsys, folder, *words, "0000012345", "-o", out)[0] == 0
    head = b"rtc01: SHC00000000 20110510T200549Z 0000012345 20261126T133320Z "
    line = out.read_bytes()
    assert line.startswith(head)
    text = f"SHC00000000:{UUID}:20110510T200549Z:0000012345:20261126T133320Z".encode()
    assert model.signed(line[len(head) : -1].split(b" "), text, b"SHC00000000", [public(folder, "lease")], NOW)
    assert leased(capsys, folder, *words, "12345", "-o", out)[0] == 2
    (tmp_path / "stick").mkdir()
    assert run(capsys, "lease", "stick", out, tmp_path / "stick")[0] == 0
    assert [str(path.relative_to(tmp_path / "stick")) for path in (tmp_path / "stick").rglob("*.sig")] == [
        "security/rtcreset.sig"
    ]
    asked = ["lease", "verify", out, "--serial", "SHC00000000", "--uuid", UUID, "-C", folder.root]
    assert run(capsys, *asked, "--rtc", "20110510T200549Z", "0000012345")[:2] == (0, f"{out}: valid: line 1\n")
    status, said, _ = run(capsys, *asked, "--rtc", "20110510T200549Z", "0000012346")
    assert (status, "the laptop shows 0000012346 [count: " in said) == (1, True)
    assert run(capsys, *asked)[0] == 2, "what the laptop shows has to be told"


def test_every_fault_of_a_list_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "laptops.csv"
    file.write_text(
        f"serial,uuid\nSHC00000001,{UUID}\nSHC1,{UUID}\nSHC00000002,nothing\nSHC00000003\n\nshc00000001,{UUID}\n"
    )
    with pytest.raises(InvalidDeployment) as invalid:
        read_laptops(file)
    told = [(problem.line, problem.column, problem.key) for problem in invalid.value.problems]
    assert told == [(3, 1, "serial"), (4, 13, "uuid"), (5, 1, "fields"), (7, 1, "serial")]


def test_a_clock_before_the_keys_were_made_issues_nothing(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("sugar_deploy.cli.keys_options.now", lambda: NOW - DAY)
    out = tmp_path / "leases.sig"
    status, _, said = leased(capsys, folder, "issue", tmp_path / "laptops.csv", "-o", out, "--days", "30")
    assert (status, "before the key lease was made" in said, out.exists()) == (1, True, False)


@pytest.mark.parametrize("days", ["0", "3654", "-1"])
def test_what_is_no_period(folder: Folder, tmp_path: Path, capsys: Capture, days: str) -> None:
    words = ["issue", tmp_path / "laptops.csv", "-o", tmp_path / "out", "--days", days]
    assert leased(capsys, folder, *words)[0] == 2
