"""Lets a problem ask the optimizer LLM before the search, once for a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.problem import AsksFirst

if TYPE_CHECKING:
    from llmopt.core.problem import Problem
    from llmopt.engine.session import Session

ASKED_FIRST = "asked-first"
"""Kind of the record with what a problem has asked for before the search."""


async def completed(problem: Problem, session: Session) -> Problem:
    """Return a problem with what it asks for before the search.

    The calls are paid from the run's budget. What came of them is in the journal, so that a run
    that is continued does not ask again.

    Raises:
        ModelError: The optimizer LLM could not answer; the run can be resumed.
        BudgetError: A spending limit is reached.
        StoreError: Nothing can be stored.
    """
    if not (isinstance(problem, AsksFirst) and problem.calls_first()):
        return problem
    records = session.store.records(session.name)
    known = next((record.data for record in records if record.kind == ASKED_FIRST), None)
    if known is None:
        with session.under_way() as ending:
            ending.status = "interrupted"  # until the search itself is under way
            known = await problem.asked_first(session.optimizer)
            session.store.append(session.name, ASKED_FIRST, known)
    return problem.completed(known)
