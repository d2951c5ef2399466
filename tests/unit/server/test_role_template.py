"""What the role writes is what the daemon reads."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
from sugar_server.config import MAIN, load

TEMPLATE = Path(__file__).resolve().parents[3] / "roles" / "sugar_server" / "templates" / "sugar-server.conf.j2"
ROLE = {"folder": "/etc/sugar-server", "fqdn": "school.lan", "title": "A\n\nB", "enabled": True}


@pytest.mark.parametrize(("url", "serves"), [(None, True), ("https://packages.example.org", False)])
def test_the_school_serves_packages_where_laptops_have_no_other_place(tmp_path, url, serves):
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["regex_replace"] = lambda text, old, new: re.sub(old, new, text)
    words = ROLE | {"known_serial": "accept", "who": "anyone", "laptops": None}
    variables = {f"sugar_server__{name}": value for name, value in words.items()}
    text = environment.from_string(TEMPLATE.read_text()).render(variables, repository__url=url)
    (tmp_path / MAIN).parent.mkdir(parents=True)
    (tmp_path / MAIN).write_text(text)
    config = load(tmp_path)
    assert config.repository.enabled is serves
    assert config.title == "A B"
