"""How often the timing of programs is right: identical programs, and one that is 1.2 x as fast.

    python benchmarks/timing.py --tries 200 --load 2

Each try times two programs as the verdict of a run does, in the sandbox that works here, while
`--load` other processes keep the processors busy. It prints how often each word was said, with a
95 % interval, and ends with 1 where a bar is missed: identical programs are called faster (or
slower) in at most 5 % of the tries, and a program that is 1.2 x as fast in at least 90 %.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmopt.problems.code.bench import Bench
from llmopt.problems.code.cores import quietest_core
from llmopt.problems.code.sandbox import RunLimits, interpreter
from llmopt.problems.code.supervised import supervised
from llmopt.problems.code.timing import FINAL, SpeedUp, speed_up, timed
from llmopt.statistics import wilson

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOP = "total = 0\nfor number in range({}):\n    total += number * number % 7\nprint(total)\n"
_SAME = "identical"
_FALSE, _TRUE = 0.05, 0.90


@contextmanager
def loaded(processes: int) -> Iterator[None]:
    """Keep so many processors busy."""
    burners = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


class Timer:
    """Times programs in the sandbox that works here."""

    def __init__(self) -> None:
        self.limits = RunLimits(wall=60.0, cpu=30.0)
        self.runner = supervised("auto", interpreter(packages=False))
        self.core = quietest_core()
        self.bench = Bench("", "p", "", "lines", "time", self.limits, self.runner)

    def seconds(self, program: str) -> float:
        """Return the processor time of one run."""
        files = {"p.py": program}
        return self.runner.run("p.py", files, b"", self.limits, core=self.core).cpu

    def of(self, first: str, second: str) -> SpeedUp:
        """Return how many times as fast as the first program the second is."""
        pairs = timed(lambda: self.seconds(first), lambda: self.seconds(second), FINAL)
        return speed_up([pairs], FINAL)

    def loops(self, seconds: float) -> int:
        """Return how many turns of the loop take so long, Python's own start included."""
        most = 2_000_000
        each = (
            min(self.seconds(_LOOP.format(most)) for _ in range(5)) - self.bench.start_up
        ) / most
        return round((seconds - self.bench.start_up) / each)


def tried(timer: Timer, given: argparse.Namespace) -> dict[str, list[SpeedUp]]:
    """Return the results of all tries, those of the two kinds in turn."""
    base, slow = timer.loops(given.seconds), timer.loops(given.ratio * given.seconds)
    first = {_SAME: base, f"{given.ratio:g} x as fast": slow}
    found: dict[str, list[SpeedUp]] = {name: [] for name in first}
    end = time.monotonic() + 60 * given.minutes
    with loaded(given.load):
        for _ in range(given.tries):
            for name, loops in first.items():
                found[name].append(timer.of(_LOOP.format(loops), _LOOP.format(base)))
            if time.monotonic() > end:
                break
    return found


def main() -> int:
    """Print the counts; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0, help="no further try after them")
    parser.add_argument("--load", type=int, default=2, help="other busy processes")
    parser.add_argument("--seconds", type=float, default=0.06, help="processor time of a program")
    parser.add_argument("--ratio", type=float, default=1.2)
    given = parser.parse_args()
    timer = Timer()
    failed = False
    for name, results in tried(timer, given).items():
        tries = len(results)
        words = Counter(result.word for result in results)
        wrong = tries - words["not distinguishable"]
        hits = wrong if name == _SAME else words["faster"]
        failed |= hits / tries > _FALSE if name == _SAME else hits / tries < _TRUE
        share = wilson(hits, tries)
        ratios = sorted(result.ratio for result in results)
        print(
            f"{name}: {dict(words)}; {'called different' if name == _SAME else 'found'} in "
            f"{hits / tries:.1%} of {tries} tries [{share.low:.1%}, {share.high:.1%}]; ratios "
            f"{ratios[0]:.3f} to {ratios[-1]:.3f}, median {ratios[tries // 2]:.3f}; "
            f"{sum(result.pairs for result in results) / tries:.1f} pairs a try"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
