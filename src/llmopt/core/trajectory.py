"""Everything tried so far, in order: the optimizer's only memory."""

from __future__ import annotations

import heapq
import sys
from bisect import insort
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

from llmopt.core.text import word_distance

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from llmopt.core.values import Candidate, Evaluation

R = TypeVar("R", bound="Running")

_Scores = tuple[float, int, float, int]
"""The sum of the scores of readable solutions and how many they are; then of the others."""

_PRIOR = 20  # items that the mean of all solutions counts as, in an estimate
_UNREADABLE = 0.9  # share of the measured items on which nothing could be read
_ZERO = 0.05  # a share of full marks below this counts as none


@dataclass(frozen=True)
class Entry:
    """A candidate with its evaluation."""

    candidate: Candidate
    evaluation: Evaluation

    @property
    def text(self) -> str:
        """The candidate's text."""
        return self.candidate.text

    @property
    def score(self) -> float:
        """The candidate's score.

        Raises:
            ValueError: No item was measured; such entries are never ranked or shown.
        """
        if self.evaluation.score is None:
            raise ValueError(f"candidate {self.candidate.id} has no measured item")
        return self.evaluation.score


@dataclass(frozen=True)
class OpenRequest:
    """A question for new solutions, where several are open at once.

    Attributes:
        number: Its number, 1 for the first; random choices depend on it as on a step's.
        seen: Steps of the trajectory that it is asked from.
    """

    number: int
    seen: int


class Running(Protocol):
    """A value computed from all entries, each of which it receives once and in order."""

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add an entry of a trajectory, which has its parents too."""
        ...


class _Log:
    """Entries shared by trajectories that extend each other: appended to, never changed.

    `ranked` holds ranks with positions in ascending order, so the best k of any trajectory on
    this line are found without sorting its entries again; `readable` and `unreadable` hold
    estimates in the same way, each entry in one of the two.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.estimates: list[float | None] = []
        self.ranked: list[tuple[tuple[bool, int, float], int]] = []
        self.readable: list[tuple[float, int]] = []
        self.unreadable: list[tuple[float, int]] = []
        self.position: dict[str, int] = {}
        self.misses: Counter[str] = Counter()
        self.leads: dict[tuple[int, str], int] = {}
        self.running: dict[Hashable, tuple[int, Running]] = {}
        self.answered = self.negative = sys.maxsize  # positions of the first such entries
        self.scores: _Scores = (0.0, 0, 0.0, 0)

    def tell(self, entries: Sequence[Entry]) -> None:
        """Append the entries of a step; the mean used by estimates includes them."""
        after = len(self.entries) + len(entries)
        for at, entry in enumerate(entries, len(self.entries)):
            self._count(entry, at)
        for entry in entries:
            told = entry.evaluation.score is not None
            self._append(entry, self.estimate(entry, self.scores, after) if told else None)

    def copied(self, length: int) -> _Log:
        """Return a log of the first entries, with their estimates."""
        made = _Log()
        for at, entry in enumerate(self.entries[:length]):
            made._count(entry, at)
            made._append(entry, self.estimates[at])
        return made

    def estimate(self, entry: Entry, scores: _Scores, length: int) -> float:
        """Return `Trajectory.estimate`, computed from the first `length` entries."""
        evaluation, score = entry.evaluation, entry.score
        total, count, *others = scores
        if self.answered >= length:  # no answers are read, so nothing is unreadable
            total, count = total + others[0], count + int(others[1])
        elif _blank(entry):
            return score
        if not evaluation.partial or not count or evaluation.expected is not None:
            return score
        measured, planned = evaluation.measured, evaluation.planned
        rest = (measured * score + _PRIOR * total / count) / (measured + _PRIOR)
        return (measured * score + (planned - measured) * rest) / planned

    def _count(self, entry: Entry, at: int) -> None:
        if self.answered > at and any(o.answer is not None for o in entry.evaluation.outcomes):
            self.answered = at
        score = entry.evaluation.score
        if score is None:
            return
        if score < 0 and self.negative > at:
            self.negative = at
        total, count, others, blank = self.scores
        if _blank(entry):
            self.scores = (total, count, others + score, blank + 1)
        else:
            self.scores = (total + score, count + 1, others, blank)

    def _append(self, entry: Entry, estimate: float | None) -> None:
        at = len(self.entries)
        self.entries.append(entry)
        self.estimates.append(estimate)
        self.position[entry.candidate.id] = at
        if estimate is not None:
            insort(self.ranked, (rank(entry), at))
            insort(self.unreadable if _blank(entry) else self.readable, (estimate, at))
        self.misses.update(missed(entry))
        if entry.candidate.parents:
            self.leads.setdefault((entry.candidate.step, entry.candidate.parents[-1]), at)


