"""A small Debian composed of a stick on a machine without any network: as of the mirror."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sugar_deploy.bundle.beside import install_script, readme
from sugar_deploy.bundle.image_source import image_source
from sugar_deploy.bundle.layout import REPOSITORY, Layout
from sugar_deploy.bundle.manifest import Manifest, signature
from sugar_deploy.bundle.parts import piece
from sugar_deploy.bundle.select import image_files
from sugar_deploy.bundle.watch import Unwatched
from sugar_deploy.bundle.write import Bundle, write
from sugar_deploy.deployment.load import load
from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.image.compose.build import run
from sugar_deploy.image.compose.debian import Chosen, for_system
from sugar_deploy.image.compose.own import own_packages
from sugar_deploy.image.compose.source import Origin, published_source
from sugar_deploy.image.compose.stage import Input, Step, make_step
from sugar_deploy.keys.repository_key import signing_keys
from sugar_deploy.repository.contents import Contents
from sugar_deploy.repository.debs import Deb, inspect
from sugar_deploy.repository.derive import derive
from sugar_deploy.repository.derive.archive import KEYRING
from sugar_deploy.repository.derive.mirror import debian_mirror
from sugar_deploy.repository.derive.seeds import SMALLEST
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.repository.publish import release
from sugar_deploy.repository.tree import RECORD, SNAPSHOT
from sugar_deploy.repository.work import working
from sugar_deploy.scenario.plan import Plan

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
SYSTEM = System("generic-pc64", "bookworm", ARCHITECTURE, ("songs", "zstd"), ("not-there",))
DEPLOYMENT = f"""\
version: 1
name: lima
title: Lima
repository:
  contents: complete
  suites: [bookworm]
  architectures: [{ARCHITECTURE}]
  kernel: false
images: {{models: [generic-pc64]}}
"""
CONTROL = """\
Package: songs
Version: 1
Architecture: all
Depends: bc
Maintainer: Teresa <teresa@example.org>
Description: for a test
"""


def the_plan(folder: Folder) -> Plan:
    return Plan(load(folder), ())


def songs(folder: Path) -> Deb:
    """A package of the deployer's, which needs one of Debian's."""
    (folder / "tree/DEBIAN").mkdir(parents=True)
    (folder / "tree/DEBIAN/control").write_text(CONTROL)
    subprocess.run(["dpkg-deb", "--build", folder / "tree", folder / "songs.deb"], check=True, capture_output=True)
    return inspect(folder / "songs.deb", "deployer")


@pytest.fixture(scope="module")
def lima(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """A deployment that has published what its images need; Debian's packages come from this machine's cache."""
    folder = Folder(tmp_path_factory.mktemp("lima"))
    folder.file.write_text(DEPLOYMENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
        own = (songs(tmp_path_factory.mktemp("songs")),)
        derived = derive(the_plan(folder), own, print, systems=[SYSTEM])[SYSTEM.distribution]
        with working(folder, "lima", print) as work:
            release(work, Contents({SYSTEM.distribution: derived}), None, 5)
        yield folder


@pytest.fixture(scope="module")
def stick(lima: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What images take of it, on a stick."""
    source, place = published_source(lima), tmp_path_factory.mktemp("the stick")
    names = (RECORD, SNAPSHOT)
    pieces = [piece(f"{REPOSITORY}/{name}", lima.published / name, "") for name in names]
    pieces = sorted([*pieces, *image_files(lima.published, source.record)])
    manifest = Manifest(
        deployment="lima",
        title="Lima",
        snapshot=source.record.id,
        serial=1,
        since=None,
        created_at=source.record.published_at,
        tool="0.1.0",
        schools=(),
        suites=("bookworm",),
        architectures=(ARCHITECTURE,),
        fingerprints=source.record.fingerprints,
        files=tuple(one.entry for one in pieces),
    )
    with signing_keys(lima, "lima") as (gpg, keys):
        signed = signature(manifest.text(), gpg, [key.fingerprint for key in keys])
    texts = (manifest.text(), signed, lima.repository_key.read_text(), install_script(), readme(manifest))
    write(Bundle(tuple(pieces), *texts), Layout(place), Unwatched())
    return place


def recipe(debian: Chosen, own: tuple[Deb, ...]) -> tuple[Step, ...]:
    """Of the whole root file system."""
    return (
        make_step("base", {"architecture": ARCHITECTURE}, {"debian": debian.as_input()}),
        make_step("packages", {}, {"own": Input({deb.path.name: deb.path for deb in own}, "songs")}),
        make_step("finish"),
    )


def of_stick(stick: Path, folder: Folder, system: System = SYSTEM) -> tuple[Chosen, tuple[Deb, ...]]:
    source = image_source(stick, folder, "lima")
    own = own_packages(source.record, source.tree, system)
    return for_system(source.origin(system, the_plan(folder), folder), system, own, print), own


