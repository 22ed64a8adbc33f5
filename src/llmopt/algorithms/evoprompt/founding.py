"""Which starting solutions found a population, and populations of children alone.

Source: the options of EvoPrompt's published code, ``initial_mode`` and ``ga_mode``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.core.part import generator
from llmopt.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry

Initial = Literal["top", "bottom", "random", "para-top", "para-bottom", "para-random"]
"""Which starts found a population; with ``para-`` they get half of it, and other wordings of them
the rest."""

Survivors = Literal["best", "children"]


def founders(ranked: Sequence[Entry], size: int, initial: Initial, seed: int) -> list[Entry]:
    """Return the starts that a population begins with, best first.

    Args:
        ranked: The starts, best first.
        size: Of the population.
        initial: Which of them.
        seed: Of the run.

    Raises:
        UnknownNameError: There is no such choice.
    """
    if initial not in get_args(Initial):
        raise UnknownNameError("initial", initial, get_args(Initial))
    most = max(1, size // 2) if initial.startswith("para-") else size
    if initial.endswith("bottom"):
        return list(ranked[-most:])
    if initial.endswith("random"):
        order = generator(seed, 0, "founders").permutation(len(ranked))[:most]
        return [ranked[int(at)] for at in sorted(order)]
    return list(ranked[:most])


@dataclass(frozen=True)
class Population:
    """The population of a genetic algorithm with founders and survivors of the user's choice.

    Attributes:
        size: Of the population; 1 or more.
        survivors: Whether the ``best`` of old and new survive, or the ``children`` of a step take
            the places of the old, of whom the best keep the places for which there is no child.
        initial: See :func:`founders`.
    """

    size: int = 10
    survivors: Survivors = "best"
    initial: Initial = "top"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"a population is 1 or more, but got {self.size}")
        if self.survivors not in get_args(Survivors):
            raise UnknownNameError("survivors", self.survivors, get_args(Survivors))
        founders((), self.size, self.initial, 0)

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return the population, best first."""
        worth = ctx.trajectory.estimate
        scored = (entry for entry in ctx.trajectory if entry.evaluation.score is not None)
        population: list[Entry] = []
        for step, entries in groupby(scored, key=lambda entry: entry.candidate.step):
            found = sorted(entries, key=worth, reverse=True)
            if step == 0:
                population = founders(found, self.size, self.initial, ctx.seed)
            elif self.survivors == "children" and len(population) == self.size:
                population = [*found, *population][: self.size]
            else:
                population = sorted([*population, *found], key=worth, reverse=True)[: self.size]
        return tuple(sorted(population, key=worth, reverse=True))
