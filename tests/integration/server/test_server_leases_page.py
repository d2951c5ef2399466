"""What the teacher sees of a laptop's lease, and nobody else."""

from __future__ import annotations

import re
import time

import pytest
from olpc_security.keys import PrivateKey
from sugar_server.antitheft.activation import Activation
from sugar_server.antitheft.settings import AntitheftSettings

from .deployment import DAY, LAPTOP, OTHER, STRANGER, VECTORS, Deployment
from .laptop import made_up_key, register
from .test_server_oats import ask
from .test_server_pages_http import Browser, set_password

OWN = PrivateKey.from_der((VECTORS / "server.private").read_bytes())


@pytest.fixture
def school(debian_server):
    deployment = Deployment(debian_server)
    deployment.place_key(OWN)
    debian_server.start()
    deployment.bring("delegation", deployment.delegations(OWN.public, LAPTOP, OTHER))
    deployment.bring("stolen", deployment.stolen(OTHER))
    for laptop, nick in ((LAPTOP, "Ana"), (OTHER, "Omar"), (STRANGER, "Mei")):
        register(debian_server.url, laptop.serial, nick, "", made_up_key())
    return deployment


def facts(browser, nick):
    """The terms and what is said of them on a child's page."""
    page = browser.get(f"/laptops?q={nick}").text
    (path,) = re.findall(r'href="(/laptops/[0-9a-f]+)"', page)
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", browser.get(path).text, re.DOTALL)
    return {term: re.sub(r"<[^>]*>", "", text).strip() for term, text in found}


def day(days):
    return time.strftime("%Y-%m-%d", time.localtime(time.time() + days * DAY))


def test_the_teacher_sees_until_when_a_laptop_starts(school):
    server, browser = school.server, Browser(school.server)
    for nick in ("Ana", "Omar", "Mei"):
        assert not [term for term in facts(browser, nick) if "ease" in term or "enewed" in term]
    browser.log_in(set_password(server))
    before = facts(browser, "Ana")
    assert before["Lease"] == "none from this server yet"
    assert before["Renewed by this server until"].startswith(day(400))
    ask(server, LAPTOP)
    assert facts(browser, "Ana")["Lease until"].startswith(day(30))
    assert "Last activated at boot" not in facts(browser, "Ana")
    assert facts(browser, "Omar")["Lease"] == "Marked as stolen: the server gives it no lease."
    assert "Lease" not in facts(browser, "Mei")


def test_the_teacher_sees_what_a_laptop_got_at_boot(school):
    server, browser = school.server, Browser(school.server)
    browser.log_in(set_password(server))
    settings = AntitheftSettings(enabled=True, lease_days=20)
    assert Activation(settings, server.state).answer(LAPTOP.serial.encode()).startswith(b"act01: SHC12345678 K ")
    seen = facts(browser, "Ana")
    assert seen["Lease until"].startswith(day(20))
    assert seen["Last activated at boot"].startswith(day(0))
    # By the other way it gets the same again.
    assert ask(server, LAPTOP)[0]["lease"].encode() == (server.state / "activations" / LAPTOP.serial).read_bytes()
