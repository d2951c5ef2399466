# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots as SVG inside a page: small, without script or style, readable by a screen reader through their title.

They draw in the page's own text colour, so that they are seen on a dark page as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT, _MARGIN = 600, 160, 34
_ROW, _NAME_WIDTH = 26, 250


def bars(title: str, labels: Sequence[str], values: Sequence[float]) -> str:
    """Columns over a row of labels, of which the first and the last are written."""
    top = max(values, default=0)
    step = (_WIDTH - 2 * _MARGIN) / max(len(values), 1)
    drawn = []
    for number, value in enumerate(values):
        height = (_HEIGHT - 2 * _MARGIN) * value / top if top else 0
        x, y = _MARGIN + number * step, _HEIGHT - _MARGIN - height
        drawn.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{step * 0.8:.1f}" height="{height:.1f}">'
            f"<title>{escape(labels[number])}: {_number(value)}</title></rect>"
        )
    base = _HEIGHT - _MARGIN
    ends = "".join(
        f'<text x="{x}" y="{base + 18}" text-anchor="{anchor}">{escape(label)}</text>'
        for x, anchor, label in ((_MARGIN, "start", labels[0]), (_WIDTH - _MARGIN, "end", labels[-1]))
    )
    scale = f'<text x="{_MARGIN}" y="{_MARGIN - 10}">{_number(top)}</text>'
    line = f'<path d="M{_MARGIN} {base}H{_WIDTH - _MARGIN}" stroke="currentColor"/>'
    return _svg(title, _HEIGHT, "".join(drawn) + line + ends + scale)


def rows(title: str, pairs: Sequence[tuple[str, float]]) -> str:
    """One bar below the other, each with its name and its value."""
    top = max((value for _, value in pairs), default=0)
    drawn = []
    for number, (name, value) in enumerate(pairs):
        y = number * _ROW
        width = (_WIDTH - _NAME_WIDTH - 70) * value / top if top else 0
        drawn.append(
            f'<text x="{_NAME_WIDTH - 8}" y="{y + 17}" text-anchor="end">{escape(_short(name))}</text>'
            f'<rect x="{_NAME_WIDTH}" y="{y + 4}" width="{width:.1f}" height="{_ROW - 8}"/>'
            f'<text x="{_NAME_WIDTH + width + 8:.1f}" y="{y + 17}">{_number(value)}</text>'
        )
    return _svg(title, max(len(pairs), 1) * _ROW, "".join(drawn))


def _svg(title: str, height: int, inside: str) -> str:
    name = escape(title)
    return (
        f'<svg role="img" aria-label="{name}" viewBox="0 0 {_WIDTH} {height}" width="100%" fill="currentColor" '
        f'font-size="13" direction="ltr"><title>{name}</title>{inside}</svg>'
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _short(name: str) -> str:
    return name if len(name) <= 32 else f"…{name[-31:]}"
