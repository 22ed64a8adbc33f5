"""Runs candidates on tests and measures them: what is right, how fast, how small, how good."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from functools import cached_property
from statistics import geometric_mean, median
from typing import TYPE_CHECKING, Literal

from llmopt.core.text import one_line
from llmopt.errors import ConfigError, MeasureError
from llmopt.problems.code.cores import quietest_core
from llmopt.problems.code.drivers import arranged, passed_word
from llmopt.problems.code.output_comparison import agrees, difference_in_words
from llmopt.problems.code.sandbox import RunLimits
from llmopt.problems.code.timing import (
    FINAL,
    SEARCH,
    LookPlan,
    Pairs,
    SpeedUp,
    speed_up,
    timed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from llmopt.core.problem import SplitName
    from llmopt.problems.code.code_tests import CodeTest
    from llmopt.problems.code.execution import Ran
    from llmopt.problems.code.output_comparison import Compare
    from llmopt.problems.code.supervised import Supervised

CodeAim = Literal["time", "memory", "score"]

_SLOWER = 10.0  # times the original's processor time that a candidate may take
_LEAST = 1.0  # seconds of it that it may take in any case
_TICK = 1e-4  # seconds; the least that is measured
_LATE = 2  # tests on which it was too slow, after which no more are run
_FIRST = 4  # tests from which on the cheap half of them decides whether the others are run
_ENOUGH = 0.5  # share of the cheap half that may fail
_HEAVY = 0.25  # share of the longest test's time from which a test is timed, without Python's start
_WORDS = 400  # characters of a program's messages in a feedback
_LAST_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*\Z")


@dataclass(frozen=True)
class Anchor:
    """A test with what the original program says.

    Attributes:
        test: The test, with the expected output.
        cpu: Seconds of processor time that the original took.
        wall: Seconds that it took.
        memory: Bytes that it had at most.
        score: The score that it got, where scores count; above 0.
    """

    test: CodeTest
    cpu: float
    wall: float
    memory: int
    score: float = 1.0


@dataclass(frozen=True)
class TestRun:
    """What a program did on a test.

    Attributes:
        passed: Whether it was right.
        feedback: What was wrong, with the input, in a few lines; empty where it was right.
        late: Whether it was ended for its time.
        ran: The execution; None: it was not run.
        score: The score that it got, where scores count.
    """

    passed: bool
    feedback: str = ""
    late: bool = False
    ran: Ran | None = None
    score: float = 0.0


@dataclass(frozen=True)
class Examined:
    """What is known of a program on the tests of a split.

    Attributes:
        runs: What it did, by the name of the test.
        ratios: Where all was right: how much better than the original it is on each test.
        pairs: The pairs of runs, by the name of the test, where it was timed.
        speed: What the pairs say together.
        instructions: How many times fewer instructions than the original it executes; None: they
            cannot be counted here.
    """

    runs: Mapping[str, TestRun]
    ratios: Mapping[str, float] = field(default_factory=dict)
    pairs: Mapping[str, Pairs] = field(default_factory=dict)
    speed: SpeedUp | None = None
    instructions: float | None = None

    @property
    def right(self) -> bool:
        """Whether all tests were passed."""
        return all(run.passed for run in self.runs.values())


@dataclass
class Bench:
    """Runs programs of one problem on its tests; each program once for each split.

    Attributes:
        original: The program that all are compared with.
        stem: Name of its file, by which tests import it.
        function: The function that tests of arguments call.
        compare: How outputs are compared.
        aim: What is measured.
        limits: What an execution may use.
        runner: What runs it.
        check: Input and output -> whether the output is right, where several are; None: it is
            compared with the expected one.
        score: Input and output -> a score, for the aim ``score``; None: the last number that the
            program writes.
        minimize: Whether lower scores are better.
    """

    original: str
    stem: str
    function: str
    compare: Compare
    aim: CodeAim
    limits: RunLimits
    runner: Supervised
    check: Callable[[str, str], bool | str] | None = None
    score: Callable[[str, str], float] | None = None
    minimize: bool = False
    _known: dict[tuple[str, str], Examined] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _anchors: dict[CodeTest, Anchor | str] = field(default_factory=dict)

    @cached_property
    def start_up(self) -> float:
        """Seconds of processor time of a program that does nothing: the least of three runs."""
        given = ("empty.py", {"empty.py": ""}, b"", self.limits)
        core = quietest_core()
        return min(self.runner.run(*given, core=core).cpu for _ in range(3))

    def examined(self, text: str, split: SplitName, anchors: Sequence[Anchor]) -> Examined:
        """Return what a program does on the tests of a split; it runs only once.

        Blocks, so call it in a thread.
        """
        with self._lock:
            key = text, split
            if key not in self._known:
                self._known[key] = self._examine(text, anchors, final=split == "test")
            return self._known[key]

    def anchor(self, test: CodeTest, limits: RunLimits | None = None) -> Anchor | str:
        """Return what :func:`anchored` does; the original runs on each test only once."""
        if test not in self._anchors:
            self._anchors[test] = anchored(self, test, limits)
        return self._anchors[test]

    def known(self, text: str, split: SplitName) -> Examined | None:
        """Return what a program did on the tests of a split, if it ran there."""
        return self._known.get((text, split))

    def _examine(self, text: str, anchors: Sequence[Anchor], *, final: bool) -> Examined:
        runs: dict[str, TestRun] = {}
        late = 0
        for anchor in sorted(anchors, key=lambda anchor: anchor.cpu):
            name = anchor.test.name
            why = _hopeless(runs.values(), len(anchors), late)
            if why:
                runs[name] = TestRun(passed=False, feedback=why)
                continue
            runs[name] = self.tried(text, anchor)
            late += runs[name].late
        if anchors and all(run.passed for run in runs.values()):
            first = min(anchors, key=lambda anchor: anchor.cpu)
            again = self.tried(text, first)  # what changes from run to run cannot be trusted
            if not again.passed:
                runs[first.test.name] = again
        found = Examined(runs)
        return self._measured(text, anchors, found, final=final) if found.right else found

    def _measured(
        self, text: str, anchors: Sequence[Anchor], found: Examined, *, final: bool
    ) -> Examined:
        """Add how much better than the original a right program is."""
        if text == self.original:
            return Examined(found.runs, dict.fromkeys(found.runs, 1.0))
        if self.aim == "time":
            return self._timed(text, anchors, found, final=final)
        ratios: dict[str, float] = {}
        for anchor in anchors:
            run = found.runs[anchor.test.name]
            if self.aim == "memory" and run.ran:
                ratios[anchor.test.name] = anchor.memory / max(run.ran.memory, 1)
            elif self.aim == "score":
                ratios[anchor.test.name] = _better(run.score, anchor.score, minimize=self.minimize)
        return Examined(found.runs, ratios)

    def _timed(
        self, text: str, anchors: Sequence[Anchor], found: Examined, *, final: bool
    ) -> Examined:
        """Time a right program in pairs with the original, on the tests that take long."""
        work = {anchor.test.name: anchor.cpu - self.start_up for anchor in anchors}
        most = max(work.values())
        least = min(_HEAVY * most, most)  # below 0 if starting Python was slower this time
        heavy = [anchor for anchor in anchors if work[anchor.test.name] >= least]
        looks = FINAL if final else SEARCH
        core = quietest_core()
        pairs: dict[str, Pairs] = {}
        fewer: list[float | None] = []
        for anchor in heavy:
            name = anchor.test.name
            pairs[name], runs = self._paired(text, anchor, looks, core)
            if wrong := next((run for run in runs[text] if not run.passed), None):
                return Examined({**found.runs, name: wrong})
            if not pairs[name].ratios:
                raise MeasureError(
                    f"an original passes its tests each time, but failed {name} while it was "
                    "timed; raise the limit on its time if the machine is busy"
                )
            fewer.append(_fewer(runs[self.original], runs[text]))
        speed = speed_up([*pairs.values()], looks)
        ratios = {anchor.test.name: speed.ratio for anchor in anchors}
        ratios |= {name: speed_up([one], looks).ratio for name, one in pairs.items()}
        known = [ratio for ratio in fewer if ratio]
        counted = geometric_mean(known) if len(known) == len(fewer) else None
        return Examined(found.runs, ratios, pairs, speed, counted)

    def _paired(
        self, text: str, anchor: Anchor, looks: LookPlan, core: int | None
    ) -> tuple[Pairs, dict[str, list[TestRun]]]:
        """Run a program and the original in pairs; return these, and what each program did."""
        runs: dict[str, list[TestRun]] = {self.original: [], text: []}

        def seconds(program: str) -> float | None:
            run = self.tried(program, anchor, core=core)
            runs[program].append(run)
            return max(run.ran.cpu, _TICK) if run.passed and run.ran else None

        return timed(lambda: seconds(self.original), lambda: seconds(text), looks), runs

    def tried(self, text: str, anchor: Anchor, *, core: int | None = None) -> TestRun:
        """Run a program on a test, once; say whether it is right."""
        cpu = min(self.limits.cpu, max(_LEAST, _SLOWER * anchor.cpu))  # a busy machine adds none
        limits = RunLimits(**{**vars(self.limits), "cpu": cpu})
        ran = self.run(text, anchor.test, limits, core=core)
        return self.judged(ran, anchor.test)

    def run(
        self, text: str, test: CodeTest, limits: RunLimits | None = None, *, core: int | None = None
    ) -> Ran:
        """Run a program on a test."""
        how = arranged(text, self.stem, self.function, test)
        return self.runner.run(how.script, how.files, how.given, limits or self.limits, core=core)

    def judged(self, ran: Ran, test: CodeTest) -> TestRun:
        """Return whether an execution was right, and what was wrong."""
        got = ran.output.decode("utf-8", "replace")
        why, score = "", 0.0
        if ran.stopped or ran.code:
            why = ran.stopped or f"ended with exit code {ran.code}"
        elif test.kind == "check":
            why = "" if got.strip() == passed_word(test) else "ended before the test did"
        elif self.check is not None:
            said = self.check(test.given, got)
            why = "" if said is True else str(said or "is not right")
        elif self.aim != "score" and not self._agrees(test, got):
            why = difference_in_words(test.expected or "", got)
        if not why and self.aim == "score":
            score, why = self._scored(test, got)
        if not why:
            return TestRun(passed=True, ran=ran, score=score)
        return TestRun(
            passed=False,
            feedback=_feedback(test, why, ran),
            late=ran.stopped.startswith("took"),
            ran=ran,
        )

    def _agrees(self, test: CodeTest, got: str) -> bool:
        """Whether an output is the expected one; of a function, what it returns is."""
        if test.expected is None:
            return True
        if test.kind == "call" and "\n" not in test.expected:  # the user's: the result alone
            got = got.partition("\n")[0]
        return agrees(self.compare, test.expected, got)

    def _scored(self, test: CodeTest, got: str) -> tuple[float, str]:
        """Return the score of an output, or why it has none."""
        if self.score is None:
            found = _LAST_NUMBER.search(got)
            return (float(found[0]), "") if found else (0.0, "writes no number at its end")
        try:
            score = float(self.score(test.given, got))
        except (ValueError, TypeError, KeyError, IndexError, ArithmeticError) as error:
            return 0.0, one_line(f"{type(error).__name__}: {error}", _WORDS)
        return (score, "") if score == score else (0.0, "its score is not a number")  # noqa: PLR0124 - NaN


def _hopeless(runs: Collection[TestRun], planned: int, late: int) -> str:
    """Return why a program is not run on further tests, which cost more; empty: it is."""
    if late >= _LATE:
        return f"not run after {late} that were too slow"
    half = planned // 2
    cheap = [*runs][:half]
    failed = sum(not run.passed for run in cheap)
    if planned >= _FIRST and len(cheap) == half and failed > _ENOUGH * half:
        return f"not run after {failed} of {half} cheaper ones failed"
    return ""


def _better(score: float, original: float, *, minimize: bool) -> float:
    """Return how many times as good as the original's a score is; 0 for one of 0 or below."""
    if score <= 0:
        return 0.0
    return original / score if minimize else score / original


