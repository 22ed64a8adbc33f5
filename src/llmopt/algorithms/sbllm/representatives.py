"""Which programs represent what was tried: the best right ones, and wrong ones to learn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmopt.core.part import Group
from llmopt.core.problem import Concludes
from llmopt.core.text import word_distance
from llmopt.errors import ConfigError
from llmopt.parts.program_structure import abstracted

if TYPE_CHECKING:
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry, Trajectory

_WRONG = 12  # latest wrong programs that are compared with each other
_UNLIKE = 9999  # distance of a program that does not parse


def is_right(problem: Problem, entry: Entry) -> bool:
    """Return whether a solution may win: of programs, whether it passes all tests."""
    return not isinstance(problem, Concludes) or problem.fits(entry.evaluation)


@dataclass
class DistinctPrograms:
    """The programs of a trajectory without those of equal structure.

    Attributes:
        problem: Says which are right.
        most: How many represent them.
        right: The best of each structure, among the right ones.
        wrong: The latest wrong ones of different structures.
        step: The step of the last one.
        before: What represented them before that step.
    """

    problem: Problem
    most: int
    right: dict[object, Entry] = field(default_factory=dict)
    wrong: dict[object, Entry] = field(default_factory=dict)
    step: int = 0
    before: tuple[Entry, ...] = ()

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add an entry, if it has a score."""
        if entry.evaluation.score is None:
            return
        if entry.candidate.step != self.step:
            self.step, self.before = entry.candidate.step, self.chosen(trajectory)
        key = abstracted(entry.text) or entry.text
        if not is_right(self.problem, entry):
            self.wrong.pop(key, None)
            self.wrong[key] = entry
            if len(self.wrong) > _WRONG:
                del self.wrong[next(iter(self.wrong))]
            return
        known = self.right.get(key)
        if known is None or trajectory.estimate(entry) > trajectory.estimate(known):
            self.right[key] = entry

    def chosen(self, trajectory: Trajectory) -> tuple[Entry, ...]:
        """Return what represents them, the highest estimate first; of equals the newer first."""
        places = {entry.candidate.id: at for at, entry in enumerate(self.right.values())}

        def worth(entry: Entry) -> tuple[float, int]:
            return trajectory.estimate(entry), places.get(entry.candidate.id, -1)

        found = sorted(self.right.values(), key=worth, reverse=True)[: self.most]
        found += self._alike()[: self.most - len(found)]
        return tuple(sorted(found, key=trajectory.estimate, reverse=True))

    def _alike(self) -> list[Entry]:
        """Return the wrong programs, those most like the other wrong ones first."""
        entries = [*self.wrong.values()]
        texts = [" ".join(abstracted(entry.text) or ()) for entry in entries]

        def apart(at: int) -> int:
            others = (text for other, text in enumerate(texts) if other != at)
            return sum(
                word_distance(texts[at], other) if texts[at] and other else _UNLIKE
                for other in others
            )

        return [entries[at] for at in sorted(range(len(entries)), key=lambda at: (apart(at), -at))]


def distinct(ctx: StepContext, most: int) -> DistinctPrograms:
    """Return the programs tried so far, of which `most` represent all."""
    made = lambda: DistinctPrograms(ctx.problem, most)  # noqa: E731 - begins the running value
    return ctx.trajectory.running(("distinct programs", most), made)


@dataclass(frozen=True)
class Representatives:
    """The fastest right programs of different structures survive; wrong ones fill the places left.

    Two programs have the same structure where they differ in names, texts, numbers and comments
    alone; the better one stays. Of the 12 latest wrong programs, those come first whose summed
    distance to the others is smallest, in tokens without names.

    Attributes:
        k: Their number, 1 or more.
    """

    k: int = 3

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"representative programs are 1 or more, but got {self.k}; take 3")

    def fits(self, problem: Problem) -> None:
        """Refuse a problem whose solutions are not programs."""
        if problem.description.layout != "code":
            raise ConfigError(
                "it compares programs, but got a problem of other texts; take opro, gepa or evolve"
            )

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return them, the highest estimate first."""
        return distinct(ctx, self.k).chosen(ctx.trajectory)


@dataclass(frozen=True)
class OriginalWithVersions:
    """One group: the given program, and the survivors as its versions, the best first."""

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return the group; the given program is no version of itself."""
        original = next(iter(ctx.trajectory), None)
        if original is None or original.evaluation.score is None:
            return (Group(shown=ctx.survivors),)
        return (Group(original, tuple(one for one in ctx.survivors if one != original)),)
