"""What a result claims, and whether it is true in the world that it comes from.

Claims are read from what people get: the words of the comparisons, the printed intervals, and the
sentences that a terminal shows at the end of a run. :data:`SENTENCE_RULES` are for those
that a world can falsify; sentences that no rule knows are listed, so that a new one is not
overlooked.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from rich.console import Console

from llmopt.terminal.result_table import print_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llmopt.evidence.result import Result
    from llmopt.testing.evidence.worlds import SimulatedProblem

START = "start"
SAMPLING = re.compile(r"best of [\d,]+, no scores")
_POWER = 0.8  # in which share of cases "needed" rows find the difference
_OFTEN = 2 / 3  # in which share of cases these items find a difference that they "can show"
_EQUAL = 1e-9  # differences of true accuracies up to this are rounding errors
_WIDTH = 100_000  # characters of a line, so that no sentence is broken

_SENTENCE_END = re.compile(r"(?<=[.!])\s+(?=[A-Z])")
_NAMES = re.compile(r'"([^"]+)"')
_COSTS = re.compile(
    r"LLM: |solutions? measured|^Stored replies|^Retried|^Sent, no response|^Cost: "
)
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")


@dataclass(frozen=True)
class Claim:
    """Something that was said, and how often it may be said.

    Attributes:
        name: What is counted.
        holds: Whether the thing happened, or whether what was said is true.
        least: The smallest share that is allowed; None: any.
        most: The largest share that is allowed; None: any.
    """

    name: str
    holds: bool
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Truth:
    """What decides whether a sentence is true.

    Attributes:
        problem: The draw of the world that the result comes from.
        result: The result.
    """

    problem: SimulatedProblem
    result: Result

    def accuracy(self, label: str) -> float:
        """Return the true accuracy of a line of the table, by its label.

        Raises:
            KeyError: There is no such line.
        """
        texts = {line.label: line.text for line in self.result.lines}
        return self.problem.world.accuracy(texts[label])

    def gain(self, label: str = START) -> float:
        """Return the winner's true accuracy minus that of another line; 0 where they are equal."""
        found = self.accuracy("best") - self.accuracy(label)
        return 0.0 if abs(found) < _EQUAL else found

    def right(self, word: str, label: str) -> bool:
        """Whether the winner is what a word says, against another line."""
        return self.gain(label) > 0 if word == "better" else self.gain(label) < 0

    def needed(self) -> float:
        """Return how many rows find the true difference to the start in four of five cases."""
        gain = abs(self.gain())
        if not gain:
            return math.inf
        z = NormalDist().inv_cdf((1 + self.result.level) / 2) + NormalDist().inv_cdf(_POWER)
        differ = self.problem.world.differ(self.result.best.text, self.result.start.text)
        return z * z * differ / gain**2


@dataclass(frozen=True)
class SentenceRule:
    """Decides whether a sentence is true.

    Attributes:
        name: What the sentence says, in short.
        sentence: Finds it.
        is_true: Whether it is true; None: a world cannot tell.
        least: How often it has to be true where it is said; None for the words of a test: where
            there is nothing to find they are always wrong, and how often they may be is a bar of
            their own.
    """

    name: str
    sentence: re.Pattern[str]
    is_true: Callable[[re.Match[str], Truth], bool | None]
    least: float | None = 0.95


def _about_controls(found: re.Match[str], truth: Truth) -> bool | None:
    """Whether every better and worse of a sentence about the controls is right."""
    found_right = [
        truth.right(word, label)
        for part in found[1].split(";")
        for word in ("better", "worse")
        if part.strip().startswith(word)
        for label in _NAMES.findall(part)
    ]
    return all(found_right) if found_right else None


def _nothing_better(found: re.Match[str], truth: Truth) -> bool:
    """Whether no instruction that was measured is truly better than the start."""
    del found
    start, world = truth.accuracy(START), truth.problem.world
    return all(world.accuracy(text) <= start + _EQUAL for text in truth.problem.tried)


def _flattered(found: re.Match[str], truth: Truth) -> bool | None:
    """Whether at least half of what is called luck is: the train score above the true one."""
    train = next((line.train for line in truth.result.lines if line.label == "best"), None)
    if train is None:
        return None
    return 100 * (train.mean - truth.accuracy("best")) >= float(found[1]) / 2


def _largely_luck(found: re.Match[str], truth: Truth) -> bool | None:
    """Whether the winner's train score is above its true one at all."""
    del found
    train = next((line.train for line in truth.result.lines if line.label == "best"), None)
    return None if train is None else train.mean > truth.accuracy("best")


def _shown_gain(found: re.Match[str], truth: Truth) -> bool:
    """Whether a true difference of the size that is named is found in two of three cases."""
    differ = truth.problem.world.differ(truth.result.best.text, truth.result.start.text)
    z = NormalDist().inv_cdf((1 + truth.result.level) / 2) + NormalDist().inv_cdf(_OFTEN)
    items = float(found[1].replace(",", ""))
    return float(found[2]) / 100 >= z * math.sqrt(differ / items)


def _reading_helped(found: re.Match[str], truth: Truth) -> bool | None:
    """Whether what is said of reading scores is right, where the optimizer LLM ignores them."""
    if truth.problem.world.heeds:
        return None
    return found[1].startswith("Not")


