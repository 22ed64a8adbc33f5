"""Measures given solutions in an open session, with progress: for what is not a search."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from llmopt.core.problem import check_scorer, judge_of, judged
from llmopt.engine.monitor import Monitor
from llmopt.engine.progress import Progress
from llmopt.engine.repeated_answers import NumberedDraws
from llmopt.engine.roles import Models
from llmopt.engine.scoring import Scoring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from llmopt.core.model import Model
    from llmopt.core.part import Measure
    from llmopt.core.problem import Problem
    from llmopt.engine.display import Display
    from llmopt.engine.options import SessionOptions
    from llmopt.engine.session import Session
    from llmopt.models.registry import NamedModel


def scorer_models(
    options: SessionOptions,
    problem: Problem,
    scorer: str | NamedModel | Model | None,
    display: Display,
) -> tuple[Models | None, Problem]:
    """Return the models that measure, and the problem with its judge LLM.

    Args:
        options: What everything needs that asks models.
        problem: Says what is measured.
        scorer: The scorer LLM by name or as a model; None takes the problem's.
        display: Where progress is shown.

    Raises:
        InputError: The problem cannot be measured with this scorer LLM.
    """
    asked = problem.scorer if scorer is None else scorer
    if asked is None:
        return None, problem
    judge = judge_of(problem)
    models = Models(options, scorer=asked, judge=judge, proposing=False, display=display)
    check_scorer(problem, models.scorer)
    return models, judged(problem, models.judge)


@contextlib.asynccontextmanager
async def answering(
    session: Session, problem: Problem, phase: str, answers: int
) -> AsyncIterator[Measure]:
    """Show progress while the context lasts, in which single answers are measured.

    Args:
        session: An open one.
        problem: Says how an answer is measured.
        phase: What is under way, for the display.
        answers: How many answers there will be.
    """
    state = Progress(session.name, phase=phase, warnings=session.traffic.warnings)
    watch = Monitor(state, session.traffic, session.listen)
    scoring = Scoring(
        NumberedDraws(problem),
        session.scorer,
        session.slots,
        session.tolerance,
        watch.observed,
    )
    async with watch.stalls():
        watch.planned(answers)
        yield scoring.measure
    watch.say(phase="done")
