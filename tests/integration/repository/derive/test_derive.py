"""Deriving from a small Debian on the loopback: the right packages, and each fetched once."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.repository.debs import inspect
from sugar_deploy.repository.derive import store
from sugar_deploy.repository.derive.systems import System
from tests.integration.repository.derive.conftest import Deriving
from tests.integration.repository.derive.minidebian import DAY, MiniDebian, Web

NEEDED = ["base-files", "libpython", "python3", "python3-venv", "server", "server-data", "timesyncd"]


def test_exactly_what_is_needed_is_derived(deriving: Deriving) -> None:
    found = deriving()["bookworm"]
    assert [deb.name for deb in found] == NEEDED, "no recommended package, none that nobody asked for"
    library = found[1]
    assert (library.version, library.architecture) == ("1:1.2-3", "amd64")
    assert (library.origin, library.source) == ("debian", "python3-defaults")
    assert library.size == library.path.stat().st_size
    for deb in found:
        assert inspect(deb.path).identity == deb.identity


def test_security_updates_come_instead_of_what_they_replace(deriving: Deriving, debian: MiniDebian) -> None:
    debian.add("bookworm-updates", "server", "1.1", Depends="server-data")
    debian.add("bookworm-security", "server-data", "1+deb12u1")
    debian.release()
    versions = {deb.name: deb.version for deb in deriving()["bookworm"]}
    assert versions["server"] == "1.1"
    assert versions["server-data"] == "1+deb12u1"


STARTED_BY = ["grub-efi-amd64", "grub-efi-amd64-signed", "grub-pc", "shim-signed"]


def test_a_server_gets_the_updates_of_its_kernel_and_of_what_loads_it(deriving: Deriving, debian: MiniDebian) -> None:
    deriving.kernel = True
    kernel = ["linux-image-6.1.0-1-amd64", "linux-image-amd64"]
    assert deriving.names() == sorted([*NEEDED, *STARTED_BY, *kernel])
    # A security update of a kernel is another package.
    debian.add("bookworm-security", "linux-image-amd64", "6.1.1", "amd64", Depends="linux-image-6.1.0-2-amd64")
    debian.add("bookworm-security", "linux-image-6.1.0-2-amd64", "6.1.1", "amd64")
    debian.release()
    updated = ["linux-image-6.1.0-2-amd64", "linux-image-amd64"]
    assert deriving.names() == sorted([*NEEDED, *STARTED_BY, *updated])


def test_who_asks_for_a_kernel_that_a_mirror_lacks_is_told(deriving: Deriving) -> None:
    deriving.kernel = True
    deriving.architectures = "armhf"
    with pytest.raises(UsageError, match=r"repository\.kernel: there is no package linux-image-armmp") as told:
        deriving()
    assert "kernel: false" in str(told.value)


def test_architectures_share_what_is_for_all_of_them(deriving: Deriving, debian: MiniDebian) -> None:
    debian.add("bookworm", "server", "2", "i386", Depends="server-i386")
    debian.add("bookworm", "server-i386", "2", "i386")
    debian.release()
    deriving.architectures = "amd64, arm64, i386, armhf"
    found = deriving()["bookworm"]
    assert [deb.architecture for deb in found if deb.name == "libpython"] == ["amd64", "arm64", "armhf", "i386"]
    assert [(deb.version, deb.architecture) for deb in found if deb.name == "server"] == [("1", "all"), ("2", "i386")]
    assert [deb.architecture for deb in found if deb.name == "server-data"] == ["all"]
    assert [deb.architecture for deb in found if deb.name == "server-i386"] == ["i386"]


def test_the_tool_finds_debians_python_packages_where_there_are_no_wheels(deriving: Deriving) -> None:
    deriving.architectures = "amd64, i386"
    found = deriving()["bookworm"]
    modules = ("bcrypt", "cryptography", "markupsafe", "nacl", "yaml")
    names = {f"python3-{module}" for module in modules}
    assert {(deb.name, deb.architecture) for deb in found if deb.name in names} == {(name, "i386") for name in names}


def test_what_our_packages_depend_on_is_derived_and_they_are_not(deriving: Deriving) -> None:
    ours = deriving.own("our-daemon", Depends="lavish, our-base")
    base = deriving.own("our-base")
    names = deriving.names(ours, base)
    assert sorted({*NEEDED, "lavish"}) == names


def test_packages_that_exclude_each_other_each_find_theirs(deriving: Deriving) -> None:
    one = deriving.own("one", Conflicts="other", Depends="lavish")
    other = deriving.own("other", Conflicts="one", Depends="gnome-mines")
    names = deriving.names(one, other)
    assert sorted({*NEEDED, "lavish", "gnome-mines"}) == names


def test_a_role_may_replace_what_debian_usually_installs(deriving: Deriving) -> None:
    deriving.packages = ("server", "server-clock")
    assert {"timesyncd", "server-clock"} <= set(deriving.names())


def test_laptops_are_served_where_asked(deriving: Deriving) -> None:
    laptop = deriving.own("mini-offline-server-client", "configuration", Depends="lavish")
    assert "lavish" not in deriving.names(laptop)
    deriving.more = "clients: true"
    assert {"lavish", "sucrose", "sugar-session", "telepathy-mission-control-5"} <= set(deriving.names(laptop))


def test_images_are_derived_for_their_own_release_and_architecture(deriving: Deriving, debian: MiniDebian) -> None:
    # Debian's index says of a package that every installation has it, and the package itself does not.
    debian.add("bookworm", "apt", Priority="important")
    for architecture in ("amd64", "i386"):
        listed = debian.stanzas["bookworm", architecture]
        listed[-1] = listed[-1].replace("important", "required")
    debian.add("bookworm", "linux-image-686", "6.1", "i386")
    debian.release()
    own = deriving.own("our-start", Depends="lavish"), deriving.own("our-daemon"), deriving.own("our-settings")
    names = ("sucrose", "our-settings", "linux-image-686")
    deriving.systems = (System("xo-1.5", "bookworm", "i386", names, ("our-start", "firmware")),)
    found = deriving(*own)
    assert [deb.name for deb in found["bookworm"]] == sorted([*NEEDED, "apt", "lavish"])
    images = {deb.name: deb for deb in found["bookworm-images"]}
    assert sorted(images) == sorted([*names, "apt", "base-files", "lavish", "our-start", "sugar-session"])
    assert images["linux-image-686"].architecture == "i386"
    assert sorted(name for name, deb in images.items() if deb.required) == ["apt", "base-files"]
    assert {name for name, deb in images.items() if deb.origin != "debian"} == {"our-start", "our-settings"}
    assert "bookworm i386 for images of xo-1.5: 6 packages of Debian, 0 MiB" in deriving.said


def test_what_an_image_needs_and_debian_has_not_is_told(deriving: Deriving) -> None:
    deriving.systems = (System("xo-1.5", "bookworm", "i386", ("sucrose", "linux-image-686"), ()),)
    with pytest.raises(UsageError, match=r"^images of xo-1\.5: there is no package linux-image-686 in bookworm"):
        deriving()


def test_the_deployers_version_of_a_package_comes_instead(deriving: Deriving) -> None:
    patched = deriving.own("server-data", "deployer", version="2")
    assert "server-data" not in deriving.names(patched)


def test_unchanged_asks_for_indexes_only(deriving: Deriving, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    before = deriving()
    web.asked.clear()
    choices = sorted((deriving.root / "cache").glob("apt/*/choices/*"))
    times = [path.stat().st_mtime_ns for path in choices]
    monkeypatch.setattr(store, "sha256_of", lambda path: pytest.fail(f"{path} is read again"))
    assert deriving() == before
    assert web.pool() == []
    assert {path.rpartition("/")[2] for path, _ in web.asked} == {"InRelease"}
    assert [path.stat().st_mtime_ns for path in choices] == times


def test_another_deployment_takes_from_the_cache(deriving: Deriving, web: Web) -> None:
    deriving()
    web.asked.clear()
    deriving.more = "packages: [lavish]"
    deriving()
    assert web.pool() == ["/debian/pool/main/l/lavish/lavish_1_all.deb"]


def test_a_touched_package_is_proved_again_and_a_damaged_one_fetched_again(deriving: Deriving, web: Web) -> None:
    found = {deb.name: deb for deb in deriving()["bookworm"]}
    whole, damaged = found["server"].path, found["server-data"].path
    content = damaged.read_bytes()
    os.utime(whole)
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    web.asked.clear()
    deriving()
    assert web.pool() == ["/debian/pool/main/s/server-data/server-data_1_all.deb"]
    assert damaged.read_bytes() == content
    assert f"{damaged} is damaged: fetching it again" in deriving.said


def test_a_removed_package_is_fetched_again(deriving: Deriving, web: Web) -> None:
    path = deriving()["bookworm"][0].path
    content = path.read_bytes()
    path.unlink()
    deriving()
    assert path.read_bytes() == content


def test_damaged_records_are_no_obstacle(deriving: Deriving, web: Web) -> None:
    before = deriving()
    (deriving.root / "cache/proved.json").write_text('{"pool": "nonsense"')
    for file in (deriving.root / "cache").glob("apt/*/choices/*"):
        file.write_text("[[1]]")
    web.asked.clear()
    assert deriving() == before
    assert web.pool() == []


def test_what_nobody_asks_for_is_dropped_in_the_end(deriving: Deriving, monkeypatch: pytest.MonkeyPatch) -> None:
    deriving.more = "packages: [lavish]"
    lavish = next(deb.path for deb in deriving()["bookworm"] if deb.name == "lavish")
    deriving.more = ""
    today = int(time.time() // DAY)
    monkeypatch.setattr(store, "_today", lambda: today + store.KEPT_DAYS)
    kept = deriving()["bookworm"]
    assert lavish.exists()
    monkeypatch.setattr(store, "_today", lambda: today + store.KEPT_DAYS + 1)
    assert deriving()["bookworm"] == kept
    assert not lavish.exists()
    assert all(deb.path.exists() for deb in kept)


def test_two_at_once_wait_for_each_other(deriving: Deriving, debian: MiniDebian, web: Web) -> None:
    debian.add("bookworm", "slow", size="2000000")
    debian.release()
    deriving.more = "packages: [slow]"
    deriving.plan()
    web.bytes_per_second = 1_000_000
    process = deriving.in_process()
    wait_for(lambda: web.sent.get("/debian/pool/main/s/slow/slow_1_all.deb", 0) > 0)
    assert "slow" in deriving.names()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert any(line.startswith("Waiting: another process fetches packages") for line in deriving.said)
    assert web.pool().count("/debian/pool/main/s/slow/slow_1_all.deb") == 1


def test_a_killed_download_is_continued(deriving: Deriving, debian: MiniDebian, web: Web) -> None:
    file = "/debian/pool/main/l/large/large_1_all.deb"
    content = debian.add("bookworm", "large", size="4000000")
    debian.release()
    deriving.more = "packages: [large]"
    deriving.plan()
    web.bytes_per_second = 1_000_000
    process = deriving.in_process()
    wait_for(lambda: web.sent.get(file, 0) > 1_000_000)
    os.killpg(process.pid, 9)
    process.communicate()
    web.bytes_per_second = 0
    deb = next(deb for deb in deriving()["bookworm"] if deb.name == "large")
    assert deb.path.read_bytes() == content
    ranges = [wanted for path, wanted in web.asked if path == file]
    assert ranges[0] == ""
    assert re.fullmatch(r"bytes=[1-9]\d{4,}-", ranges[-1]), ranges


def test_this_machines_own_apt_is_left_alone(deriving: Deriving) -> None:
    def seen() -> dict[str, int]:
        return {
            str(path): path.lstat().st_mtime_ns
            for root in ("/etc/apt", "/var/lib/apt", "/var/cache/apt", "/var/lib/dpkg/status")
            for path in [Path(root), *Path(root).rglob("*")]
        }

    before = seen()
    deriving()
    assert seen() == before


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
