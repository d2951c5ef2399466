"""The keys that laptops trust: encrypted, replaced, shared among custodians, signing on a machine apart."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from olpc_security.bundles import require_firmware, require_image
from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.trust import TrustedKeys

from sugar_deploy.cli import main
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.laptop import escrow, offline
from sugar_deploy.keys.laptop.keyset import KeySet

Capture = pytest.CaptureFixture[str]
NOW = 1795700000  # November 2026
WORDS = "correct horse battery staple"
NAMES = ["developer", "fs", "fw", "lease", "os"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment's folder with keys in it."""
    root = tmp_path_factory.mktemp("made") / "lima"
    start(Folder(root), Scenario.ONLINE_SERVER, "lima")
    KeySet(Folder(root), "lima").create([*NAMES, "delegate-loreto"], WORDS, NOW, 10)
    return root


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Folder:
    """A copy of it."""
    return Folder(Path(shutil.copytree(made, tmp_path / "lima")))


@pytest.fixture
def keys(folder: Folder) -> KeySet:
    return KeySet(folder, "lima")


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    file = tmp_path / "passphrase"
    file.touch(0o600)
    file.write_text(f"{WORDS}\n")
    return file


def run(capsys: Capture, *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def openssl(*words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, words)], input=stdin.encode(), capture_output=True)


def test_private_keys_are_encrypted_and_openssl_opens_them(keys: KeySet) -> None:
    for entry in keys.entries():
        pem = keys.path / f"{entry.file}.pem"
        assert pem.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        assert pem.stat().st_mode & 0o777 == 0o600
        public = openssl("pkey", "-in", pem, "-passin", "stdin", "-outform", "DER", "-pubout", stdin=WORDS)
        assert public.stdout.endswith(keys.public(entry).der), public.stderr
        assert openssl("pkey", "-in", pem, "-passin", "stdin", "-noout", stdin="another").returncode != 0
    assert keys.path.stat().st_mode & 0o777 == 0o700


def test_public_keys_are_as_laptops_hold_them(keys: KeySet) -> None:
    assert [entry.name for entry in keys.entries()] == ["delegate-loreto", *NAMES]
    assert {len((keys.path / f"{entry.file}.public").read_bytes()) for entry in keys.entries()} == {270}
    assert len({keys.public(entry).keyid for entry in keys.entries()}) == 6


def test_nothing_is_made_twice(keys: KeySet) -> None:
    before = {path.name: path.read_bytes() for path in keys.path.iterdir()}
    assert keys.create([*NAMES, "delegate-loreto"], WORDS, NOW + 5, 10) == ()
    assert {path.name: path.read_bytes() for path in keys.path.iterdir()} == before


def test_a_wrong_passphrase_changes_nothing(keys: KeySet) -> None:
    before = {path.name: path.read_bytes() for path in keys.path.iterdir()}
    for change in (
        lambda: keys.create(["delegate-new"], "correct horse battery stable", NOW, 10),
        lambda: keys.rotate("os", "correct horse battery stable", NOW, 10),
        lambda: keys.adopt("delegate-new", PrivateKey.generate(), "correct horse battery stable", NOW, 10),
    ):
        with pytest.raises(DeployError, match="passphrase does not open"):
            change()
    with pytest.raises(UsageError, match="shorter than 16"):
        keys.create(["delegate-new"], "short", NOW, 10)
    assert {path.name: path.read_bytes() for path in keys.path.iterdir()} == before


def test_a_rotated_key_is_another_one_and_the_former_stays(keys: KeySet) -> None:
    former = keys.public(keys.entry("lease"))
    made = keys.rotate("lease", WORDS, NOW, 5)
    assert (made.name, made.generation) == ("lease", 2)
    assert keys.entry("lease") == made
    assert keys.public(made) != former
    assert [keys.public(one) for one in keys.entries() if one.former] == [former]
    assert keys.signer("lease", WORDS, NOW).public == keys.public(made)
    for _ in range(7):
        keys.rotate("lease", WORDS, NOW, 5)
    with pytest.raises(DeployError, match="no room"):
        keys.rotate("lease", WORDS, NOW, 5)


