"""The protocol of a problem, and what problems may support in addition.

Optional capabilities are protocols with methods only, so ``isinstance`` looks for their names and
never computes anything.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeGuard, runtime_checkable

from llmopt.core.presentation import Presentation
from llmopt.core.solution import SolutionPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

    from llmopt.core.model import Model
    from llmopt.core.presentation import Unit
    from llmopt.core.trace import ProgramTrace
    from llmopt.core.values import Evaluation, Item, Outcome

_BUCKETS = 100  # any number does: asked for only to learn whether scores have a range

SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Description:
    """How a problem is described to an optimizer LLM.

    Attributes:
        task: What the solutions are for, in the user's words; one or two sentences.
        noun: What one solution is called: "instruction", "input".
        where: Where a solution stands in the scorer's prompt ("at the start of the question");
            empty where solutions are not instructions.
        measure: What the score is called: "accuracy", "value".
        higher_is_better: Direction of the *displayed* scores; inside, higher is always better.
        labels: The possible answers, if they are a closed set.
        constraints: The user's constraints on solutions, as clauses ("it has at most 40 words").
        longest: About how many words a solution may have; 0: unknown.
        request: What is asked of the optimizer LLM, in a sentence; empty: the template's own words.
        layout: The folder of templates that suit this kind of problem ("numbers"), within those
            of a wording that has such a folder; empty: the wording's own.
        unit: ``share``: scores are shares of 1, and people are shown per cent; ``value``: any
            numbers. None: shares where :meth:`Problem.scale` says that scores have a range.
        decimals: Digits after the point of displayed scores; None: the default.
        tokens: How many tokens an edit of a starting solution may have, where those are long
            texts, of which edits are wanted; 0: they are short.
        marks: Names of a meta-prompt's tags that stand in the user's own texts, in small letters:
            others are taken to mark solutions.
    """

    task: str
    noun: str = "instruction"
    where: str = ""
    measure: str = "accuracy"
    higher_is_better: bool = True
    labels: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    longest: int = 0
    request: str = ""
    layout: str = ""
    unit: Unit | None = None
    decimals: int | None = None
    tokens: int = 0
    marks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A training example as a meta-prompt shows it.

    Attributes:
        question: The item's input alone.
        input: The scorer's prompt with a placeholder where the instruction goes.
        output: The expected answer.
    """

    question: str
    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a proposed text is not a candidate: a short phrase that can be counted."""

    reason: str


class Problem(Protocol):
    """Anything whose solutions are text and can be scored.

    Problems are immutable and deterministic, so that a run can be resumed.
    """

    @property
    def description(self) -> Description:
        """How the problem presents itself to an optimizer LLM."""
        ...

    @property
    def fingerprint(self) -> dict[str, str]:
        """Everything that affects scores, by name; a run is resumed only if it is unchanged."""
        ...

    @property
    def scorer(self) -> object:
        """The scorer LLM, by name or as a model; None if the problem needs none."""
        ...

    @property
    def starts(self) -> tuple[str, ...]:
        """The starting solutions as canonical texts; at least one, and all different."""
        ...

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return the items of a split; train is never empty, the others may be."""
        ...

    def parse(self, text: str) -> str | Refusal:
        """Turn a proposed text into its canonical form, or refuse it with a reason."""
        ...

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return a training item as a meta-prompt shows it."""
        ...

    def show(self, score: float, buckets: int) -> str:
        """Return a score as a meta-prompt shows it: the one place where scores are rounded.

        Args:
            score: A score as it is inside (higher is better).
            buckets: How many steps the shown range has, where the problem has a range.
        """
        ...

    def scale(self, buckets: int) -> str:
        """Return the highest score shown, or an empty text where scores have no range."""
        ...

    def aim(self, best: float, buckets: int) -> str:
        """Return, as shown, the better score that a continued list asks for next."""
        ...

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Measure a candidate on one item.

        Raises:
            ModelError: The scorer LLM could not answer; never turned into a score here.
        """
        ...


def is_problem(found: object) -> TypeGuard[Problem]:
    """Whether something has the methods of a :class:`Problem`; nothing of it is computed."""
    is_class = isinstance(found, type)  # it makes problems
    return not is_class and all(callable(getattr(found, name, None)) for name in _METHODS)


