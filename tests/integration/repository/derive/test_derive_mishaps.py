"""What may go wrong between a deployer and Debian: each mishap is told with its remedy, and nothing bad is kept."""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.repository.derive import store
from tests.integration.repository.derive.conftest import Deriving
from tests.integration.repository.derive.minidebian import DAY, MiniDebian, Signer, Web

SERVER = "/debian/pool/main/s/server/server_1_all.deb"


def test_an_unknown_package_is_named_with_who_asks_for_it(deriving: Deriving) -> None:
    deriving.more = "packages: [gnome-mimes]"
    with pytest.raises(UsageError) as error:
        deriving()
    assert str(error.value) == (
        'repository.packages: there is no package gnome-mimes in bookworm for amd64. Did you mean "gnome-mines"?'
    )


def test_a_roles_package_that_debian_lacks_names_the_role(deriving: Deriving) -> None:
    with pytest.raises(UsageError, match=r"role time: there is no package chrony in bookworm for amd64"):
        deriving(real_roles=True)


def test_a_package_that_cannot_be_installed_says_what_it_lacks(deriving: Deriving) -> None:
    ours = deriving.own("our-daemon", Depends="python3 (>= 4)")
    with pytest.raises(UsageError) as error:
        deriving(ours)
    assert error.value.message == (
        f"{ours.path}: not installable in bookworm for amd64: "
        "our-daemon : Depends: python3 (>= 4) but 1 is to be installed"
    )


def test_a_deployers_package_may_be_meant_for_another_suite(deriving: Deriving, debian: MiniDebian) -> None:
    for (suite, architecture), stanzas in list(debian.stanzas.items()):
        debian.stanzas[suite.replace("bookworm", "trixie"), architecture] = list(stanzas)
    debian.add("trixie", "libnew")
    debian.release("trixie")
    deriving.suites = "bookworm, trixie"
    theirs = deriving.own("theirs", "deployer", Depends="libnew")
    found = deriving(theirs)
    assert "libnew" in {deb.name for deb in found["trixie"]}
    assert "libnew" not in {deb.name for deb in found["bookworm"]}
    assert any("theirs : Depends: libnew but it is not installable" in line for line in deriving.said)


def test_an_impossible_set_of_roles_names_them(deriving: Deriving) -> None:
    deriving.packages = ("server-clock", "timesyncd")
    with pytest.raises(UsageError, match=r"not installable in bookworm for amd64: .*Conflicts: time-daemon"):
        deriving()


def test_a_mirror_in_the_middle_of_an_update_is_asked_again(deriving: Deriving, web: Web) -> None:
    index = "/debian/dists/bookworm/main/binary-amd64/Packages.xz"
    wrong = [lzma.compress(b"Package: halfway\n")]
    web.instead = lambda path: wrong.pop() if path == index and wrong else None
    assert "server" in deriving.names()
    assert f"{web.url} is in the middle of an update: asking again in 0 s" in deriving.said


def test_a_tampered_index_is_refused(deriving: Deriving, debian: MiniDebian, web: Web) -> None:
    for ending in ("", ".xz"):
        index = debian.root / f"debian/dists/bookworm/main/binary-amd64/Packages{ending}"
        text = index.read_bytes() if not ending else lzma.decompress(index.read_bytes())
        worse = text.replace(b"Version: 1\n", b"Version: 9\n")
        index.write_bytes(lzma.compress(worse) if ending else worse)
    with pytest.raises(DeployError, match="in the middle of an update, or something on the way changes") as error:
        deriving()
    assert "repository.mirror" in error.value.remedy
    assert web.pool() == []


def test_a_tampered_package_is_refused_and_not_kept(deriving: Deriving, debian: MiniDebian, web: Web) -> None:
    content = (debian.root / SERVER[1:]).read_bytes()
    web.instead = lambda path: content[:-1] + b"!" if path == SERVER else None
    with pytest.raises(DeployError, match="something on the way changes what it sends"):
        deriving()
    assert [path for path in (deriving.root / "cache").rglob("*") if path.name == "server_1_all.deb"] == []
    assert sum(path == SERVER for path in web.pool()) >= store.TRIES
    web.instead = lambda _path: None
    found = {deb.name: deb for deb in deriving()["bookworm"]}
    assert found["server"].path.read_bytes() == content


def test_a_mirror_that_changes_meanwhile_is_asked_anew(deriving: Deriving, debian: MiniDebian, web: Web) -> None:
    def change(path: str) -> None:
        if path == SERVER and (debian.root / SERVER[1:]).exists():
            (debian.root / SERVER[1:]).unlink()
            debian.add("bookworm", "server", "2")
            debian.release()

    web.instead = change
    assert {deb.name: deb.version for deb in deriving()["bookworm"]}["server"] == "2"
    assert "The mirror has changed meanwhile: asking it again" in deriving.said


def test_a_package_that_the_mirror_lacks_for_good_is_named(deriving: Deriving, debian: MiniDebian) -> None:
    (debian.root / SERVER[1:]).unlink()
    with pytest.raises(DeployError, match=r"does not have what it should have: .*server_1_all\.deb"):
        deriving()


def test_a_foreign_key_is_not_trusted(deriving: Deriving, tmp_path: Path, web: Web) -> None:
    other = Signer(tmp_path / "g")
    try:
        deriving.keyring = other.keyring
        with pytest.raises(DeployError, match="not signed by a key of Debian that this machine knows") as error:
            deriving()
    finally:
        other.close()
    assert "debian-archive-keyring" in error.value.remedy
    assert web.pool() == []


