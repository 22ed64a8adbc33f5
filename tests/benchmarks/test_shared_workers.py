"""Workers that share a store, one of which is killed, do a sweep as one that nothing disturbs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from llmopt.testing.temporary_postgres import missing_postgres

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "workers.py"


@pytest.mark.skipif(bool(missing_postgres()), reason=missing_postgres() or "-")
def test_nothing_is_lost_or_overspent_when_a_worker_is_killed() -> None:
    line = [sys.executable, str(SCRIPT), "--workers", "2", "--kills", "1"]
    done = subprocess.run(
        [*line, "--repeats", "1", "--capped", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all held\n")
