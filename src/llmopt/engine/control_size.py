"""How large a control can be: as large as the search, or as what a budget has left for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.problem import calls_each
from llmopt.engine.journal import CONTROL
from llmopt.engine.repeated_answers import answers_each
from llmopt.models.middleware.aside import ControlShare
from llmopt.models.middleware.budget import Account, Spent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.engine.session import Session
    from llmopt.evidence.verdict import Evidence

LEAST = 4
"""Candidates of the smallest control that says anything; of the search, where it tried fewer."""


@dataclass(frozen=True)
class ControlSize:
    """How much a control may measure on train after the starting solutions.

    Attributes:
        evaluations: Outcomes, in all.
        candidates: How many candidates these are of.
    """

    evaluations: int
    candidates: int

    def cut(self, candidates: int) -> ControlSize:
        """Return a smaller size at the same cost of a candidate."""
        return ControlSize(round(self.evaluations * candidates / self.candidates), candidates)


def share_of(
    problem: Problem, scorer: Model | None, finalists: int, plain: int = 0, samples: int = 1
) -> ControlShare:
    """Return what a budget keeps for a control while the search continues.

    Args:
        problem: What is optimized.
        scorer: The scorer LLM; without one, measuring takes no calls.
        finalists: How many of the best on train are measured on validation.
        plain: How many plain controls are tested before, from the same share.
        samples: Answers to each test item.
    """
    each = calls_each(problem) if scorer else 0
    tested = each * plain * samples * len(problem.items("test"))
    rows = each * len(problem.items("train"))
    few = min(finalists, LEAST)
    return ControlShare(
        starts=len(problem.starts) * rows,
        finals=tested + final_calls_of(problem, scorer, finalists, samples),
        least=tested + LEAST * (1 + rows) + final_calls_of(problem, scorer, few, samples),
    )


def opened_share(
    control: Algorithm | None,
    problem: Problem,
    session: Session,
    finalists: int,
    evidence: Evidence,
) -> ControlShare | None:
    """Return what the budget of a session keeps for a control; None: there is no control.

    The budget then knows what earlier controls of the run have spent.
    """
    if control is None:
        return None
    session.traffic.account.controlled(spent_before(session.store, session.name))
    samples = answers_each(problem, session.scorer, evidence.samples)
    return share_of(problem, session.scorer, finalists, len(evidence.controls), samples)


def final_calls_of(problem: Problem, scorer: Model | None, compared: int, samples: int) -> int:
    """Return the calls that choose and test the winner of a control, whose start is known.

    Args:
        problem: What is optimized.
        scorer: The scorer LLM; without one, measuring takes no calls.
        compared: How many candidates are measured on validation.
        samples: Answers to each test item.
    """
    each = calls_each(problem) if scorer else 0
    tested = samples * len(problem.items("test"))
    return each * (compared * len(problem.items("validation")) + tested)


def affordable(
    search: ControlSize,
    problem: Problem,
    scorer: Model | None,
    account: Account,
    *,
    finalists: int,
    refused: int,
    samples: int,
) -> ControlSize | None:
    """Return the largest control that what is left of a budget pays for; None: it pays for none.

    Args:
        search: What the search has measured, which is the size of a whole control.
        problem: What is optimized.
        scorer: The scorer LLM; without one, measuring takes no calls.
        account: The budget.
        finalists: How many of the best on train are measured on validation.
        refused: Proposals that the search refused; a control has as many for each candidate.
        samples: Answers to each test item.
    """
    each = calls_each(problem) if scorer else 0
    measuring = each * search.evaluations / search.candidates
    asking = 1 + refused / search.candidates
    for size in range(search.candidates, min(LEAST, search.candidates) - 1, -1):
        finals = final_calls_of(problem, scorer, min(finalists, size), samples)
        if account.pays_for(size * measuring + finals, size * asking):
            return search.cut(size)
    return None


def planned(store: Store, run: str, search: ControlSize) -> ControlSize | None:
    """Return the largest control of this search that was planned before, if any was."""
    sizes = [
        ControlSize(**record.data["size"])
        for record in store.records(run)
        if record.kind == CONTROL and record.data.get("search") == asdict(search)
    ]
    return max(sizes, key=lambda size: size.candidates, default=None)


def plan(store: Store, run: str, search: ControlSize, size: ControlSize) -> None:
    """Journal what is planned, so that an interrupted control continues as it began."""
    store.append(run, CONTROL, {"search": asdict(search), "size": asdict(size)})


def note_spent(store: Store, run: str, spent: Spent) -> None:
    """Journal what a control has spent, so that a larger budget does not count it twice."""
    store.append(run, CONTROL, {"spent": asdict(spent)})


def spent_before(store: Store, run: str) -> Spent:
    """Return what the controls of a run have spent in all, of those that came to an end."""
    total = Spent()
    for record in store.records(run):
        if record.kind == CONTROL and "spent" in record.data:
            found: Mapping[str, Any] = record.data["spent"]
            total += Spent(**found)
    return total
