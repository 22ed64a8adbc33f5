"""Metrics: how right one output is for one item, from 0 (wrong) to 1 (right).

Each owns its whole contract (:class:`~llmopt.problems.metrics.contract.Metric`); a new one is
a class and a line of :data:`METRICS`. Reading answers out of outputs happens in
:mod:`llmopt.problems.answers`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from llmopt.core.imports import imported
from llmopt.core.text import one_line
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.problems.answers import (
    contains,
    extract,
    is_correct,
    number_of,
    pair_of,
    possible,
    same_answer,
)
from llmopt.problems.answers.cleaning import normalize
from llmopt.problems.answers.lettered_options import parsed, read_options, with_target
from llmopt.problems.answers.mentions import BOOLEAN_PAIRS
from llmopt.problems.answers.thoughts import marks_thoughts, spoken
from llmopt.problems.metrics.contract import (
    Assertion,
    Closed,
    Metric,
    Plain,
    Rule,
    Scored,
    check_callable,
    kept,
    scored,
)
from llmopt.problems.metrics.json_fields import JsonFields, is_json_object
from llmopt.problems.metrics.judge import Judge
from llmopt.problems.metrics.rouge import RougeL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from llmopt.core.values import Item

_MOST_CHOICES = 20  # distinct targets up to which they are taken for classes
_PATTERN_LENGTH = 20_000  # characters of an output that a user's expression is searched in
_LISTED = 200  # characters of choices that a form lists at most

# Of choices inside of one another the longest counts; each must be a whole word.
_ONE_NAMED = r"""let rest = plain(output);
const named = choices.map(plain).sort((a, b) => b.length - a.length).filter(choice => {
  const word = choice.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const found = new RegExp('(?<![\\p{L}\\p{N}])' + word + '(?![\\p{L}\\p{N}])', 'gu');
  const before = rest;
  rest = rest.replace(found, ' ');
  return rest !== before;
});
return named.length === 1 && named[0] === plain(target);"""


@dataclass(frozen=True)
class Exact(Rule):
    """The whole output is the target, both normalized (see ``answers.normalize``)."""

    name = "exact"
    help = "the whole output is the target, but for case, blanks, quotes and final punctuation"
    kind = "text"

    def promptfoo(self) -> Assertion:
        """Compare the whole output."""
        return Assertion("javascript", "return plain(output) === plain(target);")


@dataclass(frozen=True)
class Choice(Rule):
    """The output names the target and no other choice, as a label or a lettered option.

    Attributes:
        choices: The possible answers, at least one. A longer one wins over a shorter one
            inside it; single letters are recognised as ``(A)``, ``A.``, ``A)``.
    """

    choices: tuple[str, ...]

    name = "choice"
    help = "the output names the target and no other of the choices, by letter or text"
    kind = "choice"
    task = "Give the right answer out of a fixed set of answers."
    closed_set = True

    def __post_init__(self) -> None:
        if isinstance(self.choices, str) or not self.choices:
            raise ConfigError(f"choices are a list of answers, but got {self.choices!r}")
        blank = [choice for choice in self.choices if not normalize(choice)]
        if blank:
            raise ConfigError(f"a choice is not blank, but got {blank[0]!r}; remove it")
        object.__setattr__(self, "choices", tuple(self.choices))  # a list becomes hashable

    @classmethod
    def made(cls, argument: str, choices: Sequence[str]) -> Self:
        """Return the metric for these choices; see :meth:`Metric.made`."""
        del argument
        return cls(tuple(choices))

    def extract(self, output: str, item: Item) -> str | None:
        """Return the choice that the output names, as it is written in `choices`."""
        del item
        return extract(output, "choice", self.choices)

    def same(self, answer: str, item: Item) -> bool:
        """Say whether a choice is the target."""
        return same_answer(answer, item.target, "choice", self.choices)

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 where the choice that the output names is the target."""
        answer = self.extract(output, item)  # kept whole: it is one of the choices
        return Scored(float(answer is not None and self.same(answer, item)), answer)

    @property
    def targets(self) -> str:
        """One of the choices, which it lists."""
        return f"one of {one_line(', '.join(map(repr, self.choices)), 200)}"

    def possible(self, item: Item) -> bool:
        """Say whether the target is one of the choices."""
        return possible(item.target, "choice", self.choices)

    @property
    def labels(self) -> tuple[str, ...]:
        """The choices."""
        return self.choices

    @property
    def form(self) -> str:
        """One of the choices, which it lists if they are short."""
        named = ", ".join(self.choices)
        return f"one of {named}" if len(named) <= _LISTED else "one of the possible answers"

    def closed(self, item: Item) -> Closed:
        """Return the choices; see :meth:`Metric.closed`."""
        return _closed(self.choices, item)

    def promptfoo(self) -> Assertion:
        """Ask for the one choice that is named."""
        code = f"const choices = CHOICES;\n{_ONE_NAMED}"
        return Assertion("javascript", code, {"CHOICES": self.choices})


