"""Wrong clocks, full disks, keys that have expired, and power cuts: told clearly, and what was published stays."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.keys import repository_key as keys
from sugar_deploy.repository.publish import rollback
from sugar_deploy.repository.snapshots import History
from sugar_deploy.repository.verify import verify
from tests import clock
from tests.integration.repository.bare import publish
from tests.integration.repository.handmade import make_deb
from tests.integration.repository.test_repository_publish import _agents

PUBLISH = """
from pathlib import Path
from sugar_deploy.folder import Folder
from tests import clock
from tests.integration.repository.bare import publish
publish(Folder(Path({root!r})), "golden", print, sources=Path({sources!r}))
"""
ROLLBACK = """
from pathlib import Path
from sugar_deploy.folder import Folder
from sugar_deploy.repository.publish import rollback
rollback(Folder(Path({root!r})), "golden", {snapshot!r}, print)
"""


def _at(date: str, code: str, programs: Path) -> str:
    """What a program says when the machine's clock shows another date."""
    programs.mkdir(exist_ok=True)
    # gpgv is given a clean environment, and with it the right clock.
    (programs / "gpgv").write_text(f'#!/bin/sh\nexec {shlex.join(clock.at(date))} /usr/bin/gpgv "$@"\n')
    (programs / "gpgv").chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    argv = [*clock.at(date), sys.executable, "-c", code]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


VERIFY = """
from pathlib import Path
from sugar_deploy.folder import Folder
from sugar_deploy.repository.verify import verify
folder = Folder(Path({root!r}))
verify(folder.published, folder.repository_key)
"""


def test_a_clock_before_the_keys_own_date_has_a_clear_remedy(
    deployment: Folder, sources: Path, tmp_path: Path
) -> None:
    before = (deployment.published / "dists/trixie/InRelease").read_text()
    names = {"root": str(deployment.root), "sources": str(sources)}
    said = _at("2020-01-01 00:00:00", PUBLISH.format(**names), tmp_path / "bin")
    assert "this machine's clock says 2020-01-01, which is before the repository's signing key was made" in said
    assert said.endswith("Set the clock: sudo timedatectl set-ntp true")
    said = _at("2020-01-01 00:00:00", VERIFY.format(**names), tmp_path / "bin")
    assert "InRelease cannot be verified: this machine's clock says 2020-01-01" in said
    assert said.endswith("Set the clock: sudo timedatectl set-ntp true")
    assert (deployment.published / "dists/trixie/InRelease").read_text() == before


def test_a_clock_before_the_last_publication_has_one_too(
    deployment: Folder, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_deb(deployment.debs, "songs")
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 86400)
        first = publish(deployment, "golden", sources=sources).snapshot
    shutil.rmtree(deployment.debs)
    with pytest.raises(DeployError, match="was signed later") as behind:
        publish(deployment, "golden", sources=sources)
    assert behind.value.remedy.startswith("Set the clock: sudo timedatectl set-ntp true")
    assert (deployment.published / "snapshot").read_text().strip() == first
    # The other remedy that it names.
    shutil.rmtree(deployment.published)
    assert publish(deployment, "golden", sources=sources).changed


def test_a_key_that_has_expired_publishes_nothing_and_verifies_nothing(deployment: Folder, sources: Path) -> None:
    with keys.signing_keys(deployment, "golden") as (gpg, found):
        gpg.run("--quick-set-expire", found[0].fingerprint, "seconds=1")
        secrets = keys.Secrets(deployment, "golden")
        secrets.set("repository_private_key", keys._private(gpg, found[0]))
    time.sleep(2)
    with pytest.raises(DeployError, match="signing key expired on") as expired:
        publish(deployment, "golden", sources=sources)
    assert "repo key --renew" in expired.value.remedy
    with pytest.raises(DeployError, match="the signing key has expired"):
        verify(deployment.published, deployment.repository_key)
    keys.renew(deployment, "golden")
    assert not publish(deployment, "golden", sources=sources).changed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with little room."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_is_told_and_changes_nothing(golden: Folder, sources: Path, small_disk: Path) -> None:
    folder = Folder(small_disk / "deployment")
    shutil.copytree(golden.root, folder.root)
    before = verify(folder.published, folder.repository_key).snapshot
    make_deb(folder.debs, "songs")
    free = shutil.disk_usage(small_disk).free
    filler = small_disk / "filler"
    for left in (0, 30_000, 100_000, 200_000):
        filler.write_bytes(b"\0" * (free - left))
        with pytest.raises(DeployError, match=r"the disk that holds .* is full") as full:
            publish(folder, "golden", sources=sources)
        assert full.value.remedy.startswith("Make room there")
        assert verify(folder.published, folder.repository_key).snapshot == before
        filler.unlink()
    assert publish(folder, "golden", sources=sources).changed
    verify(folder.published, folder.repository_key)


def test_a_tampered_index_or_package_is_published_anew(deployment: Folder, sources: Path) -> None:
    snapshot = (deployment.published / "snapshot").read_text()
    for name in (
        "dists/trixie/main/binary-amd64/Packages",
        "snapshot.json",
        "pool/main/h/hello-two/hello-two_1.0_all.deb",
    ):
        path = deployment.published / name
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content.replace(b"hello-two", b"hello-too").replace(b"2.0\n", b"2.1\n"))
        said: list[str] = []
        assert publish(deployment, "golden", said.append, sources=sources).changed
        assert any(str(path) in line for line in said)
        assert (deployment.published / "snapshot").read_text() == snapshot
        verify(deployment.published, deployment.repository_key)
    assert [record.serial for record in History(deployment).records()] == [1]


def _killed_somewhere(start: Callable[[], subprocess.Popen[str]], moment: random.Random, longest: float) -> None:
    process = start()
    time.sleep(moment.uniform(0.0, longest))
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()


def test_power_cuts_at_any_moment(
    deployment: Folder, sources: Path, in_background: Callable[[str], subprocess.Popen[str]], apt: Callable
) -> None:
    moment = random.Random(20261121)
    names = {"root": str(deployment.root), "sources": str(sources)}
    started = time.monotonic()
    make_deb(deployment.debs, "songs", "0")
    oldest = publish(deployment, "golden", sources=sources).snapshot
    longest = 1.5 * (time.monotonic() - started)
    serials = [record.serial for record in History(deployment).records()]
    for number in range(1, 7):
        make_deb(deployment.debs, "songs", str(number))
        (deployment.debs / f"songs_{number - 1}_all.deb").unlink(missing_ok=True)
        _killed_somewhere(lambda: in_background(PUBLISH.format(**names)), moment, longest)
        verify(deployment.published, deployment.repository_key)
        if number % 2:
            _killed_somewhere(lambda: in_background(ROLLBACK.format(**names, snapshot=oldest)), moment, longest)
            verify(deployment.published, deployment.repository_key)
        else:
            done = publish(deployment, "golden", sources=sources)
            serials.append(done.record.serial)
            assert {one.version for one in done.record.items if one.name == "songs"} == {str(number)}
    assert serials == sorted(set(serials)), "numbers only grow"
    assert rollback(deployment, "golden", History(deployment).records()[-1].id)
    verify(deployment.published, deployment.repository_key)
    assert apt(deployment.published, deployment.repository_key)("update").returncode == 0
    assert not (deployment.repository / "staged").exists()
    assert _agents(deployment) == []
    assert [path.name for path in deployment.secrets.iterdir()] == ["deployment.yml"]
