"""Where a gain comes from: what the LLM writes anyhow, choosing, reading scores, and luck.

A winner that beats the start says little about the search: a good optimizer LLM writes better
texts without any score, and the best of many texts is better than their mean. So the gain is
taken apart, and what reading scores added is tested on *all* proposals. The winners of two
searches are two single texts: they differ even if both were drawn in the same way.

The null hypothesis of the test: what the optimizer LLM was shown of past solutions and their
scores has no influence on what it proposes. Proposals are then exchangeable, with one exception:
a text that was proposed before is refused, so later steps cannot repeat the likeliest texts. What
the search had proposed in step 1 is therefore left out of the control's proposals too. The rest
of them are then drawn from the same texts as those of the later steps, each text once.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Literal

from llmopt.core.formatting import counted, p_equals
from llmopt.evidence.differences import difference_of
from llmopt.evidence.text_table import TextTable
from llmopt.evidence.words import than
from llmopt.statistics import Interval, RankSum, paired_difference, rank_sum
from llmopt.statistics.intervals import quantile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.core.values import Evaluation, Outcome
    from llmopt.evidence.scores import Score
    from llmopt.evidence.words import Word

Baseline = Literal["control", "step 1"]
"""Whose proposals are made without scores: a search without any, or the first step's."""

_DIGITS = 12  # of a mean score, so that sums in another order are ties


@dataclass(frozen=True)
class ScoreTest:
    """Whether proposals made with scores are better than those made without.

    Attributes:
        word: What proposals after step 1 are against the others: better, worse or not
            distinguishable, by the p-value alone.
        against: Who made the others.
        same_request: Whether both were asked for in the same words, so that only scores and past
            solutions make the difference.
        items: Train items on which all were compared; 0: they have none in common, so each has
            its own, and scores are taken relative to the mean on each item.
        found: Sizes, chance, interval and p-value; the first group is the search's.
    """

    word: Word
    against: Baseline
    same_request: bool
    items: int
    found: RankSum

    @classmethod
    def plain(cls, data: Mapping[str, Any]) -> ScoreTest:
        """Rebuild it from what ``asdict`` made of it, also through JSON."""
        found = dict(data["found"])
        found["interval"] = Interval(**found["interval"])
        return cls(**{**data, "found": RankSum(**found)})


@dataclass(frozen=True)
class GainPart:
    """One part of a gain.

    Attributes:
        key: writing, choosing, reading, searching or luck.
        name: What it is, in words.
        mean: In the unit of scores; above 0 is better, or flattered where it is luck.
        interval: Of the mean.
        word: What may be said of it.
    """

    key: str
    name: str
    mean: float
    interval: Interval
    word: str


@dataclass(frozen=True)
class Gain:
    """A gain in its parts, and the test of what reading scores added.

    Attributes:
        parts: Those that could be measured. Without luck they add up to the winner's gain over
            the start on test, but for items that stayed unmeasured.
        test: Whether reading scores helped; None where nothing was proposed after step 1.
    """

    parts: tuple[GainPart, ...] = ()
    test: ScoreTest | None = None

    @classmethod
    def plain(cls, data: Mapping[str, Any]) -> Gain:
        """Rebuild it from what ``asdict`` made of it, also through JSON."""
        parts = ({**part, "interval": Interval(**part["interval"])} for part in data["parts"])
        test = data.get("test")
        return cls(tuple(GainPart(**p) for p in parts), ScoreTest.plain(test) if test else None)

    @property
    def telling(self) -> bool:
        """Whether to print it: there is a control, or the steps after the first were different.

        Without a control, one step of few proposals is all that is known of what the optimizer
        LLM writes anyhow, and that mostly says nothing.
        """
        if self.test is not None and self.test.word != "not distinguishable":
            return True
        return any(part.key == "reading" for part in self.parts)

    def table(self, shown: Presentation, level: float) -> TextTable:
        """Return the parts as a table: name, mean, interval, and what may be said."""
        difference = "points" if shown.shares else "difference"
        heads = ("where the gain comes from", difference, f"{100 * level:g} % interval", "it is")
        rows = []
        for part in self.parts:
            mean, low, high = (
                shown.number(value, signed=True)
                for value in (part.mean, part.interval.low, part.interval.high)
            )
            rows.append((part.name, mean, f"[{low}, {high}]", part.word))
        return TextTable(heads, tuple(rows))

    def sentence(self, level: float) -> str:
        """Return what the test says; empty without a test."""
        return _said(self.test, level) if self.test else ""


