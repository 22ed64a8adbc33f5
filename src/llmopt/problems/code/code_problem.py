"""A program as the solution: made faster, smaller or better, and still right."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from llmopt.core.problem import Conclusion, Description, Exemplar, Refusal, SplitName
from llmopt.core.text import leaked_marker, mark_names
from llmopt.core.values import Item, Outcome, canonical, digest
from llmopt.errors import ConfigError, DataError, UnknownNameError
from llmopt.problems.code.bench import Anchor, Bench, CodeAim, Examined
from llmopt.problems.code.changeable import Changeable, changeable
from llmopt.problems.code.code_tests import CodeTest, dealt, distinct, read_tests
from llmopt.problems.code.conclusions import Circumstances, concluded_of
from llmopt.problems.code.installed import foreign_imports
from llmopt.problems.code.output_comparison import Compare, check_compare
from llmopt.problems.code.sandbox import RunLimits, SandboxName, interpreter
from llmopt.problems.code.supervised import supervised
from llmopt.problems.code.timing import WORTH
from llmopt.problems.code.written_inputs import InputRequest, written_inputs
from llmopt.problems.function_workers import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from llmopt.core.model import Model
    from llmopt.core.values import Evaluation

_PASSES = "passes"
_INPUT = 400  # characters of an input that the journal keeps
_AIMS = {
    "time": ("speed-up", "Make it run faster."),
    "memory": ("memory saving", "Make it use less memory."),
    "score": ("improvement", "Make its results better."),
}
_REQUEST = "It must give exactly the same results for every valid input."


@dataclass(frozen=True)
class CodeProblem:
    """Find a program that does the same as a given one, and is faster, smaller or better.

    Every score is a ratio to the given program: 2.0 is twice as fast, half the memory, or twice
    the score. A program that fails a test of a split has no ratio there: its score is minus the
    share of tests that it fails, so that it ranks behind every right one.

    Generated programs run in a sandbox, see :mod:`llmopt.problems.code.sandbox`. The given program
    runs there too, before the search: it has to pass its tests, and where a test has no expected
    output, what the program says is expected.

    Attributes:
        program: The program's text, in Python.
        tests: Its tests; see :func:`~llmopt.problems.code.code_tests.read_tests`.
        task: What the program does, for the optimizer LLM; empty: the code says it.
        goal: ``time``: processor time; ``memory``: the most memory; ``score``: a number, see
            `score`.
        change: ``program``: everything; ``region``: what is between the lines
            ``# llmopt: begin`` and ``# llmopt: end``; or the name of a function.
        function: The function that tests of arguments call; empty: that of `change`.
        compare: How outputs are compared, see
            :func:`~llmopt.problems.code.output_comparison.agrees`.
        check: Input and output -> True, or what is wrong: for programs with many right answers.
            It is a function of the user's and runs outside the sandbox.
        score: Input and output -> a score above 0, for the goal ``score``; it runs outside, too.
            None: the last number that the program writes. ValueError: the output is not valid.
        minimize: Whether lower scores are better.
        sandbox: ``auto``: the strongest one that works here; or one by its name; ``none``: the
            programs run with the user's own rights.
        limits: What one execution may use.
        inputs: How many more tests the optimizer LLM writes inputs for, before the search; see
            :mod:`llmopt.problems.code.written_inputs`. Their expected outputs are what the program
            says.
        name: Name of the program's file without ``.py``; tests import it by that.

    Raises:
        ConfigError: The program cannot be changed so, does not pass its tests, or there is no
            sandbox.
        DataError: No test is left that the program answers.
    """

    program: str
    tests: Sequence[CodeTest]
    task: str = ""
    goal: CodeAim = "time"
    change: str = "program"
    function: str = ""
    compare: Compare = "lines"
    check: Callable[[str, str], bool | str] | None = None
    score: Callable[[str, str], float] | None = None
    minimize: bool = False
    sandbox: SandboxName = "auto"
    limits: RunLimits = field(default_factory=RunLimits)
    name: str = "program"
    inputs: int = 0
    written: tuple[CodeTest, ...] = field(default=(), init=False)
    unused: Mapping[str, str] = field(default_factory=dict, init=False)
    scorer: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.goal not in get_args(CodeAim):
            raise UnknownNameError("an aim", self.goal, get_args(CodeAim))
        check_compare(self.compare)
        if self.score and self.goal != "score":
            raise ConfigError(f'a score goes with goal = "score", but got the aim {self.goal!r}')
        if not self.name.isidentifier():
            raise ConfigError(f"the file of a program has a Python name, but got {self.name!r}")
        _ = self._changeable
        if not self._called and any(test.kind == "call" for test in self.tests):
            raise ConfigError("tests with arguments call a function; set function to its name")
        if self.inputs < 0:
            raise ConfigError(f"inputs to be written are 0 or more, but got {self.inputs}")
        if self.inputs and all(test.kind == "check" for test in self.tests):
            raise ConfigError(
                "inputs are written for programs that read their input, or for functions with "
                "arguments, but all tests here are test functions; set inputs = 0"
            )
        if not self.anchors:
            reasons = "; ".join(f"{name}: {why}" for name, why in self.dropped.items())
            raise DataError(f"a program has tests that it answers, but none is left ({reasons})")

    def __repr__(self) -> str:
        """Return a short summary."""
        return f"{type(self).__name__}({self.name}.py, {self.goal}, {len(self.anchors)} tests)"

    @property
    def measured_anew(self) -> bool:
        """Whether a score is a measurement, which is another one each time."""
        return self.goal != "score"

    @classmethod
    def from_files(cls, program: str | Path, tests: str | Path, **options: Any) -> CodeProblem:
        """Return the problem of a program in a file with tests in a folder.

        Args:
            program: A Python file.
            tests: A folder, see :func:`~llmopt.problems.code.code_tests.read_tests`.
            options: The other attributes.

        Raises:
            InputError: See the class; or a file cannot be read.
        """
        path = Path(program)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"a program is a readable UTF-8 file, but got {path}: {error}"
            ) from error
        name = path.stem if path.stem.isidentifier() else "program"
        return cls(text, read_tests(Path(tests)), **{"name": name, **options})

    # -- what is known of the original -------------------------------------------------------

    @cached_property
    def _changeable(self) -> Changeable:
        return changeable(self.program, self.change)

    @property
    def _called(self) -> str:
        return self.function or self._changeable.function

    @cached_property
    def bench(self) -> Bench:
        """What runs and measures programs, in the sandbox."""
        python = interpreter(packages=foreign_imports(self.program))
        return Bench(
            self._changeable.text,
            self.name,
            self._called,
            self.compare,
            self.goal,
            self.limits,
            supervised(self.sandbox, python),
            self.check,
            self.score,
            self.minimize,
        )

    @cached_property
    def _anchored(self) -> dict[str, Anchor | str]:
        tests = distinct([*self.tests, *self.written])
        return {test.name: self.bench.anchor(test) for test in tests}

    @cached_property
    def anchors(self) -> dict[str, Anchor]:
        """The tests that the program answers, by name, with its answers."""
        return {name: one for name, one in self._anchored.items() if isinstance(one, Anchor)}

    @cached_property
    def dropped(self) -> dict[str, str]:
        """Why other tests are left out, by name."""
        found = {name: why for name, why in self._anchored.items() if isinstance(why, str)}
        return {**found, **self.unused}

    @cached_property
    def _splits(self) -> dict[SplitName, tuple[Anchor, ...]]:
        names = {test.name for test in self.written}
        tests = [anchor.test for anchor in self.anchors.values()]
        own = [test for test in tests if test.name not in names]
        written = [test for test in tests if test.name in names]
        split_of = dealt(own) | dealt(written, cyclic=all(test.split is None for test in own))
        return {
            split: tuple(a for name, a in self.anchors.items() if split_of[name] == split)
            for split in get_args(SplitName)
        }

    @cached_property
    def _items(self) -> dict[SplitName, tuple[Item, ...]]:
        return {
            split: tuple(_item(anchor) for anchor in anchors)
            for split, anchors in self._splits.items()
        }

    @cached_property
    def _split_of(self) -> dict[str, SplitName]:
        return {item.id: split for split, items in self._items.items() for item in items}

    # -- the protocol of a problem -----------------------------------------------------------

    @property
    def description(self) -> Description:
        """How the problem presents itself to an optimizer LLM."""
        measure, aim = _AIMS[self.goal]
        what = f" {self.task.strip()}" if self.task.strip() else ""
        kept = _REQUEST if self.goal != "score" else "Its output must stay valid for every input."
        part = {
            "program": "",
            "region": " Only what is between the marked lines may change.",
        }.get(self.change, f" Only the function {self.change} may change.")
        size = len(self.program)
        return Description(
            task=f"Improve a Python program.{what} {aim} {kept}{part}",
            noun="program",
            measure=measure,
            unit="value",
            decimals=2,
            layout="code",
            tokens=max(512, size),
            marks=mark_names(self.program + self.task),
        )

    @property
    def fingerprint(self) -> dict[str, str]:
        """Everything that affects scores, by name."""
        tests = [[t.name, t.kind, t.given, t.expected, t.split, t.source] for t in self.tests]
        return {
            "problem": "code",
            "program": digest(self._changeable.text),
            "tests": digest(canonical(tests)),
            "task": self.task,
            "aim": self.goal,
            "change": self.change,
            "function": self._called,
            "compare": self.compare,
            "check": _named(self.check),
            "score": _named(self.score),
            "minimize": str(self.minimize),
            "limits": canonical(vars(self.limits)),
            **({"inputs": str(self.inputs)} if self.inputs else {}),
        }

    @property
    def starts(self) -> tuple[str, ...]:
        """The given program."""
        return (self._changeable.text,)

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return the tests of a split."""
        return self._items[split]

    def parse(self, text: str) -> str | Refusal:
        """Return the program that a text proposes; edits are made to the given program."""
        return self.edited(text, "")

    def edited(self, text: str, base: str) -> str | Refusal:
        """Return the program that a text proposes.

        Args:
            text: A program, the part of it that may change, or edits.
            base: The program that edits are made to; empty: the given one.
        """
        marker = leaked_marker(text, mark_names(self.program + self.task))
        return Refusal(f"leaked marker {marker}") if marker else self._changeable.parse(text, base)

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return a test: its input, and that the program has to pass it."""
        return Exemplar(item.input, f"{placeholder}\n{item.input}", item.target)

    def show(self, score: float, buckets: int) -> str:
        """Return a ratio to the original, or below 0 the share of tests that fail."""
        del buckets
        return f"{score + 0.0:.2f}"

    def scale(self, buckets: int) -> str:
        """Return an empty text: ratios have no range."""
        del buckets
        return ""

    def aim(self, best: float, buckets: int) -> str:
        """Return a ratio that is better than the best by a tenth, and at least 1.1."""
        return self.show(max(1.1 * best, WORTH), buckets)

    def recorded(self) -> dict[str, Any]:
        """Return where programs ran, and what became of the tests."""
        return {
            "kind": "code",
            "sandbox": self.bench.runner.level,
            "aim": self.goal,
            "tests": {split: len(items) for split, items in self._items.items()},
            "written": len(self.written),
            "dropped": self.dropped,
        }

    @property
    def _wanted(self) -> InputRequest:
        called = any(test.kind == "call" for test in self.tests)
        function = self._called if called else ""
        return InputRequest(self._changeable.text, self.task, function, self.tests, self.inputs)

    def calls_first(self) -> int:
        """Return how many calls for inputs are made at most."""
        return self._wanted.calls

    async def asked_first(self, model: Model) -> dict[str, Any]:
        """Ask for inputs; return those that the program answers in half of its limits."""
        half = {"wall": self.limits.wall / 2, "cpu": self.limits.cpu / 2}
        limits = RunLimits(**{**vars(self.limits), **half})

        async def why_not(test: CodeTest) -> str:
            try:
                found = await in_thread(lambda _: self.bench.anchor(test, limits), test.given)
            except ConfigError:  # it has no score
                return "the program's own output is not right"
            return found if isinstance(found, str) else ""

        tests, dropped = await written_inputs(model, self._wanted, why_not)
        return {"tests": [[t.name, t.kind, t.given] for t in tests], "dropped": dropped}

    def completed(self, found: Mapping[str, Any]) -> CodeProblem:
        """Return the problem with the tests that :meth:`asked_first` has found."""
        made = copy(self)  # with what is known of the user's tests
        for name in ("_anchored", "anchors", "dropped", "_splits", "_items", "_split_of"):
            vars(made).pop(name, None)
        tests = tuple(CodeTest(*test) for test in found["tests"])
        bench = replace(self.bench, _known={})  # splits have other tests now
        vars(made).update(written=tests, unused=dict(found["dropped"]), bench=bench)
        return made

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Run a program on the tests of the item's split, once; return what it did on this one."""
        del scorer
        split = self._split_of[item.id]
        found = await in_thread(
            lambda text: self.bench.examined(text, split, self._splits[split]), text
        )
        return _outcome(item, found)

    def fits(self, evaluation: Evaluation) -> bool:
        """Return whether no test failed."""
        return all(one.score is None or one.score >= 0 for one in evaluation.outcomes)

    def conclusion(self, text: str, level: float) -> Conclusion | None:
        """Return what the held-out tests say of a program that was measured on them."""
        found = self.bench.known(text, "test")
        if found is None or text == self._changeable.text:
            return None
        anchors = self._splits["test"]
        start_up = self.bench.start_up / max(anchor.cpu for anchor in anchors)
        level_of = self.bench.runner.level
        where = Circumstances(level_of, self.dropped, start_up, len(self.written))
        return concluded_of(found, self.goal, where, level)


def _item(anchor: Anchor) -> Item:
    """Return a test as an item; a long input is named by its beginning and its hash."""
    given = anchor.test.given if anchor.test.kind != "check" else anchor.test.name
    if len(given) > _INPUT:
        given = f"{given[:_INPUT]}… ({len(given):,} characters, {digest(given)[:12]})"
    return Item(anchor.test.name, given, _PASSES)


def _outcome(item: Item, found: Examined) -> Outcome:
    """Return what a program did on one test.

    Where it fails another test of the split, a test that it passes counts 0, so that the mean is
    minus the share that fails.
    """
    run = found.runs[item.id]
    if not run.passed:
        return Outcome(item.id, -1.0, "fails", item.weight, feedback=run.feedback)
    ratio = found.ratios.get(item.id)
    if ratio is None:
        return Outcome(item.id, 0.0, _PASSES, item.weight)
    pairs = found.pairs.get(item.id)
    timed = f", {len(pairs.ratios)} pairs" if pairs else ""
    return Outcome(item.id, ratio, f"{_PASSES}: {ratio:.2f}{timed}", item.weight)


def _named(function: Callable[..., object] | None) -> str:
    if function is None:
        return ""
    return str(getattr(function, "__qualname__", type(function).__name__))
