"""Ends a search when its next steps are expected to gain too little.

The rule is a function of the trajectory, so a resumed run ends where the unbroken one does. Where
nothing is said, it holds for runs that begin with a budget in dollars; that is journaled, so
that runs which began without it keep to their steps.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.problem import calls_each, presented
from llmopt.errors import ConfigError
from llmopt.statistics import further_gain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.engine.options import Ending, Mode
    from llmopt.engine.session import Session
    from llmopt.models.middleware.budget import Limits

AHEAD, LEAST_GAIN = 5, 0.005
"""Steps ahead, and the gain that they must be expected to have, as a share of 1."""

RULE = "stop"
"""Kind of the record that a run began with this rule."""

_ITEMS = 12  # training items; on fewer, luck and merit look alike


def ending_rule(
    problem: Problem,
    wanted: Ending,
    steps: int,
    budget: Limits | None,
    *,
    session: Session,
    mode: Mode,
) -> Callable[[Trajectory], str] | None:
    """Return what says why a search is over; None: only its steps and limits do.

    Args:
        problem: What is optimized.
        wanted: The option `stop`.
        steps: Steps of the search at most.
        budget: The limits of the run.
        session: The run.
        mode: The option of this name; the rule is made for whole steps.

    Raises:
        ConfigError: The rule is asked for, and the problem's scores are no shares, or there are no
            whole steps.
    """
    if mode == "steady" and wanted == "no more gain":
        raise ConfigError(
            'stop = "no more gain" looks at whole steps, but mode = "steady" has none; leave one '
            "of the two out"
        )
    if mode == "steady":
        return None
    suits = presented(problem).shares and len(problem.items("train")) >= _ITEMS
    if wanted == "no more gain" and not suits:
        raise ConfigError(
            f'stop = "no more gain" needs scores that are shares from 0 to 1 on {_ITEMS} training '
            "items or more; leave it out"
        )
    if wanted == "auto" and not (suits and budget and budget.usd is not None):
        return None
    if wanted == "steps" or (wanted == "auto" and not _began_so(session.store, session.name)):
        return None

    def over(trajectory: Trajectory) -> str:
        done = trajectory.steps - 1
        gain = expected_gain(trajectory, min(AHEAD, steps - done))
        if gain is None or gain >= LEAST_GAIN or done >= steps:
            return ""
        return _said(problem, trajectory, gain, steps - done)

    return over


def _began_so(store: Store, run: str) -> bool:
    """Whether a run has begun with the rule; one that begins now does, and notes it."""
    kinds = {record.kind for record in store.records(run)}
    if RULE not in kinds and "step" not in kinds:
        store.append(run, RULE, {"rule": "no more gain"})
        return True
    return RULE in kinds


def expected_gain(trajectory: Trajectory, ahead: int) -> float | None:
    """Return what the next steps are expected to gain; None: too little is known."""
    entries = [e for e in trajectory if e.evaluation.score is not None]
    by_step = [list(own) for _, own in groupby(entries, lambda e: e.candidate.step)]
    luck = _luck([e for own in by_step[-3:] for e in own])
    steps = [
        (
            np.array([e.score for e in own]),
            np.array([luck / e.evaluation.measured for e in own]),
        )
        for own in by_step
    ]
    return further_gain(steps, ahead)


def _luck(entries: Sequence[Entry]) -> float:
    """Return the variance of an outcome that neither its item nor its solution explains."""
    place: dict[str, int] = {}
    for entry in entries:
        for outcome in entry.evaluation.outcomes:
            place.setdefault(outcome.item, len(place))
    scores = np.full((len(entries), len(place)), np.nan)
    for row, entry in enumerate(entries):
        for outcome in entry.evaluation.outcomes:
            if outcome.score is not None:
                scores[row, place[outcome.item]] = outcome.score
    seen = ~np.isnan(scores)
    given = np.where(seen, scores, 0.0)
    own = given - given.sum(axis=1, keepdims=True) / np.maximum(1, seen.sum(axis=1, keepdims=True))
    own = np.where(seen, own, 0.0)
    rest = np.where(seen, own - own.sum(axis=0) / np.maximum(1, seen.sum(axis=0)), 0.0)
    free = seen.sum() - len(entries) - int((seen.sum(axis=0) > 0).sum()) + 1
    return float((rest**2).sum() / max(1, free))


def _said(problem: Problem, trajectory: Trajectory, gain: float, left: int) -> str:
    """Return why the search is over, and what that saves."""
    done = max(1, trajectory.steps - 1)
    spent = sum(len(e.evaluation.outcomes) for e in trajectory if e.candidate.step)
    saved = round(left * spent / done) * max(1, calls_each(problem))
    points = presented(problem).points(gain, signed=False)
    least = presented(problem).points(LEAST_GAIN, signed=False)
    return (
        f"no more gain: the next {min(AHEAD, left)} steps were expected to gain {points}, less "
        f"than {least}; the {left:,} steps left, about {saved:,} calls to the scorer LLM, are saved"
    )
