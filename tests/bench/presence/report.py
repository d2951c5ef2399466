"""The table: a line for each server and size, with what it cost and how it compares with ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .contenders import CONTENDERS

TITLES = {contender.name: contender.title for contender in CONTENDERS}
_HEAD = (
    "server",
    "arrive CPU",
    "× ours",
    "µs a pair",
    "all rejoin CPU",
    "introduce CPU",
    "lesson CPU",
    "p50 / p99",
    "all reconnect CPU",
    "all back after",
    "idle CPU",
    "RSS at start",
    "peak RSS",
    "bytes a pair",
    "all see all after",
    "said twice",
    "wrong",
)
_WRONG = ("arrive", "rejoin", "introduce", "lesson", "reconnect", "leave")


def markdown(rows: Iterable[dict[str, Any]]) -> str:
    """A table for each release and size."""
    found = {(row["suite"], row["registered"], row["count"], row["contender"]): row for row in rows}
    text = []
    sizes = sorted({key[:3] for key in found}, key=lambda size: (size[0], size[1] != size[2], size[2]))
    for suite, registered, count in sizes:
        title = f"{count} laptops" if registered == count else f"{count} of {registered} registered laptops"
        text += [f"### {suite}, {title}", "", _line(_HEAD), _line(["---"] + ["---:"] * (len(_HEAD) - 1))]
        ours = found.get((suite, registered, count, "ours"))
        for name, server in TITLES.items():
            row = found.get((suite, registered, count, name))
            text.append(_line(_cells(row, ours) if row else [server, "not tried"] + [""] * (len(_HEAD) - 2)))
        text.append("")
    return "\n".join(text)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cells(row: dict[str, Any], ours: dict[str, Any] | None) -> list[str]:
    phases, pairs = row["phases"], row["count"] * (row["count"] - 1)
    arrive, introduce = finished(row, "arrive"), finished(row, "introduce")
    waits = finished(row, "lesson") and phases["lesson"]["waits"]
    complete = arrive and introduce
    sent = sum(phases[name]["received_bytes"] for name in ("arrive", "introduce")) if complete else 0
    idle, back = finished(row, "idle"), finished(row, "reconnect")
    return [
        TITLES[row["contender"]],
        _cpu(row, "arrive"),
        _ratio(row, ours),
        f"{arrive['cpu_seconds'] / pairs * 1e6:.1f}" if arrive else "",
        _cpu(row, "rejoin"),
        _cpu(row, "introduce"),
        _cpu(row, "lesson"),
        f"{waits[0] * 1000:.0f} / {waits[1] * 1000:.0f} ms" if waits else "",
        _cpu(row, "reconnect"),
        f"{back['seconds']:.1f} s" if back else "",
        f"{idle['cpu_seconds'] / idle['seconds'] * 100:.1f} %" if idle else "",
        f"{row['start_mib']:.0f} MiB",
        f"{row['peak_mib']:.0f} MiB",
        f"{sent / pairs:,.0f}" if complete else "",
        f"{arrive['seconds'] + introduce['seconds']:.1f} s" if complete else "",
        f"{sum(phase['twice'] for name in _WRONG if (phase := finished(row, name))):,}",
        wrong(row),
    ]


def finished(row: dict[str, Any], name: str) -> dict[str, Any] | None:
    """A phase that came to its end, if it did."""
    phase: dict[str, Any] | None = row["phases"].get(name)
    return phase if phase is not None and phase["end"] != "unfinished" else None


def _cpu(row: dict[str, Any], name: str) -> str:
    phase = row["phases"].get(name)
    if phase is None:
        return ""
    if phase["end"] == "unfinished" and phase.get("failure"):
        return "failed"
    if phase["end"] == "unfinished":
        return f"not within {row['limit_seconds']:.0f} s"
    return f"{phase['cpu_seconds']:.2f} s"


def _ratio(row: dict[str, Any], ours: dict[str, Any] | None) -> str:
    own = ours and finished(ours, "arrive")
    phase = row["phases"].get("arrive")
    if not own or not phase or not own["cpu_seconds"]:
        return ""
    more = "> " if phase["end"] == "unfinished" else ""
    return f"{more}{phase['cpu_seconds'] / own['cpu_seconds']:.1f}"


def wrong(row: dict[str, Any]) -> str:
    """The phases at whose end a laptop did not see exactly the others, in percent of the pairs that should see."""
    pairs = row["count"] * (row["count"] - 1)
    parts = []
    for name in _WRONG:
        phase = finished(row, name)
        if phase is None:
            continue
        faults, due = phase["faults"], pairs // 4 if name == "leave" else pairs
        for kind, label in (("undrawn", "missing"), ("ghosts", "gone but shown")):
            if faults[kind]:
                parts.append(f"{name}: {100 * faults[kind] / due:.2g} % {label}")
        if faults["stale"]:
            parts.append(f"{name}: {faults['stale']:,} old items")
        if phase["lost_messages"]:
            parts.append(f"{name}: {phase['lost_messages']:,} messages lost")
    if not finished(row, "arrive"):
        return ""
    return ", ".join(parts) or "nobody"
