"""Metrics: how right one output is for one item, from 0 (wrong) to 1 (right).

A metric is a frozen value; its ``repr`` is its whole configuration. Reading answers out of
outputs happens in :mod:`llmopt.problems.answers`.
"""

from __future__ import annotations

import inspect
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from llmopt.errors import ConfigError, DataError, UnknownNameError
from llmopt.imports import imported
from llmopt.problems.answers import (
    contains,
    extract,
    is_correct,
    number_of,
    pair_of,
    possible,
    same_answer,
)
from llmopt.problems.answers.mentions import BOOLEAN_PAIRS
from llmopt.problems.answers.options import read_options, with_target
from llmopt.problems.answers.reading import normalize
from llmopt.text import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from llmopt.problems.answers import AnswerKind
    from llmopt.types import Item

_MOST_CHOICES = 20  # distinct targets up to which they are taken for classes
_PATTERN_LENGTH = 20_000  # characters of an output that a user's expression is searched in
_ANSWER_LENGTH = 200  # characters of an answer that are kept


@dataclass(frozen=True, slots=True)
class Scored:
    """What one output got.

    Attributes:
        score: From 0 to 1.
        answer: What was read from the output, at most 200 characters; None where nothing was.
    """

    score: float
    answer: str | None


class Metric(Protocol):
    """Anything that scores an output, at once or later; equal arguments get equal scores."""

    def __call__(self, output: str, item: Item) -> Scored | Awaitable[Scored]:
        """Score `output` as an answer to `item`."""
        ...


@dataclass(frozen=True)
class Exact:
    """The whole output is the target, both normalized (see ``answers.normalize``)."""

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 for equality."""
        answer = normalize(output)
        return Scored(float(answer == normalize(item.target)), _kept(answer))


@dataclass(frozen=True)
class Choice:
    """The output names the target and no other choice, as a label or a lettered option.

    Attributes:
        choices: The possible answers, at least one. A longer one wins over a shorter one
            inside it; single letters are recognised as ``(A)``, ``A.``, ``A)``.
    """

    choices: tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.choices, str) or not self.choices:
            raise ConfigError(f"choices are a list of answers, but got {self.choices!r}")
        blank = [choice for choice in self.choices if not normalize(choice)]
        if blank:
            raise ConfigError(f"a choice is not blank, but got {blank[0]!r}; remove it")
        object.__setattr__(self, "choices", tuple(self.choices))  # a list becomes hashable

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 where the choice that the output names is the target."""
        answer = extract(output, "choice", self.choices)
        return Scored(float(same_answer(answer, item.target, "choice", self.choices)), answer)


@dataclass(frozen=True)
class Number:
    """The announced or last number of the output is the target.

    Attributes:
        tolerance: Largest difference of two equal numbers, at least 0. Besides, an answer is
            rounded to the decimals of a target that is not whole.
    """

    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ConfigError(f"a tolerance is at least 0, but got {self.tolerance}")

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 for an equal number."""
        answer = extract(output, "number")
        right = same_answer(answer, item.target, "number", tolerance=self.tolerance)
        return Scored(float(right), answer and _kept(answer))


@dataclass(frozen=True)
class Boolean:
    """The output says true or false, yes or no, valid or invalid, as the target does.

    The target decides which pair of words counts.
    """

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 for the same word."""
        answer = extract(output, "boolean", pair_of(item.target))
        return Scored(float(same_answer(answer, item.target, "boolean")), answer)


@dataclass(frozen=True)
class Options:
    """The output names the target among the options that the item's input lists.

    The options are lines such as ``(A) text`` or the bullets below ``Options:`` (see
    ``options.read_options``). The target is the letter or the text of an option.
    """

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 where the option that the output names is the target."""
        return _scored(output, item.target, "choice", read_options(item.input) or None)


@dataclass(frozen=True)
class Words:
    """The output gives the words of the target in the target's order."""

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 for the same words in the same order."""
        return _scored(output, item.target, "list")


@dataclass(frozen=True)
class Brackets:
    """The output gives the closing brackets of the target; spaces do not matter."""

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 for the same closing brackets."""
        return _scored(output, item.target, "brackets")


@dataclass(frozen=True)
class Contains:
    """The target occurs in the output as whole words, both normalized."""

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 where it occurs."""
        return Scored(float(contains(output, item.target)), _kept(normalize(output)))


@dataclass(frozen=True)
class Pattern:
    """What a regular expression finds first in the output is the target, both normalized.

    Only the first 20,000 characters of an output are searched. An expression with nested
    repetitions can still take very long on fewer; that is the user's to avoid.

    Attributes:
        regex: In Python's syntax; its first group is the answer, or the whole match where it
            has none.
    """

    regex: str
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            compiled = re.compile(self.regex)
        except (re.error, RecursionError, OverflowError) as error:
            raise ConfigError(
                f"a pattern is a regular expression, but got {self.regex!r}: {error}"
            ) from error
        object.__setattr__(self, "_compiled", compiled)

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 for equality."""
        match = self._compiled.search(output[:_PATTERN_LENGTH])
        found = match and (match[1] if self._compiled.groups else match[0])
        if found is None:
            return Scored(0.0, None)
        return Scored(float(normalize(found) == normalize(item.target)), _kept(normalize(found)))


