"""What this machine's records tell of each school, whole and damaged."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sugar_deploy.cli.status import _show
from sugar_deploy.folder import Folder
from sugar_deploy.run.parallel import side_by_side
from sugar_deploy.run.status import SchoolStatus, local_statuses
from sugar_deploy.run.store import new_run
from tests.unit.run.test_verify import host


def test_the_newest_apply_that_reached_the_school_counts(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for status in ("failed", "ok"):
        run = new_run(folder.runs, "apply")
        run.write("run.json", {"verb": "apply", "limit": ["feria"], "snapshot": "abc"})
        run.write("result.json", {"hosts": {"feria": {"status": status}}})
    new_run(folder.runs, "plan").write("run.json", {"verb": "plan", "limit": ["feria"]})
    found = local_statuses(folder, [host("offline-server")])["feria"]
    assert (found.last_run, found.last_status, found.snapshot) == (run.id, "ok", "abc")


@pytest.mark.parametrize(
    ("about", "result", "status"),
    [
        ('{"verb": "apply", "limit": null}', "{}", "never applied"),
        ("[1]", "{}", "never applied"),
        ("\0\0\0", "{}", "never applied"),
        ('{"verb": "apply", "limit": ["feria"]}', '{"hosts": []}', "interrupted"),
        ('{"verb": "apply", "limit": ["feria"]}', '{"hosts": {"feria": 7}}', "interrupted"),
        ('{"verb": "apply", "limit": ["feria"]}', '{"hosts"', "interrupted"),
    ],
)
def test_a_damaged_record_is_no_obstacle(tmp_path: Path, about: str, result: str, status: str) -> None:
    folder = Folder(tmp_path)
    run = new_run(folder.runs, "apply")
    (run.path / "run.json").write_text(about)
    (run.path / "result.json").write_text(result)
    assert local_statuses(folder, [host("offline-server")])["feria"].last_status == status


def test_what_is_not_begun_when_it_is_interrupted_never_begins() -> None:
    begun: list[int] = []
    go = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            go.wait(10)
        return number

    results = side_by_side(work, range(1000), 2)
    assert next(results) == 0
    threading.Timer(0.2, go.set).start()
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
    assert len(begun) < 10


def test_nothing_of_a_status_is_cut_off_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    versions = tuple(f"package-with-a-long-name-{number}=1.2.3-4+deb13u1" for number in range(6))
    _show([SchoolStatus("feria", last_run="20261121T035417.471Z-apply", packages=versions)])
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split() == ["feria", "20261121T035417.471Z-apply", "never", "applied", "not", "asked", *versions]
