"""Random trials cover what they say, and a few of them hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


def test_a_trial_follows_from_its_number_and_all_kinds_are_drawn(trials: ModuleType) -> None:
    drawn = [trials.drawn(0, number) for number in range(200)]
    assert drawn == [trials.drawn(0, number) for number in range(200)]
    assert drawn[0] != trials.drawn(1, 0)
    assert {one.method for one in drawn} == set(trials.METHODS)
    assert {one.unit for one in drawn} == set(trials.UNITS)
    assert {stop for one in drawn for stop in one.signals} == set(trials.SIGNALS)
    assert {len(one.seeds) for one in drawn} == {1, 2}
    assert {(one.faults, one.lies) for one in drawn} == {
        (faults, lies) for faults in (True, False) for lies in (True, False)
    }


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL to send")
@pytest.mark.parametrize(("number", "unit", "runs"), [(6, "calls", 1), (17, "tokens", 2)])
def test_some_trials_hold(trials: ModuleType, number: int, unit: str, runs: int) -> None:
    """With kills, once amid faults, and once in a store that two runs share."""
    trial = trials.drawn(0, number)
    assert (trial.unit, len(trial.seeds), trial.faults) == (unit, runs, runs == 1)
    assert signal.SIGKILL in trial.signals
    assert not trial.lies
    done = subprocess.run(
        [sys.executable, "benchmarks/trials.py", "--trials", "1", "--first", str(number)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
