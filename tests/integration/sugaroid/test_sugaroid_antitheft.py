"""From the deployer's key to a laptop that starts: `sugar-deploy` signs, the school server hands out, sugaroid asks,
and the firmware's model, which shares nothing with any of them, judges. And the check, green and red."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from sugaroid.leases import deterrence

from sugar_deploy.cli import main
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.folder import Folder
from sugar_deploy.keys.laptop.keyset import KeySet
from tests.unit.olpc_security import model

from .other_server import Act, Answer, answering
from .services import Services, failed, seen

SERIAL, UUID = "SHC12345678", "0AB12C3D-1234-5678-9ABC-DEF012345678"
OTHER, ITS_UUID = "SHC00000002", "11111111-2222-3333-4444-555555555555"
WORDS = "correct horse battery staple"
DAY = 86400


class Deployer:
    """A deployment with keys for leases, and a list of two laptops."""

    def __init__(self, root: Path) -> None:
        self.folder = Folder(root / "lima")
        start(self.folder, Scenario.ONLINE_SERVER, "lima")
        KeySet(self.folder, "lima").create(["lease"], WORDS, int(time.time()), 10)
        self.words, self.laptops = root / "words", root / "laptops.csv"
        self.words.touch(0o600)
        self.words.write_text(WORDS)
        self.laptops.write_text(f"{SERIAL},{UUID}\n{OTHER},{ITS_UUID}\n")
        self.key = self.folder.laptop_keys / "lease-1.public"

    def run(self, *words: str | Path, signs: bool = False) -> None:
        secret = ["--passphrase-file", self.words] if signs else []
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in (*words, "-C", self.folder.root, *secret)])
        assert not ended.value.code

    def starts(self, lease: bytes, now: float, serial: str = SERIAL, uuid: str = UUID) -> bool:
        """Whether the laptop's firmware takes this as its lease.sig."""
        keys = [self.key.read_bytes()]
        return model.scan(lease, b"act01:", serial.encode(), uuid.encode(), keys, int(now)) == model.VALID


@pytest.fixture
def deployer(tmp_path: Path, services: Services) -> Deployer:
    """Its school's server is delegated to, as the guide says."""
    made = Deployer(tmp_path)
    services.configure(server=f"[antitheft]\nenabled = yes\nkeys = /{made.key.name}\n")
    (services.folder / "root" / made.key.name).write_bytes(made.key.read_bytes())
    services.start()
    services.start_activation()
    public, delegations = tmp_path / "server.public", tmp_path / "d-lease.sig"
    argv = services.argv("lease-key", *services.root)
    public.write_bytes(
        subprocess.run(argv, env=services.environment(), capture_output=True, check=True, timeout=30).stdout
    )
    made.run("keys", "import", "key", public, "--as", "delegate-san-martin")
    made.run("lease", "delegate", made.laptops, "--to", "san-martin", "-o", delegations, "--days", "400", signs=True)
    done = services.sugar_server("import-delegation", str(delegations), *services.root)
    assert (done.returncode, "2 of 2" in done.stdout) == (0, True), done.stderr
    return made


def asks(services: Services, word: str, deployer: Deployer, out: Path, serial: str = SERIAL, uuid: str = UUID):
    return services.sugaroid(
        word, "--serial", serial, "--uuid", uuid, "--key", str(deployer.key), "--output", str(out)
    )


def test_activated_renewed_and_locked_once_stolen(deployer: Deployer, services: Services, tmp_path: Path) -> None:
    lease = tmp_path / "lease.sig"
    for word in ("activate", "renew"):
        done = asks(services, word, deployer, lease)
        assert done.returncode == 0, done.stderr
        assert "a lease until 20" in done.stdout
        assert "it is a good one" in done.stdout
        assert deployer.starts(lease.read_bytes(), time.time() + 29 * DAY)
        assert not deployer.starts(lease.read_bytes(), time.time() + 31 * DAY)
        lease.unlink()
    deployer.run("lease", "revoke", SERIAL)
    done = services.sugar_server("import-stolen", str(deployer.folder.stolen), *services.root)
    assert done.returncode == 0, done.stderr
    for word in ("activate", "renew"):
        done = asks(services, word, deployer, lease)
        assert (done.returncode, "is stolen" in done.stderr, lease.exists()) == (1, True, False), done.stderr
    done = asks(services, "activate", deployer, lease, OTHER, ITS_UUID)
    assert done.returncode == 0, done.stderr
    assert deployer.starts(lease.read_bytes(), time.time(), OTHER, ITS_UUID)