@dataclass(frozen=True)
class HeldOutTexts:
    """What is known of the final texts beyond train.

    Attributes:
        start: The start on test; None where nothing is held out.
        winner: The winner on test, which may be the start.
        control: The control's winner on test; None where there is no control.
        luck: Scores of the winner where it was chosen and on test, in the problem's own
            direction; None where it was not measured on both, or is the start.
        chosen_on: The split that it was chosen on.
        level: Confidence level.
        groups: Which group each item belongs to, by its id.
        shown: How the problem's scores are shown.
    """

    start: Evaluation | None
    winner: Evaluation | None
    control: Evaluation | None
    luck: tuple[Score, Score] | None
    chosen_on: str
    level: float
    groups: Mapping[str, str]
    shown: Presentation


def gain_of(
    search: Trajectory,
    control: Trajectory | None,
    finals: HeldOutTexts,
    *,
    same_request: bool = True,
    together: bool = False,
) -> Gain:
    """Take a gain apart.

    Args:
        search: The finished search; its first entry is the start.
        control: The search without scores, if there is one.
        finals: What is known of the winners beyond train.
        same_request: See :class:`ScoreTest`.
        together: Whether several proposals come in one reply, so that those of a step belong
            together.
    """
    test = score_test(search, control, finals.level, same_request=same_request, together=together)
    start = next(iter(search))
    drawn = _proposals(control or search, 1, None if control else 1)
    writing = _writing(start, drawn, finals)
    parts: list[GainPart] = []
    if writing is not None:
        who = f"{len(drawn)} proposals " + ("drawn without scores" if control else "of step 1")
        name = f"writing: {who}, on average, against the start (train)"
        parts.append(_part("writing", name, writing))
        parts += _parts_on_test(writing, test, finals)
    if finals.luck is not None:
        chosen, tested = (_estimate(s.mean, s.interval) for s in finals.luck)
        flattered = _plus(chosen, _minus(tested))
        if not finals.shown.higher_is_better:
            flattered = _minus(flattered)
        name = f"luck, not part of the gain: the winner on {finals.chosen_on} against test"
        parts.append(_part("luck", name, flattered, ("flattered", "not flattered")))
    return Gain(tuple(parts), test)


def score_test(
    search: Trajectory,
    control: Trajectory | None,
    level: float,
    *,
    same_request: bool = True,
    together: bool = False,
) -> ScoreTest | None:
    """Test whether reading scores had an influence on what was proposed.

    Args:
        search: The finished search.
        control: The search without scores; None: the later steps are held to step 1.
        level: Confidence level of the interval and of the word.
        same_request: See :class:`ScoreTest`.
        together: See :func:`gain_of`.

    Returns:
        None where one of the two groups has no measured proposal.
    """
    later = _proposals(search, 2)
    if control is None:
        others = _proposals(search, 1, 1)
    else:
        known = {entry.candidate.id for entry in search if entry.candidate.step <= 1}
        others = [e for e in _proposals(control, 1) if e.candidate.id not in known]
    values, items = _standings([entry.evaluation for entry in (*later, *others)])
    steps = [entry.candidate.step for entry in (*later, *others)]
    known_values = [
        (at < len(later), value, step)
        for at, (value, step) in enumerate(zip(values, steps, strict=True))
        if value is not None
    ]
    ours, theirs = (
        [(value, step) for first, value, step in known_values if first is which]
        for which in (True, False)
    )
    if not (ours and theirs):
        return None
    found = rank_sum(
        [value for value, _ in ours],
        [value for value, _ in theirs],
        level,
        blocks=([step for _, step in ours], [step for _, step in theirs]) if together else None,
    )
    word: Word = "not distinguishable"
    if found.p_value < 1 - level:
        word = "better" if found.chance > 0.5 else "worse"  # noqa: PLR2004 - an even chance
    return ScoreTest(word, "step 1" if control is None else "control", same_request, items, found)


