"""JSON answers compared with a JSON target, field by field."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from llmopt.core.text import one_line
from llmopt.errors import ConfigError, DataError
from llmopt.problems.answers import number_of
from llmopt.problems.answers.cleaning import normalize
from llmopt.problems.answers.json_answers import json_object
from llmopt.problems.metrics.contract import Assertion, Metric, Scored, kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.values import Item

_TOLERANCE = 1e-5  # largest difference of two equal numbers
_ABSENT = object()


@dataclass(frozen=True)
class JsonFields(Metric):
    """The share of the target's fields that the last JSON object of the output has right.

    Texts are compared without regard to case, blanks and final punctuation, numbers within
    0.00001 (also where one is written as a text), lists in their order as a whole, objects inside
    by the share of their fields. A field that the target lacks, or that is null there, is right
    where the output lacks it as well. Further fields of the output do not matter.

    Attributes:
        weights: Names of the fields that count with their weights, greater than 0; a name with
            dots leads into objects. Empty: all fields of the target, with the same weight.
    """

    weights: tuple[tuple[str, float], ...] = ()

    name = "json"
    help = "the share of the target's fields that the output's JSON object has right"
    argument = "FIELD=WEIGHT,…"
    optional_argument = True
    by_target = True

    def __post_init__(self) -> None:
        wrong = [name for name, weight in self.weights if not (name and 0 < weight < math.inf)]
        if wrong:
            raise ConfigError(
                f"a field of the metric json has a weight greater than 0, but {wrong[0]!r} has "
                f"{dict(self.weights)[wrong[0]]:g}; leave it out, or give it a weight"
            )

    @classmethod
    def made(cls, argument: str, choices: Sequence[str]) -> Self:
        """Return the metric for fields such as ``label=2,reason``; a weight left out is 1."""
        del choices
        weights: dict[str, float] = {}
        for part in argument.split(",") if argument else ():
            field, equals, weight = (text.strip() for text in part.partition("="))
            try:
                weights[field] = float(weight) if equals else 1.0
            except ValueError:
                field = ""
            if not field:
                raise ConfigError(
                    "the metric json takes fields with weights, as in json:label=2,reason=1, but "
                    f"got {one_line(part)!r}"
                )
        return cls(tuple(weights.items()))

    def __call__(self, output: str, item: Item) -> Scored:
        """Score the weighted share of the fields that are right; 0 where there is no object."""
        given, target = json_object(output), _target(item)
        if given is None or target is None:
            return Scored(0.0, None)
        weights = self.weights or tuple((name, 1.0) for name in target)
        found = math.fsum(
            weight * _share(_field(given, name), _field(target, name)) for name, weight in weights
        )
        total = math.fsum(weight for _, weight in weights)
        counted = {name: _field(given, name) for name, _ in weights}
        answer = {name: value for name, value in counted.items() if value is not _ABSENT}
        return Scored(min(1.0, found / total), kept(json.dumps(answer, ensure_ascii=False)))

    @property
    def title(self) -> str:
        """What messages call it."""
        return "JSON"

    @property
    def measure(self) -> str:
        """The share of right fields."""
        return "share of right fields"

    @property
    def task(self) -> str:
        """What the task is where nobody says it."""
        return "Give the right JSON object for each input."

    @property
    def tokens(self) -> int:
        """How many tokens an answer may have where nobody says it."""
        return 512

    @property
    def form(self) -> str:
        """A JSON object, with its fields where they are known."""
        named = ", ".join(name for name, _ in self.weights)
        return f"a JSON object with {named}" if named else "a JSON object"

    def check(self, item: Item) -> None:
        """Check that the target is a JSON object with a field that counts."""
        target = _target(item)
        if target is None or not target:
            raise DataError(
                f"a target is a JSON object for the metric json, but row {item.id}, "
                f"{one_line(item.input, 60)!r}, has {one_line(item.target)!r}; correct it or "
                "choose another metric"
            )
        named = [name for name, _ in self.weights]
        if named and all(_field(target, name) is _ABSENT for name in named):
            raise DataError(
                f"a target has a field that the metric json counts ({', '.join(named)}), but row "
                f"{item.id}, {one_line(item.input, 60)!r}, has {one_line(item.target)!r}; name "
                "fields of the targets"
            )

    def promptfoo(self) -> Assertion:
        """Compare the fields of the object between the first brace and the last."""
        code = r"""const parsed = text => {
  try { return JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)); }
  catch { return null; }
};
const at = (value, name) => value !== null && typeof value === 'object' && name in value
  ? value[name] : name.split('.').reduce((inner, key) => inner?.[key], value);
const same = (a, b) => plain(typeof a === 'object' ? JSON.stringify(a ?? null) : String(a)) ===
  plain(typeof b === 'object' ? JSON.stringify(b ?? null) : String(b));
const given = parsed(String(output)), wanted = parsed(String(target));
if (given === null) return 0;
const weights = WEIGHTS.length ? WEIGHTS : Object.keys(wanted).map(name => [name, 1]);
const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
return weights.reduce((sum, [name, weight]) =>
  sum + (same(at(given, name), at(wanted, name)) ? weight : 0), 0) / total;"""
        return Assertion("javascript", code, {"WEIGHTS": [list(pair) for pair in self.weights]})


def is_json_object(text: str) -> bool:
    """Say whether a text is a JSON object with a field or more, and nothing else."""
    return bool(_object(text))


def _target(item: Item) -> dict[str, Any] | None:
    return _object(item.target)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _field(value: Any, name: str) -> Any:
    """Return a field by its name, or by its dotted path, or `_ABSENT`."""
    if isinstance(value, dict) and name in value:
        return value[name]
    first, dot, rest = name.partition(".")
    if not dot or not isinstance(value, dict) or first not in value:
        return _ABSENT
    return _field(value[first], rest)


def _share(given: Any, expected: Any) -> float:
    """Return how far a value is the expected one, 0 to 1."""
    empty = (_ABSENT, None, "")
    if given in empty or expected in empty:
        return float(given in empty and expected in empty)
    if isinstance(expected, dict):
        return _shared_fields(given, expected)
    if isinstance(expected, list):
        return float(_same_list(given, expected))
    return float(_same(given, expected))


def _same(given: Any, expected: Any) -> bool:
    """Say whether two plain values are the same; a number may be written as a text."""
    kinds = (type(given), type(expected))
    if bool not in kinds and kinds != (str, str):
        numbers = number_of(str(given)), number_of(str(expected))
        if numbers[0] is not None and numbers[1] is not None:
            return abs(numbers[0] - numbers[1]) <= _TOLERANCE
    return normalize(str(given)) == normalize(str(expected))


def _shared_fields(given: Any, expected: Mapping[str, Any]) -> float:
    if not isinstance(given, dict):
        return 0.0
    if not expected:
        return float(not given)
    shares = [_share(given.get(name, _ABSENT), value) for name, value in expected.items()]
    return math.fsum(shares) / len(shares)


def _same_list(given: Any, expected: Sequence[Any]) -> bool:
    if not isinstance(given, list) or len(given) != len(expected):
        return False
    return all(_share(one, other) == 1 for one, other in zip(given, expected, strict=True))
