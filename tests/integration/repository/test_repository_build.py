"""Building: the same bytes anywhere, once for each state of the source, and nothing half done."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.repository.build import build
from sugar_deploy.repository.lint import lint


@pytest.fixture
def tree(tmp_path: Path, sources: Path) -> Path:
    """One source package that the test may change."""
    shutil.copytree(sources / "hello-one", tmp_path / "sources" / "hello-one")
    return tmp_path / "sources"


def _rule(tree: Path, recipe: str) -> None:
    rules = tree / "hello-one/debian/rules"
    rules.write_text(f"{rules.read_text()}\noverride_dh_auto_build:\n\t{recipe}\n")


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_two_builds_from_two_checkouts_are_the_same_bytes(sources: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "elsewhere" / "checkout"
    shutil.copytree(sources, checkout, copy_function=shutil.copy)
    (checkout / "hello-one/greeting").chmod(0o600)
    (checkout / "hello-one/__pycache__").mkdir()
    (checkout / "hello-one/__pycache__/x.pyc").touch()
    before = _files(checkout)
    one = build(sources=sources, cache=tmp_path / "one")
    two = build(sources=checkout, cache=tmp_path / "two")
    assert [built.source.name for built in one] == ["hello-one", "hello-two"]
    for first, second in zip(one, two, strict=True):
        assert not first.cached
        assert not second.cached
        assert [deb.read_bytes() for deb in first.debs] == [deb.read_bytes() for deb in second.debs]
    assert _files(checkout) == before, "nothing is built inside the source tree"


def test_only_a_changed_source_is_built_again(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (first,) = build(sources=tree, cache=cache)
    (again,) = build(sources=tree, cache=cache)
    assert (first.cached, again.cached) == (False, True)
    assert again.debs == first.debs
    (tree / "hello-one/greeting").write_text("Hello again\n")
    (changed,) = build(sources=tree, cache=cache)
    assert not changed.cached
    assert changed.debs[0].read_bytes() != first.debs[0].read_bytes()


def test_a_damaged_cache_is_not_used(tree: Path, tmp_path: Path) -> None:
    (first,) = build(sources=tree, cache=tmp_path / "cache")
    content = first.debs[0].read_bytes()
    first.debs[0].write_bytes(content[:-1])
    (again,) = build(sources=tree, cache=tmp_path / "cache")
    assert not again.cached
    assert again.debs[0].read_bytes() == content


def test_a_failed_build_shows_the_end_of_its_log(tree: Path, tmp_path: Path) -> None:
    _rule(tree, "@echo the chalk is all used up; exit 3")
    with pytest.raises(DeployError, match=r"hello-one 1\.0 .* does not build") as error:
        build(sources=tree, cache=tmp_path / "cache")
    assert "the chalk is all used up" in str(error.value)
    assert str(tmp_path / "cache/hello-one.log") in error.value.remedy
    assert "the chalk is all used up" in (tmp_path / "cache/hello-one.log").read_text()
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_missing_build_dependencies_are_named_with_the_command_that_installs_them(tree: Path, tmp_path: Path) -> None:
    control = tree / "hello-one/debian/control"
    control.write_text(control.read_text().replace("(= 13)", "(= 13), no-such-tool (>= 2) | other, absent:any"))
    with pytest.raises(DeployError, match="lacks absent no-such-tool") as error:
        build(sources=tree, cache=tmp_path / "cache")
    assert error.value.remedy == "Run: sudo apt-get install absent no-such-tool"


BUILD = """
from pathlib import Path
from sugar_deploy.repository.build import build
for built in build(print, sources=Path({sources!r}), cache=Path({cache!r})):
    print("cached" if built.cached else "fresh")
"""


def test_a_killed_build_leaves_nothing_that_looks_done(tree: Path, tmp_path: Path, in_background: Callable) -> None:
    _rule(tree, "sleep 2")
    cache = tmp_path / "cache"
    process = in_background(BUILD.format(sources=str(tree), cache=str(cache)))
    while not list(cache.glob(".*/source/debian/.debhelper")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    said: list[str] = []
    (built,) = build(said.append, sources=tree, cache=cache)
    assert not built.cached
    assert "Waiting: hello-one is being built by another process" in said, "its compiler was still at work"
    assert {path.name for path in cache.iterdir() if path.is_dir()} == {built.source.digest}
    assert lint(built.debs) == ()


def test_two_processes_at_once_build_once(tree: Path, tmp_path: Path, in_background: Callable) -> None:
    _rule(tree, "sleep 1")
    code = BUILD.format(sources=str(tree), cache=str(tmp_path / "cache"))
    processes = [in_background(code), in_background(code)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sorted(output.split()[-1] for output in outputs) == ["cached", "fresh"]


def test_an_interrupted_build_ends_its_programs(tree: Path, tmp_path: Path, in_background: Callable) -> None:
    _rule(tree, "sleep 314")
    cache = tmp_path / "cache"
    process = in_background(BUILD.format(sources=str(tree), cache=str(cache)))
    while "sleep 314" not in "".join(log.read_text() for log in cache.glob("*.log")):
        assert process.poll() is None
        time.sleep(0.02)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait()
    assert time.monotonic() - started < 10
    assert not [path for path in cache.iterdir() if path.is_dir()]
    running = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            running.append(cmdline.read_bytes())
        except OSError:
            continue
    assert b"sleep\x00314\x00" not in running


def test_our_own_packages_build_and_lintian_finds_no_error(tmp_path: Path) -> None:
    built = build(cache=tmp_path / "cache")
    names = {one.source.name for one in built}
    assert {"olpc-security", "sugar-client", "sugar-server", "sugar-server-base", "sugaroid"} <= names
    findings = lint([deb for one in built for deb in one.debs])
    assert [str(finding) for finding in findings if finding.level == "error"] == []
