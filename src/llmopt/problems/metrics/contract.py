"""What a metric is: everything that the rest of the package has to know of one.

A metric is a frozen value; its ``repr`` is its whole configuration. Whoever adds one derives it
from :class:`Metric`, or from :class:`Rule` where it reads an answer out of an output and compares
it with the target, and overrides what differs. Nobody else asks which metric it is.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from llmopt.core.text import one_line
from llmopt.core.values import Outcome
from llmopt.errors import ConfigError, DataError, RefusedError
from llmopt.problems.answers import possible
from llmopt.problems.answers.cleaning import normalize
from llmopt.problems.answers.thoughts import spoken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from llmopt.core.model import Model
    from llmopt.core.values import Call, Item, Reply
    from llmopt.problems.answers import AnswerKind

_ANSWER_LENGTH = 200  # characters of an answer that are kept
_FEEDBACK_LENGTH = 2000  # characters of a feedback that are kept
_PAIR = 2
_NUMBER = (Real, np.bool_, Decimal)


@dataclass(frozen=True, slots=True)
class Scored:
    """What one output got.

    Attributes:
        score: From 0 to 1; of a function, any finite number.
        answer: What was read from the output, at most 200 characters; None where nothing was;
            empty: the output itself.
        feedback: What is right or wrong about the output, in words; methods that learn from
            errors show it to the optimizer LLM. At most 2,000 characters are kept.
        aims: Named sub-scores, finite, higher is better; they are recorded and shown.
    """

    score: float
    answer: str | None = ""
    feedback: str = ""
    aims: Mapping[str, float] = field(default_factory=dict)

    def outcome(self, item: Item, cut_at: int = 0) -> Outcome:
        """Return it as the outcome of an item; see :class:`~llmopt.core.values.Outcome`."""
        return Outcome(
            item.id,
            self.score,
            self.answer,
            item.weight,
            cut_at=cut_at,
            feedback=self.feedback[:_FEEDBACK_LENGTH].strip(),
            aims=tuple((name, float(value)) for name, value in self.aims.items()),
        )


@dataclass(frozen=True, slots=True)
class Closed:
    """The answers that an item can have, where the metric knows all of them.

    Attributes:
        answers: As they are recorded.
        texts: As the model is asked for them: a lettered option is its letter.
        right: Number of the expected one.
    """

    answers: tuple[str, ...]
    texts: tuple[str, ...]
    right: int

    def scored(self, reply: Reply) -> Scored:
        """Return the probability of the expected answer among all of them, and the likeliest one.

        Raises:
            RefusedError: The reply does not tell how likely each is.
        """
        logs = reply.likelihoods
        if len(logs) != len(self.texts):
            raise RefusedError(
                f"a reply tells how likely each of {len(self.texts)} answers is, but got "
                f'{len(logs)} likelihoods; set scorer.answer = "text", or take another model'
            )
        best = max(logs)
        shares = [math.exp(log - best) for log in logs]
        return Scored(shares[self.right] / sum(shares), self.answers[logs.index(best)])


@dataclass(frozen=True, slots=True)
class Assertion:
    """How promptfoo judges an answer as the metric means it.

    Attributes:
        kind: ``javascript`` and ``python``: `code` is the body of a function of ``output`` and
            ``context``, in JavaScript with ``target`` and ``plain``, which normalizes a text, at
            hand. ``llm-rubric``: `code` is what a judge LLM is told.
        code: May hold the names of `values`.
        values: What stands in their place, written as JSON.
    """

    kind: Literal["javascript", "python", "llm-rubric"]
    code: str
    values: Mapping[str, Any] = field(default_factory=dict)


class Metric(ABC):
    """Anything that scores an output, at once or later; equal arguments get equal scores.

    Attributes:
        name: What a configuration calls it; where it takes an argument, what stands before the
            colon.
        help: What it takes for right, in a phrase for the documents.
        argument: What a configuration writes behind its name and a colon; empty: nothing.
        optional_argument: Whether the colon and the argument may be left out.
        kind: What kind of answer it reads; empty: any.
        by_target: Whether a constant answer is right wherever it is the target. Where not, the
            targets may all be equal, or missing.
        closed_set: Whether all possible answers to an item are known (:meth:`closed`).
    """

    name: str
    help: str = ""
    argument: str = ""
    optional_argument: bool = False
    kind: AnswerKind | Literal[""] = ""
    by_target: bool = True
    closed_set: bool = False

    @classmethod
    def made(cls, argument: str, choices: Sequence[str]) -> Self:
        """Return the metric as a configuration asks for it.

        Args:
            argument: What stands behind the colon.
            choices: The possible answers.

        Raises:
            ConfigError: It cannot be made of these.
        """
        del argument, choices
        return cls()

    @abstractmethod
    def __call__(self, output: str, item: Item) -> Scored | Awaitable[Scored]:
        """Score `output` as an answer to `item`."""

    def expected(self, item: Item) -> tuple[Item, ...]:
        """Return the item once for each accepted answer, with that as its target.

        An output is worth what it is worth for the best of them.
        """
        if not item.accepted:
            return (item,)
        answers = (item.target, *item.accepted)
        return tuple(replace(item, target=answer, accepted=()) for answer in answers)

    @property
    def title(self) -> str:
        """What messages call it."""
        return type(self).__name__

    def check(self, item: Item) -> None:
        """Check that some output can be right.

        Raises:
            DataError: The target can never be right; the message names the item.
        """
        del item

    # -- how it is presented, and how the scorer LLM is asked -------------------------------

    @property
    def measure(self) -> str:
        """What the score is, in the words of a meta-prompt."""
        return "accuracy"

    @property
    def task(self) -> str:
        """What the task is where nobody says it, in a sentence."""
        return "Give the right answer to each input."

    @property
    def labels(self) -> tuple[str, ...]:
        """The answers of all items, where they have the same closed set."""
        return ()

    @property
    def tokens(self) -> int:
        """How many tokens an answer may have where nobody says it; 1 or more."""
        return 256

    @property
    def form(self) -> str:
        """In which form a final answer is asked for (GPO, section 7); empty: any."""
        return ""

    def closed(self, item: Item) -> Closed:
        """Return the answers that an item can have.

        An item without a target, which is not scored, gets the first answer as the expected one.

        Raises:
            ConfigError: Nobody knows them: `closed_set` is false.
        """
        del item
        raise ConfigError(
            f"the answers to an item are known to a metric with a closed set of them, but got "
            f'{self.title.lower()}; set scorer.answer = "text"'
        )

    def promptfoo(self) -> Assertion | None:
        """Return how promptfoo judges an answer, or None where it cannot."""
        return None

    # -- the judge LLM, where it asks one ---------------------------------------------------

    @property
    def calls(self) -> int:
        """How many calls to a judge LLM a score takes; 0: it asks none."""
        return 0

    @property
    def judge(self) -> Model | None:
        """The judge LLM that was handed in."""
        return None

    @property
    def scale_in_words(self) -> str:
        """What a judge LLM says of an answer, in a phrase."""
        return ""

    def bound(self, model: Model) -> Self:
        """Return the metric with the judge LLM that it asks."""
        del model
        return self

    def ready(self) -> Model | None:
        """Return the judge LLM that it asks.

        Raises:
            ConfigError: It needs one and has none.
        """
        return None

    def asked(self, output: str, item: Item, model: Model) -> tuple[Call, ...]:
        """Return the calls to a judge LLM that score `output`; their texts are any model's."""
        del output, item, model
        return ()

    def heard(self, output: str, item: Item, reply: Reply) -> float | None:
        """Return what the reply to the first of :meth:`asked` gives; None: it is unreadable."""
        del output, item, reply
        return None

    async def remarks(self, output: str, item: Item) -> str:
        """Return why an output got its score, which costs nothing once it was scored.

        Raises:
            ConfigError: It needs a judge LLM and has none.
            ModelError: A judge LLM could not answer.
        """
        del output, item
        return ""