@dataclass(frozen=True)
class Number(Rule):
    """The announced or last number of the output is the target.

    Attributes:
        tolerance: Largest difference of two equal numbers, at least 0. Besides, an answer is
            rounded to the decimals of a target that is not whole.
    """

    tolerance: float = 1e-5

    name = "number"
    help = "the announced or last number is the target, within 0.00001 or to its decimals"
    kind = "number"
    targets = "a number"
    task = "Solve problems whose answer is a number."
    tokens = 1024
    form = "a single number"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ConfigError(f"a tolerance is at least 0, but got {self.tolerance}")

    def extract(self, output: str, item: Item) -> str | None:
        """Return the number as a decimal without separators, or a fraction."""
        del item
        return extract(output, "number")

    def same(self, answer: str, item: Item) -> bool:
        """Say whether a number is the target."""
        return same_answer(answer, item.target, "number", tolerance=self.tolerance)

    def promptfoo(self) -> Assertion:
        """Compare the last number."""
        code = r"""const numbers = s => (String(s).match(/-?\d[\d,]*(\.\d+)?/g) || [])
  .map(n => Number(n.replace(/,/g, '')));
return Math.abs(numbers(output).pop() - numbers(target).pop()) <= TOLERANCE;"""
        return Assertion("javascript", code, {"TOLERANCE": self.tolerance})


@dataclass(frozen=True)
class Boolean(Rule):
    """The output says true or false, yes or no, valid or invalid, as the target does.

    The target decides which pair of words counts.
    """

    name = "boolean"
    help = "the output says true or false, yes or no, valid or invalid, as the target does"
    kind = "boolean"
    targets = "true or false, yes or no, valid or invalid"
    form = "a single word"
    closed_set = True

    def extract(self, output: str, item: Item) -> str | None:
        """Return the word of the target's pair that the output says, in small letters."""
        return extract(output, "boolean", pair_of(item.target))

    def same(self, answer: str, item: Item) -> bool:
        """Say whether a word is the target."""
        return same_answer(answer, item.target, "boolean")

    def closed(self, item: Item) -> Closed:
        """Return the target's pair of words; see :meth:`Metric.closed`."""
        pair = pair_of(item.target) or BOOLEAN_PAIRS[0]
        word = normalize(item.target)
        return Closed(pair, pair, pair.index(word) if word in pair else 0)

    def promptfoo(self) -> Assertion:
        """Ask for the one word of the pair that is named."""
        pairs = (
            "const choices = [['yes', 'no'], ['true', 'false'], ['valid', 'invalid']]\n"
            f"  .find(pair => pair.includes(plain(target)));\n{_ONE_NAMED}"
        )
        return Assertion("javascript", pairs)


@dataclass(frozen=True)
class Contains(Rule):
    """The target occurs in the output as whole words, both normalized."""

    name = "contains"
    help = "the target occurs in the output as whole words"
    kind = "text"

    def same(self, answer: str, item: Item) -> bool:
        """Say whether the target occurs in the answer."""
        return contains(answer, item.target)

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 where it occurs; Markdown and LaTeX can be told in the output alone."""
        return Scored(float(contains(output, item.target)), kept(self.extract(output, item)))

    def promptfoo(self) -> Assertion:
        """Look for the target as a whole word."""
        return Assertion("javascript", f"const choices = [target];\n{_ONE_NAMED}")


@dataclass(frozen=True)
class LetteredOptions(Rule):
    """The output names the target among the options that the item's input lists.

    The options are lines such as ``(A) text`` or the bullets below ``Options:`` (see
    ``options.read_options``). The target is the letter or the text of an option.
    """

    stored_name: ClassVar[str] = "Options"

    name = "options"
    help = "the output names the target among the options that the row's input lists"
    kind = "choice"
    targets = "the letter or the text of one of the options in the input"
    form = "the letter of one option"
    closed_set = True

    @property
    def title(self) -> str:
        """What messages call it: what a configuration does."""
        return "Options"

    def extract(self, output: str, item: Item) -> str | None:
        """Return the option that the output names, as it is listed."""
        return extract(output, "choice", read_options(item.input) or None)

    def same(self, answer: str, item: Item) -> bool:
        """Say whether an option is the target."""
        options = with_target(read_options(item.input) or None, item.target)
        return same_answer(answer, item.target, "choice", options)

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 where the option that the output names is the target."""
        options = read_options(item.input) or None
        right = is_correct(output, item.target, "choice", options)
        return Scored(float(right), kept(extract(output, "choice", options)))

    def possible(self, item: Item) -> bool:
        """Say whether the input has options, and the target is one of them."""
        options = with_target(read_options(item.input), item.target)
        return options != () and possible(item.target, "choice", options)

    def closed(self, item: Item) -> Closed:
        """Return the options; see :meth:`Metric.closed`."""
        return _closed(with_target(read_options(item.input), item.target) or (), item)

    def promptfoo(self) -> Assertion:
        """Compare the last letter in brackets."""
        code = r"""const letter = s => (String(s).match(/\(([A-Z])\)/g) || [s]).pop();
return plain(letter(output)) === plain(letter(target));"""
        return Assertion("javascript", code)


