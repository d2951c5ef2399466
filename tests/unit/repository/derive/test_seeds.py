"""What is asked of Debian follows from the deployment."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.deployment.load import load
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.refusals import Refusals
from sugar_deploy.repository.derive.seeds import SMALLEST, TOOL, USUAL, Wanted, boot, wanted
from sugar_deploy.scenario.catalogue import package_catalogue
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve

SCHOOL = """\
  {name}:
    scenario: offline-server
    server: {{address: 192.0.2.{number}}}
    lan: {{interface: eth1, address: 172.18.96.1/19}}
    services: {{presence: {{enabled: {presence}}}}}
"""


def deb(name: str, origin: str = "ours", architecture: str = "all") -> Deb:
    return Deb(name, "1.0", architecture, "0" * 64, Path(f"debs/{name}_1.0_{architecture}.deb"), origin)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make(tmp_path)


def make(root: Path, repository: str = "contents: complete") -> Plan:
    schools = SCHOOL.format(name="one", number=1, presence="true") + SCHOOL.format(
        name="two", number=2, presence="true"
    )
    schools += SCHOOL.format(name="three", number=3, presence="false")
    master = schools.replace("scenario: offline-server", "scenario: offline-server\n    role: master", 1)
    (root / "deployment.yml").write_text(
        f"version: 1\nname: lima\ntitle: Lima\nrepository: {{{repository}}}\nschools:\n{master}"
    )
    return resolve(load(Folder(root)))


def test_each_distinct_server_is_resolved_once(plan: Plan) -> None:
    usual, without, with_presence, besides = wanted(plan, (), "amd64")
    assert usual == Wanted((USUAL, *TOOL))
    prosody = {"prosody", "prosody-sugar"}
    assert prosody <= set(with_presence.together) | set(without.together)
    assert prosody.isdisjoint(set(with_presence.together) & set(without.together))
    assert besides == Wanted((SMALLEST, *TOOL))


def test_every_package_of_the_roles_in_use_is_asked_for(plan: Plan) -> None:
    asked = {name for wish in wanted(plan, (), "amd64") for name in wish.together}
    for role in ("base", "firewall", "lan", "presence", "repository", "sshd", "sugar_server", "time"):
        assert set(package_catalogue()[role].always) <= asked, role


def test_own_packages_are_asked_for_at_their_version_and_on_their_architecture(plan: Plan) -> None:
    own = (deb("ours"), deb("theirs", "deployer", "arm64"))
    assert wanted(plan, own, "amd64")[-1].besides == ("ours=1.0",)
    assert wanted(plan, own, "arm64")[-1].besides == ("ours=1.0", "theirs=1.0")


def test_laptops_count_only_where_asked(tmp_path: Path) -> None:
    own = tuple(deb(f"lima-{name}", "configuration") for name in ("offline-server", "offline-server-client"))
    without = wanted(make(tmp_path), own, "amd64")
    assert without[-1].besides == ("lima-offline-server=1.0",)
    assert not any("sucrose" in wish.together for wish in without)
    laptop = wanted(make(tmp_path, "contents: complete, clients: true"), own, "amd64")[-1]
    assert laptop == Wanted((SMALLEST, "sucrose", "telepathy-mission-control-5"), ("lima-offline-server-client=1.0",))


@pytest.mark.parametrize(
    ("suite", "architecture", "kernel"),
    [
        ("bookworm", "amd64", "linux-image-amd64"),
        ("trixie", "arm64", "linux-image-arm64"),
        ("bookworm", "i386", "linux-image-686-pae"),
        ("trixie", "i386", None),
        ("trixie", "armhf", "linux-image-armmp"),
    ],
)
def test_a_kernel_is_asked_for_unless_it_is_switched_off(
    tmp_path: Path, suite: str, architecture: str, kernel: str | None
) -> None:
    start = boot(suite, architecture)
    asked = [wish.together for wish in wanted(make(tmp_path), (), architecture, boot=start)]
    with_one = [names for names in asked if kernel in names]
    assert len(with_one) == (0 if kernel is None else len(start))
    assert not any(name.startswith("linux-") and name != kernel for names in asked for name in names)
    assert {(SMALLEST, *names) for names in start} <= set(asked)
    without = make(tmp_path, "contents: complete, kernel: false")
    assert not {(SMALLEST, *names) for names in start} & {
        wish.together for wish in wanted(without, (), architecture, boot=start)
    }


def test_more_packages_are_asked_for(tmp_path: Path) -> None:
    plan = make(tmp_path, "contents: complete, packages: [vim, gnome-mines]")
    assert wanted(plan, (), "amd64")[-1].besides == ("gnome-mines", "vim")


def refusal(plan: Plan, *names: str, why: str = "", own: tuple[Deb, ...] = ()) -> UsageError:
    known = frozenset({"python3", "chrony", "vim", "ours"})
    return Refusals(plan, own, "trixie for armhf").error(names, why, known)


def test_all_unknown_packages_are_named_at_once(tmp_path: Path) -> None:
    plan = make(tmp_path, "contents: complete, packages: [pyton3, nowhere, chroni]")
    assert str(refusal(plan, "pyton3", "nowhere", "chroni")) == (
        "repository.packages: there is no package pyton3 in trixie for armhf. "
        "repository.packages: there is no package nowhere in trixie for armhf. "
        "repository.packages: there is no package chroni in trixie for armhf. "
        'Instead of pyton3, did you mean "python3"? Instead of chroni, did you mean "chrony"?'
    )


def test_only_those_that_apt_blames_are_named(plan: Plan) -> None:
    own = (deb("ours"),)
    error = refusal(
        plan, "python3", "chrony", "ours=1.0", why="ours : Depends: lua but it is not installable", own=own
    )
    assert error.message.startswith(f"{own[0].path}: not installable in trixie for armhf: ours : Depends: lua")


def test_the_role_that_asks_is_named(plan: Plan) -> None:
    assert refusal(plan, "chronyx").message.startswith("the deployment: there is no package chronyx")
    assert refusal(plan, "chrony", why="chrony : Conflicts: x").message.startswith("role time: not installable")
