"""Programs that see another date than the machine's."""

from __future__ import annotations

from pathlib import Path


def at(moment: str) -> list[str]:
    """What to put before a program, so that its clock begins at MOMENT, as 2026-01-01 00:00:00, and goes on.

    Without the wrapper `faketime`, whose semaphores are named by process and outlive those that are killed: sooner or
    later another one of the same number cannot start.
    """
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return ["env", f"LD_PRELOAD={library}", f"FAKETIME=@{moment}"]
