"""A deployment published once, and a stick of it, for `sugar-deploy repo bundle` as a deployer types it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sugar_deploy.bundle.layout import Layout
from sugar_deploy.bundle.manifest import Manifest, read_verified
from sugar_deploy.folder import Folder

DEPLOYMENT = """\
version: 1
name: lima
title: Escuelas de Lima
repository: {suites: [bookworm], architectures: [amd64]}
schools:
  city:
    scenario: online-server
    role: master
    server: {address: 192.0.2.10}
    uplink: {interface: eth0}
    lan: {interface: eth1, address: 172.18.96.1/19}
    laptops: city.csv
  hill:
    scenario: online-server
    server: {address: 192.0.2.11}
    uplink: {interface: eth0}
    lan: {interface: eth1, address: 172.18.96.1/19}
    laptops: hill.csv
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Settings, caches and vault passwords of nobody but these tests."""
    found = tmp_path_factory.mktemp("h")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(found))
        patch.setenv("XDG_CACHE_HOME", str(found / "c"))
        patch.setenv("XDG_CONFIG_HOME", str(found / "config"))
        patch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
        yield found


@pytest.fixture(scope="module")
def lima(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A deployment that no test changes, with one package of the deployer's own."""
    folder = Folder(tmp_path_factory.mktemp("lima"))
    folder.file.write_text(DEPLOYMENT)
    (folder.root / "city.csv").write_text("serial,nick\nSHC00700001,Ana of the city\n")
    (folder.root / "hill.csv").write_text("serial,nick\nSHC00700002,Luz of the hill\n")
    folder.debs.mkdir()
    deb(folder.debs / "extra_1.0_all.deb", "extra", "1.0", os.urandom(2_000_000))
    return folder


def deb(path: Path, name: str, version: str, content: bytes) -> None:
    tree = path.parent.parent / f"build-{name}-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: d\n"
    )
    (tree / "DEBIAN/control").write_text(control)
    (tree / "content").write_bytes(content)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(path)], check=True, capture_output=True)
    shutil.rmtree(tree)


def run(*argv: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sugar_deploy", "repo", "bundle", *(str(one) for one in argv)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def manifest(target: Path, folder: Folder) -> Manifest:
    return read_verified(Layout(target), folder.repository_key)


@pytest.fixture(scope="module")
def stick(lima: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete stick that no test changes."""
    target = tmp_path_factory.mktemp("sticks") / "stick"
    done = run(target, "-C", lima.root)
    assert "(number 1, complete) is on" in done.stdout
    return target
