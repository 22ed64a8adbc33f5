"""Instructions are counted where the system lets them be, and refused with a reason elsewhere."""

from __future__ import annotations

import pytest

from llmopt.problems.code import bench
from llmopt.problems.code.conclusions import Circumstances, concluded_of
from llmopt.problems.code.instruction_counts import uncountable
from llmopt.problems.code.sandbox import RunLimits, interpreter
from llmopt.problems.code.supervised import Supervised
from llmopt.problems.code.timing import FINAL, Pairs, speed_up

LIMITS = RunLimits(wall=20.0, cpu=10.0)
CLOCK = (1, 1)  # nanoseconds of processor time: an event that virtual machines count, too
NO_EVENT = (1, 99)
FORKS = "import os\nif os.fork():\n    os.wait()\nfor i in range(3_000_000):\n    pass\n"


def test_what_a_program_starts_is_counted_too() -> None:
    if why := uncountable(CLOCK):
        pytest.skip(f"needs a system whose events can be counted: {why}")
    held = Supervised("none", interpreter(packages=False), CLOCK)
    ran = held.run("p.py", {"p.py": FORKS}, b"", LIMITS)
    assert ran.instructions is not None
    assert 0.6 * ran.cpu < ran.instructions / 1e9 < 1.4 * ran.cpu + 0.05


def test_a_program_runs_where_nothing_is_counted() -> None:
    held = Supervised("none", interpreter(packages=False), NO_EVENT)
    ran = held.run("p.py", {"p.py": "print(1)"}, b"", LIMITS)
    assert (ran.code, ran.output, ran.instructions) == (0, b"1\n", None)
    assert "no counter that can be read" in uncountable(NO_EVENT)


@pytest.mark.parametrize(("counted", "said"), [(4.0, "25% of the original's"), (None, "")])
def test_the_verdict_says_instructions_beside_the_time(counted: float | None, said: str) -> None:
    pairs = Pairs((2.0,) * 7, (1.0,) * 7)
    runs = {"a": bench.TestRun(passed=True)}
    found = bench.Examined(runs, {"a": 2.0}, {"a": pairs}, speed_up([pairs], FINAL), counted)
    conclusion = concluded_of(found, "time", Circumstances("none", {}, 0.0), 0.95)
    assert conclusion is not None
    assert said in conclusion.sentence
    assert ("instructions" in conclusion.sentence) == bool(said)
    assert conclusion.data["instructions"] == counted