def compared_texts(control: str, mean: float, word: Word, shown: Presentation) -> str:
    """Say how the winners of a search and of its control compare, as two texts.

    Args:
        control: Label of the control.
        mean: The winner minus the control's winner.
        word: What the winner is.
        shown: How the problem's scores are shown.
    """
    return (
        f'This run\'s winner is {than(word)} the winner of "{control}" '
        f"({shown.points(mean)}), one text against one text."
    )


# -- the parts --------------------------------------------------------------------------------

_Estimate = tuple[float, float, float]
"""A mean, and how far its interval reaches down and up from it."""


def _estimate(mean: float, interval: Interval) -> _Estimate:
    return mean, max(0.0, mean - interval.low), max(0.0, interval.high - mean)


def _minus(one: _Estimate) -> _Estimate:
    mean, down, up = one
    return -mean, up, down


def _plus(one: _Estimate, other: _Estimate) -> _Estimate:
    """Return the sum of two independent estimates (Zou and Donner 2008: MOVER)."""
    mean = one[0] + other[0]
    return mean, math.hypot(one[1], other[1]), math.hypot(one[2], other[2])


def _part(
    key: str, name: str, found: _Estimate, words: tuple[str, str] = ("a gain", "a loss")
) -> GainPart:
    mean, down, up = found
    interval = Interval(mean - down, mean + up)
    word = words[0] if interval.low > 0 else words[1] if interval.high < 0 else "possibly 0"
    return GainPart(key, name, mean, interval, word)


def _parts_on_test(
    writing: _Estimate, test: ScoreTest | None, finals: HeldOutTexts
) -> Iterator[GainPart]:
    """Yield what choosing added to it, and what reading scores did."""
    if finals.start is None or finals.winner is None:
        return
    if finals.control is None:
        whole = _apart(finals.start, finals.winner, finals)
        if whole is not None:
            name = "searching: choosing and reading scores, beyond that (test)"
            yield _part("searching", name, _plus(whole, _minus(writing)))
        return
    drawn = _apart(finals.start, finals.control, finals)
    read = _apart(finals.control, finals.winner, finals)
    if drawn is None or read is None:
        return
    name = "choosing: the best of these against the start (test), beyond that"
    yield _part("choosing", name, _plus(drawn, _minus(writing)))
    name = "reading scores: this run's winner against that one (test)"
    part = _part("reading", name, read)
    # Two texts do not say what reading scores does; the test of all proposals does.
    said = {"better": "a gain, by the test below", "worse": "a loss, by the test below"}
    word = said.get(test.word, "not shown") if test else "not shown"
    yield GainPart(part.key, part.name, part.mean, part.interval, word)


def _apart(first: Evaluation, second: Evaluation, finals: HeldOutTexts) -> _Estimate | None:
    """Return the second minus the first on the same test items."""
    if first is second:
        return 0.0, 0.0, 0.0
    found = difference_of(first, second, finals.level, finals.groups)
    return _estimate(found.mean, found.interval) if found else None


def _writing(start: Entry, drawn: Sequence[Entry], finals: HeldOutTexts) -> _Estimate | None:
    """Return the mean of proposals minus the start on the items that all were measured on.

    A mean of what nobody has chosen is not flattered. Its interval covers both other items and
    other proposals. None where fewer than two were proposed, or they share no item.
    """
    begun = {o.item: o for o in start.evaluation.outcomes if o.score is not None}
    items = [i for i in _common([e.evaluation for e in drawn]) if i in begun]
    of_item: dict[str, list[float]] = defaultdict(list)
    means = []
    for entry in drawn:
        rows = _scored(entry.evaluation, items)
        if rows:
            total = sum(o.weight for o, _ in rows)
            means.append(
                sum((s - (begun[o.item].score or 0.0)) * o.weight for o, s in rows) / total
            )
        for outcome, score in rows:
            of_item[outcome.item].append(score)
    items = [item for item in items if of_item[item]]
    if len(means) < 2 or not items:  # noqa: PLR2004 - one has no spread
        return None
    found = paired_difference(
        [begun[item].score or 0.0 for item in items],
        [fmean(of_item[item]) for item in items],
        [begun[item].weight for item in items],
        finals.level,
        clusters=[finals.groups.get(item, item) for item in items],
    )
    ends = found.interval
    if len(items) == 1 and not finals.shown.shares:  # a function's value is the same everywhere
        ends = Interval(found.mean, found.mean)
    half = quantile(finals.level, len(means) - 1) * stdev(means) / math.sqrt(len(means))
    return _plus(_estimate(found.mean, ends), (0.0, half, half))