def main(stick: str, folder: str, area: str) -> None:
    """What is done on the machine without a network."""
    tree, stages = run(recipe(*of_stick(Path(stick), Folder(Path(folder)))), Path(area) / "cache", print)
    print(json.dumps([str(tree), [identity for _, identity, *_ in stages]]))


@pytest.fixture
def elsewhere(lima: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Another machine: nothing in its cache, and of the deployment's folder what version control has."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing"))
    folder = Folder(tmp_path / "clone")
    folder.repository.mkdir(parents=True)
    folder.file.write_text(DEPLOYMENT)
    folder.repository_key.write_bytes(lima.repository_key.read_bytes())
    return folder


def test_the_same_as_of_the_mirror(lima: Folder, stick: Path, tmp_path: Path, elsewhere: Folder) -> None:
    """A stage's id is a hash of all its inputs; that these give the same bytes, `test_reproducible` proves."""
    argv = [sys.executable, "-m", __name__, str(stick), str(elsewhere.root), str(tmp_path / "theirs")]
    done = subprocess.run(["unshare", "--net", *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tree, theirs = json.loads(done.stdout.splitlines()[-1])
    listed = subprocess.run(["tar", "-tf", tree], capture_output=True, text=True, check=True).stdout.split()
    assert {"./usr/bin/bc", "./usr/bin/zstd", "./var/lib/dpkg/info/songs.list"} <= set(listed)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XDG_CACHE_HOME")
        source = published_source(lima)
        own = own_packages(source.record, source.tree, SYSTEM)
        mirror = Origin(debian_mirror(the_plan(lima).deployment.repository), KEYRING, "bookworm", (SMALLEST,), "")
        debian = for_system(mirror, SYSTEM, own, print)
    assert {"apt", "bc", "debconf", "zstd"} <= {one.name for one in debian.packages}
    ours = [""]
    for step in recipe(debian, own):
        ours.append(step.identity(ours[-1]))
    assert theirs == ours[1:]


def test_what_the_repository_lacks_is_named(stick: Path, elsewhere: Folder) -> None:
    lacking = f"bookworm-images for {ARCHITECTURE} has not all that the image needs: there is no sl"
    with pytest.raises(DeployError, match=lacking) as told:
        of_stick(stick, elsewhere, replace(SYSTEM, names=(*SYSTEM.names, "sl")))
    assert told.value.remedy.endswith(f"sugar-deploy repo bundle {stick} --images -C {elsewhere.root}")
    with pytest.raises(DeployError, match=r"nothing of Debian for images of generic-pc64 \(trixie, \w+\)") as told:
        of_stick(stick, elsewhere, replace(SYSTEM, suite="trixie"))
    assert "`images: {models: [generic-pc64], suites: {generic-pc64: trixie}}`" in told.value.remedy


def test_a_package_that_the_stick_has_lost(stick: Path, elsewhere: Folder) -> None:
    lost = next((stick / "sugar-deploy/repository/pool").rglob("bc_*.deb"))
    moved = lost.rename(lost.with_suffix(".away"))
    with pytest.raises(DeployError, match=r"bc_\S+\.deb is not what was published"):
        of_stick(stick, elsewhere)
    lost.write_bytes(bytes(1000))
    with pytest.raises(DeployError, match=r"bc_\S+\.deb is not what was published"):
        of_stick(stick, elsewhere)
    moved.rename(lost)


def test_only_the_deployments_own_stick_is_taken(stick: Path, elsewhere: Folder, tmp_path: Path) -> None:
    record = Layout(stick).repository / RECORD
    written = record.read_text()
    record.write_text(written.replace('"songs"', '"sings"'))
    with pytest.raises(DeployError, match=r"snapshot\.json is damaged or was tampered with"):
        image_source(stick, elsewhere, "lima")
    record.write_text(written)
    index = Layout(stick).repository / f"dists/bookworm-images/main/binary-{ARCHITECTURE}/Packages"
    listed = index.read_bytes()
    index.write_bytes(listed.replace(b"Package: bc", b"Package: bd"))
    with pytest.raises(DeployError, match=r"Packages is damaged or was tampered with"):
        image_source(stick, elsewhere, "lima")
    index.write_bytes(listed)
    with pytest.raises(DeployError, match=r"is of the deployment lima, not puno"):
        image_source(stick, elsewhere, "puno")
    with signing_keys(Folder(tmp_path / "puno"), "puno"):
        elsewhere.repository_key.write_text(Folder(tmp_path / "puno").repository_key.read_text())
    with pytest.raises(DeployError, match=r"cannot be trusted"):
        image_source(stick, elsewhere, "lima")
    elsewhere.repository_key.unlink()
    with pytest.raises(DeployError, match=r"there is no \S+key\.asc to prove the stick with"):
        image_source(stick, elsewhere, "lima")


if __name__ == "__main__":
    main(*sys.argv[1:])
