"""A problem of several parts seen through its instruction, for methods that write one text.

Most methods propose one text and show past ones. Where a solution is one instruction and other
things than instructions, such as demonstrations, they work on the instruction: they see it alone,
and what they propose takes the other parts from the solution that it was made of.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from llmopt.core.problem import ExplainsScores, Refusal, parts_of
from llmopt.core.solution import join_parts, split_parts
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.errors import DataError

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.problem import Description, Exemplar, Problem, SplitName
    from llmopt.core.solution import SolutionPart
    from llmopt.core.values import Candidate, Item, Outcome


@runtime_checkable
class ProposesParts(Protocol):
    """A `propose` part that can read and write solutions of several parts."""

    def proposes_parts(self) -> bool:
        """Return whether it does; if not, its method is shown one part of each solution."""
        ...


def focus_of(propose: object, problem: Problem, trajectory: Trajectory) -> Focus | None:
    """Return the one part that a method works on; None: it works on whole solutions.

    So it does where there is one part, where several are instructions, and where it says so.

    Args:
        propose: The method's `propose` part.
        problem: The problem.
        trajectory: Everything tried so far.
    """
    parts = parts_of(problem)
    instructions = [part for part in parts if part.kind == "instruction"]
    if len(parts) == 1 or len(instructions) != 1:
        return None
    if isinstance(propose, ProposesParts) and propose.proposes_parts():
        return None
    return Focus(problem, instructions[0], trajectory)


@dataclass(frozen=True)
class Focus:
    """A problem and its trajectory seen through one part of the solutions.

    Attributes:
        problem: The problem; its solutions have several parts.
        part: The part.
        trajectory: Everything tried so far.
        view: The problem of finding a text for this part.
        seen: The trajectory of these texts. Of solutions that differ in other parts only, one
            represents all: the first, with the evaluation of the best.
    """

    problem: Problem
    part: SolutionPart
    trajectory: Trajectory
    view: PartView = field(init=False)
    seen: Trajectory = field(init=False)
    _wholes: dict[str, Entry] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        tried = self.trajectory
        ranked = tried.promising(len(tried))
        unmeasured = (entry for entry in tried if entry.evaluation.score is None)
        wholes: dict[str, Entry] = {}
        for entry in (*ranked, *unmeasured):
            wholes.setdefault(self.of(entry.text), entry)
        kind = _ExplainedPartView if isinstance(self.problem, ExplainsScores) else PartView
        object.__setattr__(self, "_wholes", wholes)
        object.__setattr__(self, "view", kind(self))
        object.__setattr__(self, "seen", self._seen())

    def of(self, text: str) -> str:
        """Return the text of the part in a solution; a text without headings is that text."""
        return self._split(text).get(self.part.name, text)

    def whole(self, text: str, like: str = "") -> str:
        """Return a solution in which the part has a text.

        Args:
            text: The text of the part.
            like: The text of the part in the solution from which the other parts are taken; that
                of `text` itself where it was tried, else that of the best solution.
        """
        known = self._wholes.get(text) or self._wholes.get(like)
        if known is None:
            known = next(iter(self._wholes.values()), None)
        rest = self._split(known.text) if known else {}
        return join_parts({**rest, self.part.name: text}) if rest else text

    def unfocused(self, candidate: Candidate) -> Candidate:
        """Return the solution that a candidate of the view represents."""
        parents = list(map(self._tried, candidate.parents))
        like = self.of(parents[-1].text) if parents else ""
        ids = tuple(entry.candidate.id for entry in parents)
        return replace(candidate, text=self.whole(candidate.text, like), parents=ids)

    def _tried(self, candidate_id: str) -> Entry:
        """Return the solution that a parent in the view represents, or that has this id itself."""
        if candidate_id in self._ids:
            return self._wholes[self.seen.entry(candidate_id).text]
        return self.trajectory.entry(candidate_id)

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(entry.candidate.id for entry in self.seen)

    def _split(self, text: str) -> dict[str, str]:
        try:
            return split_parts(text, [part.name for part in parts_of(self.problem)])
        except DataError:
            return {}

    def _seen(self) -> Trajectory:
        steps: list[list[Entry]] = [[] for _ in range(self.trajectory.steps)]
        shown: dict[str, Candidate] = {}  # by the id of the whole solution
        done = set[str]()
        for entry in self.trajectory:
            text, parents = self.of(entry.text), entry.candidate.parents
            above = tuple(
                dict.fromkeys(shown[one].id for one in parents if shown[one].text != text)
            )
            made = replace(entry.candidate, text=text, parents=above)
            shown[entry.candidate.id] = made
            if text not in done:
                done.add(text)
                steps[made.step].append(Entry(made, self._wholes[text].evaluation))
        seen = Trajectory()
        for entries in steps:
            seen = seen.tell(entries)
        return seen


class Whole(Protocol):
    """What puts a part into whole solutions, and takes it out of them."""

    @property
    def problem(self) -> Problem:
        """The problem whose solutions are whole."""
        ...

    def of(self, text: str) -> str:
        """Return the text of the part in a solution; a text without headings is that text."""
        ...

    def whole(self, text: str) -> str:
        """Return a solution in which the part has a text."""
        ...


class PartView:
    """The problem of finding a text for one part.

    See :class:`Focus` and :class:`~llmopt.core.component.Component`.
    """

    def __init__(self, focus: Whole) -> None:
        self._focus, self._inner = focus, focus.problem

    @property
    def description(self) -> Description:
        """See :class:`~llmopt.core.problem.Problem`, as for all that follow."""
        return self._inner.description

    @property
    def fingerprint(self) -> dict[str, str]:
        """That of the whole problem."""
        return self._inner.fingerprint

    @property
    def scorer(self) -> object:
        """That of the whole problem."""
        return self._inner.scorer

    @property
    def starts(self) -> tuple[str, ...]:
        """The texts of the part in the starting solutions."""
        return tuple(dict.fromkeys(map(self._focus.of, self._inner.starts)))

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return the items of a split."""
        return self._inner.items(split)

    def parse(self, text: str) -> str | Refusal:
        """Parse a text as the part of a solution."""
        parsed = self._inner.parse(self._focus.whole(text))
        return parsed if isinstance(parsed, Refusal) else self._focus.of(parsed)

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return a training item as a meta-prompt shows it."""
        return self._inner.exemplar(item, placeholder)

    def show(self, score: float, buckets: int) -> str:
        """Return a score as a meta-prompt shows it."""
        return self._inner.show(score, buckets)

    def scale(self, buckets: int) -> str:
        """Return the highest score shown."""
        return self._inner.scale(buckets)

    def aim(self, best: float, buckets: int) -> str:
        """Return the better score that a continued list asks for next."""
        return self._inner.aim(best, buckets)

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Measure the solution that a text represents."""
        return await self._inner.measure(self._focus.whole(text), item, scorer)


class _ExplainedPartView(PartView):
    """The same, where somebody says why an answer is worth what it is."""

    async def remarks(self, output: str, item: Item) -> str:
        """Return what was said of a measured output."""
        assert isinstance(self._inner, ExplainsScores)  # noqa: S101 - checked by Focus
        return await self._inner.remarks(output, item)
