"""Events add up to one result a host."""

from typing import Any

from sugar_deploy.run.events import tally


def result(host: str, status: str, **more: Any) -> dict[str, Any]:
    event = {"event": "result", "host": host, "phase": "lan", "task": "t", "action": "copy", "status": status}
    return event | {"changed": False, "seconds": 0.5} | more


def stats(**hosts: dict[str, int]) -> dict[str, Any]:
    return {"event": "stats", "hosts": hosts}


GOOD = {"failures": 0, "unreachable": 0}


def test_changes_are_counted_once_though_their_include_reports_them_again() -> None:
    include = "ansible.builtin.include_role"
    events = [
        result("a", "ok", changed=True, diff="-1\n+2"),
        result("a", "ok", changed=True, action=include),
        result("a", "ok"),
        result("a", "skipped"),
        stats(a=GOOD),
    ]
    host = tally(events)["a"]
    assert (host.status, host.ok, host.changed) == ("changed", 3, 1)
    assert host.as_dict()["changes"] == [{"phase": "lan", "task": "t", "diff": "-1\n+2"}]


def test_the_first_failure_is_the_cause() -> None:
    events = [
        result("a", "failed", task="Start Prosody", message="port 5223 is taken"),
        result("a", "failed", task="Give the lock back", message="no route"),
        stats(a={"failures": 2, "unreachable": 0}),
    ]
    host = tally(events)["a"]
    assert (host.status, host.task, host.message) == ("failed", "Start Prosody", "port 5223 is taken")


def test_an_upgrade_that_was_undone_says_so_with_its_cause() -> None:
    back = "rolled back to snapshot 0123456789ab: packages, settings and data are as they were, and the services run."
    events = [
        result("a", "failed", phase="presence", task="Configure Prosody", message="prosody is dead"),
        result("a", "failed", phase="", task="Say what failed", message=f"{back}\nThe cause: prosody is dead"),
        stats(a={"failures": 1, "unreachable": 0}),
    ]
    host = tally(events)["a"]
    assert (host.status, host.phase, host.task) == ("failed", "presence", "Configure Prosody")
    assert host.message == f"{back}\nThe cause: prosody is dead"
    assert host.as_dict()["rolled_back_to"] == "0123456789ab"
    assert "apply again" in host.remedy


def test_an_upgrade_that_was_not_wholly_undone_asks_for_a_look() -> None:
    message = "rolled back to the packages from before, but not wholly: prosody.service does not come up."
    host = tally([result("a", "failed", message="dead"), result("a", "failed", message=message)])["a"]
    assert host.rolled_back_to == "unknown"
    assert "Look at a before" in host.remedy


def test_an_expected_failure_is_none() -> None:
    host = tally([result("a", "failed", ignored=True), stats(a=GOOD)])["a"]
    assert host.status == "ok"


def test_a_host_without_its_end_was_interrupted() -> None:
    assert tally([result("a", "ok")])["a"].status == "interrupted"


def test_an_unreachable_host_is_called_so() -> None:
    events = [result("a", "unreachable", message="no route"), stats(a={"failures": 0, "unreachable": 1})]
    assert tally(events)["a"].status == "unreachable"
