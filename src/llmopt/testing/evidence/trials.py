"""Runs through the real pipeline: one search, or one that is broken off, resumed, repeated."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.api import optimize
from llmopt.errors import BudgetError, ConfigError, RefusedError
from llmopt.testing.evidence.readers import reader_of

if TYPE_CHECKING:
    from llmopt.core.algorithm import Algorithm
    from llmopt.evidence.result import Result
    from llmopt.testing.evidence.worlds import SimulatedProblem, World


@dataclass(frozen=True)
class Trial:
    """How a world's runs are led.

    Attributes:
        algorithm: A method by name, by ``package.module:name``, or as an object.
        steps: Steps of a search.
        looks: How often a result is asked for; before each further one, the run is resumed with
            as many more steps.
        searches: Searches of different seeds on the same rows, in one store.
        breaks: How often each search is broken off while it measures, and resumed.
        options: Further options of :func:`llmopt.optimize`.

    Raises:
        ConfigError: A number is out of its range.
    """

    algorithm: str | Algorithm = "opro"
    steps: int = 4
    looks: int = 1
    searches: int = 1
    breaks: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("steps", "looks", "searches"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is 1 or more, but got {getattr(self, name)}")
        if self.breaks < 0:
            raise ConfigError(f"breaks are 0 or more, but got {self.breaks}")

    def run(self, world: World, seed: int) -> tuple[SimulatedProblem, list[Result]]:
        """Do one trial, and return the problem with every result, in order.

        A search that a budget ends before there is anything to say gives no result.
        """
        problem = world.problem(seed)
        found: list[Result] = []
        with tempfile.TemporaryDirectory() as folder:
            for search in range(self.searches):
                for look in range(1, self.looks + 1):
                    more = {
                        "store": Path(folder) / "simulated.sqlite",
                        "name": f"search-{search}",
                        "seed": seed * self.searches + search,
                        "steps": look * self.steps,
                    }
                    found += self._result(world, problem, more)
        return problem, found

    def _result(
        self, world: World, problem: SimulatedProblem, more: dict[str, Any]
    ) -> list[Result]:
        """Return the result of one look, if there is one."""
        model = reader_of(world, more["seed"])
        options = {"progress": False, **self.options, **more}
        size = world.sizes[0] * more["steps"]
        for number in range(self.breaks):
            problem.allowed = size * (number + 1)
            try:
                optimize(problem, algorithm=self.algorithm, optimizer=model, **options)
            except RefusedError:
                continue
            finally:
                problem.allowed = None
        try:
            return [optimize(problem, algorithm=self.algorithm, optimizer=model, **options)]
        except BudgetError:
            return []
