"""Measures the headroom of a search before it begins, as a run of its own, paid by the search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmopt.core.store import LONGEST_NAME
from llmopt.engine.headroom_race import measured_headroom
from llmopt.engine.identity import register
from llmopt.engine.run import Run
from llmopt.errors import NotWorthItError

if TYPE_CHECKING:
    from llmopt.engine.headroom_race import HeadroomPlan
    from llmopt.evidence.headroom import Headroom

_SUFFIX = "-headroom"
_BEGUN = 1  # steps of a search of which the starting solutions alone are measured


@dataclass(frozen=True)
class HeadroomFirst:
    """Says how much a search may gain, and stops one that is not worth it.

    Attributes:
        plan: How the headroom is measured.
        over: Calls to the scorer LLM of the whole search up to which nothing is measured.
        stops: Whether a search that is not worth it is stopped.
    """

    plan: HeadroomPlan
    over: int = 0
    stops: bool = False

    async def __call__(self, run: Run) -> Headroom | None:
        """Return the headroom of a search; None: it is small, or has begun without one.

        Raises:
            NotWorthItError: The search has not begun, and is not worth it.
            ModelError: A call failed for good; the run can be resumed.
            BudgetError: A spending limit is reached.
            StoreError: Nothing can be stored.
        """
        name = run.name[: LONGEST_NAME - len(_SUFFIX)] + _SUFFIX
        begun = run.trajectory.steps > _BEGUN
        known = run.store.has(name)
        if self.plan.full <= self.over or (begun and not known):
            return None
        register(
            run.store,
            name,
            run.problem,
            self.plan.algorithm,
            optimizer=run.session.optimizer,
            scorer=run.session.scorer,
            seed=run.session.seed,
            source=None,
            control=True,
        )
        with run.store.claim(name):
            found = await measured_headroom(
                Run(run.problem, self.plan.algorithm, replace(run.session, name=name)), self.plan
            )
        if self.stops and not begun and found.word == "not worth it":
            raise NotWorthItError(found.sentence(run.progress.presentation))
        return found
