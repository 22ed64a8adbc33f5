"""What a run takes at least: measuring its starts, choosing among them and testing one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmopt.core.formatting import capped
from llmopt.core.problem import calls_each
from llmopt.errors import BudgetError
from llmopt.problems.prompt.prompt_problem import PromptProblem

if TYPE_CHECKING:
    from llmopt.core.problem import Problem
    from llmopt.engine.session import Session


def least_calls(problem: Problem, session: Session, finalists: int, samples: int = 1) -> int:
    """Return how many calls a run pays at least for a result, with nothing that is stored.

    0 where nobody knows, because a problem of another kind makes its calls itself.

    Args:
        problem: What is optimized.
        session: Its models and their stored replies.
        finalists: How many of the best on train are measured on validation.
        samples: Answers to each test item.
    """
    scorer = session.scorer
    if scorer is None or not isinstance(problem, PromptProblem):
        return 0
    starts = problem.starts
    tested = starts[:2]  # where there are several, another one than the first may win
    chosen = starts[: max(1, finalists)]
    jobs = [(text, item) for text in starts for item in problem.items("train")]
    jobs += [(text, item) for text in chosen for item in problem.items("validation")]
    calls = [problem.call(text, item, scorer) for text, item in jobs]
    for call in (problem.call(text, i, scorer) for text in tested for i in problem.items("test")):
        calls += [replace(call, sample=call.sample + number) for number in range(samples)]
    keys = {call.key(scorer.identity) for call in calls}
    missing = sum(session.store.exchange(key) is None for key in keys)
    return missing * calls_each(problem)


def check_budget(problem: Problem, session: Session, finalists: int, samples: int = 1) -> None:
    """Refuse a budget that cannot pay what a run takes at least.

    Raises:
        BudgetError: It cannot; nothing was sent.
    """
    account = session.traffic.account
    cap = account.limits.calls
    if cap is None:
        return
    spent = account.spent.calls
    least = least_calls(problem, session, finalists, samples)
    if least and spent + least > cap:
        before = f", of which {spent:,} are spent" if spent else ""
        raise BudgetError(
            f"a budget pays for measuring the start, choosing and testing, which takes {least:,} "
            f"calls at least, but got {capped('calls', cap)}{before}; nothing was asked: give at "
            f"least {capped('calls', spent + least)}"
        )
