"""What the repository is to hold, put together from four origins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.repository import gather as gathering
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.repository.proved import Proved
from sugar_deploy.scenario.plan import Plan
from tests.integration.repository.handmade import make_deb


def _plan(**repository: object) -> Plan:
    document = {"version": 1, "name": "lima", "title": "Lima", "repository": repository}
    return Plan(Deployment.model_validate(document), ())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A deployment with one package of each origin; Debian's differ from suite to suite."""
    ours = make_deb(tmp_path / "ours", "server")
    settings = make_deb(tmp_path / "settings", "lima-server-config")
    debian = {
        suite: make_deb(tmp_path / suite, "prosody", version)
        for suite, version in (("bookworm", "1"), ("trixie", "2"))
    }

    def derive(
        _plan: Plan, own: Sequence[Deb], _say: object, systems: Sequence[System]
    ) -> dict[str, tuple[Deb, ...]]:
        assert [deb.name for deb in own] == ["lima-server-config", "server", "songs"]
        found = {
            suite: (Deb("prosody", version, "all", Proved().sha256(debian[suite]), debian[suite], "debian", "", 1),)
            for suite, version in (("bookworm", "1"), ("trixie", "2"))
        }
        return found | {system.distribution: (own[2], *found["bookworm"]) for system in systems}

    monkeypatch.setattr(gathering, "build", lambda _say, sources: [SimpleNamespace(debs=(ours,))])
    monkeypatch.setattr(gathering, "configuration_debs", lambda _folder, _plan, keys, _say, proved: (settings,))
    monkeypatch.setattr(gathering, "derive", derive)
    make_deb(tmp_path / "lima" / "debs", "songs")
    return Folder(tmp_path / "lima")


def _shown(debs: tuple[Deb, ...]) -> list[tuple[str, str, str]]:
    return [(deb.name, deb.version, deb.origin) for deb in debs]


OWN = [("lima-server-config", "1", "configuration"), ("server", "1", "ours"), ("songs", "1", "deployer")]


def test_own_contents_are_the_same_in_every_suite(folder: Folder) -> None:
    contents = gathering.gather(folder, _plan(suites=["trixie", "bookworm"]), "keys")
    assert contents.suites == ("bookworm", "trixie")
    assert {suite: _shown(debs) for suite, debs in contents.by_suite.items()} == {"bookworm": OWN, "trixie": OWN}
    assert len(contents.identities) == 6
    assert len(contents.debs) == 3


def test_complete_contents_have_each_suites_own_debian(folder: Folder) -> None:
    proved = Proved()
    contents = gathering.gather(folder, _plan(contents="complete"), "keys", proved=proved)
    for suite, version in (("bookworm", "1"), ("trixie", "2")):
        debs = contents.by_suite[suite]
        assert _shown(debs) == [OWN[0], ("prosody", version, "debian"), *OWN[1:]]
        prosody = next(deb for deb in debs if deb.name == "prosody")
        assert proved.known(prosody.path) == prosody.sha256, "whoever keeps it has proved it"


def test_images_have_a_distribution_of_their_own(folder: Folder) -> None:
    system = System("xo-1.5", "bookworm", "i386", ("sucrose",))
    contents = gathering.gather(folder, _plan(contents="complete"), "keys", systems=[system])
    assert contents.suites == ("bookworm", "bookworm-images", "trixie")
    assert _shown(contents.by_suite["bookworm-images"]) == [("prosody", "1", "debian"), OWN[2]]
    assert gathering.gather(folder, _plan(), "keys", systems=[system]).suites == ("bookworm", "trixie")


def test_two_packages_of_one_name_and_version_are_refused(folder: Folder) -> None:
    make_deb(folder.debs, "server", text="an impostor")
    with pytest.raises(UsageError, match=r"are both server 1 for all, yet they differ"):
        gathering.gather(folder, _plan(), "keys")


def test_what_is_known_of_files_is_kept_and_forgotten_when_they_change(tmp_path: Path) -> None:
    deb = make_deb(tmp_path, "songs", source="choir (0.9)")
    record = tmp_path / "proved.json"
    first = Proved(record)
    found = first.deb(deb, "deployer")
    assert (found.name, found.source, found.size, found.origin) == ("songs", "choir", deb.stat().st_size, "deployer")
    first.save()
    again = Proved(record)
    assert again.known(deb) == found.sha256
    assert again.deb(deb, "deployer") == found
    (tmp_path / "link").hardlink_to(deb)
    assert again.known(tmp_path / "link") == found.sha256
    with deb.open("ab") as file:
        file.write(b"more")
    assert again.known(deb) is None
    for damaged in ("", "[]", '{"format": 1}', '{"format": 1, "files": {"1:1": []}}'):
        record.write_text(damaged)
        assert Proved(record).known(deb) is None
