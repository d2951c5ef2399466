"""Whatever a file holds, it is a deployment or a list of problems in their places; never a traceback."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sugar_deploy.cli import main
from sugar_deploy.deployment.load import load, load_all
from sugar_deploy.deployment.model import Deployment
from sugar_deploy.errors import InvalidDeployment
from sugar_deploy.folder import Folder

VALID = Path(__file__).parent / "cases" / "valid-mixture"
FILES = ("deployment.yml", "schools.csv", "laptops/lima.csv")
QUIET = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# What trips readers of YAML and CSV, in the places where chance puts it.
SNIPPETS = [
    *(b"\t", b" ", b"\n", b"\r", b"\r\n", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed", b"\xc2\xa0", b"\xe2\x80\xa8"),
    *(b": ", b"- ", b"? ", b"#", b"|\n", b">-\n", b'"', b"'", b"[", b"]", b"{", b"}", b",", b";", b"\\", b"\x85"),
    *(b"&a ", b"*a", b"<<: *a\n", b"!x ", b"!!binary ", b"---\n", b"...\n", b"%YAML 1.1\n", b"@", b"`", b"=", b"~"),
    *(b"no", b"08:30", b"010", b"1_000", b"1e400", b".nan", b"-1", b"9" * 30, b"2026-01-31", b"null", b"true"),
    *(b'"\\0"', b'"\\u2028"', b'"\\uD800"', b"1.2.3.4/33", b"::1", b"a" * 300, b"../x", b"/etc/passwd", b"[" * 50),
]


@st.composite
def damage(draw: st.DrawFn, data: bytes) -> bytes:
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 2, 8, 40])))
        new = draw(st.one_of(st.sampled_from(SNIPPETS), st.binary(max_size=4), st.just(data[start : start + 60])))
        data = data[:start] + new + data[end:]
    return data


def judged(folder: Path) -> None:
    try:
        deployment = load(Folder(folder))
    except InvalidDeployment as error:
        assert error.problems
        for problem in error.problems:
            file = folder / problem.file
            data = file.read_bytes() if file.is_file() else b""
            assert 1 <= problem.line <= data.count(b"\n") + data.count(b"\r") + 2
            assert problem.column >= 1
            assert problem.key and problem.message and problem.remedy, problem
            assert "\n" not in str(problem)
    else:
        assert isinstance(deployment, Deployment)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(VALID, tmp_path / "deployment")
    return tmp_path / "deployment"


@pytest.mark.parametrize("name", FILES)
@QUIET
@given(data=st.data())
def test_damaged_bytes(folder: Path, name: str, data: st.DataObject) -> None:
    (folder / name).write_bytes(data.draw(damage((VALID / name).read_bytes())))
    judged(folder)


@pytest.mark.parametrize("name", FILES)
@settings(QUIET, max_examples=60)
@given(data=st.data())
def test_the_command_says_0_or_2(folder: Path, name: str, data: st.DataObject) -> None:
    (folder / name).write_bytes(data.draw(damage((VALID / name).read_bytes())))
    with pytest.raises(SystemExit) as end:
        main(["check", "-C", str(folder)])
    assert end.value.code in {0, 2}


@QUIET
@given(data=st.binary(max_size=200))
def test_noise(folder: Path, data: bytes) -> None:
    (folder / "deployment.yml").write_bytes(data)
    judged(folder)


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.binary(max_size=4),
    st.sampled_from(
        ["lima", "schools.csv", "172.18.96.1/19", "172.18.96.9", "offline-server", "master", "eth0", ".", "", "a\0b"]
    ),
)
VALUES = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3)
)


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(place for key, each in below for place in places(each, (*above, key)))]


@QUIET
@given(data=st.data())
def test_misplaced_values(folder: Path, data: st.DataObject) -> None:
    content = yaml.safe_load((VALID / "deployment.yml").read_text("utf-8"))
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from(places(content)[1:]))
        section = content
        for part in above:
            section = section[part]
        change = data.draw(st.sampled_from(["replace", "delete", "rename", "add"]))
        if change == "replace":
            section[last] = data.draw(VALUES)
        elif change == "add" and isinstance(section, dict):
            section[data.draw(st.text(max_size=8))] = data.draw(VALUES)
        elif isinstance(section, dict):
            value = section.pop(last)
            if change == "rename":
                section[f"{last}x"] = value
    (folder / "deployment.yml").write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")
    judged(folder)


def test_the_undamaged_folder_is_valid(folder: Path) -> None:
    loaded = load_all(Folder(folder))
    assert len(loaded.deployment.schools) == 6
    assert [laptop.serial for laptop in loaded.laptops["lima"]] == ["SHC00700123", "SHC00700124"]
