"""The settings as GConf and GSettings themselves read them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sugar_deploy.repository.derive.mirror import read_mirror
from tests.integration.repository.rpm.laptop import (
    Published,
    Rpm,
    install,
    run,
)

JABBER = "/desktop/sugar/collaboration/jabber_server"
# The chain of sources, as GConf itself ships it.
_CHAIN = """\
xml:readonly:/etc/gconf/gconf.xml.mandatory
include /etc/gconf/2/local-mandatory.path
include "$(HOME)/.gconf.path"
xml:readwrite:$(HOME)/.gconf
include /etc/gconf/2/local-defaults.path
xml:readonly:/etc/gconf/gconf.xml.defaults
"""


@pytest.fixture(scope="module")
def debian_12(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with GConf 3.2, as in Fedora 17 and 18: Debian 12 is the last that has it. Unpacked, not set up."""
    root = tmp_path_factory.mktemp("debian") / "root"
    include = "--include=gconf2,dbus-daemon,dash,coreutils"
    made = run(
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=extract", "--keyring=/usr/share/keyrings", include),
        *("bookworm", root, *read_mirror().sources("bookworm")),
    )
    assert made.returncode == 0, made.stderr
    (root / "etc/passwd").write_text("root:x:0:0:root:/home:/bin/sh\n")
    (root / "etc/machine-id").write_text(f"{1:032}\n")
    return root


def _gconf(debian: Path, etc: Path, script: str) -> list[str]:
    """What GConf says where a laptop's /etc/gconf and an empty home are in place of Debian's."""
    for place, source in (("etc/gconf", etc), ("home", None)):
        shutil.rmtree(debian / place, ignore_errors=True)
        if source:
            shutil.copytree(source, debian / place)
        else:
            (debian / place).mkdir()
    (debian / "etc/gconf/2/path").write_text(_CHAIN)
    done = run(
        *("chroot", debian, "/usr/bin/env", "-i", "HOME=/home", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"),
        *("dbus-run-session", "--", "sh", "-ec", f"trap 'gconftool-2 --shutdown' EXIT; {script}"),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("kind", "server"),
    [(None, "schoolserver"), ("offline-server", "schoolserver"), ("online-peers", "meet.example.org")],
)
def test_gconf_reads_the_settings_and_a_child_changes_them(
    published: Published,
    rpm_root: Rpm,
    debian_12: Path,
    tmp_path: Path,
    kind: str | None,
    server: str,
) -> None:
    kinds = [published.rpm(f"{kind}-client")] if kind else []
    install(rpm_root, published.rpm("client-config"), *kinds)
    said = _gconf(
        debian_12,
        tmp_path / "root/etc/gconf",
        f"gconftool-2 --get {JABBER};"
        "gconftool-2 --get /desktop/sugar/update/backend;"
        "gconftool-2 --get /desktop/sugar/update/microformat_update_url;"
        f"gconftool-2 --type string --set {JABBER} told.example.org;"
        f"gconftool-2 --get {JABBER}",
    )
    assert said == [server, "microformat.MicroformatUpdater", f"http://{server}/activities/", "told.example.org"]


def test_glib_compiles_the_settings_for_later_sugar(published: Published, rpm_root: Rpm, tmp_path: Path) -> None:
    install(rpm_root, published.rpm("client-config"), published.rpm("online-peers-client"))
    schemas = tmp_path / "root/usr/share/glib-2.0/schemas"
    (schemas / "sugar.gschema.override").write_text("[org.sugarlabs.collaboration]\njabber-server='olpc.example'\n")
    (schemas / "org.sugarlabs.gschema.xml").write_text(
        '<schemalist><schema id="org.sugarlabs.collaboration" path="/org/sugarlabs/collaboration/">'
        '<key name="jabber-server" type="s"><default>""</default></key></schema>'
        '<schema id="org.sugarlabs.update" path="/org/sugarlabs/update/">'
        '<key name="backend" type="s"><default>"aslo.AsloUpdater"</default></key>'
        '<key name="microformat-update-url" type="s"><default>""</default></key></schema></schemalist>'
    )
    compiled = run("glib-compile-schemas", "--strict", schemas)
    assert compiled.returncode == 0, compiled.stderr
    assert compiled.stderr == ""
    got = run(
        *("env", "GSETTINGS_BACKEND=memory", "gsettings", "--schemadir", schemas),
        *("get", "org.sugarlabs.collaboration", "jabber-server"),
    )
    assert got.stdout == "'meet.example.org'\n"