def test_a_key_whose_time_is_over_signs_no_more(keys: KeySet) -> None:
    assert keys.entry("os").expires == "20361126T013320Z"  # date -u -d @2111276000
    keys.signer("os", WORDS, NOW + 10 * 31_557_600)
    with pytest.raises(DeployError, match="before the key os was made"):
        keys.signer("os", WORDS, NOW - 1)
    with pytest.raises(DeployError, match="to be replaced by 20361126T013320Z"):
        keys.signer("os", WORDS, NOW + 10 * 31_557_600 + 1)


@pytest.mark.parametrize("name", ["Lease", "a1", "delegate-", "delegate-../x", "delegate-x/y", ""])
def test_names(keys: KeySet, name: str) -> None:
    with pytest.raises(UsageError, match="no name for a key"):
        keys.create([name], WORDS, NOW, 10)


def test_keys_for_demonstrations_never_stand_in(keys: KeySet, folder: Folder, capsys: Capture) -> None:
    demo = KeySet(folder, "lima", demo=True)
    demo.create(["os"], WORDS, NOW, 10)
    assert demo.public(demo.entry("os")) != keys.public(keys.entry("os"))
    shutil.rmtree(keys.path)
    demo.path.rename(keys.path)
    for words in (["list"], ["show", "os"], ["export", "public", folder.root / "out"], ["create"]):
        status, _, said = run(capsys, "keys", *words, "-C", folder.root)
        assert (status, "for demonstrations and protect nothing" in said) == (1, True), words
    shutil.move(keys.path, demo.path)
    status, _, said = run(capsys, "keys", "list", "--demo", "-C", folder.root)
    assert (status, "lima is no demonstration" in said) == (2, True)
    folder.file.write_text(folder.file.read_text().replace("version: 1\n", "version: 1\ndemonstration: true\n"))
    for words in (["--demo"], []):
        status, said, _ = run(capsys, "keys", "list", *words, "-C", folder.root)
        assert (status, said.splitlines()[1].split()[0], "demo" in said) == (0, "os", True)
    status, said, _ = run(capsys, "check", "-C", folder.root)
    assert (status, "Note: lima is a demonstration" in said) == (0, True)


def test_another_deployments_keys_are_refused(folder: Folder) -> None:
    with pytest.raises(DeployError, match="belong to the deployment lima"):
        KeySet(folder, "cusco").entries()


def test_a_swapped_file_is_found_out(keys: KeySet) -> None:
    shutil.copy(keys.path / "fs-1.pem", keys.path / "os-1.pem")
    with pytest.raises(DeployError, match="belongs to another key"):
        keys.private(keys.entry("os"), WORDS)


def test_any_three_of_five_custodians_restore_the_keys(keys: KeySet, tmp_path: Path) -> None:
    folders = escrow.split(keys, WORDS, tmp_path / "out", shares=5, needed=3)
    shares = [escrow.read_share(each / escrow.SHARE) for each in folders]
    assert len({(each / escrow.BOX).read_bytes() for each in folders}) == 1
    for chosen in itertools.islice(itertools.combinations(shares, 3), 0, None, 3):
        entries, private = escrow.opened(folders[0] / escrow.BOX, chosen)
        assert entries == list(keys.entries())
        assert [key.public for key in private] == [keys.public(entry) for entry in entries]
    for chosen in [*itertools.combinations(shares, 2), [shares[0]] * 3]:
        with pytest.raises(UsageError, match="are needed"):
            escrow.opened(folders[0] / escrow.BOX, chosen)
    text = "".join((each / escrow.SHARE).read_text() for each in folders) + str(
        (folders[0] / escrow.BOX).read_bytes()
    )
    assert keys.private(keys.entry("os"), WORDS).der.hex() not in text