@dataclass(frozen=True)
class Function:
    """A Python function of the user's.

    Attributes:
        name: What messages call it, such as ``package.module:name``.
        function: Gets the output and the item, gives a number from 0 to 1 or a boolean.
    """

    name: str
    function: Callable[[str, Item], Any] = field(repr=False)

    def __call__(self, output: str, item: Item) -> Scored:
        """Score with the function; what it raises goes through, with the item's id as a note.

        Raises:
            DataError: What the function gives is no number from 0 to 1.
        """
        try:
            value = self.function(output, item)
        except Exception as error:
            error.add_note(f"raised by the metric {self.name} on the item {item.id}")
            raise
        number = isinstance(value, (Real, np.bool_))
        if not number or not 0 <= float(value) <= 1:
            raise DataError(
                f"a score is a number from 0 to 1, but the metric {self.name} gave "
                f"{one_line(repr(value))} for the item {item.id}; change the function"
            )
        return Scored(float(value), _kept(normalize(output)))


_NAMED: dict[str, Callable[[], Metric]] = {
    "exact": Exact,
    "number": Number,
    "boolean": Boolean,
    "contains": Contains,
    "options": Options,
    "list": Words,
    "brackets": Brackets,
}


def metric_named(name: str, choices: Sequence[str] = ()) -> Metric:
    """Return the metric that a configuration names.

    Args:
        name: ``exact``, ``choice``, ``number``, ``boolean``, ``contains``, ``options``, ``list``,
            ``brackets``, ``judge``, ``pattern:REGEX``, or ``package.module:function``, which is
            imported; the working directory is searched first.
        choices: The possible answers, needed by ``choice`` alone.

    Raises:
        UnknownNameError: There is no such metric.
        ConfigError: The expression, the choices or the function cannot be used.
    """
    if name in _NAMED:
        return _NAMED[name]()
    if name == "choice":
        return Choice(tuple(choices))
    if name == "judge":
        from llmopt.problems.judge import Judge  # it is made of this module's parts

        return Judge()
    kind, colon, rest = name.partition(":")
    if colon and kind == "pattern":
        return Pattern(rest)
    if colon:
        return Function(name, _function(name))
    known = [*_NAMED, "choice", "judge", "pattern:REGEX", "package.module:function"]
    raise UnknownNameError("a metric", name, known)


def default_metric(targets: Sequence[str]) -> Metric:
    """Return the metric that the targets suggest.

    Number where all are numbers, boolean where all are of one pair of words, choice for 2 to
    20 distinct targets that occur twice each, otherwise exact.
    """
    if targets and all(number_of(target) is not None for target in targets):
        return Number()
    counts = Counter(map(normalize, targets))
    if any(counts.keys() <= set(pair) for pair in BOOLEAN_PAIRS if counts):
        return Boolean()
    if 1 < len(counts) <= _MOST_CHOICES and min(counts.values()) > 1:
        # One spelling per choice, in an order that does not depend on the rows'.
        spelled = {normalize(target): target for target in sorted(targets, reverse=True)}
        return Choice(tuple(spelled[key] for key in sorted(spelled)))
    return Exact()


def check_targets(metric: Metric, items: Sequence[Item]) -> None:
    """Check that every target can be given as an answer; functions are not checked.

    Raises:
        DataError: A target can never be right; the message names the first such item.
    """
    rule = {
        Number: "a number",
        Boolean: "true or false, yes or no, valid or invalid",
        Options: "the letter or the text of one of the options in the input",
        Words: "a list of words",
        Brackets: "a sequence of closing brackets",
    }
    kinds: dict[type, AnswerKind] = {
        Choice: "choice",
        Number: "number",
        Boolean: "boolean",
        Options: "choice",
        Words: "list",
        Brackets: "brackets",
    }
    if isinstance(metric, Function) or type(metric) not in {*kinds, Exact, Contains, Pattern}:
        return
    choices = metric.choices if isinstance(metric, Choice) else None
    for item in items:
        options = choices
        if isinstance(metric, Options):
            options = with_target(read_options(item.input), item.target)
        if options == () or not possible(item.target, kinds.get(type(metric), "text"), options):
            what = rule.get(type(metric), "some text")
            if choices:
                what = f"one of {one_line(', '.join(map(repr, choices)), 200)}"
            raise DataError(
                f"a target is {what} for the metric {type(metric).__name__.lower()}, but row "
                f"{item.id}, {one_line(item.input, 60)!r}, has {one_line(item.target)!r}; "
                "correct it or choose another metric"
            )


def _scored(
    output: str, target: str, kind: AnswerKind, choices: tuple[str, ...] | None = None
) -> Scored:
    answer = extract(output, kind, choices)
    right = is_correct(output, target, kind, choices)
    return Scored(float(right), answer and _kept(answer))


def _kept(answer: str) -> str | None:
    return answer[:_ANSWER_LENGTH] or None


def _function(name: str) -> Callable[[str, Item], Any]:
    """Import a user's function."""
    found = imported(name, "a metric")
    if not callable(found) or inspect.iscoroutinefunction(found):
        raise ConfigError(
            f"a metric is a plain function of (output, item), but {name!r} is "
            f"{'asynchronous' if callable(found) else 'a ' + type(found).__name__}"
        )
    function: Callable[[str, Item], Any] = found
    return function
