"""A folder replaced as a whole: the old one or the new one, whatever happens in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.render import swap
from sugar_deploy.render.swap import replacing

MARKER = "marker"


def fill(out: Path, text: str) -> None:
    with replacing(out, MARKER) as (draft, _):
        (draft / MARKER).write_text("")
        (draft / "text").write_text(text)


def leavings(out: Path) -> list[str]:
    return sorted(path.name for path in out.parent.iterdir() if path.name != out.name)


def test_makes_and_replaces(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    fill(out, "old")
    assert (out / "text").read_text() == "old"
    fill(out, "new")
    assert (out / "text").read_text() == "new"
    assert leavings(out) == []


def test_an_error_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fill(out, "old")
    with pytest.raises(RuntimeError), replacing(out, MARKER) as (draft, _):
        (draft / "text").write_text("half")
        raise RuntimeError
    assert (out / "text").read_text() == "old"
    assert leavings(out) == []


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    fill(out, "new")
    assert (out / "text").read_text() == "new"


def test_a_link_to_a_project_stays_a_link(tmp_path: Path) -> None:
    fill(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to("real")
    fill(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "text").read_text() == "new"


def test_a_folder_of_the_deployers_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.odt").write_text("years of work")
    with pytest.raises(UsageError, match="is not a rendered project"):
        fill(tmp_path, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.odt"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="is a file"):
        fill(tmp_path / "out", "new")
    assert (tmp_path / "out").read_text() == "a file"


def killed(out: Path, where: str) -> None:
    """A process that replaces OUT and is killed at some point."""
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from sugar_deploy.render import swap
        def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
        out = Path({str(out)!r})
        {where}
        with swap.replacing(out, "marker") as (draft, _):
            (draft / "marker").write_text("")
            (draft / "text").write_text("new")
            (draft / "folder").mkdir()
            if {where!r} == "pass": die()
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("pass", "old"),  # while writing
        ("swap._flush = die", "old"),
        ("swap.to_disk = die", "new"),  # right after the exchange
        ("import shutil; shutil.rmtree = die", "new"),  # while removing the old one
    ],
)
def test_a_killed_process_leaves_one_or_the_other(tmp_path: Path, where: str, left: str) -> None:
    out = tmp_path / "out"
    fill(out, "old")
    killed(out, where)
    assert (out / "text").read_text() == left
    assert leavings(out) != []
    fill(out, "newest")
    assert (out / "text").read_text() == "newest"
    assert leavings(out) == []


def test_without_exchange_a_killed_process_is_undone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fill(out, "old")
    killed(
        out,
        "swap._exchange = lambda *_: False; rename = Path.rename; "
        "Path.rename = lambda self, to: (rename(self, to), die() if self == out else None)",
    )
    assert not out.exists()
    with pytest.raises(RuntimeError), replacing(out, MARKER):
        assert (out / "text").read_text() == "old"
        raise RuntimeError
    assert (out / "text").read_text() == "old"
    fill(out, "new")
    assert (out / "text").read_text() == "new"
    assert leavings(out) == []


def test_without_exchange_it_still_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "_exchange", lambda *_: False)
    out = tmp_path / "out"
    fill(out, "old")
    fill(out, "new")
    assert (out / "text").read_text() == "new"
    assert leavings(out) == []


def test_a_reader_never_finds_it_missing_or_half(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fill(out, "0")
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add((out / "text").read_text())

    reader = threading.Thread(target=read)
    failures: list[BaseException] = []
    previous = threading.excepthook
    threading.excepthook = lambda failure: failures.append(failure.exc_value or RuntimeError())
    try:
        reader.start()
        for number in range(30):
            fill(out, str(number))
    finally:
        stop.set()
        reader.join()
        threading.excepthook = previous
    assert failures == []
    assert len(seen) > 1


def test_two_at_once_take_turns(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from sugar_deploy.render.swap import replacing
        for _ in range(20):
            with replacing(Path({str(out)!r}), "marker") as (draft, _):
                for name in ("marker", "one", "two"):
                    (draft / name).write_text(sys.argv[1])
    """)
    both = [subprocess.Popen([sys.executable, "-c", script, name]) for name in "ab"]
    assert [process.wait() for process in both] == [0, 0]
    assert (out / "one").read_text() == (out / "two").read_text()
    assert leavings(out) == []


def test_the_new_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        fill(tmp_path / "out", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
