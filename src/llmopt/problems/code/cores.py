"""The processor core on which programs are timed: the one that does least at the moment."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_MOMENT = 0.1  # seconds that the cores are watched
_IDLE = (3, 4)  # columns of /proc/stat: idle, and waiting for a disk


def quietest_core() -> int | None:
    """Return the number of a core that this process may use; None: the system names none."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    if allowed is None:
        return None
    cores: set[int] = allowed(0)
    before = _idle()
    time.sleep(_MOMENT)
    after = _idle()
    return max(cores, key=lambda core: (after.get(core, 0) - before.get(core, 0), core))


def _idle() -> dict[int, int]:
    """Return how long each core has been idle so far, in ticks of the kernel."""
    found: dict[int, int] = {}
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/stat").read_text("ascii").splitlines():
            name, *ticks = line.split()
            if name.startswith("cpu") and name != "cpu":
                found[int(name[3:])] = sum(int(ticks[column]) for column in _IDLE)
    return found