@dataclass(frozen=True)
class Words(Rule):
    """The output gives the words of the target in the target's order."""

    name = "list"
    help = "the output gives the words of the target in its order"
    kind = "list"
    targets = "a list of words"
    form = "the words alone, separated by blanks"

    def extract(self, output: str, item: Item) -> str | None:
        """Return the words in small letters, parted by blanks."""
        del item
        return extract(output, "list")

    def same(self, answer: str, item: Item) -> bool:
        """Say whether the words are the target's."""
        return same_answer(answer, item.target, "list")

    def promptfoo(self) -> Assertion:
        """Compare the end of the output."""
        code = r"""const words = s => plain(s).split(/[\s,]+/).join(' ');
return words(output).endsWith(words(target));"""
        return Assertion("javascript", code)


@dataclass(frozen=True)
class Brackets(Rule):
    """The output gives the closing brackets of the target; spaces do not matter."""

    name = "brackets"
    help = "the output gives the closing brackets of the target"
    kind = "brackets"
    targets = "a sequence of closing brackets"
    form = "the closing brackets alone"

    def extract(self, output: str, item: Item) -> str | None:
        """Return the closing brackets at the end of the sequence, parted by blanks."""
        del item
        return extract(output, "brackets")

    def same(self, answer: str, item: Item) -> bool:
        """Say whether the brackets are the target's."""
        return same_answer(answer, item.target, "brackets")

    def __call__(self, output: str, item: Item) -> Scored:
        """Score 1 for the same closing brackets, or a whole balanced sequence that ends in them."""
        right = is_correct(output, item.target, "brackets")
        return Scored(float(right), kept(self.extract(output, item)))

    def promptfoo(self) -> Assertion:
        """Compare the end of the output's brackets."""
        code = r"""const closing = s => String(s).replace(/[^()\[\]{}<>]/g, '');
return closing(output).endsWith(closing(target));"""
        return Assertion("javascript", code)


@dataclass(frozen=True)
class Pattern(Rule):
    """What a regular expression finds first in the output is the target, both normalized.

    Only the first 20,000 characters of an output are searched, without the thoughts of a reasoning
    model unless the expression itself names their marks. An expression with nested
    repetitions can still take very long on fewer; that is the user's to avoid.

    Attributes:
        regex: In Python's syntax; its first group is the answer, or the whole match where it
            has none.
    """

    regex: str
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    name = "pattern"
    help = "what the regular expression finds first, or its first group, is the target"
    argument = "REGEX"
    kind = "text"

    def __post_init__(self) -> None:
        try:
            compiled = re.compile(self.regex)
        except (re.error, RecursionError, OverflowError) as error:
            raise ConfigError(
                f"a pattern is a regular expression, but got {self.regex!r}: {error}"
            ) from error
        object.__setattr__(self, "_compiled", compiled)

    @classmethod
    def made(cls, argument: str, choices: Sequence[str]) -> Self:
        """Return the metric for this expression; see :meth:`Metric.made`."""
        del choices
        return cls(argument)

    def extract(self, output: str, item: Item) -> str | None:
        """Return what the expression finds, normalized."""
        del item
        said = output if marks_thoughts(self.regex) else spoken(output)
        match = self._compiled.search(said[:_PATTERN_LENGTH])
        found = match and (match[1] if self._compiled.groups else match[0])
        return None if found is None else normalize(found)

    def promptfoo(self) -> Assertion:
        """Search with the same expression."""
        code = (
            "const found = String(output).match(new RegExp(REGEX));\n"
            "return found !== null && plain(found[1] ?? found[0]) === plain(target);"
        )
        return Assertion("javascript", code, {"REGEX": self.regex})


