"""Right uses of what takes options, which the type checker lets pass; nothing runs this file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llmopt

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.model import Model
    from llmopt.engine.progress import Progress
    from llmopt.evidence.comparison import Comparison
    from llmopt.evidence.result import Result


def searched(problem: llmopt.PromptProblem, model: Model, folder: Path) -> Result:
    """Every kind of value, and options that are known only when it runs."""
    llmopt.optimize(problem)
    llmopt.optimize(problem, algorithm="gpo", optimizer="openai/x", steps=20, patience=3)
    llmopt.optimize(problem, algorithm=llmopt.opro(samples=4), optimizer=model, target=0.9)
    llmopt.optimize(problem, budget=llmopt.Budget(usd=5), prices={"scorer": llmopt.Price(1, 2)})
    llmopt.optimize(problem, store=folder / "runs.sqlite", name="mine", controls=(), level=0.9)
    chosen: dict[str, Any] = {"steps": 3}
    return llmopt.optimize(problem, progress=listen, **chosen)


async def driven(problem: llmopt.FunctionProblem) -> Result:
    """Step by step."""
    async with llmopt.prepare(problem, optimizer="openai/x", steps=2, seed=1) as run:
        await run.step()
        score: float = run.trajectory.best(1)[0].score
    return await llmopt.optimize_async(problem, target=score, step_deadline=900)


def measured(problem: llmopt.PromptProblem) -> Comparison:
    """An evaluation."""
    return llmopt.evaluate(problem, ["A", "B"], part="all", samples=2, budget=llmopt.Budget(100))


def listen(progress: Progress) -> None:
    """Take no notice."""
    del progress