def test_a_forged_share_does_not_open_the_box(keys: KeySet, tmp_path: Path) -> None:
    folders = escrow.split(keys, WORDS, tmp_path / "out", shares=3, needed=2)
    one, two, _ = (escrow.read_share(each / escrow.SHARE) for each in folders)
    forged = escrow.Share(two.deployment, two.box, two.number, two.shares, two.needed, bytes(16))
    with pytest.raises(UsageError, match="do not open"):
        escrow.opened(folders[0] / escrow.BOX, [one, forged])
    box = bytearray((folders[0] / escrow.BOX).read_bytes())
    box[-1] ^= 1
    (folders[0] / escrow.BOX).write_bytes(box)
    with pytest.raises(UsageError, match="another box"):
        escrow.opened(folders[0] / escrow.BOX, [one, two])


def test_a_slip_in_a_typed_share_is_found(keys: KeySet, tmp_path: Path) -> None:
    folders = escrow.split(keys, WORDS, tmp_path / "out", shares=2, needed=2)
    file = folders[0] / escrow.SHARE
    text = file.read_text()
    file.write_text(text.replace("\n", "\r\n\r\n").replace("secret: ", "secret:   "))
    assert escrow.read_share(file).text == text, "blanks do not matter"
    digit = text[text.index("secret: ") + 8]
    file.write_text(text.replace(f"secret: {digit}", f"secret: {'0' if digit != '0' else '1'}"))
    with pytest.raises(UsageError, match="has a slip"):
        escrow.read_share(file)


@pytest.mark.parametrize(("shares", "needed"), [(5, 1), (2, 3), (100, 2)])
def test_what_is_no_way_to_share(keys: KeySet, tmp_path: Path, shares: int, needed: int) -> None:
    with pytest.raises(UsageError, match="no way to share"):
        escrow.split(keys, WORDS, tmp_path / "out", shares=shares, needed=needed)


def test_restored_by_the_command_under_a_new_passphrase(
    keys: KeySet, folder: Folder, tmp_path: Path, passphrase_file: Path, capsys: Capture
) -> None:
    words = ["-C", folder.root, "--passphrase-file", passphrase_file]
    assert run(capsys, "keys", "escrow", "split", tmp_path / "out", "--shares", "3", "--needed", "2", *words)[0] == 0
    before = {entry: keys.public(entry) for entry in keys.entries()}
    parts = [tmp_path / "out/custodian-1/keys.box", *(tmp_path / f"out/custodian-{n}/share.txt" for n in (1, 3))]
    passphrase_file.write_text("another passphrase of words")
    assert run(capsys, "keys", "escrow", "restore", *parts, *words)[0] == 2, "there are keys already"
    shutil.rmtree(keys.path)
    assert run(capsys, "keys", "escrow", "restore", *parts, *words)[0] == 0
    assert {entry: keys.public(entry) for entry in keys.entries()} == before
    assert keys.private(keys.entry("os"), "another passphrase of words").public == before[keys.entry("os")]


def test_where_keys_are_not_shared_its_package_is_not_needed(
    folder: Folder, tmp_path: Path, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "Cryptodome.Protocol.SecretSharing", None)
    monkeypatch.delitem(sys.modules, "sugar_deploy.keys.laptop.escrow")
    monkeypatch.delattr("sugar_deploy.keys.laptop.escrow")
    words = ["-C", folder.root, "--passphrase-file", passphrase_file]
    splitting = ["keys", "escrow", "split", tmp_path / "out", "--shares", "3", "--needed", "2", *words]
    status, _, said = run(capsys, *splitting)
    assert (status, "pip install 'sugar-deploy[escrow]'" in said) == (1, True)
    assert run(capsys, "keys", "create", "--delegate", "new", *words)[0] == 0


def test_files_are_signed(keys: KeySet, folder: Folder, passphrase_file: Path, capsys: Capture) -> None:
    image = folder.root / "data.img"
    image.write_bytes(b"an image")
    for name, require in (("os", require_image), ("fw", require_firmware)):
        words = ["keys", "sign", image, "--key", name, "-C", folder.root, "--passphrase-file", passphrase_file]
        assert run(capsys, *words)[0] == 0
        trusted = TrustedKeys((keys.public(keys.entry(name)),))
        require(b"an image", (folder.root / "data.img.sig").read_bytes(), trusted, NOW)
    status, _, said = run(capsys, *words[:4], "lease", *words[5:])
    assert (status, "signs no files" in said) == (2, True)