@dataclass(frozen=True)
class Function(Metric):
    """A Python function of the user's.

    Attributes:
        name: What messages call it, such as ``package.module:name``.
        function: Gets the output and the item, gives a number from 0 to 1, a boolean
            or a :class:`Scored`, or an awaitable of one.
    """

    name: str
    function: Callable[[str, Item], Any] = field(repr=False)

    help = "what a function of yours, of the output and the row, gives: 0 to 1, or true or false"

    def __call__(self, output: str, item: Item) -> Scored | Awaitable[Scored]:
        """Score with the function; what it raises goes through, with the item's id as a note.

        Raises:
            DataError: What the function gives is no number from 0 to 1.
        """
        try:
            value = self.function(output, item)
        except (Exception, SystemExit) as error:
            error.add_note(f"raised by the metric {self.name} on the item {item.id}")
            raise
        return scored(value, output, item, self.name)

    def promptfoo(self) -> Assertion:
        """Call the function itself."""
        module, _, path = self.name.partition(":")
        top, _, rest = path.partition(".")
        return Assertion(
            "python",
            "from types import SimpleNamespace\n"
            f"from {module} import {top}\n"
            "vars = context['vars']\n"
            "item = SimpleNamespace(id='', input=vars['input'], target=vars['target'], "
            "weight=1.0)\n"
            f"return float({'.'.join(filter(None, (top, rest)))}(output, item))",
        )


METRICS: Mapping[str, type[Metric]] = {
    metric.name: metric
    for metric in (
        Exact,
        Choice,
        Number,
        Boolean,
        Contains,
        LetteredOptions,
        Words,
        Brackets,
        JsonFields,
        Pattern,
        RougeL,
        Judge,
    )
}
"""Every metric that a configuration can name, beside the user's own."""


def metric_named(name: str, choices: Sequence[str] = ()) -> Metric:
    """Return the metric that a configuration names.

    Args:
        name: One of :data:`METRICS`, such as ``exact`` or ``pattern:REGEX``, or
            ``package.module:name``, which is imported; the current directory is searched first.
            That is a function of (output, item), or a metric.
        choices: The possible answers, needed by ``choice`` alone.

    Raises:
        UnknownNameError: There is no such metric.
        ConfigError: The expression, the choices or the function cannot be used.
    """
    kind, colon, rest = name.partition(":")
    known = METRICS.get(kind)
    if known and (bool(colon) == bool(known.argument) or (known.optional_argument and not colon)):
        return known.made(rest, choices)
    if colon:
        found = _function(name)
        return found if isinstance(found, Metric) else Function(name, found)
    raise UnknownNameError("a metric", name, [*map(usage, METRICS.values()), OWN])


OWN = "package.module:function"
"""How a metric of the user's own is named."""


def usage(metric: type[Metric]) -> str:
    """Return how a configuration names a metric."""
    if metric.optional_argument:
        return f"{metric.name}[:{metric.argument}]"
    return f"{metric.name}:{metric.argument}" if metric.argument else metric.name


def owned(metric: Metric | Callable[[str, Item], Any]) -> Metric:
    """Return a metric, also where the user's object is a mere callable."""
    return metric if isinstance(metric, Metric) else Plain(metric)


def default_metric(targets: Sequence[str]) -> Metric:
    """Return the metric that the targets suggest.

    Number where all are numbers, boolean where all are of one pair of words, choice for 2 to
    20 distinct targets that occur twice each, JSON where all are objects, otherwise exact.
    """
    if targets and all(map(is_json_object, targets)):
        return JsonFields()
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
    """Check that every target can be given as an answer.

    Raises:
        DataError: A target can never be right; the message names the first such item.
    """
    for item in items:
        metric.check(item)


def check_closed(metric: Metric) -> None:
    """Check that a metric knows all possible answers.

    Raises:
        ConfigError: It does not.
    """
    if not metric.closed_set:
        *others, last = (name for name, known in METRICS.items() if known.closed_set)
        raise ConfigError(
            'scorer.answer = "likelihood" needs a metric whose answers are a closed set, which '
            f"{', '.join(others)} and {last} have, but got {metric.title.lower()}; set "
            'problem.metric = "choice", or scorer.answer = "text"'
        )


def _closed(answers: Sequence[str], item: Item) -> Closed:
    """Return a closed set: all are asked for by their letters, or as they are."""
    answers = tuple(answers)
    right = next(
        (n for n, a in enumerate(answers) if same_answer(a, item.target, "choice", answers)), 0
    )
    letters = [option.letter for option in parsed(answers)]
    lettered = all(letters) and len(set(letters)) == len(letters)
    texts = letters if lettered else (answer.strip() for answer in answers)
    return Closed(answers, tuple(texts), right)


def _function(name: str) -> Callable[[str, Item], Any]:
    """Import a user's function."""
    found = imported(name, "a metric")
    check_callable(found, name)
    function: Callable[[str, Item], Any] = found
    return function
