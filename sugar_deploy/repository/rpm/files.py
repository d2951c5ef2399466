"""The files that a laptop on OLPC OS is given. Pure.

They do their work by lying there: an RPM of ours runs no program on a laptop that we cannot try it on.

Sugar 0.84 to 0.98 keeps its settings in GConf. GConf reads a chain of sources, and its chain includes
/etc/gconf/2/local-defaults.path, if there is one, after the child's own settings and before the system's defaults:
so what registration writes later wins over what we preset. A source is a folder with one file, %gconf-tree.xml.

Later Sugar keeps them in GSettings, whose overrides do nothing until glib-compile-schemas has run. The laptop's own
packages run it often; the guide says how to run it by hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from sugar_deploy.repository.client_settings import ClientSettings
from sugar_deploy.repository.rpm.layout import PUBLISHED_UNDER, key_name

LOCAL_DEFAULTS = "/etc/gconf/2/local-defaults.path"
SCHEMAS = "/usr/share/glib-2.0/schemas"


@dataclass(frozen=True, slots=True)
class RpmFile:
    """A file of a package, readable by all and owned by root."""

    path: str
    text: str
    configuration: bool = False
    """Whether rpm keeps what stood there before, or what the owner of the laptop changed, beside it."""


def gconf_keys(settings: ClientSettings) -> dict[str, str]:
    """Sugar's historical keys, as GConf names them. Never backup_url: with one, Sugar counts as registered."""
    return {
        "/desktop/sugar/collaboration/jabber_server": settings.server,
        "/desktop/sugar/update/backend": settings.update_backend,
        "/desktop/sugar/update/microformat_update_url": settings.update_url,
    }


def gconf_tree(keys: dict[str, str]) -> str:
    """A GConf source in its XML form of one file."""
    lines = ['<?xml version="1.0"?>', "<gconf>"]
    open_folders: list[str] = []
    for key, value in sorted(keys.items()):
        *folders, name = key.strip("/").split("/")
        common = 0
        while open_folders[common : common + 1] == folders[common : common + 1] and common < len(folders):
            common += 1
        _close(lines, open_folders, common)
        for folder in folders[common:]:
            open_folders.append(folder)
            lines.append(f'{_indent(len(open_folders))}<dir name="{escape(folder)}">')
        indent = _indent(len(open_folders) + 1)
        lines.append(f'{indent}<entry name="{escape(name)}" mtime="0" type="string">')
        lines.append(f"{indent}  <stringvalue>{escape(value)}</stringvalue>")
        lines.append(f"{indent}</entry>")
    _close(lines, open_folders, 0)
    return "\n".join([*lines, "</gconf>"]) + "\n"


def _close(lines: list[str], open_folders: list[str], keep: int) -> None:
    while len(open_folders) > keep:
        lines.append(f"{_indent(len(open_folders))}</dir>")
        open_folders.pop()


def _indent(depth: int) -> str:
    return "  " * depth


def gsettings_override(settings: ClientSettings) -> str:
    """The same settings for Sugar since 0.102."""
    lines = (
        "[org.sugarlabs.collaboration]",
        f"jabber-server='{settings.server}'",
        "",
        "[org.sugarlabs.update]",
        f"backend='{settings.update_backend}'",
        f"microformat-update-url='{settings.update_url}'",
    )
    return "\n".join(lines) + "\n"


def settings_files(source: str, settings: ClientSettings, rank: int) -> tuple[RpmFile, ...]:
    """A GConf source, the path file that names it, and its twin for GSettings, where the last by name wins.

    OLPC OS has overrides of its own, whose names begin with small letters.
    """
    folder = f"/etc/gconf/gconf.xml.{source}"
    return (
        RpmFile(f"{folder}/%gconf-tree.xml", gconf_tree(gconf_keys(settings))),
        RpmFile(f"/etc/gconf/2/{source}.path", f"xml:readonly:{folder}\n"),
        RpmFile(f"{SCHEMAS}/zz{rank}_{source}.gschema.override", gsettings_override(settings)),
    )


def local_defaults(name: str, kinds: Iterable[str]) -> RpmFile:
    """What makes GConf look: in the package of the laptop's kind if it is installed, then in the deployment's.

    GConf passes over a path file that is not there.
    """
    sources = [*(kind_package(name, kind) for kind in kinds), config_package(name)]
    lines = [f"include /etc/gconf/2/{source}.path" for source in sources]
    return RpmFile(LOCAL_DEFAULTS, "\n".join(lines) + "\n", configuration=True)


def repository_files(name: str, settings: ClientSettings, public_key: str) -> tuple[RpmFile, ...]:
    """The yum repository and the key that its packages are signed by.

    repo_gpgcheck is not asked for: every package is signed, and only late releases of yum know how to ask.
    """
    key = f"/etc/pki/rpm-gpg/{key_name(name)}"
    lines = (
        f"[{name}]",
        f"name={name}",
        f"baseurl={settings.repository_url}/{PUBLISHED_UNDER}/",
        f"enabled={int(settings.repository_on_web)}",
        "gpgcheck=1",
        f"gpgkey=file://{key}",
        "skip_if_unavailable=1",
    )
    return (
        RpmFile(f"/etc/yum.repos.d/{name}.repo", "\n".join(lines) + "\n", configuration=True),
        RpmFile(key, public_key),
    )


def config_package(name: str) -> str:
    """The package with the deployment's settings."""
    return f"{name}-client-config"


def kind_package(name: str, kind: str) -> str:
    """The package with the settings of one kind of laptop: that of a scenario, or of one master's."""
    return f"{name}-{kind}-client"
