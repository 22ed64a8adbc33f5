"""Everything tried so far, in order: the optimizer's whole memory."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from llmopt.text import word_distance

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from llmopt.types import Candidate, Evaluation

R = TypeVar("R", bound="Running")


@dataclass(frozen=True)
class Entry:
    """A candidate with what it got."""

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


class Running(Protocol):
    """What entries come to; it is told each of them once, in their order."""

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add an entry of a trajectory, which has its parents too."""
        ...


class _Log:
    """What a line of trajectories shares: appended to, never changed.

    `ranked` holds ranks with positions in ascending order, so the best k of any trajectory on
    this line are found without sorting its entries again.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.ranked: list[tuple[tuple[bool, int, float], int]] = []
        self.position: dict[str, int] = {}
        self.misses: Counter[str] = Counter()
        self.leads: dict[tuple[int, str], int] = {}
        self.running: dict[Hashable, tuple[int, Running]] = {}

    def append(self, entry: Entry) -> None:
        at = len(self.entries)
        self.entries.append(entry)
        self.position[entry.candidate.id] = at
        if entry.evaluation.score is not None:
            insort(self.ranked, (rank(entry), at))
        self.misses.update(missed(entry))
        if entry.candidate.parents:
            self.leads.setdefault((entry.candidate.step, entry.candidate.parents[-1]), at)


class Trajectory:
    """Candidates with their evaluations in the order they were tried; immutable.

    Telling a step gives a new trajectory. Trajectories that grow out of one another share
    their entries, so a step costs what it adds and not what is already there.

    Attributes:
        steps: How many steps were told; the starting solutions are the first.
    """

    def __init__(self) -> None:
        self._log = _Log()
        self._length = 0
        self.steps = 0

    def tell(self, entries: Iterable[Entry]) -> Trajectory:
        """Return the trajectory after one more step, which may have found nothing new.

        Raises:
            ValueError: A candidate is already in the trajectory.
        """
        log = self._log
        if len(log.entries) != self._length:  # another step was already told from here
            log = _Log()
            for entry in self:
                log.append(entry)
        for entry in entries:
            if entry.candidate.id in log.position:
                raise ValueError(f"candidate {entry.candidate.id} is already in the trajectory")
            log.append(entry)
        told = Trajectory()
        told._log, told._length, told.steps = log, len(log.entries), self.steps + 1
        return told

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

        They are ordered by :func:`rank`; among equals the newer comes first (as in the
        published code, where a stable ascending sort keeps the last k). Entries without any
        measured item are left out.
        """
        found: list[Entry] = []
        for _, position in reversed(self._log.ranked):
            if len(found) == k:
                break
            if position < self._length:
                found.append(self._log.entries[position])
        return tuple(found)

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
    """Return what entries are ordered by: full or partial, how much was measured, the score.

    A partial score never outranks a full one. Among partial ones, who was measured on more
    items (in tenths of all, so that a few lost replies do not matter) ranks higher: those
    who saw fewer were dropped because they were worse.
    """
    evaluation = entry.evaluation
    tenths = round(10 * evaluation.measured / max(1, evaluation.planned))
    return (not evaluation.partial, tenths, entry.score)


def missed(entry: Entry) -> list[str]:
    """Return the ids of the items on which a candidate scored below 1."""
    return [o.item for o in entry.evaluation.outcomes if o.score is not None and o.score < 1]
