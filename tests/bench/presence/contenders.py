"""The servers that are compared, each set up in a scratch folder as it would be for a school.

All have TLS 1.2 with a certificate of RSA, the same queue for connections and no limits of traffic; ours is as its
package makes it, which has a second certificate with ECDSA. The rivals on Prosody are Debian's: its prosody.cfg.lua,
and with it its modules, garbage collector, storage and ciphers. Added is what a school cannot do without: see NEEDED
and DEBIANS.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import roots

PACKAGE = Path(__file__).parents[3] / "packages" / "prosody-sugar"
DOMAIN = "schoolserver.lima.example"
GROUP = "school"
NEEDED = ("sugar_register", "sugar_replies")
"""Two modules of ours: Sugar's client makes no account where a form is offered, and wants replies from somebody."""
DEBIANS = """\
Include "/etc/prosody/prosody.cfg.lua"
-- A whole class makes accounts and comes at once.
allow_registration = true
registration_invite_only = false
limits = {}
network_settings = { tcp_backlog = 1024 }
-- Those of this machine are left to others.
s2s_ports = {}
http_ports = {}
https_ports = {}
"""
"""Debian's own settings, and what a school cannot do without."""


@dataclass(frozen=True)
class Place:
    """Where one server is set up, and for whom."""

    folder: Path
    """On this machine; the server sees it at roots.HOME."""
    tree: Path
    port: int
    api_port: int
    jids: Sequence[str]


@dataclass(frozen=True)
class Contender:
    """One way to show a school's children to each other."""

    name: str
    title: str
    user: str
    prepare: Callable[[Place], list[str]]
    """Writes the configuration; the server's argv."""
    started: Callable[[Place], None] = lambda _place: None
    """What remains to be done when it listens."""


def _prosody(place: Place, settings: str, modules: Sequence[str] = (), certificates: str = "") -> list[str]:
    """`modules` are the host's, beside those that the settings enable everywhere."""
    shutil.copytree(PACKAGE / "modules", place.folder / "modules")
    (place.folder / "data").mkdir()
    home = roots.HOME
    listed = "; ".join(f'"{module}"' for module in modules)
    (place.folder / "prosody.cfg.lua").write_text(f"""
{settings}
plugin_paths = {{ "{home}/modules" }}
data_path = "{home}/data"
pidfile = "{home}/prosody.pid"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{}}
c2s_direct_tls_ports = {{ {place.port} }}
admin_socket = "{home}/prosody.sock"
log = {{ warn = "{home}/log" }}
local tls = {{ certificate = "{home}/cert.pem"; key = "{home}/key.pem"; {certificates}protocol = "tlsv1_2" }}
c2s_direct_tls_ssl = tls
VirtualHost "{DOMAIN}"
	ssl = tls
	modules_enabled = {{ {listed} }}
Component "conference.{DOMAIN}" "muc"
	ssl = tls
	storage = "memory"
	muc_room_locking = false
	muc_room_default_public_jids = true
	muc_room_cache_size = 5000
""")
    return ["prosody", "-F", "--config", f"{home}/prosody.cfg.lua"]


def _debians(place: Place, settings: str = "", modules: Sequence[str] = ()) -> list[str]:
    return _prosody(place, DEBIANS + settings, (*NEEDED, *modules))


def _ours(place: Place) -> list[str]:
    shutil.copy(PACKAGE / "config" / "sugar.cfg.lua", place.folder / "sugar.cfg.lua")
    subprocess.run([PACKAGE / "bin" / "certificate", DOMAIN, place.folder], check=True, stdout=subprocess.DEVNULL)
    pairs = (
        f'{{ certificate = "{roots.HOME}/{name}.crt"; key = "{roots.HOME}/{name}.key" }}'
        for name in (DOMAIN, f"{DOMAIN}-ecdsa")
    )
    certificates = f"certificates = {{ {'; '.join(pairs)} }}; "
    argv = _prosody(place, f'Include "{roots.HOME}/sugar.cfg.lua"', certificates=certificates)
    unit = (PACKAGE / "systemd" / "sugar.conf").read_text()
    (environment,) = (line.partition("=")[2] for line in unit.splitlines() if line.startswith("Environment="))
    return ["env", *environment.split(), *argv]


def _mod_groups(place: Place) -> list[str]:
    (place.folder / "groups").write_text(f"[{GROUP}]\n" + "".join(f"{jid}\n" for jid in place.jids))
    return _debians(place, f'groups_file = "{roots.HOME}/groups"', ["groups"])