def test_an_unsigned_index_is_not_trusted(deriving: Deriving, debian: MiniDebian) -> None:
    file = debian.root / "debian/dists/bookworm/InRelease"
    text = file.read_text().split("\n\n", 1)[1].partition("-----BEGIN PGP SIGNATURE-----")[0]
    file.write_text(text)
    with pytest.raises(DeployError, match="not signed by a key of Debian that this machine knows"):
        deriving()


def test_without_debians_keys_nothing_is_asked(deriving: Deriving, web: Web) -> None:
    deriving.keyring = deriving.root / "missing.gpg"
    with pytest.raises(DeployError, match=r"Debian's keys are not on this machine.*debian-archive-keyring"):
        deriving()
    assert web.asked == []


def test_a_clock_that_is_behind_is_told(deriving: Deriving, debian: MiniDebian) -> None:
    debian.release(since=30 * DAY, until=37 * DAY)
    with pytest.raises(DeployError, match=r"clock says \d{4}-\d\d-\d\d \d\d:\d\d UTC, which is before") as error:
        deriving()
    assert "timedatectl" in error.value.remedy


def test_expired_indexes_are_told(deriving: Deriving, debian: MiniDebian) -> None:
    debian.release(since=-30 * DAY, until=-20 * DAY)
    with pytest.raises(DeployError, match="either the clock is ahead, or the mirror is no longer kept up") as error:
        deriving()
    assert "timedatectl" in error.value.remedy


def test_without_a_network_the_first_time_is_refused(deriving: Deriving) -> None:
    deriving.url = "http://127.0.0.1:9/debian"
    with pytest.raises(DeployError, match="the Debian mirror cannot be reached") as error:
        deriving()
    assert "repository.mirror" in error.value.remedy


def test_without_a_network_what_is_known_serves(
    deriving: Deriving, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deriving()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert deriving() == before
    line = next(line for line in deriving.said if line.startswith("No way to"))
    assert re.fullmatch(rf"No way to {web.url}: going on with Debian's indexes of \d{{4}}-\d\d-\d\d", line)


def test_without_a_network_a_package_that_was_never_fetched_is_refused(
    deriving: Deriving, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deriving()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    deriving.more = "packages: [lavish]"
    with pytest.raises(DeployError, match="the Debian mirror cannot be reached"):
        deriving()
    deriving.more = ""
    assert deriving() == before


def test_indexes_of_half_of_the_suites_are_not_enough(
    deriving: Deriving, debian: MiniDebian, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(debian.root / "debian/dists/bookworm-security")
    with pytest.raises(DeployError, match=r"does not have what it should have: .*bookworm-security"):
        deriving()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(DeployError, match="the Debian mirror cannot be reached"):
        deriving()


def test_an_architecture_that_the_mirror_lacks_is_named(deriving: Deriving, debian: MiniDebian) -> None:
    del debian.stanzas["bookworm", "armhf"]
    debian.release()
    deriving.architectures = "amd64, armhf"
    with pytest.raises(DeployError, match=r"has no packages of bookworm for armhf.*repository\.architectures"):
        deriving()


def test_too_small_a_disk_is_told_before_anything_is_fetched(
    deriving: Deriving, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(deriving.root)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _path: usage._replace(free=1024))
    with pytest.raises(DeployError, match=r"has 0\.0 MiB free, and Debian's packages need 0\.\d MiB") as error:
        deriving()
    assert "XDG_CACHE_HOME" in error.value.remedy
    assert web.pool() == []


def test_a_cache_that_cannot_be_written_is_told(deriving: Deriving) -> None:
    (deriving.root / "cache").write_text("a file in the way")
    with pytest.raises(DeployError, match=r"cannot be kept in .*cache: File exists"):
        deriving()


def test_a_disk_that_fills_up_at_work_is_told(deriving: Deriving, debian: MiniDebian) -> None:
    debian.add("bookworm", "large", size="30000000")
    debian.release()
    deriving.more = "packages: [large]"
    cache = deriving.root / "cache"
    cache.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", cache], check=True)
    try:
        (cache / "filler").write_bytes(bytes(20_000_000))
        with pytest.raises(
            DeployError, match=r"the disk that holds .*cache.* is full|No space left on device"
        ) as error:
            deriving()
        assert error.value.remedy.startswith("Make room")
        (cache / "filler").unlink()
        with pytest.raises(DeployError, match=r"free, and Debian's packages need 28\.\d MiB"):
            deriving()
        deriving.more = ""
        assert "server" in deriving.names()
    finally:
        subprocess.run(["umount", cache], check=True)


@pytest.mark.parametrize("damage", [b"", b"Package: server\nVersion: 1\n", b"\x00" * 5000])
def test_damaged_indexes_are_fetched_again(deriving: Deriving, damage: bytes) -> None:
    before = deriving()
    for index in (deriving.root / "cache").glob("apt/*/lists/*_Packages"):
        index.write_bytes(damage)
    for remembered in (deriving.root / "cache").glob("apt/*/choices/*"):
        remembered.unlink()
    assert deriving() == before


def test_a_damaged_cache_of_apts_own_is_made_anew(deriving: Deriving) -> None:
    before = deriving()
    for file in (deriving.root / "cache").glob("apt/*/*/cache/pkgcache.bin"):
        file.write_bytes(file.read_bytes()[:20000])
    for remembered in (deriving.root / "cache").glob("apt/*/choices/*"):
        remembered.unlink()
    assert deriving() == before
