# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots as SVG inside a page: small, without script or style, readable by a screen reader through their title.

They draw in the page's own text colour, so that they are seen on a dark page as well. Across, places are in per cent
of the page's width, and everything else is in pixels: on a telephone the columns get narrower, and no text smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_HEIGHT, _ABOVE, _BELOW = 160, 24, 24
_ROW, _NAME_HEIGHT, _BAR_HEIGHT = 44, 20, 14
_LONGEST_BAR = 80
"""Per cent: the number has its place beside it."""


def bars(title: str, labels: Sequence[str], values: Sequence[float]) -> str:
    """Columns over a row of labels, of which the first and the last are written."""
    top = max(values, default=0)
    step = 100 / max(len(values), 1)
    base = _HEIGHT - _BELOW
    drawn = []
    for number, value in enumerate(values):
        height = (base - _ABOVE) * value / top if top else 0
        drawn.append(
            f'<rect x="{number * step:.2f}%" y="{base - height:.1f}" width="{step * 0.8:.2f}%" height="{height:.1f}">'
            f"<title>{escape(labels[number])}: {_number(value)}</title></rect>"
        )
    ends = "".join(
        f'<text x="{x}" y="{base + 18}" text-anchor="{anchor}">{escape(label)}</text>'
        for x, anchor, label in (("0", "start", labels[0]), ("100%", "end", labels[-1]))
    )
    scale = f'<text x="0" y="{_ABOVE - 8}">{_number(top)}</text>'
    line = f'<line x1="0" y1="{base}" x2="100%" y2="{base}" stroke="currentColor"/>'
    return _svg(title, _HEIGHT, "".join(drawn) + line + ends + scale)


def rows(title: str, pairs: Sequence[tuple[str, float]]) -> str:
    """One bar below the other, each below its name and with its value."""
    top = max((value for _, value in pairs), default=0)
    drawn = []
    for number, (name, value) in enumerate(pairs):
        y = number * _ROW
        width = _LONGEST_BAR * value / top if top else 0
        drawn.append(
            f'<text x="0" y="{y + 16}">{escape(_short(name))}</text>'
            f'<rect x="0" y="{y + _NAME_HEIGHT}" width="{width:.2f}%" height="{_BAR_HEIGHT}"/>'
            f'<text x="{width:.2f}%" dx="6" y="{y + _NAME_HEIGHT + 12}">{_number(value)}</text>'
        )
    return _svg(title, max(len(pairs), 1) * _ROW, "".join(drawn))


def _svg(title: str, height: int, inside: str) -> str:
    name = escape(title)
    return (
        f'<svg role="img" aria-label="{name}" width="100%" height="{height}" fill="currentColor" '
        f'font-size="14" direction="ltr"><title>{name}</title>{inside}</svg>'
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _short(name: str) -> str:
    return name if len(name) <= 32 else f"…{name[-31:]}"