def _stored(place: Place) -> list[str]:
    argv = _debians(place)
    rosters = place.folder / "data" / DOMAIN.replace(".", "%2e") / "roster"
    rosters.mkdir(parents=True)
    items = {jid: f'["{jid}"]={{["subscription"]="both";["groups"]={{}};}};\n' for jid in place.jids}
    for own in place.jids:
        others = "".join(item for jid, item in items.items() if jid != own)
        text = f'return {{\n[false]={{["version"]=1;}};\n{others}}};\n'
        (rosters / f"{own.partition('@')[0]}.dat").write_text(text)
    return argv


def _ejabberd(place: Place) -> list[str]:
    home = roots.HOME
    (place.folder / "cert-and-key.pem").write_text(
        (place.folder / "key.pem").read_text() + (place.folder / "cert.pem").read_text()
    )
    (place.folder / "ejabberd.yml").write_text(f"""\
hosts: ["{DOMAIN}"]
loglevel: warning
certfiles: ["{home}/cert-and-key.pem"]
auth_method: internal
auth_password_format: scram
registration_timeout: infinity
disable_sasl_mechanisms: ["digest-md5", "X-OAUTH2"]
listen:
  - {{port: {place.port}, ip: "127.0.0.1", module: ejabberd_c2s, tls: true, backlog: 1024, max_stanza_size: 524288}}
  - {{port: {place.api_port}, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {{/api: mod_http_api}}}}
api_permissions:
  bench: {{from: [mod_http_api], who: all, what: ["srg_create", "srg_user_add"]}}
modules:
  mod_admin_extra: {{}}
  mod_caps: {{}}
  mod_disco: {{}}
  mod_http_api: {{}}
  mod_muc: {{access_create: all}}
  mod_ping: {{}}
  mod_pubsub: {{plugins: [pep], last_item_cache: true, ignore_pep_from_offline: false}}
  mod_register: {{ip_access: all, access: all}}
  mod_roster: {{}}
  mod_shared_roster: {{}}
""")
    libraries = next(place.tree.glob("usr/lib/*/ejabberd-*")).parent
    environment = {
        "EJABBERD_CONFIG_PATH": f"{home}/ejabberd.yml",
        "EJABBERD_LOG_PATH": f"{home}/log",
        "ERL_LIBS": f"/{libraries.relative_to(place.tree)}",
        "ERL_MAX_PORTS": "32000",
        "HOME": home,
    }
    named = [f"{name}={value}" for name, value in environment.items()]
    # As ejabberdctl starts it, but as no node of a cluster: that would need a name server of its own.
    erl = ["erl", "-noinput", "-noshell", "+K", "true", "+P", "250000", "-mnesia", "dir", f'"{home}/spool"']
    return ["env", *named, *erl, "-s", "ejabberd"]


def _make_group(place: Place) -> None:
    """The group of all who are online, shown to that same group."""
    versions = ({"name": GROUP, "display": GROUP}, {"label": GROUP, "display": [GROUP]})
    group = {"group": GROUP, "host": DOMAIN, "description": GROUP}
    if not any(_ask(place, "srg_create", {**group, **version}) for version in versions):
        raise RuntimeError(f"ejabberd makes no group: {(place.folder / 'log').read_text()}")
    if not _ask(place, "srg_user_add", {"user": "@online@", "host": DOMAIN, "group": GROUP, "grouphost": DOMAIN}):
        raise RuntimeError("ejabberd does not add @online@ to the group")


def _ask(place: Place, command: str, arguments: dict[str, object]) -> bool:
    request = urllib.request.Request(
        f"http://127.0.0.1:{place.api_port}/api/{command}",
        json.dumps(arguments).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status == 200 and answer.read().strip() in (b"0", b'""')
    except OSError:
        return False  # the other version's arguments


def make_certificate(folder: Path) -> None:
    """The certificate that all contenders have: RSA of 2048 bits, as Debian's packages make them."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={DOMAIN}", "-days", "2"),
            *("-addext", f"subjectAltName=DNS:{DOMAIN}", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )


CONTENDERS = (
    Contender("ours", "mod_sugar_roster", "prosody", _ours),
    Contender("groups", "Prosody, mod_groups", "prosody", _mod_groups),
    Contender("stored", "Prosody, stored rosters", "prosody", _stored),
    Contender("ejabberd", "ejabberd, @online@", "ejabberd", _ejabberd, _make_group),
)