def boots(
    services: Services, deployer: Deployer, storage: Path, *sticks: Path, serial: str = SERIAL, uuid: str = UUID
):
    words = [word for stick in sticks for word in ("--stick", str(stick))]
    key = ("--key", str(deployer.key), "--storage", str(storage))
    return services.sugaroid("boot", "--serial", serial, "--uuid", uuid, *key, "--json", *words)


def image_of(folder: Path, image: Path, *, partitioned: bool) -> Path:
    """A stick with these files, as one buys it or without a partition table."""
    start = 2048 * 512 if partitioned else 0
    with image.open("wb") as file:
        file.truncate(34 * 2**20)
    if partitioned:
        subprocess.run(["sfdisk", "--quiet", image], input="2048,,c,*\n", text=True, check=True)
    where = f"{image}@@{start}"
    subprocess.run(["mformat", "-i", where, "-F", "-T", str((34 * 2**20 - start) // 512), "::"], check=True)
    subprocess.run(["mcopy", "-i", where, "-s", *sorted(folder.iterdir()), "::"], check=True)
    return image


def test_a_locked_laptop_starts_by_a_stick_the_network_and_itself(
    deployer: Deployer, services: Services, tmp_path: Path
) -> None:
    laptops, leases, stick = tmp_path / "more.csv", tmp_path / "leases.sig", tmp_path / "stick"
    laptops.write_text(f"SHC99999999,{UUID}\n{SERIAL},{UUID}\n")
    deployer.run("lease", "issue", laptops, "-o", leases, "--days", "5", signs=True)
    stick.mkdir()
    with pytest.raises(SystemExit):
        main(["lease", "stick", str(leases), str(stick)])
    for number, medium in enumerate(
        (stick, *(image_of(stick, tmp_path / f"{one}.img", partitioned=one) for one in (True, False)))
    ):
        storage = tmp_path / f"storage-{number}"
        storage.mkdir()
        started = json.loads(boots(services, deployer, storage, medium, serial="SHC99999999").stdout)
        assert (started["source"], started["sticks"]) == ("stick", ["good"])
        kept = (storage / "security" / "lease.sig").read_bytes()
        assert kept.decode() == started["lease"]
        assert kept.count(b"\n") == 1
        assert deployer.starts(kept, time.time() + 4.9 * DAY, "SHC99999999")
        again = json.loads(boots(services, deployer, storage, serial="SHC99999999").stdout)
        assert again["source"] == "storage"
    # A laptop that is not on the stick asks the network, which gives a longer lease.
    storage = tmp_path / "other"
    storage.mkdir()
    started = json.loads(boots(services, deployer, storage, stick, serial=OTHER, uuid=ITS_UUID).stdout)
    assert (started["source"], "none of its" in started["sticks"][0]) == ("network", True)
    assert deployer.starts(started["lease"].encode(), time.time() + 29 * DAY, OTHER, ITS_UUID)
    # The firmware does not read a wrapper, nor another laptop's lease.
    (storage / "security" / "lease.sig").write_bytes((stick / "lease.sig").read_bytes())
    assert json.loads(boots(services, deployer, storage, serial=OTHER, uuid=ITS_UUID).stdout)["source"] == "network"


def test_a_laptop_that_stays_locked_says_why(deployer: Deployer, services: Services, tmp_path: Path) -> None:
    storage, stick = tmp_path / "storage", tmp_path / "stick"
    storage.mkdir()
    stick.mkdir()
    (stick / "lease.sig").write_text(f"act01: {SERIAL} K 20300101T000000Z sig01: sha256 00 00\n")
    done = boots(services, deployer, storage, stick, serial="SHC99999999")
    assert done.returncode == 1
    for words in ("no lease from its storage", "stick: the laptop does not start", "no lease from the network"):
        assert words in done.stderr
    deployer.run("lease", "revoke", SERIAL)
    done = services.sugar_server("import-stolen", str(deployer.folder.stolen), *services.root)
    assert done.returncode == 0, done.stderr
    done = boots(services, deployer, storage, stick)
    assert (done.returncode, "it is stolen, says the server" in done.stderr) == (1, True), done.stderr
    services.stop()
    done = boots(services, deployer, storage, tmp_path / "none.img")
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True), done.stderr
    done = boots(services, deployer, storage)
    assert (done.returncode, "no activation from" in done.stderr) == (1, True), done.stderr
    assert list(storage.iterdir()) == []


def test_leases_of_the_deployer_s_own(deployer: Deployer, services: Services, tmp_path: Path) -> None:
    """`lease issue`, and the stick's wrapper, are taken in alike; a laptop that is not delegated gets its lease."""
    laptops, leases, stick = tmp_path / "more.csv", tmp_path / "leases.sig", tmp_path / "stick"
    stick.mkdir()
    laptops.write_text(f"SHC99999999,{UUID}\n")
    deployer.run("lease", "issue", laptops, "-o", leases, "--days", "365", signs=True)
    with pytest.raises(SystemExit):
        main(["lease", "stick", str(leases), str(stick)])
    for file, count in ((leases, "1 of 1"), (stick / "lease.sig", "0 of 1")):
        done = services.sugar_server("import-leases", str(file), *services.root)
        assert (done.returncode, count in done.stdout) == (0, True), done.stderr
    out = tmp_path / "lease.sig"
    done = asks(services, "activate", deployer, out, "SHC99999999")
    assert done.returncode == 0, done.stderr
    assert deployer.starts(out.read_bytes(), time.time() + 364 * DAY, "SHC99999999")


def test_a_laptop_of_another_deployment_takes_nothing(deployer: Deployer, services: Services, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Deployer(tmp_path / "other")
    for word, words in (("activate", "does not start with this lease"), ("renew", "does not believe this answer")):
        done = asks(services, word, other, tmp_path / "lease.sig")
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "lease.sig").exists()


def test_the_check_of_a_well_school(deployer: Deployer, services: Services) -> None:
    report = services.check("antitheft")
    assert failed(report) == {}
    assert seen(report)["antitheft: activation at boot"] == "no lease for a laptop that nobody knows"
    assert report.identities == []
    listed = services.sugar_server("leases", *services.root).stdout
    assert "ZZZ" not in listed


def test_the_check_where_leases_are_off(services: Services) -> None:
    services.start()
    assert failed(services.check(expect_no=("antitheft",))) == {}
    told = failed(services.check("antitheft"))
    assert "no activation from" in told["antitheft: activation at boot"]
    assert "status 404" in told["antitheft: theft deterrence"]


def envelope(members: str, line: str = "sig01: sha256 00 00\n") -> bytes:
    return f'["oatc-signed-resp",1,[["oatc-resp",1,{{{members}}}],["sig",1,["{line}"]]]]'.encode()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ('"nonce":"1","time":"20260101T000000Z"', "another request"),
        ('"nonce":"NONCE","time":"20100101T000000Z"', "h off this machine's"),
        ('"lease":"act01: x","nonce":"NONCE","time":"NOW"', "a lease for a laptop that nobody knows"),
        ('"nonce":"NONCE"', "cannot be read"),
        ('"nonce":"NONCE","time":"today"', "cannot be read"),
    ],
)
def test_the_check_of_a_server_that_misleads(services: Services, members: str, words: str) -> None:
    def act(_method: str, _path: str, body: bytes, _headers: dict[str, str]) -> Answer:
        nonce = body.decode().partition("nonce=")[2]
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        content = envelope(members.replace("NONCE", nonce).replace("NOW", now))
        return 200, {"Content-Length": str(len(content))}, content

    assert words in _deterrence(services, act)


def test_the_check_of_an_answer_in_another_form(services: Services) -> None:
    def act(_method: str, _path: str, _body: bytes, _headers: dict[str, str]) -> Answer:
        return 200, {"Content-Length": "2"}, b"{}"

    assert "no oatc-signed-resp" in _deterrence(services, act)
    good = envelope('"nonce":"1","time":"20260101T000000Z"')
    assert deterrence.read(good, "1").seconds == 1767225600
    with pytest.raises(Exception, match="no oatc-signed-resp"):
        deterrence.read(good.replace(b",1,", b", 1, ", 1), "1")


def _deterrence(services: Services, act: Act) -> str:
    with answering(act) as port:
        return failed(services.check("antitheft", port=port))["antitheft: theft deterrence"]


def test_wrong_usage_and_no_server(services: Services, tmp_path: Path) -> None:
    for status, words in (
        (2, ("--serial", "x")),
        (2, ("--serial", SERIAL, "--key", str(tmp_path / "none"))),
        (2, ("--serial", SERIAL, "--key", str(tmp_path / "none"), "--uuid", UUID)),
        (1, ("--serial", SERIAL)),
    ):
        done = services.sugaroid("activate", *words)
        assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