class Trajectory:
    """Candidates with their evaluations in the order they were tried; immutable.

    `tell` returns a new trajectory. Trajectories that extend each other share their entries, so the
    cost of a step depends on what it adds and not on the length.

    Attributes:
        steps: Number of steps, the starting solutions included.
        methods: Of each step, the name of the method that made it, where several take turns; as
            long as there were turns, else empty.
    """

    def __init__(self) -> None:
        self._log = _Log()
        self._length = 0
        self._scores = self._log.scores
        self.steps = 0
        self.methods: tuple[str, ...] = ()

    def tell(self, entries: Iterable[Entry], by: str = "") -> Trajectory:
        """Return the trajectory after one more step, which may have found nothing new.

        Args:
            entries: The candidates of the step with their evaluations.
            by: Name of the method that made it, where several take turns.

        Raises:
            ValueError: A candidate is already in the trajectory.
        """
        log, told = self._log, list(entries)
        known = set[str]()
        for candidate in (entry.candidate for entry in told):
            if self.knows(candidate) or candidate.id in known:
                raise ValueError(f"candidate {candidate.id} is already in the trajectory")
            known.add(candidate.id)
        if len(log.entries) != self._length:  # another step was already told from here
            log = log.copied(self._length)
        log.tell(told)
        after = Trajectory()
        after._log, after._length, after.steps = log, len(log.entries), self.steps + 1
        after._scores = log.scores
        after.methods = self.methods
        if by:
            unnamed = [""] * (self.steps - len(self.methods))
            after.methods = (*self.methods, *unnamed, by)
        return after

    def made_by(self, step: int) -> str:
        """Return the name of the method that made a step; empty where none took turns."""
        return self.methods[step] if step < len(self.methods) else ""

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Entry]:
        for position in range(self._length):
            yield self._log.entries[position]

    def knows(self, candidate: Candidate) -> bool:
        """Whether a candidate of this text was tried."""
        return self._log.position.get(candidate.id, self._length) < self._length

    def entry(self, candidate_id: str) -> Entry:
        """Return the entry of a candidate by its id.

        Raises:
            KeyError: No such candidate was tried.
        """
        position = self._log.position[candidate_id]
        if position >= self._length:
            raise KeyError(candidate_id)
        return self._log.entries[position]

    def best(self, k: int) -> tuple[Entry, ...]:
        """Return the `k` best entries, best first.

        They are ordered by :func:`rank`, which suits claims; what a search goes on from, and shows,
        is :meth:`promising`. Among equals the newer comes first (as in the
        published code, where a stable ascending sort keeps the last k). Entries without any
        measured item are left out.
        """
        return self._first(k, reversed(self._log.ranked))

    def promising(self, k: int, *, readable: bool = False) -> tuple[Entry, ...]:
        """Return the `k` entries with the highest estimates, highest first.

        What a search shows and goes on from is ordered this way; claims are made of
        :meth:`best`. The newer of equals comes first, and entries without any measured item are
        left out. Where all were measured in full, both are the same.

        Args:
            k: How many at most.
            readable: Leave those out that are :meth:`unreadable`, if there are others.
        """
        log = self._log
        found = self._first(k, reversed(log.readable))
        if log.unreadable and not (readable and found and self._answered):
            both = (reversed(log.readable), reversed(log.unreadable))
            found = self._first(k, heapq.merge(*both, reverse=True))
        return found

    def estimate(self, entry: Entry) -> float:
        """Return the score that an entry is expected to have on all items.

        A full score is that score. A partial one counts for the items that were measured; on the
        others, what is expected is ``(sum + 20 * mean) / (measured + 20)``: its own mean, drawn
        towards the mean score of the solutions tried up to its step and in it. So the fewer
        the items, the less luck on them is worth, and a few lost answers hardly matter. What is
        :meth:`unreadable` is expected to remain so. An entry's estimate never changes.

        Raises:
            ValueError: No item was measured.
        """
        at = self._log.position.get(entry.candidate.id, self._length)
        known = self._log.estimates[at] if at < self._length else None
        if known is not None:
            return known
        return self._log.estimate(entry, self._scores, self._length)

    def unreadable(self, entry: Entry) -> bool:
        """Whether a solution made (nearly) everything unreadable.

        On 90 % of its measured items or more, nothing could be read of the answers, and it has
        no score to speak of. Where no answer was ever read, as with problems that have none,
        nothing is unreadable.
        """
        return self._answered and _blank(entry)

    def worthless(self, entry: Entry) -> bool:
        """Whether the estimate of a solution is (nearly) the worst that a mean of shares can be.

        That is below 5 % of full marks, on several items of which none has a score below 0:
        the result of a function is never worthless, for a single number has no known worst.
        """
        several = entry.evaluation.planned > 1 and self._log.negative >= self._length
        return several and 0 <= self.estimate(entry) < _ZERO

    @property
    def _answered(self) -> bool:
        """Whether some answer could be read."""
        return self._log.answered < self._length

    def _first(self, k: int, places: Iterable[tuple[object, int]]) -> tuple[Entry, ...]:
        """Return the first `k` entries of this trajectory; later ones may have added to the log."""
        known = (self._log.entries[at] for _, at in places if at < self._length)
        return tuple(islice(known, k))

    def recent(self, k: int) -> tuple[Entry, ...]:
        """Return the `k` entries tried last, newest last."""
        return tuple(self._log.entries[max(0, self._length - k) : self._length])

    def latest(self) -> tuple[Entry, ...]:
        """Return the measured entries of the last step that has any, in order."""
        size = 16
        while True:
            found = [e for e in self.recent(size) if e.evaluation.score is not None]
            if size >= len(self) or (found and found[0].candidate.step < found[-1].candidate.step):
                return tuple(e for e in found if e.candidate.step == found[-1].candidate.step)
            size *= 4

    def led(self) -> tuple[tuple[int, Entry], ...]:
        """Return, step by step, the entry that its candidates go on from: their last parent.

        A step that found nothing new is left out; one of several groups of parents has several.
        """
        leads = self._log.leads.items()
        return tuple((step, self.entry(lead)) for (step, lead), at in leads if at < self._length)

    def running(self, key: Hashable, begin: Callable[[], R]) -> R:
        """Return what the entries come to, so that a part need not go through all of them.

        It is kept. A trajectory that grew out of this one adds only what is new to it, so asking
        for it costs what a step adds. An older trajectory begins anew.

        Args:
            key: What it is; equal keys stand for equal values of `begin`.
            begin: Gives what no entries come to.

        Returns:
            A value to be read at once, for it goes on with the next step.
        """
        log = self._log
        told, kept = log.running.get(key, (0, None))
        if kept is None or told > self._length:
            told, kept = 0, begin()
        for position in range(told, self._length):
            kept.add(log.entries[position], self)
        if log.running.get(key, (0, None))[0] <= self._length:
            log.running[key] = (self._length, kept)
        return kept  # type: ignore[return-value] # of equal keys, equal kinds

    def words_changed(self, candidate: Candidate) -> int | None:
        """Return how many words a candidate differs in from its last parent; None: it has none."""
        if not candidate.parents:
            return None
        return word_distance(self.entry(candidate.parents[-1]).text, candidate.text)

    def misses(self) -> Counter[str]:
        """Count, for each item id, the candidates that did not get its full score."""
        if len(self._log.entries) == self._length:
            return Counter(self._log.misses)
        counts: Counter[str] = Counter()
        for entry in self:
            counts.update(missed(entry))
        return counts


