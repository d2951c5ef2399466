"""The packages as rpm itself sees them; that of OLPC OS's own time is not to be had here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.repository.rpm.laptop import (
    Published,
    Rpm,
    install,
    query,
    run,
)


def test_rpm_accepts_our_key_alone(published: Published, tmp_path: Path) -> None:
    database = ("--dbpath", tmp_path / "db")
    rpm = published.rpm("client-config")
    (tmp_path / "db").mkdir()
    assert run("rpmkeys", *database, "-K", rpm).returncode != 0, "no key is known yet"
    assert run("rpmkeys", *database, "--import", published.key).returncode == 0
    checked = run("rpmkeys", *database, "-Kv", rpm)
    assert checked.returncode == 0
    lines = [line.strip() for line in checked.stdout.splitlines()]
    # One over the header, and one over header and payload; both as in Fedora's own packages of those years.
    assert sum(line.startswith("Header V3 RSA/SHA256 Signature") and line.endswith("OK") for line in lines) == 1
    assert sum(line.startswith("V3 RSA/SHA256 Signature") and line.endswith("OK") for line in lines) == 1


@pytest.mark.parametrize("where", ["header", "payload"])
def test_rpm_refuses_a_package_that_was_changed(published: Published, tmp_path: Path, where: str) -> None:
    rpm = published.rpm("client-config")
    content = bytearray(rpm.read_bytes())
    content[content.index(b"schoolserver") if where == "header" else -100] ^= 0x01
    rpm.write_bytes(content)
    (tmp_path / "db").mkdir()
    run("rpmkeys", "--dbpath", tmp_path / "db", "--import", published.key)
    assert run("rpmkeys", "--dbpath", tmp_path / "db", "-K", rpm).returncode != 0


def test_a_package_asks_nothing_of_rpm_that_4_4_cannot_do(published: Published) -> None:
    for rpm in published.yum.glob("*.rpm"):
        asked = {line for line in query(rpm, "--requires") if line.startswith("rpmlib(")}
        assert asked == {"rpmlib(CompressedFileNames) <= 3.0.4-1", "rpmlib(PayloadFilesHavePrefix) <= 4.0-1"}
        assert query(rpm, "--queryformat", "%{PAYLOADCOMPRESSOR} %{PAYLOADFORMAT} %{ARCH} %{OS}\n") == [
            "gzip cpio noarch linux"
        ]
        # MD5, 32 digits, is what a package has that names no algorithm.
        assert query(rpm, "--queryformat", "%{FILEDIGESTALGO}\n") == ["(none)"]
        digests = query(rpm, "--queryformat", "[%{FILEDIGESTS}\n]")
        assert {len(digest) for digest in digests if digest} == {32}
        assert query(rpm, "--queryformat", "%{BUILDHOST}\n") == ["reproducible"]


def test_a_package_runs_nothing(published: Published) -> None:
    for rpm in published.yum.glob("*.rpm"):
        assert query(rpm, "--scripts", "--triggers", "--filetriggers") == []


def test_rpm_installs_files_and_nothing_else(published: Published, rpm_root: Rpm, tmp_path: Path) -> None:
    install(rpm_root, published.rpm("client-config"), published.rpm("offline-server-client"))
    root = tmp_path / "root"
    found = {
        str(path.relative_to(root)) for top in ("etc", "usr") for path in (root / top).rglob("*") if path.is_file()
    }
    assert found == {
        "etc/gconf/2/local-defaults.path",
        "etc/gconf/2/lima-client-config.path",
        "etc/gconf/2/lima-offline-server-client.path",
        "etc/gconf/gconf.xml.lima-client-config/%gconf-tree.xml",
        "etc/gconf/gconf.xml.lima-offline-server-client/%gconf-tree.xml",
        "etc/pki/rpm-gpg/RPM-GPG-KEY-lima",
        "etc/yum.repos.d/lima.repo",
        "usr/share/glib-2.0/schemas/zz50_lima-client-config.gschema.override",
        "usr/share/glib-2.0/schemas/zz60_lima-offline-server-client.gschema.override",
    }
    assert {(root / path).stat().st_mode & 0o7777 for path in found} == {0o644}
    assert (root / "etc/pki/rpm-gpg/RPM-GPG-KEY-lima").read_text() == published.key.read_text()
    assert rpm_root("-V", "lima-client-config").stdout == ""
    assert rpm_root("-e", "--nodeps", "lima-client-config", "lima-offline-server-client").returncode == 0
    assert not [path for path in (root / "etc").rglob("*") if path.is_file()]


def test_what_the_owner_had_there_before_is_kept_beside_ours(
    published: Published, rpm_root: Rpm, tmp_path: Path
) -> None:
    place = tmp_path / "root/etc/gconf/2/local-defaults.path"
    place.parent.mkdir(parents=True)
    place.write_text("xml:readonly:/etc/gconf/other\n")
    install(rpm_root, published.rpm("client-config"))
    assert place.with_name(f"{place.name}.rpmorig").read_text() == "xml:readonly:/etc/gconf/other\n"
    assert "lima-client-config" in place.read_text()


def test_a_laptop_is_of_one_kind(published: Published, rpm_root: Rpm) -> None:
    both = rpm_root(
        "-i", *(published.rpm(name) for name in ("client-config", "offline-server-client", "online-peers-client"))
    )
    assert both.returncode != 0
    assert "lima-online-peers-client conflicts with lima-offline-server-client" in both.stderr


# The chain of sources, as GConf itself ships it.
_CHAIN = """\
xml:readonly:/etc/gconf/gconf.xml.mandatory
include /etc/gconf/2/local-mandatory.path
include "$(HOME)/.gconf.path"
xml:readwrite:$(HOME)/.gconf
include /etc/gconf/2/local-defaults.path
xml:readonly:/etc/gconf/gconf.xml.defaults
"""
