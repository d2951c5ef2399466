"""Which commands aptly is given, in every state that a run can find its database in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sugar_deploy.repository.aptly import Aptly, file_name
from sugar_deploy.repository.contents import Contents
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.record import Item, Record


@dataclass(frozen=True)
class Recorded(Aptly):
    """aptly that only answers what it is told to, and notes what it is asked."""

    lists: dict[str, list[str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def run(self, *arguments: str) -> str:
        if arguments[1] == "list":
            return "\n".join(self.lists.get(arguments[0], []))
        words = [word for word in arguments if not word.startswith("-")]
        if words[:2] == ["repo", "add"]:
            words[3:] = sorted(path.name for path in Path(words[3]).iterdir())
        self.calls.append(" ".join(words))
        return ""


def _item(name: str, version: str, sha256: str) -> Item:
    return Item(name, version, "all", sha256, 1, name, version, "ours", f"pool/{name}_{version}_all.deb")


def _record(suites: dict[str, tuple[Item, ...]]) -> Record:
    return Record("old", 1, "2026-01-01T00:00:00Z", "lima", suites, (), "1")


FORMER = _record({"bookworm": (_item("a", "1", "00"), _item("c", "1", "22")), "trixie": (_item("b", "1", "99"),)})
BOTH = ("bookworm", "trixie")
BOTH_PUBLISHED = [". bookworm", ". trixie"]


def _create(suite: str) -> list[str]:
    name = f"new-{suite}"
    return [
        f"repo create {name}",
        f"repo add {name} a_1_all.deb b_1_all.deb",
        f"snapshot create {name} from repo {name}",
    ]


def _first(suite: str) -> list[str]:
    return [*_create(suite), f"publish snapshot new-{suite}"]


STATES = {
    "empty": ({}, [*_first("bookworm"), *_first("trixie")]),
    "an earlier snapshot, of which only the changes are read": (
        {"publish": BOTH_PUBLISHED, "snapshot": ["old-bookworm", "old-trixie"]},
        [
            "repo create new-bookworm from snapshot old-bookworm",
            "repo remove new-bookworm c_1_all",
            "repo add new-bookworm b_1_all.deb",
            "snapshot create new-bookworm from repo new-bookworm",
            "publish switch bookworm new-bookworm",
            "repo create new-trixie from snapshot old-trixie",
            "repo remove new-trixie b_1_all",
            "repo add new-trixie a_1_all.deb b_1_all.deb",
            "snapshot create new-trixie from repo new-trixie",
            "publish switch trixie new-trixie",
            "snapshot drop old-bookworm",
            "snapshot drop old-trixie",
            "db cleanup",
        ],
    ),
    "killed while adding packages": (
        {"repo": ["new-bookworm"]},
        ["repo drop new-bookworm", *_first("bookworm"), *_first("trixie"), "repo drop new-bookworm"],
    ),
    "killed between the suites": (
        {"publish": [". bookworm"], "snapshot": ["new-bookworm"], "repo": ["new-bookworm"]},
        ["publish switch bookworm new-bookworm", *_first("trixie"), "repo drop new-bookworm"],
    ),
    "a suite that is no longer served": (
        {"publish": [*BOTH_PUBLISHED, ". sid"], "snapshot": ["new-bookworm", "new-trixie", "new-sid"]},
        [
            "publish switch bookworm new-bookworm",
            "publish switch trixie new-trixie",
            "publish drop sid",
            "snapshot drop new-sid",
            "db cleanup",
        ],
    ),
}


@pytest.fixture
def debs(tmp_path: Path) -> tuple[Deb, ...]:
    for name in ("a", "b"):
        (tmp_path / name).touch()
    return Deb("a", "1", "all", "00", tmp_path / "a"), Deb("b", "1", "all", "11", tmp_path / "b")


@pytest.mark.parametrize("state", STATES)
def test_publication_from_every_state(state: str, tmp_path: Path, debs: tuple[Deb, ...]) -> None:
    lists, expected = STATES[state]
    (tmp_path / "aptly").mkdir()
    aptly = Recorded(tmp_path / "aptly", (), lists)
    aptly.publish("new", Contents(dict.fromkeys(BOTH, debs)), "lima", [FORMER])
    assert aptly.calls == expected
    assert not (tmp_path / "aptly" / "incoming").exists()


def test_a_pool_name_has_the_epoch_and_no_colon() -> None:
    one, other = (Deb("dns", version, "amd64", "00", Path("x")) for version in ("9.1", "1:9.1"))
    assert file_name(one) == "dns_9.1_amd64.deb"
    assert file_name(other) == "dns_1_9.1_amd64.deb"


def test_the_deployers_own_file_is_copied_and_others_are_linked(tmp_path: Path) -> None:
    class Kept(Recorded):
        def run(self, *arguments: str) -> str:
            if arguments[:2] == ("repo", "add"):
                self.calls.extend(sorted(f"{p.name} {p.stat().st_nlink}" for p in Path(arguments[-1]).iterdir()))
            return ""

    (tmp_path / "one").touch()
    (tmp_path / "two").touch()
    ours, own = Deb("a", "1", "all", "0", tmp_path / "one"), Deb("b", "1", "all", "1", tmp_path / "two", "deployer")
    aptly = Kept(tmp_path)
    aptly._add("new", (ours, own))
    assert aptly.calls == ["a_1_all.deb 2", "b_1_all.deb 1"]


def test_a_database_left_by_a_killed_run_is_recovered(tmp_path: Path) -> None:
    (tmp_path / "aptly/db").mkdir(parents=True)
    aptly = Recorded(tmp_path / "aptly")
    aptly.prepare()
    assert aptly.calls == [], "nobody was killed"
    aptly.prepare()
    assert aptly.calls == ["db recover"], "the first one never finished"
    aptly.finish()
    aptly.prepare()
    assert aptly.calls == ["db recover"]