def test_signing_on_a_machine_apart(
    keys: KeySet, folder: Folder, tmp_path: Path, passphrase_file: Path, capsys: Capture
) -> None:
    vault = Folder(Path(shutil.copytree(folder.root, tmp_path / "vault")))
    for pem in keys.path.glob("*.pem"):
        pem.unlink()
    image, ask, told = tmp_path / "data.img", tmp_path / "ask.json", tmp_path / "told.json"
    image.write_bytes(b"an image")
    words = ["keys", "sign", image, "--key", "os", "-C", folder.root, "--passphrase-file", passphrase_file]
    status, _, said = run(capsys, *words)
    assert (status, "not on this machine" in said) == (1, True)
    assert run(capsys, "keys", "export", "request", "os", image, "-o", ask, "-C", folder.root)[0] == 0
    words = ["keys", "sign", "--request", ask, "--answer", told, "--yes", "--passphrase-file", passphrase_file]
    status, _, said = run(capsys, *words, "-C", vault.root)
    assert status == 0
    assert "data.img, 8 bytes, sha256 " in said
    assert run(capsys, "keys", "import", "signatures", told, image, "-C", folder.root)[0] == 0
    data_sig = image.with_name("data.img.sig").read_bytes()
    require_image(b"an image", data_sig, TrustedKeys((keys.public(keys.entry("os")),)), NOW)
    image.with_name("data.img.sig").unlink()
    image.write_bytes(b"another image")
    status, _, said = run(capsys, "keys", "import", "signatures", told, image, "-C", folder.root)
    assert (status, "is not for" in said) == (2, True)
    assert not image.with_name("data.img.sig").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"items": [{"name": "x"}]},
        {"key": "lease"},
        {"key": "fw"},
        {"signatures": None},
        {"items": [{"name": "x", "bytes": 1, "digests": {"sha256": "zz"}}]},
    ],
)
def test_what_is_no_request(keys: KeySet, tmp_path: Path, change: dict[str, object]) -> None:
    file = tmp_path / "data.img"
    file.write_bytes(b"x")
    good = offline.Request("lima", "os", "00", (offline.item(file, "os"),))
    ask = tmp_path / "ask.json"
    ask.write_text(good.text)
    assert offline.read(ask) == good
    ask.write_text(json.dumps(json.loads(good.text) | change))
    with pytest.raises(UsageError):
        offline.read(ask)


def test_a_request_for_another_key_is_not_answered(keys: KeySet) -> None:
    asked = offline.Request("lima", "os", keys.public(keys.entry("fs")).keyid.hex(), ())
    with pytest.raises(UsageError, match="another key"):
        offline.answered(asked, keys.private(keys.entry("os"), WORDS))


def test_keys_of_olpcs_tools_are_taken_in(
    folder: Folder, keys: KeySet, passphrase_file: Path, capsys: Capture
) -> None:
    vectors = Path(__file__).parents[1] / "olpc_security/vectors/keys"
    taking = ["keys", "import", "key", "-C", folder.root]
    words = ["--passphrase-file", passphrase_file]
    assert run(capsys, *taking, vectors / "server.private", "--as", "delegate-one", *words)[0] == 0
    assert keys.private(keys.entry("delegate-one"), WORDS).der == (vectors / "server.private").read_bytes()
    assert run(capsys, *taking, vectors / "os.public", "--as", "delegate-two")[0] == 0
    assert keys.public(keys.entry("delegate-two")) == PublicKey((vectors / "os.public").read_bytes())
    assert not keys.has_private(keys.entry("delegate-two"))
    assert run(capsys, *taking, vectors / "os.public", "--as", "os")[0] == 2
    assert run(capsys, *taking, vectors / "fw.key01", "--as", "delegate-x")[0] == 2


