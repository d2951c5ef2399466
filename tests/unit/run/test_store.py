"""Runs are kept, told apart, and only interrupted ones are resumed."""

from pathlib import Path

from sugar_deploy.run.store import KEPT_RUNS, all_runs, interrupted_chain, new_run


def applied(runs: Path, status: str | None, resumes: list[str] | None = None, verb: str = "apply") -> str:
    run = new_run(runs, verb)
    run.write("run.json", {"verb": verb, "limit": ["a"], "resumes": resumes or []})
    if status:
        run.write("result.json", {"status": status})
    return run.id


def test_the_newest_runs_are_kept(tmp_path: Path) -> None:
    made = [new_run(tmp_path / "runs", "plan").id for _ in range(KEPT_RUNS + 3)]
    kept = [run.id for run in all_runs(tmp_path / "runs")]
    assert kept == sorted(made, reverse=True)[:KEPT_RUNS]


def test_there_is_nothing_to_resume_without_an_interrupted_apply(tmp_path: Path) -> None:
    assert interrupted_chain(tmp_path) == []
    applied(tmp_path, "failed")
    applied(tmp_path, "done")
    assert interrupted_chain(tmp_path) == []


def test_a_killed_apply_and_those_that_it_resumed_are_the_chain(tmp_path: Path) -> None:
    applied(tmp_path, "done")
    first = applied(tmp_path, "failed")
    second = applied(tmp_path, None, [first])
    applied(tmp_path, "done", verb="plan")
    assert interrupted_chain(tmp_path) == [second, first]


def test_a_damaged_result_counts_as_none(tmp_path: Path) -> None:
    run_id = applied(tmp_path, "done")
    (tmp_path / run_id / "result.json").write_text("{")
    assert interrupted_chain(tmp_path) == [run_id]


def test_runs_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    run = new_run(tmp_path / "runs", "apply")
    run.write("result.json", {"status": "done"})
    assert run.path.stat().st_mode & 0o077 == 0
    assert (run.path / "result.json").stat().st_mode & 0o077 == 0


def test_many_plans_do_not_make_the_last_apply_forgotten(tmp_path: Path) -> None:
    run_id = applied(tmp_path, "failed")
    for _ in range(KEPT_RUNS + 1):
        new_run(tmp_path, "plan")
    assert interrupted_chain(tmp_path) == [run_id]


def test_a_damaged_record_of_what_was_resumed_is_not_trusted(tmp_path: Path) -> None:
    run = new_run(tmp_path, "apply")
    run.write("run.json", {"verb": "apply", "resumes": 7})
    assert interrupted_chain(tmp_path) == [run.id]