_METHODS = tuple(name for name, member in vars(Problem).items() if inspect.isfunction(member))


@runtime_checkable
class HasControls(Protocol):
    """A problem that has plain controls: solutions that nobody had to search for."""

    def controls(self) -> Mapping[str, str]:
        """Return the plain controls by name, as canonical texts."""
        ...


@runtime_checkable
class HasVault(Protocol):
    """A problem that may keep items back from every search, for one confirmation of its winner."""

    def vault(self) -> Sequence[Item]:
        """Return these items, which are in no split; they may be empty."""
        ...


@runtime_checkable
class Demanding(Protocol):
    """A problem that not every scorer LLM can measure."""

    def check_scorer(self, scorer: Model) -> None:
        """Refuse a scorer LLM that cannot.

        Raises:
            InputError: It cannot; nothing was paid.
        """
        ...


@runtime_checkable
class Judged(Protocol):
    """A problem that can have its answers judged by a language model."""

    def judged_by(self) -> object:
        """Return the judge LLM, by name or as a model; None where nothing is judged by one."""
        ...

    def calls_each(self) -> int:
        """Return how many calls to all models together one evaluation takes; 1 or more."""
        ...

    def bound(self, judge: Model) -> Problem:
        """Return the same problem with the judge LLM that it asks; it then names it, too."""
        ...


@runtime_checkable
class ExplainsScores(Protocol):
    """A problem in which somebody may say why an answer is worth what it is."""

    async def remarks(self, output: str, item: Item) -> str:
        """Return what was said of a measured output, from the store; empty where nothing was."""
        ...


@runtime_checkable
class HasParts(Protocol):
    """A problem whose solutions may have several named parts; see `llmopt.core.solution`."""

    def parts(self) -> tuple[SolutionPart, ...]:
        """Return the parts in their declared order; at least one, with different names.

        With several, every canonical text is what :func:`~llmopt.core.solution.join_parts` makes
        of the texts of all parts; with one it is that part's text.
        """
        ...


@runtime_checkable
class DescribesParts(Protocol):
    """A problem that can describe each part of its solutions by itself."""

    def describe(self, part: str) -> Description:
        """Return the description of one part, for a method that rewrites it alone.

        Args:
            part: The name of an instruction among :meth:`HasParts.parts`.
        """
        ...


@runtime_checkable
class HasTraces(Protocol):
    """A problem that can tell what happened between an item's input and its answer."""

    async def trace(self, text: str, item: Item, scorer: Model | None) -> ProgramTrace:
        """Return what a measured candidate did on an item.

        It costs nothing where the calls of the measurement are stored, as they are in a run: the
        same calls are made again, and get their stored replies.

        Raises:
            ModelError: A call is not stored, and the scorer LLM could not answer it.
        """
        ...


