"""Mistakes, each refused by the type checker; nothing runs this file.

mypy also refuses a comment that has nothing to ignore, so a mistake that it let pass would show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import llmopt

if TYPE_CHECKING:
    from llmopt.evidence.result import Result


def searched(problem: llmopt.PromptProblem) -> str:
    """Words that are no options, and values that they cannot have."""
    llmopt.optimize(problem, metrics="exact")  # type: ignore[call-arg]
    llmopt.optimize(problem, algoritm="opro")  # type: ignore[call-arg]
    llmopt.optimize(problem, budget=100)  # type: ignore[arg-type]
    llmopt.optimize(problem, steps="20")  # type: ignore[arg-type]
    llmopt.optimize(problem, algorithm=llmopt.opro)  # type: ignore[arg-type]
    llmopt.optimize(problem, controls=None)  # type: ignore[arg-type]
    llmopt.optimize(problem, prices={"model": llmopt.Price(1, 2)})  # type: ignore[dict-item]
    llmopt.optimize(problem, "opro")  # type: ignore[call-arg]
    llmopt.optimize("tickets.csv")  # type: ignore[arg-type]
    return llmopt.optimize(problem)  # type: ignore[return-value]


async def driven(problem: llmopt.PromptProblem) -> Result:
    """The same where it is awaited, or done step by step."""
    async with llmopt.prepare(problem, step=2) as run:  # type: ignore[call-arg]
        await run.steps()  # type: ignore[attr-defined]
    return await llmopt.optimize_async(problem, tolerance="2 %")  # type: ignore[arg-type]


async def measured(problem: llmopt.PromptProblem) -> None:
    """An evaluation."""
    llmopt.evaluate(problem, ["A"], parts="all")  # type: ignore[call-arg]
    llmopt.evaluate(problem, ["A"], samples="2")  # type: ignore[arg-type]
    llmopt.evaluate(problem)  # type: ignore[call-arg]
    await llmopt.evaluate_async(problem, ["A"], budget=100)  # type: ignore[arg-type]