def _fewer(original: Collection[TestRun], other: Collection[TestRun]) -> float | None:
    """Return how many times fewer instructions the other program executed; None: not counted."""
    counts = [
        [run.ran.instructions for run in runs if run.passed and run.ran and run.ran.instructions]
        for runs in (original, other)
    ]
    return median(counts[0]) / median(counts[1]) if all(counts) else None


def _feedback(test: CodeTest, why: str, ran: Ran) -> str:
    """Return what an optimizer LLM reads about a test that failed."""
    given = test.given if len(test.given) <= _WORDS else f"{test.given[:_WORDS]}…"
    said = ran.errors.decode("utf-8", "replace").strip()
    parts = [f"test {test.name}: {one_line(why, _WORDS)}", f"input: {given.strip()}"]
    if said:
        parts.append(f"messages: {said[-_WORDS:]}")
    return "\n".join(parts)


def anchored(bench: Bench, test: CodeTest, limits: RunLimits | None = None) -> Anchor | str:
    """Run the original on a test, twice; return the test with its answer, or why it is dropped.

    Args:
        bench: Runs it.
        test: The test.
        limits: What it may use; None: what every program may.

    Raises:
        ConfigError: The original does not give the output that the user expects.
    """
    first, second = (bench.run(bench.original, test, limits) for _ in range(2))
    run = bench.judged(first, test)
    if not run.passed:
        if test.expected is None and test.kind != "check":
            return first.stopped or f"the program rejects it (exit code {first.code})"
        raise ConfigError(f"a program passes its own tests, but got:\n{run.feedback}")
    outputs = [ran.output.decode("utf-8", "replace") for ran in (first, second)]
    if bench.check is None and bench.aim != "score" and not agrees(bench.compare, *outputs):
        return "the program answers differently each time"
    if bench.aim == "score" and run.score <= 0:
        raise ConfigError(
            f"a score is above 0 for the program itself, but got {run.score:g} on test {test.name}"
        )
    expected = outputs[0] if test.kind != "check" else None
    return Anchor(
        type(test)(test.name, test.kind, test.given, expected, test.split, test.source),
        min(first.cpu, second.cpu),
        max(first.wall, second.wall),
        max(first.memory, second.memory),
        run.score or 1.0,
    )