# -- proposals on the same items --------------------------------------------------------------


def _proposals(trajectory: Trajectory, first: int, last: int | None = None) -> list[Entry]:
    """Return what was proposed from one step to another and could be measured."""
    return [
        entry
        for entry in trajectory
        if first <= entry.candidate.step
        and (last is None or entry.candidate.step <= last)
        and entry.evaluation.measured
    ]


def _common(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return the items that all were measured on, or would have been but for a lost answer.

    With stages or a race these are the items of the first look, which everybody gets before
    anybody is dropped.
    """
    if not evaluations:
        return []
    shared = set.intersection(*({o.item for o in e.outcomes} for e in evaluations))
    return [o.item for o in evaluations[0].outcomes if o.item in shared]


def _scored(evaluation: Evaluation, items: Sequence[str]) -> list[tuple[Outcome, float]]:
    wanted = set(items)
    return [(o, o.score) for o in evaluation.outcomes if o.item in wanted and o.score is not None]


def _standings(evaluations: Sequence[Evaluation]) -> tuple[list[float | None], int]:
    """Return a score for each that can be compared, and how many items they share.

    It is the mean over the shared items, or without any, over their own; each score
    counts relative to the mean of all on that item, so that a lost answer, or another choice
    of items, favours nobody.
    """
    items = _common(evaluations)
    every = items or list(dict.fromkeys(o.item for e in evaluations for o in e.outcomes))
    rows = [_scored(evaluation, every) for evaluation in evaluations]
    if len(every) == 1:
        return [found[0][1] if found else None for found in rows], 1
    of_item: dict[str, list[float]] = defaultdict(list)
    for found in rows:
        for outcome, score in found:
            of_item[outcome.item].append(score)
    usual = {item: fmean(scores) for item, scores in of_item.items()}
    scale = max((abs(s) for scores in of_item.values() for s in scores), default=0.0) or 1.0

    def standing(found: Sequence[tuple[Outcome, float]]) -> float | None:
        if not found:
            return None
        more = math.fsum((score - usual[o.item]) * o.weight for o, score in found)
        return round(more / math.fsum(o.weight for o, _ in found) / scale, _DIGITS)

    return [standing(found) for found in rows], len(items)


# -- words ------------------------------------------------------------------------------------


def _said(test: ScoreTest, level: float) -> str:
    """Return the question that a test answers, the answer, and the figures behind it."""
    found, more = test.found, ""
    question, others = "Did reading scores help?", "drawn without scores"
    if test.against == "step 1":
        question = "Did proposals get better after step 1, which saw no score but the start's?"
        others, more = "of step 1", " A control without scores would tell more."
    elif not test.same_request:
        question = "Did the method propose better than plain sampling?"
    answer = {"better": "Yes", "worse": "No, it was worse"}.get(test.word, "Not shown")
    on = f" on {test.items:,} train items" if test.items > 1 else ""
    low, high = (100 * end for end in (found.interval.low, found.interval.high))
    return (
        f"{question} {answer}: {counted(found.first, 'proposal')} after step 1 beat "
        f"{found.second:,} {others} in {100 * found.chance:.0f} % of all pairs{on} (50 % is even; "
        f"{100 * level:g} % interval {low:.0f} to {high:.0f} %, p {p_equals(found.p_value)}, "
        f"{found.method}).{more}"
    )
