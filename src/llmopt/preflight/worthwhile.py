"""``llmopt check --headroom``: whether the run of a configuration is worth its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.api import prepare
from llmopt.engine.headroom_race import WORTH, headroom_plan, measured_headroom
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.config.settings import Configuration
    from llmopt.evidence.headroom import Headroom


async def headroom_of(settings: Configuration, worth: float = WORTH) -> tuple[Headroom, str]:
    """Measure how much a run may gain, and return it with the sentence that says so.

    It is paid from the budget of the configuration, and its replies are stored.

    Args:
        settings: The configuration.
        worth: The gain that is worth while, in points, above 0 and below 100.

    Raises:
        InputError: There is no headroom to measure; nothing was paid.
        ModelError: A model does not answer.
        BudgetError: The budget does not pay for it.
    """
    if not 0 < worth < 100:  # noqa: PLR2004 - points of a hundred
        raise ConfigError(f"worth is above 0 and below 100 points, but got {worth}")
    problem, options = settings.built_problem(), settings.options()
    algorithm = options["algorithm"]
    plan = headroom_plan(
        problem,
        algorithm,
        steps=algorithm.steps(problem, settings.run.steps),
        finalists=settings.run.finalists,
        worth=worth / 100,
    )
    probe = {"algorithm": plan.algorithm, "steps": 1, "controls": (), "validate_every": 0}
    probe |= {"validation_patience": 0, "progress": False}
    async with prepare(problem, **{**options, **probe}) as run:
        found = await measured_headroom(run, plan)
        return found, found.sentence(run.progress.presentation)