class Rule(Metric):
    """A metric that reads an answer out of an output and compares it with the target."""

    def extract(self, output: str, item: Item) -> str | None:
        """Return the answer that `output` gives, or None where it gives none, or several."""
        del item
        return normalize(spoken(output))

    def same(self, answer: str, item: Item) -> bool:
        """Say whether an answer, as :meth:`extract` gave it, is the target."""
        return answer == normalize(item.target)

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 where the answer is the target, else 0."""
        answer = self.extract(output, item)
        return Scored(float(answer is not None and self.same(answer, item)), kept(answer))

    @property
    def targets(self) -> str:
        """What a target is, in a phrase."""
        return "some text"

    def possible(self, item: Item) -> bool:
        """Say whether any output can give the target."""
        return possible(item.target, self.kind or "text")

    def check(self, item: Item) -> None:
        """Check that some output can be right; see :meth:`Metric.check`."""
        if not self.possible(item):
            raise DataError(
                f"a target is {self.targets} for the metric {self.title.lower()}, but row "
                f"{item.id}, {one_line(item.input, 60)!r}, has {one_line(item.target)!r}; "
                "correct it or choose another metric"
            )


@dataclass(frozen=True, repr=False)
class Plain(Metric):
    """A callable of the user's that is no more than that: a function, a lambda, an object.

    Attributes:
        function: Scores an output as an answer to an item, at once or later: with a
            :class:`Scored`, a number from 0 to 1, or that with a feedback in words.

    Raises:
        ConfigError: It cannot be called with an output and an item.
    """

    function: Callable[[str, Item], Any]

    def __post_init__(self) -> None:
        check_callable(self.function, self.title)

    def __call__(self, output: str, item: Item) -> Scored | Awaitable[Scored]:
        """Score with the user's object.

        Raises:
            DataError: What it gives is no score.
        """
        return scored(self.function(output, item), output, item, self.title)

    def __repr__(self) -> str:
        return repr(self.function)  # runs are compared by it

    @property
    def name(self) -> str:  # type: ignore[override]  # there is none in a configuration
        """The name of its class."""
        return self.title

    @property
    def title(self) -> str:
        """Its name, or that of its class."""
        return getattr(self.function, "__qualname__", None) or type(self.function).__name__


def check_callable(function: Any, name: str) -> None:
    """Refuse a metric of the user's that cannot be called with an output and an item.

    Raises:
        ConfigError: It cannot.
    """
    if not callable(function):
        raise ConfigError(
            f"a metric is a function of (output, item), but {name!r} is a {type(function).__name__}"
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # made in C, which says nothing of its arguments
        return
    try:
        signature.bind("", None)
    except TypeError as error:
        raise ConfigError(
            f"a metric is a function of (output, item), but {name!r} takes {signature}: {error}; "
            "change its arguments, or wrap it"
        ) from error


def scored(value: Any, output: str, item: Item, name: str) -> Scored | Awaitable[Scored]:
    """Return what a function of the user's gave as a score, now or when it is there.

    Raises:
        DataError: It is no number from 0 to 1, or its sub-scores or feedback cannot be used.
    """
    if inspect.isawaitable(value):
        return _later(value, output, item, name)
    found = said(value)
    if not isinstance(found.score, _NUMBER) or not 0 <= float(found.score) <= 1:
        raise DataError(
            f"a score is a number from 0 to 1, but the metric {name} gave "
            f"{one_line(repr(value))} for the item {item.id}; return a number, "
            "or llmopt.Scored(number, feedback=…)"
        )
    if wrong := fault(found):
        raise DataError(f"{wrong}, but the metric {name} gave it for the item {item.id}")
    answer = kept(normalize(output)) if found.answer == "" else found.answer
    return replace(found, score=float(found.score), answer=answer)


def said(value: Any) -> Scored:
    """Return what a function gave, a score alone or with a feedback, as a :class:`Scored`.

    Nothing is checked: see :func:`fault` for what is said next to the score.
    """
    if isinstance(value, Scored):
        return value
    if isinstance(value, tuple) and len(value) == _PAIR and isinstance(value[1], str):
        return Scored(value[0], feedback=value[1])
    return Scored(value)


def value_of(found: Scored) -> float:
    """Return what a function gave as a number, which may still not be finite.

    Raises:
        TypeError: It is not a number.
    """
    try:
        return float(found.score)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"a function returns a number, but gave {one_line(repr(found.score), 60)}; "
            "to say more than that, return llmopt.Scored(number, feedback=…)"
        ) from error


def fault(found: Scored) -> str:
    """Return what is wrong with a feedback or with sub-scores, or an empty text."""
    if not isinstance(found.feedback, str):
        return f"a feedback is a text, and not {one_line(repr(found.feedback), 60)}"
    aims = found.aims.items() if isinstance(found.aims, Mapping) else [(found.aims, None)]
    for name, value in aims:
        number = isinstance(value, _NUMBER) and math.isfinite(float(value))
        if not isinstance(name, str) or not number:
            pair = one_line(repr({name: value}), 60)
            return f"sub-scores are finite numbers by name, and not {pair}"
    return ""


async def _later(value: Awaitable[Any], output: str, item: Item, name: str) -> Scored:
    found = scored(await value, output, item, name)
    return found if isinstance(found, Scored) else await found


def kept(answer: str | None) -> str | None:
    """Return an answer as it is recorded: shortened, and None where it is empty."""
    return (answer or "")[:_ANSWER_LENGTH] or None