@runtime_checkable
class Advising(Protocol):
    """A problem that knows where its refusals come from, and what solutions should not lose."""

    def remedy(self, reason: str) -> str:
        """Return what to change so that nothing is refused for a reason, naming the key.

        Empty where the reason is no limit, such as that a text is already tried.
        """
        ...

    def dropped(self, text: str) -> Sequence[str]:
        """Return which parts of the first starting solution a text has dropped, as phrases."""
        ...


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a problem that measures in a way of its own says of a winner, on the held-out items.

    Attributes:
        word: What the winner is against the start: in place of what a test over items says.
        sentence: The verdict, in one or two sentences.
        data: Figures behind it, as plain data with ``kind``, for readers.
        unfit: Whether it cannot be used at all, so that the next finalist is taken.
    """

    word: Literal["better", "worse", "not distinguishable"]
    sentence: str
    data: dict[str, Any]
    unfit: bool = False


@runtime_checkable
class Concludes(Protocol):
    """A problem whose held-out measurements call for a verdict of its own, such as timings."""

    def fits(self, evaluation: Evaluation) -> bool:
        """Return whether a solution with these outcomes may win; a wrong program may not."""
        ...

    def conclusion(self, text: str, level: float) -> Conclusion | None:
        """Return the verdict on a text that was measured on the held-out items.

        None where a test over items says it as well.

        Args:
            text: The winner.
            level: Confidence level of the report.
        """
        ...


@runtime_checkable
class Editable(Protocol):
    """A problem in which a proposal may be edits of a text, such as search and replace blocks."""

    def edited(self, text: str, base: str) -> str | Refusal:
        """Return the canonical text that a proposal comes to, or why it is refused.

        Args:
            text: The proposal: a whole text, or edits.
            base: The canonical text that edits are made to; empty: the first start.
        """
        ...


@runtime_checkable
class AsksFirst(Protocol):
    """A problem that asks the optimizer LLM for something before the search, such as inputs."""

    def calls_first(self) -> int:
        """Return how many calls it makes at most; 0: it asks for nothing."""
        ...

    async def asked_first(self, model: Model) -> dict[str, Any]:
        """Ask; return what came of it as plain data, which is kept with the run.

        Raises:
            ModelError: It could not answer.
            BudgetError: A spending limit is reached.
        """
        ...

    def completed(self, found: Mapping[str, Any]) -> Problem:
        """Return the problem with what came of it; its fingerprint is the same."""
        ...


@runtime_checkable
class Samplable(Protocol):
    """A problem of which random solutions can be drawn."""

    def draw(self, rng: np.random.RandomState) -> str:
        """Return a solution drawn uniformly from the space, as canonical text."""
        ...


@runtime_checkable
class VectorSpace(Samplable, Protocol):
    """A problem whose solutions are points with as many coordinates as there are bounds."""

    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Return low and high of each dimension, where methods draw; the optimum lies inside."""
        ...

    def spacing(self) -> float:
        """Return the grid step of coordinates: 1.0 for whole numbers; above 0."""
        ...

    def encode(self, point: Sequence[float]) -> str:
        """Return a point as canonical text, rounded to the grid; outside of the bounds, too."""
        ...

    def decode(self, text: str) -> tuple[float, ...]:
        """Return the point of a canonical text."""
        ...


@runtime_checkable
class HasNeighbours(Samplable, Protocol):
    """A problem whose solutions have neighbours, such as tours."""

    def neighbours(self, text: str) -> Iterator[str]:
        """Yield all neighbours of a canonical text as canonical texts, in a fixed order."""
        ...


@runtime_checkable
class HasOptimum(Protocol):
    """A problem whose best score may be known."""

    def optimum(self) -> float | None:
        """Return the best score there can be, as it is inside (higher is better), or None."""
        ...


def presented(problem: Problem) -> Presentation:
    """Return how a problem's solutions and scores are shown to people."""
    said = problem.description
    return Presentation(
        noun=said.noun,
        measure=said.measure,
        higher_is_better=said.higher_is_better,
        unit=said.unit or ("share" if problem.scale(_BUCKETS) else "value"),
        decimals=said.decimals,
    )


@runtime_checkable
class Recorded(Protocol):
    """A problem with plain data of its own that the journal keeps for readers."""

    def recorded(self) -> dict[str, Any]:
        """Return JSON-able data, with ``kind``: what readers need that candidates do not tell.

        It is cheap to make and holds no secret; empty where there is nothing to say.
        """
        ...


def parts_of(problem: Problem) -> tuple[SolutionPart, ...]:
    """Return the parts of a problem's solutions; one instruction where it declares none."""
    return problem.parts() if isinstance(problem, HasParts) else _ONE_PART


_ONE_PART = (SolutionPart("instruction"),)


def optimum_of(problem: Problem) -> float | None:
    """Return the best score that a problem can give, where that is known."""
    return problem.optimum() if isinstance(problem, HasOptimum) else None


def check_scorer(problem: Problem, scorer: Model | None) -> None:
    """Refuse a scorer LLM that a problem cannot be measured with.

    Raises:
        InputError: It cannot.
    """
    if scorer is not None and isinstance(problem, Demanding):
        problem.check_scorer(scorer)


def judge_of(problem: Problem) -> object:
    """Return a problem's judge LLM, by name or as a model, or None."""
    return problem.judged_by() if isinstance(problem, Judged) else None


def judged(problem: Problem, judge: Model | None) -> Problem:
    """Return a problem with its judge LLM handed in, or as it is where there is none."""
    return problem.bound(judge) if judge and isinstance(problem, Judged) else problem


def calls_each(problem: Problem) -> int:
    """Return how many calls to all models together one evaluation of a problem takes."""
    return problem.calls_each() if isinstance(problem, Judged) else 1
