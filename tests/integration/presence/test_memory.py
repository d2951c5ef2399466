"""What a storm leaves behind is given back when it is over."""

from __future__ import annotations

import re
import time

from .server import Server, running

STORM = "> local kept = {} for i = 1, 150000 do kept[i] = {} end"


def _heap_mib(server: Server) -> float:
    found = re.search(r"Result: ([\d.]+)", server.shell("> return collectgarbage('count')"))
    assert found
    return float(found.group(1)) / 1024


def test_what_is_not_needed_any_more_is_collected_when_nothing_happens() -> None:
    with running("sugar_quiet_seconds = 1") as server:
        server.shell(STORM)
        deadline = time.monotonic() + 20
        while _heap_mib(server) > 5 and time.monotonic() < deadline:
            time.sleep(2)
        assert _heap_mib(server) < 5
