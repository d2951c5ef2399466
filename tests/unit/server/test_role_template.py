"""What the role writes is what the daemon reads."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
from sugar_server.config import MAIN, load

TEMPLATE = Path(__file__).resolve().parents[3] / "roles" / "sugar_server" / "templates" / "sugar-server.conf.j2"
ROLE = {"folder": "/etc/sugar-server", "fqdn": "school.lan", "title": "A\n\nB", "enabled": True}


def test_the_daemon_takes_the_role_s_settings(tmp_path):
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["regex_replace"] = lambda text, old, new: re.sub(old, new, text)
    words = ROLE | {"known_serial": "hold", "who": "anyone", "laptops": None}
    variables = {f"sugar_server__{name}": value for name, value in words.items()}
    text = environment.from_string(TEMPLATE.read_text()).render(variables)
    (tmp_path / MAIN).parent.mkdir(parents=True)
    (tmp_path / MAIN).write_text(text)
    config = load(tmp_path)
    assert (config.fqdn, config.title, config.registration.known_serial.value) == ("school.lan", "A B", "hold")
