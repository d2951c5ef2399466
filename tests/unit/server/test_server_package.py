"""The packages hold what they promise: boundaries, versions, hardening, documented keys."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sugar_server import __version__
from sugar_server.backup.adoptions import folder
from sugar_server.backup.settings import BackupSettings
from sugar_server.command import STATE
from sugar_server.config import SECTIONS

PACKAGES = Path(__file__).resolve().parents[3] / "packages"
SOURCE = PACKAGES / "sugar-server"
# Packages that sugar-server only recommends or suggests, and the one module that asks for each when it is needed.
OPTIONAL = {"database/postgresql.py": {"psycopg2"}, "registration/proof.py": {"cryptography"}}
MODULES = sorted((SOURCE / "sugar_server").rglob("*.py"))


def _imported_by(node):
    names = (
        [alias.name for alias in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "") or ""]
    )
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_daemon_imports_only_what_its_package_depends_on(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module)
    tops = {name.split(".")[0] for name in imported}
    optional = OPTIONAL.get(str(path.relative_to(SOURCE / "sugar_server")), set())
    allowed = {"sugar_server", "starlette", "uvicorn", "h11", "asyncssh", "olpc_security"} | optional
    assert tops <= sys.stdlib_module_names | allowed
    assert not optional & {name for node in ast.parse(path.read_text()).body for name in _imported_by(node)}


@pytest.mark.parametrize("name", ["sugar-server", "sugar-server-base", "sugar-client", "downstream-server-demo"])
def test_the_source_format_and_one_version(name):
    debian = PACKAGES / name / "debian"
    assert (debian / "source" / "format").read_text() == "3.0 (native)\n"
    assert (debian / "changelog").read_text().startswith(f"{name} ({__version__}) ")
    assert "Architecture: all\n" in (debian / "control").read_text()


@pytest.mark.parametrize(
    ("unit", "most"),
    [
        ("debian/sugar-server.service", 1.5),
        ("debian/sugar-server@.sugar-server-builds.service", 1.5),
        # It makes the namespaces that confine rsync.
        ("debian/sugar-server.sugar-server-backup.service", 2.5),
        ("debian/sugar-server.sugar-server-purge.service", 1.5),
        ("debian/sugar-server.sugar-server-adopt.service", 1.5),
        ("debian/sugar-server.sugar-server-activation.service", 1.5),
    ],
)
def test_the_services_are_confined(unit, most):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", SOURCE / unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(re.search(r"Overall exposure level.*?: ([0-9.]+)", done.stdout).group(1)) < most


def test_the_sockets():
    unit = (SOURCE / "debian" / "sugar-server.socket").read_text()
    assert re.findall(r"^ListenStream=(.*)$", unit, re.MULTILINE) == ["80", "8080"]
    builds = (SOURCE / "debian" / "sugar-server.sugar-server-builds.socket").read_text()
    assert "\nListenStream=873\nAccept=yes\n" in builds
    unit = (SOURCE / "debian" / "sugar-server.sugar-server-backup.socket").read_text()
    assert re.findall(r"^ListenStream=(.*)$", unit, re.MULTILINE) == [str(BackupSettings().port)]
    unit = (SOURCE / "debian" / "sugar-server.sugar-server-activation.socket").read_text()
    assert re.findall(r"^ListenStream=(.*)$", unit, re.MULTILINE) == ["191"]


def test_requests_start_the_service_that_does_them():
    unit = (SOURCE / "debian" / "sugar-server.sugar-server-adopt.path").read_text()
    assert f"\nDirectoryNotEmpty={folder(STATE)}\n" in unit
    service = (SOURCE / "debian" / "sugar-server.sugar-server-adopt.service").read_text()
    assert "\nExecStart=/usr/bin/sugar-server adopt --requested\nUser=sugar-backup\n" in service
    assert f"\nReadWritePaths={folder(STATE)}\n" in service


def test_a_daemon_without_leases_does_not_load_their_library():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, sugar_server.serve, sugar_server.cli; print('olpc_security' in sys.modules)",
        ],
        env={"PYTHONPATH": f"{SOURCE}:{PACKAGES / 'olpc-security'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_every_key_is_in_the_manual():
    manual = (SOURCE / "man" / "sugar-server.8").read_text()
    assert set(re.findall(r"^\.B \[(\w+)\] (\w+)$", manual, re.MULTILINE)) == {
        (section, key) for section, keys in SECTIONS.items() for key in keys
    }
