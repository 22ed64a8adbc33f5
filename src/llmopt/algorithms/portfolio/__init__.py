"""Portfolio: several methods share one run, take turns, and race for the rest of it.

Ours: one budget, one store and one journal for all. Methods whose parts take any solutions build
on everything that was tried by any of them; the others see the starting solutions and their
own steps. After each round those are stopped that are surely behind, and after a share of the
planned steps only the best one continues. Train scores decide on that, never a held-out one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.portfolio.in_turn import (
    KeepInTurn,
    ProposeInTurn,
    RateInTurn,
    ReflectInTurn,
    SelectInTurn,
)
from llmopt.algorithms.portfolio.method_race import MethodRace
from llmopt.core.algorithm import Algorithm

if TYPE_CHECKING:
    from collections.abc import Sequence

PORTFOLIO = "portfolio"
"""Name of the method."""


def portfolio(
    methods: Sequence[Algorithm], *, chance: float = 0.1, shared: float = 0.3, rounds: int = 4
) -> Algorithm:
    """Return methods that take turns as one method.

    Args:
        methods: Two or more, in the order of their first turns.
        chance: A method is stopped when the best solution of its turn is at least as good as the
            best one of the round with a smaller chance than this.
        shared: Share of the planned steps after which only one method is left.
        rounds: Rounds after which only one is left in any case.

    Raises:
        ConfigError: There are fewer than two methods, one of them is a portfolio itself, or an
            option is out of its range.
    """
    race = MethodRace(tuple(methods), chance, shared, rounds)
    return Algorithm(
        name=PORTFOLIO,
        select=SelectInTurn(race),
        reflect=ReflectInTurn(race),
        propose=ProposeInTurn(race),
        rate=RateInTurn(race),
        keep=KeepInTurn(race),
        version=1 + sum(one.version - 1 for one in race.methods),
        turns=race,
    )
