"""The plot: processor time for each pair of laptops, and the largest resident set, against the size of the school."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape

from .report import TITLES, finished

Point = tuple[int, float]
_COLOURS = {"ours": "#1a7f37", "groups": "#b35900", "stored": "#7b3fa0", "ejabberd": "#b3261e"}
_DASHES = {"bookworm": "", "trixie": "6 4"}
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 360, 260, 64, 40, 96


def svg(rows: Iterable[dict[str, Any]]) -> str:
    """Two diagrams with logarithmic axes; both releases of Debian, one of them dashed."""
    whole = [row for row in rows if row["registered"] == row["count"]]
    width, height = 2 * (_LEFT + _WIDTH) + _GAP, _TOP + _HEIGHT + 110
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *_diagram("µs of CPU for each pair that arrives", _LEFT, _lines(whole, _pair_cost)),
            *_diagram("peak RSS, MiB", 2 * _LEFT + _WIDTH + _GAP // 2, _lines(whole, _peak)),
            *_legend(),
            "</svg>\n",
        )
    )


def _pair_cost(row: dict[str, Any]) -> float | None:
    phase = finished(row, "arrive")
    return phase["cpu_seconds"] / (row["count"] * (row["count"] - 1)) * 1e6 if phase else None


def _peak(row: dict[str, Any]) -> float | None:
    return row["peak_mib"] if finished(row, "arrive") else None


def _lines(
    rows: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float | None]
) -> dict[tuple[str, str], list[Point]]:
    lines: dict[tuple[str, str], list[Point]] = {}
    for row in sorted(rows, key=lambda row: row["count"]):
        found = value(row)
        if found:
            lines.setdefault((row["contender"], row["suite"]), []).append((row["count"], found))
    return lines


def _diagram(title: str, left: int, lines: dict[tuple[str, str], list[Point]]) -> list[str]:
    points = [point for line in lines.values() for point in line]
    if not points:
        return []
    across = _axis([x for x, _ in points], left, left + _WIDTH)
    up = _axis([y for _, y in points], _TOP + _HEIGHT, _TOP)
    parts = [f'<text x="{left}" y="{_TOP - 16}" font-weight="bold">{escape(title)}</text>']
    for count in sorted({x for x, _ in points}):
        parts.append(_rule(across(count), _TOP, across(count), _TOP + _HEIGHT))
        parts.append(f'<text x="{across(count):.1f}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{count}</text>')
    for value in _ticks(min(y for _, y in points), max(y for _, y in points)):
        parts.append(_rule(left, up(value), left + _WIDTH, up(value)))
        parts.append(f'<text x="{left - 8}" y="{up(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    for (name, suite), line in lines.items():
        drawn = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line)
        style = f'stroke="{_COLOURS[name]}" stroke-width="2" stroke-dasharray="{_DASHES.get(suite, "")}"'
        parts.append(f'<polyline points="{drawn}" fill="none" {style}/>')
        parts += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" fill="{_COLOURS[name]}"/>' for x, y in line]
    parts.append(
        f'<text x="{left + _WIDTH / 2}" y="{_TOP + _HEIGHT + 38}" text-anchor="middle">laptops online</text>'
    )
    return parts


def _axis(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    low, high = math.log(min(values) * 0.8), math.log(max(values) * 1.25)
    return lambda value: start + (math.log(value) - low) / (high - low) * (end - start)


def _ticks(low: float, high: float) -> list[float]:
    steps = [digit * 10.0**power for power in range(-2, 7) for digit in (1, 2, 5)]
    return [step for step in steps if low * 0.8 <= step <= high * 1.25]


def _rule(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="#ddd"/>'


def _legend() -> list[str]:
    parts, y = [], _TOP + _HEIGHT + 70
    for number, (name, title) in enumerate(TITLES.items()):
        x = _LEFT + number * 190
        parts.append(f'<rect x="{x}" y="{y - 10}" width="14" height="10" fill="{_COLOURS[name]}"/>')
        parts.append(f'<text x="{x + 20}" y="{y}">{escape(title)}</text>')
    parts.append(f'<text x="{_LEFT}" y="{y + 22}">solid: bookworm, dashed: trixie</text>')
    return parts