SENTENCE_RULES: tuple[SentenceRule, ...] = (
    SentenceRule(
        "the winner is better than the start",
        re.compile(r"The winner is better than the start"),
        lambda _, truth: truth.right("better", START),
        least=None,
    ),
    SentenceRule(
        "the winner is worse than the start",
        re.compile(r"The winner is worse than the start"),
        lambda _, truth: truth.right("worse", START),
        least=None,
    ),
    SentenceRule(
        "about N rows would be needed to tell",
        re.compile(r"About ([\d,]+) of them would be needed to tell"),
        lambda found, truth: truth.needed() <= float(found[1].replace(",", "")),
    ),
    SentenceRule(
        "nothing that was tried did better",
        re.compile(r"nothing that was tried did better"),
        _nothing_better,
    ),
    SentenceRule(
        "against the controls it is better, worse",
        re.compile(r"Against the controls it is (.*)"),
        _about_controls,
        least=None,
    ),
    SentenceRule(
        "that much of its train score is luck, or fitted",
        re.compile(r"It scored ([\d.]+) points more on train.*that much .* is luck"),
        _flattered,
    ),
    SentenceRule(
        "luck, or a fit, flatters its train score",
        re.compile(r"It scored .* flatters its train score"),
        _largely_luck,
    ),
    SentenceRule(
        "these items can show a difference of about X points",
        re.compile(r"These ([\d,]+) items can show a difference of about ([\d.]+) points or more"),
        _shown_gain,
    ),
    SentenceRule(
        "reading scores helped, or not, where they are ignored",
        re.compile(r"(?:Did reading scores help|score but the start's)\? (Yes|Not shown|No)"),
        _reading_helped,
    ),
)
"""Who decides about sentences that a world can falsify."""


def printed(result: Result) -> str:
    """Return what a terminal shows at the end of a run."""
    out = io.StringIO()
    print_result(Console(file=out, width=_WIDTH, highlight=False), result)
    return out.getvalue()


def sentences(result: Result) -> list[str]:
    """Return the sentences that are printed, without the texts, the tables and the costs."""
    texts = {line.text for line in result.lines}
    lines = [line.strip() for line in printed(result).splitlines()]
    candidates = (line for line in lines if line.endswith(".") and not _COSTS.search(line))
    kept = [line for line in candidates if line not in texts]
    return [s for line in kept for s in _SENTENCE_END.split(line)]


def unknown_sentences(result: Result, rules: tuple[SentenceRule, ...] = SENTENCE_RULES) -> set[str]:
    """Return the printed sentences that no rule knows, with ``N`` in place of numbers."""
    return {
        _NUMBER.sub("N", said)
        for said in sentences(result)
        if not any(rule.sentence.search(said) for rule in rules)
    }


def claims_of(truth: Truth, rules: tuple[SentenceRule, ...] = SENTENCE_RULES) -> Iterator[Claim]:
    """Yield everything that is counted of one result."""
    yield from _words(truth)
    yield from _intervals(truth)
    for said in sentences(truth.result):
        for rule in rules:
            if found := rule.sentence.search(said):
                held = rule.is_true(found, truth)
                if held is not None:
                    yield Claim(f'said and true: "{rule.name}"', held, least=rule.least)


def _words(truth: Truth) -> Iterator[Claim]:
    """Yield the words of the comparisons: how often they are said, and wrongly."""
    result = truth.result
    words = {versus.against: versus.word for versus in result.comparisons}
    about_start = words.get(START, "")
    yield Claim("better than the start", about_start == "better")
    yield Claim("worse than the start", about_start == "worse")
    yield Claim("the start is chosen", result.unchanged)
    wrong = {
        (word, label)
        for label, word in words.items()
        if word in ("better", "worse") and not truth.right(word, label)
    }
    for word in ("better", "worse"):
        said = (word, START) in wrong
        yield Claim(f"{word} than the start, wrongly", said, most=0.025)
    yield Claim("any word of a comparison is wrong", bool(wrong), most=0.05)
    for label, word in words.items():
        if SAMPLING.fullmatch(label):
            yield Claim("better than best of N, no scores", word == "better")
            yield Claim("worse than best of N, no scores", word == "worse")


def _intervals(truth: Truth) -> Iterator[Claim]:
    """Yield whether each printed interval holds the truth."""
    result = truth.result
    for versus in result.comparisons:
        ends, true = versus.difference.interval, truth.gain(versus.against)
        other = START if versus.against == START else "a control"
        held = ends.low - _EQUAL <= true <= ends.high + _EQUAL
        yield Claim(f"interval: winner minus {other}", held, least=0.93)
        apart = not ends.low <= 0 <= ends.high
        said = versus.word in ("better", "worse")
        yield Claim("word and interval disagree", apart is not said)
    for line in result.lines:
        for split in ("train", "validation", "test"):
            score = getattr(line, split)
            if score is None:
                continue
            chosen = line.label != START and split != "test"
            name = f"interval: {split}" + (", the chosen one" if chosen else "")
            true, ends = truth.accuracy(line.label), score.interval
            held = ends.low - _EQUAL <= true <= ends.high + _EQUAL
            yield Claim(name, held, least=None if chosen else 0.93)
