# SPDX-License-Identifier: GPL-3.0-or-later
"""A load's report as text for people."""

from __future__ import annotations

from collections.abc import Iterable

from sugaroid.load.figures import Figures
from sugaroid.load.plan import Planned
from sugaroid.load.run import LoadReport

_HEAD = (
    f"{'':16}{'done':>7}{'failed':>8}{'later':>7}{'per s':>8}{'p50':>8}{'p95':>8}{'p99':>8}{'longest':>9}"
    f"{'waited':>8}{'MiB':>9}"
)
_MOST_NAMED = 5


def shown(report: LoadReport) -> str:
    """The figures; seconds in all columns from p50 to `waited`, the p99 of waiting for a turn on this machine."""
    lines = [f"{report.laptops} laptops, --seed {report.seed}"]
    for title, figures, seconds in (
        ("the day before", report.day_before, report.day_before_seconds),
        ("the morning", report.morning, report.morning_seconds),
    ):
        if figures.of:
            lines += ["", f"{title}, {seconds:.1f} s", _HEAD, *_rows(figures)]
    if report.interrupted:
        lines += ["", "interrupted: these are the figures until then."]
    known = report.identities
    lines += [f"still registered: {each.serial} {each.fingerprint}" for each in known[:_MOST_NAMED]]
    if len(known) > _MOST_NAMED:
        lines.append(f"still registered: {len(known) - _MOST_NAMED} more; --json and --identities name all")
    return "\n".join(lines)


def _rows(figures: Figures) -> Iterable[str]:
    for name, figure in figures.of.items():
        found = figure.as_dict()
        took = found["seconds"]
        yield (
            f"{name:16}{found['done']:>7}{found['failed']:>8}{found['later']:>7}{found['per_second']:>8.2f}"
            f"{took['p50']:>8.3f}{took['p95']:>8.3f}{took['p99']:>8.3f}{took['max']:>9.3f}"
            f"{found['waited_here_p99']:>8.3f}{found['bytes'] / (1 << 20):>9.1f}"
        )
        for why, times in found["reasons"].items():
            yield f"  FAIL {times} times: {''.join(c if c.isprintable() else chr(0xFFFD) for c in why)}"


def planned_as_dict(planned: Iterable[Planned]) -> list[dict[str, object]]:
    """A plan for --json."""
    return [{**vars(one), "deeds": [[deed.name, deed.at] for deed in one.deeds]} for one in planned]


def shown_plan(planned: Iterable[Planned]) -> str:
    """A plan by time: seconds of school time, laptop, deed."""
    deeds = [(deed.at, one.serial, deed.name) for one in planned for deed in one.deeds]
    return "\n".join(f"{at:10.1f}  {serial}  {name}" for at, serial, name in sorted(deeds))
