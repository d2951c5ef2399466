"""What the role writes is what the daemon reads."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
from sugar_server.config import MAIN, load

TEMPLATE = Path(__file__).resolve().parents[3] / "roles" / "sugar_server" / "templates" / "sugar-server.conf.j2"
ROLE = {
    **{"folder": "/etc/sugar-server", "fqdn": "school.lan", "title": "A\n\nB", "enabled": True, "has_rooms": True},
    **{"known_serial": "hold", "who": "anyone", "laptops": None},
    "backup": {
        **{"enabled": True, "keep_days": 30, "quota_percent": 60, "full_percent": 80, "reserve_mib": 512},
        "laptop_quota_mib": 100,
        "most_load": 16,
    },
    "updates": {
        **{"enabled": True, "activities": True, "activities_sugarlabs_org": True, "packages": False},
        "largest_activity_mib": 7,
    },
    "statistics": {"enabled": False, "keep_days": 400},
    "pages": {"enabled": True, "public": False},
    "lease_keys": "/etc/sugar-server/lease-keys",
    "antitheft": {"enabled": True, "lease_days": 21, "renew_days": 7, "renew_for": "registered"},
}
MIB = 1024 * 1024


@pytest.fixture
def read(tmp_path):
    """What the daemon reads of what the role writes with these variables."""

    def write_and_read(**changed):
        environment = jinja2.Environment(
            trim_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
        )
        environment.filters["regex_replace"] = lambda text, old, new: re.sub(old, new, text)
        variables = {f"sugar_server__{name}": value for name, value in {**ROLE, **changed}.items()}
        text = environment.from_string(TEMPLATE.read_text()).render(variables)
        (tmp_path / MAIN).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / MAIN).write_text(text)
        return load(tmp_path)

    return write_and_read


def test_the_daemon_takes_the_role_s_settings(read):
    config = read()
    assert (config.fqdn, config.title, config.registration.known_serial.value) == ("school.lan", "A B", "hold")
    backup = config.backup
    assert (backup.enabled, backup.keep_days, backup.quota_percent, backup.most_used_percent) == (True, 30, 60, 80)
    assert (backup.reserve_mib, backup.child_quota_mib, backup.most_load) == (512 * MIB, 100 * MIB, 16)
    assert (config.library.enabled, config.library.aslo, config.library.largest_mib) == (True, True, 7 * MIB)
    assert config.repository.enabled is False
    assert (config.statistics.enabled, config.statistics.keep_days) == (False, 400)
    assert (config.pages.enabled, config.pages.public) == (True, False)
    leases = config.antitheft
    assert (leases.enabled, leases.keys) == (True, "/etc/sugar-server/lease-keys")
    assert (leases.lease_days, leases.renew_days, leases.renew_for) == (21, 7, "registered")


def test_without_updates_there_is_no_part_of_them(read):
    config = read(updates=ROLE["updates"] | {"enabled": False, "packages": True})
    assert (config.library.enabled, config.repository.enabled) == (False, False)


def test_a_daemon_that_is_older_than_the_rooms_hears_of_registration_only(read, tmp_path):
    config = read(has_rooms=False, enabled=False)
    assert config.registration.enabled is False
    sections = re.findall(r"^\[(\w+)\]", (tmp_path / MAIN).read_text(), re.MULTILINE)
    assert sections == ["server", "registration"]
