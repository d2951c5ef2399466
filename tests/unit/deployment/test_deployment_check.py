"""Files that are no files, machine-readable answers, and thousands of schools."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sugar_deploy.cli import main
from sugar_deploy.deployment import source
from sugar_deploy.deployment.load import laptops, load
from sugar_deploy.deployment.model import School
from sugar_deploy.errors import InvalidDeployment
from sugar_deploy.folder import Folder

HEAD = "version: 1\nname: lima\ntitle: Lima\n"


# The most memory that a process of its own had, in KiB: getrusage would count what it was forked from.
MEASURE = """
from sugar_deploy.cli import main
try:
    main()
finally:
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code


def problems(folder: Path) -> list[str]:
    with contextlib.chdir(folder), pytest.raises(InvalidDeployment) as error:
        load(Folder(Path()))
    return [str(problem) for problem in error.value.problems]


def test_a_named_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "deployment.yml")
    assert problems(tmp_path) == [
        "deployment.yml:1:1: file: is not a regular file. Put the file itself there.",
    ]


def test_an_endless_device_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "deployment.yml").write_text(HEAD + "schools_from: zero.csv\n", "utf-8")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    assert problems(tmp_path) == [
        'deployment.yml:4:15: schools_from: "zero.csv" is not a regular file. Put the file itself there.',
    ]


def test_a_huge_file_is_refused_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_BYTES", 1024 * 1024)
    (tmp_path / "deployment.yml").write_text(HEAD + "#" * 1024 * 1024, "utf-8")
    assert problems(tmp_path) == [
        "deployment.yml:1:1: file: is larger than 1 MB. Check that it is the right file.",
    ]


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deployment.yml").write_text(HEAD, "utf-8")

    def refuse(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert problems(tmp_path) == [
        "deployment.yml:1:1: file: may not be read. Give yourself the right: chmod u+r deployment.yml.",
    ]


@pytest.mark.parametrize("path", ['"a\\0b"', "a" * 5000, "x/" * 3000 + "y", "folder"])
def test_odd_paths(path: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "deployment.yml").write_text(f"{HEAD}schools_from: {path}\n", "utf-8")
    (only,) = problems(tmp_path)
    assert only.startswith("deployment.yml:4:15: schools_from: ")


def test_json_of_a_valid_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deployment.yml").write_text(HEAD, "utf-8")
    assert run("check", "-C", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "valid": True,
        "name": "lima",
        "schools": 0,
        "laptops": 0,
        "problems": [],
        "notes": [],
    }


def test_json_of_an_invalid_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deployment.yml").write_text(HEAD + "domian: lan\n", "utf-8")
    assert run("check", "-C", tmp_path, "--json") == 2
    assert json.loads(capsys.readouterr().out) == {
        "valid": False,
        "problems": [
            {
                "file": str(tmp_path / "deployment.yml"),
                "line": 4,
                "column": 1,
                "key": "domian",
                "message": "unknown key",
                "remedy": 'Did you mean "domain"?',
            }
        ],
    }


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema") == 0
    assert json.loads(capsys.readouterr().out)["required"] == ["version", "name", "title"]


def test_laptops_of_a_school(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("nick,serial\nAna,SHC00700123\n,SHC00700124\n", "utf-8")
    school = {"scenario": "online-peers", "server": {"address": "a.example.org"}}
    assert laptops(Folder(tmp_path), School.model_validate(school)) == ()
    found = laptops(Folder(tmp_path), School.model_validate({**school, "laptops": "a.csv"}))
    assert [(laptop.serial, laptop.nick) for laptop in found] == [("SHC00700123", "Ana"), ("SHC00700124", None)]
    with pytest.raises(InvalidDeployment, match=r"b\.csv:1:1: file: does not exist"):
        laptops(Folder(tmp_path), School.model_validate({**school, "laptops": "b.csv"}))


def test_the_first_description_of_a_school_counts_for_the_rest(tmp_path: Path) -> None:
    """A CSV's row for a school of the file is one fault, not a cause of others."""
    (tmp_path / "deployment.yml").write_text(
        HEAD + "schools:\n  lima: {scenario: online-peers, role: master, server: {address: a.example.org}}\n"
        "schools_from: s.csv\n",
        "utf-8",
    )
    (tmp_path / "s.csv").write_text("name,scenario,server.address\nlima,offline-server,a.example.org\n", "utf-8")
    assert problems(tmp_path) == [
        's.csv:2:1: schools.lima: "lima" is already a school of deployment.yml, line 5. Delete one of them.'
    ]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    (folder / "deployment.yml").write_text(HEAD + "schools_from: schools.csv\n", "utf-8")
    rows = [
        f's{number},"School, of {number}",{"offline-server,node" if number else "offline-server,master"},'
        f"10.{number // 62500}.{number // 250 % 250}.{number % 250},admin,enp2s0,172.18.96.1/19,"
        for number in range(10_000)
    ]
    header = "name,title,scenario,role,server.address,server.user,lan.interface,lan.address,services.ssh.from_lan"
    (folder / "schools.csv").write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return folder


def test_ten_thousand_schools_load_in_time_and_memory(many: Path) -> None:
    before = time.process_time()
    assert len(load(Folder(many)).schools) == 10_000
    assert time.process_time() - before < 1.2
    check = subprocess.run([sys.executable, "-c", MEASURE, "check", "-C", str(many)], check=True, capture_output=True)
    said, _note, kib = check.stdout.decode().splitlines()
    assert said.endswith("valid: Lima, 10,000 schools, 0 laptops.")
    assert int(kib) < 150_000


def test_ten_thousand_faults_are_all_reported(many: Path, tmp_path: Path) -> None:
    text = (many / "schools.csv").read_text("utf-8").replace("172.18.96.1/19", "172.18.96.1/33")
    (tmp_path / "schools.csv").write_text(text, "utf-8")
    (tmp_path / "deployment.yml").write_text(HEAD + "schools_from: schools.csv\n", "utf-8")
    started = time.process_time()
    assert len(problems(tmp_path)) == 10_000
    assert time.process_time() - started < 20


def test_one_list_of_laptops_has_one_name(tmp_path: Path) -> None:
    (tmp_path / "deployment.yml").write_text(
        f"{HEAD}schools:\n"
        "  a: {scenario: online-peers, server: {address: a.example.org}, laptops: ./l.csv}\n"
        "  b: {scenario: online-peers, server: {address: b.example.org}, laptops: l.csv}\n",
        "utf-8",
    )
    (tmp_path / "l.csv").write_text("serial\nSHC00700123\n", "utf-8")
    (only,) = problems(tmp_path)
    assert only.startswith("deployment.yml:6:74: schools.b.laptops: l.csv lists the laptops of a already. ")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidDeployment) as error:
        load(Folder(tmp_path / "lmia"))
    assert str(error.value) == (
        f"{tmp_path}/lmia/deployment.yml:1:1: file: does not exist: there is no folder {tmp_path}/lmia. "
        "Write one with `sugar-deploy init`, or name its folder with -C."
    )
