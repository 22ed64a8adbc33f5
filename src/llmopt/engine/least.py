"""What a run takes at least: measuring its starts, choosing among them and testing one of them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from llmopt.core.formatting import capped
from llmopt.core.problem import calls_each
from llmopt.errors import BudgetError
from llmopt.models.middleware.budget import Price, Spent
from llmopt.problems.prompt.prompt_problem import PromptProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.core.problem import Problem
    from llmopt.core.values import Call
    from llmopt.engine.session import Session

_SPARSE = 8  # bytes of a token at most, white space not counted; English has about 5


def least(problem: Problem, session: Session, finalists: int, samples: int = 1) -> Spent:
    """Return what a run pays at least for a result, with nothing for what is stored.

    Tokens and dollars are those of the scorer LLM, counted low: every answer is one token.
    Seconds are 0, because nobody knows how fast a model is.

    Nothing where nobody knows, because a problem of another kind makes its calls itself.

    Args:
        problem: What is optimized.
        session: Its models and their stored replies.
        finalists: How many of the best on train are measured on validation.
        samples: Answers to each test item.
    """
    scorer = session.scorer
    if scorer is None or not isinstance(problem, PromptProblem):
        return Spent()
    calls = {
        call.key(scorer.identity): call for call in _calls(problem, session, finalists, samples)
    }
    missing = [call for key, call in calls.items() if session.store.exchange(key) is None]
    asked = sum(len("".join(call.text.split()).encode()) // _SPARSE for call in missing)
    price = session.price_list().get("scorer", Price(0.0, 0.0))
    return Spent(
        len(missing) * calls_each(problem),
        asked + len(missing),
        price.of(asked, len(missing)),
    )


def _calls(
    problem: PromptProblem, session: Session, finalists: int, samples: int
) -> Iterator[Call]:
    """Return the calls to the scorer LLM that no run can do without."""
    starts = problem.starts
    tested = starts[:2]  # where there are several, another one than the first may win
    chosen = starts[: max(1, finalists)]
    jobs = [(text, item, 0) for text in starts for item in problem.items("train")]
    jobs += [(text, item, 0) for text in chosen for item in problem.items("validation")]
    for text in tested:
        jobs += [
            (text, item, number) for number in range(samples) for item in problem.items("test")
        ]
    assert session.scorer is not None  # noqa: S101 - asked by the caller
    for text, item, number in jobs:
        call = problem.call(text, item, session.scorer)
        yield replace(call, sample=call.sample + number)


def check_budget(problem: Problem, session: Session, finalists: int, samples: int = 1) -> None:
    """Refuse a budget that cannot pay what a run takes at least.

    Raises:
        BudgetError: It cannot; nothing was sent.
    """
    account = session.traffic.account
    caps = {field.name: getattr(account.limits, field.name) for field in fields(account.limits)}
    if not any(cap for name, cap in caps.items() if name != "seconds"):
        return
    spent, needed = account.spent, least(problem, session, finalists, samples)
    for name, cap in caps.items():
        used, more = getattr(spent, name), getattr(needed, name)
        if cap is None or not more or used + more <= cap:
            continue
        before = f", of which {capped(name, used)} are spent" if used else ""
        if name == "calls":
            takes, advice = f"{more:,} calls at least", f"give at least {capped(name, used + more)}"
        else:  # counted low, so that more than this may still be too little
            takes = f"more than {capped(name, more)}"
            advice = "llmopt check says what a run takes"
        raise BudgetError(
            f"a budget pays for measuring the start, choosing and testing, which takes {takes}, "
            f"but got {capped(name, cap)}{before}; nothing was asked: {advice}"
        )
