"""`sugar-deploy repo bundle` as a deployer types it."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from sugar_deploy.bundle.capacity import needed
from sugar_deploy.bundle.filesystem import Filesystem, fitted
from sugar_deploy.bundle.parts import Piece
from sugar_deploy.folder import Folder
from sugar_deploy.repository.verify import verify

from .conftest import hashes
from .lima import DEPLOYMENT, deb, manifest, run


def project(target: Path) -> dict[str, bytes]:
    with tarfile.open(target / "sugar-deploy/project.tar") as tar:
        return {member.name: found.read() for member in tar if (found := tar.extractfile(member))}


def test_the_stick_holds_the_whole_repository_as_it_is_published(stick: Path, lima: Folder) -> None:
    assert hashes(stick / "sugar-deploy/repository") == hashes(lima.published)
    report = verify(stick / "sugar-deploy/repository", lima.repository_key)
    assert "extra" in {package.name for package in report.packages}


def test_images_need_a_repository_that_holds_what_they_are_made_of(lima: Folder, tmp_path: Path) -> None:
    refused = run(tmp_path / "stick", "--images", "-C", lima.root, status=2)
    assert "the repository holds nothing for images" in refused.stderr
    assert not (tmp_path / "stick").exists()


def test_the_manifest_says_what_it_is_for(stick: Path, lima: Folder) -> None:
    found = manifest(stick, lima)
    assert (found.deployment, found.title, found.kind) == ("lima", "Escuelas de Lima", "complete")
    assert (found.schools, found.suites, found.architectures) == (("city", "hill"), ("bookworm",), ("amd64",))
    assert found.snapshot == (lima.published / "snapshot").read_text().strip()
    record = json.loads((lima.published / "snapshot.json").read_text())
    assert (found.created_at, list(found.fingerprints)) == (record["published_at"], record["fingerprints"])
    text = (stick / "README.txt").read_text()
    assert "Escuelas de Lima" in text
    assert found.snapshot in text


def test_a_school_gets_what_it_needs_to_start(stick: Path) -> None:
    assert (stick / "install.sh").read_text().startswith("#!/bin/sh\n")
    listed = (stick / "sugar-deploy/wheels/bookworm-amd64.txt").read_text()
    names = {path.name.split("-")[0] for path in (stick / "sugar-deploy/wheels").glob("*.whl")}
    assert {"sugar_deploy", "ansible_core", "pydantic_core"} <= names
    assert "\nsugar-deploy==" in listed
    files = project(stick)
    assert {"site.yml", "ansible.cfg", "inventory/hosts.ini", "roles/repository/tasks/main.yml"} <= files.keys()
    assert json.loads((stick / "sugar-deploy/sbom.json").read_text())["bomFormat"] == "CycloneDX"


def test_no_secret_travels_and_nothing_tells_of_the_deployers_machine(stick: Path, lima: Folder) -> None:
    files = {name: (stick / name).read_bytes() for name in hashes(stick) if not name.endswith((".deb", ".whl"))}
    files |= project(stick)
    secrets = [path.read_bytes() for path in lima.secrets.iterdir()]
    assert secrets
    for name, data in files.items():
        for secret in (*secrets, b"$ANSIBLE_VAULT", b"PRIVATE KEY BLOCK-----"):
            assert secret not in data, name
        assert str(lima.root).encode() not in data, name
        assert os.uname().nodename.encode() not in data or len(os.uname().nodename) < 5, name


def test_only_the_chosen_schools_lists_of_laptops_travel(lima: Folder, tmp_path: Path) -> None:
    run(tmp_path / "s", "-C", lima.root, "--school", "hill", "-q")
    files = project(tmp_path / "s")
    assert "files/laptops/hill.csv" in files
    assert b"Luz of the hill" in b"".join(files.values())
    assert b"Ana of the city" not in b"".join(files.values())
    assert b"192.0.2.10" not in files["inventory/hosts.ini"] + files["known_hosts"]
    assert manifest(tmp_path / "s", lima).schools == ("hill",)


def test_the_same_input_gives_the_same_manifest_wherever_it_lies(stick: Path, lima: Folder, tmp_path: Path) -> None:
    shutil.copytree(lima.root, tmp_path / "elsewhere", symlinks=True)
    time.sleep(1.1)
    run(tmp_path / "s", "-C", tmp_path / "elsewhere", "-q")
    name = "sugar-deploy/MANIFEST.json"
    assert (tmp_path / "s" / name).read_bytes() == (stick / name).read_bytes()


def test_a_second_run_changes_nothing_and_says_so(lima: Folder, stick: Path, tmp_path: Path) -> None:
    shutil.copytree(stick, tmp_path / "s")
    before = hashes(tmp_path / "s")
    done = json.loads(run(tmp_path / "s", "-C", lima.root, "--json").stdout)
    assert (done["changed"], done["written"], done["bytes_written"]) == (False, 0, 0)
    assert done["kept"] == done["files"]
    assert hashes(tmp_path / "s") == before


def test_only_what_changed(lima: Folder, stick: Path, tmp_path: Path) -> None:
    later = Folder(tmp_path / "later")
    shutil.copytree(lima.root, later.root, symlinks=True)
    deb(later.debs / "more_1.0_all.deb", "more", "1.0", b"more")
    first = manifest(stick, lima)
    done = json.loads(run(tmp_path / "s", "-C", later.root, "--since", first.snapshot, "--json").stdout)
    assert (done["kind"], done["since"]) == ("incremental", first.snapshot)
    found = manifest(tmp_path / "s", later)
    pool = [entry.path for entry in found.files if "/pool/" in entry.path]
    assert pool == ["repository/pool/main/m/more/more_1.0_all.deb"]
    assert found.since and (found.since.snapshot, found.since.serial, found.serial) == (first.snapshot, 1, 2)
    assert "repository/pool/main/e/extra/extra_1.0_all.deb" in {entry.path for entry in found.held}
    assert "since number 1" in (tmp_path / "s/README.txt").read_text()
    # What a server has from the first stick, and what the second one brings, are the whole of it.
    joined = tmp_path / "joined"
    shutil.copytree(tmp_path / "s/sugar-deploy/repository", joined)
    for entry in found.held:
        path = joined / entry.path.removeprefix("repository/")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(stick / "sugar-deploy" / entry.path, path)
    assert verify(joined, later.repository_key).snapshot == found.snapshot


def test_settings_alone_are_carried_since_the_same_snapshot(lima: Folder, tmp_path: Path, stick: Path) -> None:
    snapshot = manifest(stick, lima).snapshot
    run(tmp_path / "s", "-C", lima.root, "--since", snapshot, "-q")
    found = manifest(tmp_path / "s", lima)
    assert found.since and found.since.snapshot == found.snapshot
    assert not [entry for entry in found.files if "/pool/" in entry.path]


BACK = "(up to 2): there, a stick with number 1 is refused, unless they say --allow-older\n"


def test_after_a_rollback_the_chosen_snapshot_is_written(lima: Folder, stick: Path, tmp_path: Path) -> None:
    later = Folder(tmp_path / "later")
    shutil.copytree(lima.root, later.root, symlinks=True)
    deb(later.debs / "more_1.0_all.deb", "more", "1.0", b"more")
    first = manifest(stick, lima).snapshot
    argv = [sys.executable, "-m", "sugar_deploy", "repo"]
    run(tmp_path / "s", "-C", later.root, "-q")
    assert "--allow-older" not in (tmp_path / "s/README.txt").read_text()
    command = [*argv, "rollback", first, "-C", str(later.root)]
    assert BACK in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert BACK in run(tmp_path / "s", "-C", later.root).stdout
    assert manifest(tmp_path / "s", later).snapshot == first
    text = (tmp_path / "s/README.txt").read_text()
    assert "a server that has a later number than 1 takes it only" in text
    assert "sugar-deploy install PATH --allow-older" in text
    run("--verify", tmp_path / "s", "-C", later.root)
    found = json.loads(run(tmp_path / "s", "-C", later.root, "--json").stdout)
    assert (found["serial"], found["newest_serial"], found["changed"]) == (1, 2, False)
    assert (
        BACK
        not in subprocess.run(
            [*argv, "publish", "--latest", "-C", str(later.root)], capture_output=True, text=True
        ).stdout
    )


def test_it_is_published_first_where_servers_take_it_from_the_web_too(lima: Folder, tmp_path: Path) -> None:
    web = Folder(tmp_path / "web")
    shutil.copytree(lima.root, web.root, ignore=shutil.ignore_patterns("repository", "secrets", ".sugar-deploy"))
    url = "repository: {url: https://deploy.example.org/lima, "
    web.file.write_text(DEPLOYMENT.replace("repository: {", url))
    run(tmp_path / "s", "-C", web.root, "-q")
    first = manifest(tmp_path / "s", web)
    deb(web.debs / "more_1.0_all.deb", "more", "1.0", b"more")
    run(tmp_path / "s", "-C", web.root, "-q")
    second = manifest(tmp_path / "s", web)
    assert (first.serial, second.serial) == (1, 2)
    assert "repository/pool/main/m/more/more_1.0_all.deb" in {entry.path for entry in second.files}


def test_what_does_not_fit_leaves_nothing_behind(lima: Folder, tmp_path: Path) -> None:
    done = run(tmp_path / "s", "-C", lima.root, "--capacity", "10M", "--filesystem", "fat32", status=1)
    assert "the bundle does not fit" in done.stderr
    assert "sugar-deploy itself" in done.stderr
    assert not (tmp_path / "s").exists()


def test_without_room_for_it_the_list_of_ingredients_stays_at_home(lima: Folder, stick: Path, tmp_path: Path) -> None:
    found = manifest(stick, lima)
    pieces = [Piece(entry.path, entry.size, entry.sha256, stick, "") for entry in found.files]
    without = [piece for piece in pieces if piece.path != "sbom.json"]
    extra = len(found.text().encode())

    def fits(some: list[Piece], capacity: int) -> bool:
        filesystem = fitted(Filesystem("ext4", 4096, 10**15), "fat32", capacity)
        return needed(some, extra, filesystem) <= filesystem.free

    capacity = next(size for size in range(found.size, 2 * found.size, 1000) if fits(without, size))
    assert not fits(pieces, capacity)
    done = run(tmp_path / "s", "-C", lima.root, "--capacity", capacity, "--filesystem", "fat32")
    assert "Left out, because there is no room for it: list of ingredients" in done.stdout
    assert not (tmp_path / "s/sugar-deploy/sbom.json").exists()
    assert "Left out, because" not in run(tmp_path / "t", "-C", lima.root, "--capacity", "1G").stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--school", "lost"], "no school is called lost"),
        (["--suite", "sid"], "the repository has no suite sid"),
        (["--architecture", "i386"], "the repository has no architecture i386"),
        (["--since", "000000000000"], "no snapshot 000000000000 is known here"),
        (["--capacity", "large"], "'large' is no size of a stick"),
    ],
)
def test_wrong_wishes_are_told_with_what_there_is(
    lima: Folder, stick: Path, tmp_path: Path, arguments: list[str], word: str
) -> None:
    assert word in run(tmp_path / "s", "-C", lima.root, *arguments, status=2).stderr
    assert not (tmp_path / "s").exists()


def test_a_school_without_internet_needs_complete_contents(lima: Folder, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    text = DEPLOYMENT.replace("online-server", "offline-server").replace("    laptops: city.csv\n", "")
    text = text.replace("    laptops: hill.csv\n", "").replace("    uplink: {interface: eth0}\n", "")
    (tmp_path / "d/deployment.yml").write_text(text)
    done = run(tmp_path / "s", "-C", tmp_path / "d", status=2)
    assert "city, hill have no Internet" in done.stderr
    assert "Write `contents: complete`" in done.stderr


def test_a_package_whose_file_fat_could_not_hold_travels_under_another_name(lima: Folder, tmp_path: Path) -> None:
    later = Folder(tmp_path / "later")
    shutil.copytree(lima.root, later.root, symlinks=True)
    deb(later.debs / "colon_1:2_all.deb", "colon", "1:2", b"colon")
    run(tmp_path / "s", "-C", later.root, "--filesystem", "fat32", "-q")
    names = [entry.path for entry in manifest(tmp_path / "s", later).files]
    assert [name for name in names if "colon" in name] == ["repository/pool/main/c/colon/colon_1_2_all.deb"]
    assert not [name for name in names if ":" in name]


def test_a_folder_or_a_file_that_is_no_stick(lima: Folder, tmp_path: Path) -> None:
    assert "there is no folder" in run(tmp_path / "no/where", "-C", lima.root, status=2).stderr
    (tmp_path / "file").write_text("")
    assert "is no folder" in run(tmp_path / "file", "-C", lima.root, status=2).stderr
    (tmp_path / "mine/sugar-deploy").mkdir(parents=True)
    (tmp_path / "mine/sugar-deploy/x").write_text("")
    assert "is not a bundle" in run(tmp_path / "mine", "-C", lima.root, status=2).stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_interrupted_it_ends_in_order_and_carries_on(
    lima: Folder, stick: Path, tmp_path: Path, number: signal.Signals
) -> None:
    target = tmp_path / "s"
    command = [sys.executable, "-m", "sugar_deploy", "repo", "bundle", str(target), "-C", str(lima.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(target.glob("sugar-deploy/**/*.part")) and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(number)
    _, errors = process.communicate()
    assert (process.returncode, "Traceback" in errors) == (130, False)
    assert not (target / "sugar-deploy/MANIFEST.json").exists()
    assert not list(lima.state.glob("bundle-*"))
    run(target, "-C", lima.root, "-q")
    assert hashes(target).keys() == hashes(stick).keys()


def test_the_project_can_be_unpacked_by_anyone(stick: Path, tmp_path: Path) -> None:
    data = (stick / "sugar-deploy/project.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {(member.uid, member.gid, member.isfile()) for member in tar} == {(0, 0, True)}
        tar.extractall(tmp_path)
    listed = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(tmp_path / "inventory"), "--list"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert set(json.loads(listed.stdout)["_meta"]["hostvars"]) == {"city", "hill"}