def test_a_stick_for_unlocked_laptops(folder: Folder, keys: KeySet, capsys: Capture) -> None:
    keys.rotate("lease", WORDS, NOW, 10)
    out = folder.root / "stick"
    assert run(capsys, "keys", "export", "stick", out, "-C", folder.root)[0] == 0
    names = {"s1": "fs", "o1": "os", "w1": "fw", "a2": "lease", "d1": "developer", "t2": "lease"}
    assert sorted(path.name for path in out.iterdir()) == sorted([*(f"{tag}.pub" for tag in names), "keys.fth"])
    for tag, name in names.items():
        assert (out / f"{tag}.pub").read_bytes() == keys.public(keys.entry(name)).der
    lines = (out / "keys.fth").read_text().splitlines()
    # The firmware takes a file for a script if it begins so.
    assert lines[0].startswith("\\ ")
    assert all(len(line) < 128 for line in lines)
    added = "".join(f"added {tag} from u:\\{tag}.pub\n" for tag in names)
    assert injected(out) == f"{added}All keys are there\ntags: s1 o1 w1 a2 d1 t2\n"


def injected(stick: Path, *before: str, battery: int = 0x10) -> str:
    """What a laptop with these tags says of the stick's script: gforth with the firmware's words."""
    tags = "".join(f's" {value}" s" {tag}" tag! ' for tag, value in (one.split("=") for one in before))
    argv = ["gforth", Path(__file__).with_name("firmware.fs"), "-e", f"{battery} battery ! {tags}"]
    done = subprocess.run([*argv, stick / "keys.fth", "-e", "bye"], capture_output=True, text=True, timeout=60)
    return done.stderr if done.returncode else done.stdout


def test_the_script_adds_what_is_missing_and_looks_first(folder: Folder, keys: KeySet, capsys: Capture) -> None:
    out = folder.root / "stick"
    words = ["--sku", "1CL1BZP0KD6", "--sku", "1CL11ZP0KD7", "-C", folder.root]
    assert run(capsys, "keys", "export", "stick", out, *words)[0] == 0
    some = ["P#=1CL11ZP0KD7", "s1=x", "o1=x", "w1=x", "a1=x"]
    told = "added d1 from u:\\d1.pub\nadded t1 from u:\\t1.pub\nAll keys are there\ntags: P# s1 o1 w1 a1 d1 t1\n"
    assert injected(out, *some) == told, "a run that was cut off is carried on"
    assert injected(out, *some, "d1=x", "t1=x") == "All keys are there\ntags: P# s1 o1 w1 a1 d1 t1\n"
    # No external power; a battery that is low; one that is being charged slowly.
    for battery in (0x00, 0x14, 0x90):
        assert "Connect external power" in injected(out, *some, battery=battery)
    for other in (["P#=1CL11ZP0KD9"], ["P#=1CL11ZP0KD"], []):
        assert "This laptop is of another kind" in injected(out, *other)
    assert run(capsys, "keys", "export", "stick", out, "--sku", 'x" bye', "-C", folder.root)[0] == 2


def test_a_list_for_people_and_for_scripts(folder: Folder, keys: KeySet, capsys: Capture) -> None:
    (keys.path / "fs-1.pem").unlink()
    status, said, _ = run(capsys, "keys", "list", "-C", folder.root)
    assert status == 0
    assert keys.public(keys.entry("lease")).keyid.hex() in said
    described = {one["name"]: one for one in json.loads(run(capsys, "keys", "list", "--json", "-C", folder.root)[1])}
    assert (described["os"]["tag"], described["delegate-loreto"]["tag"]) == ("o1", "")
    assert (described["fs"]["state"], described["os"]["state"]) == ("public key only", "present")
    shown = openssl("dgst", "-sha256", keys.path / "os-1.public").stdout.decode().split()[-1]
    assert described["os"]["sha256"] == shown


@pytest.mark.parametrize(
    ("content", "mode"), [(b"one\ntwo\n", 0o600), (b"", 0o600), (b"\xff\n", 0o600), (b"x\n", 0o644)]
)
def test_what_is_no_passphrase_file(
    folder: Folder, tmp_path: Path, content: bytes, mode: int, capsys: Capture
) -> None:
    file = tmp_path / "words"
    file.write_bytes(content)
    file.chmod(mode)
    status, _, said = run(capsys, "keys", "rotate", "os", "-C", folder.root, "--passphrase-file", file)
    assert (status, str(file) in said) == (2, True)