def rank(entry: Entry) -> tuple[bool, int, float]:
    """Return what claims go by: full or partial, how much was measured, the score.

    A partial score never outranks a full one, but one of which a few answers were lost by
    accident is :attr:`~llmopt.core.values.Evaluation.whole` and ranks among the full ones; so
    does a score that a model estimates for all items.
    Among the others, who was measured on more items (in tenths of all, so that a few lost
    replies do not matter) ranks higher: those who saw fewer were dropped because they were worse.
    """
    evaluation = entry.evaluation
    if evaluation.comparable:
        return (True, 10, entry.score)
    tenths = round(10 * evaluation.measured / max(1, evaluation.planned))
    return (False, tenths, entry.score)


def _blank(entry: Entry) -> bool:
    """Whether hardly any answer could be read, and the score is no more than the others' share."""
    measured = [o for o in entry.evaluation.outcomes if o.score is not None]
    blank = sum(o.answer is None for o in measured)
    return blank >= _UNREADABLE * len(measured) > 0 and 0 <= entry.score <= 1 - _UNREADABLE + 1e-9


def missed(entry: Entry) -> list[str]:
    """Return the ids of the items on which a candidate scored below 1."""
    return [o.item for o in entry.evaluation.outcomes if o.score is not None and o.score < 1]
