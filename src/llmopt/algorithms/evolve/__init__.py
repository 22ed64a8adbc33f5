"""Evolution of programs: parents from grids of features on islands, changed by edits.

Source: "AlphaEvolve: A coding agent for scientific and algorithmic discovery" (arXiv 2506.13131),
and what its open relatives do where it does not say: OpenEvolve and ShinkaEvolve.

Known deviations, each of them on purpose: the paper publishes no code, and neither sizes nor
rates of its database; here there are two islands that take turns, a grid of length, score and
nesting of loops on each, shares of 0.2 and 0.7 for exploration and exploitation and a migration
every ten steps (OpenEvolve: five islands, features of length and edit distance, the same shares,
fifty steps and a tenth of the island), and what migrates is the best of each island; there is one
optimizer LLM; requests do not evolve; the search makes steps. Of a program the cheap tests run
first, and those that fail most of them are not run on the others; `stages` drops other solutions
after part of their items; all texts are in our own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.evolve.asking import Change, EvolveParent, ParentRemarks
from llmopt.algorithms.evolve.feature_grid import Feature, GridElites, Islands
from llmopt.algorithms.evolve.parents import GridDraw
from llmopt.core.algorithm import Algorithm, method
from llmopt.core.defaults import Following
from llmopt.parts.propose import Generate
from llmopt.parts.rate import rated
from llmopt.parts.schedule import Constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.parts.propose import AnyFamily


@method
def evolve(
    *,
    islands: int = 2,
    migrate: int = 10,
    features: Sequence[Feature] = ("length", "score", "loops"),
    parents: int = 1,
    samples: int = 4,
    best: int = 2,
    diverse: int = 1,
    explore: float = 0.2,
    exploit: float = 0.7,
    change: Change = "edits",
    clip: int = 1500,
    temperature: float = 0.7,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = Following(1024),
    stages: Sequence[int] = (),
    keep: float = 0.5,
) -> Algorithm:
    """Return evolution by an optimizer LLM as a row of parts.

    Args:
        islands: Grids that do not see each other but for migrations; steps take turns.
        migrate: Steps after which the best of each island joins the next one; 0: never.
        features: What makes the cells of a grid: ``length``, ``score``, ``loops``.
        parents: Parents of a step.
        samples: Children of each parent.
        best: How many of the best other solutions of the island are shown.
        diverse: How many of the rest are shown, drawn at random.
        explore: Chance that a parent is drawn from all cells alike.
        exploit: Chance that it is drawn from the best fifth of them.
        change: ``edits`` of the parent, where the problem takes them, or ``whole`` texts.
        clip: Characters of a remark on the parent that are shown at most.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        max_tokens: Of one draw; the default grows with long starting solutions.
        stages: Items seen after each stage of measuring; none: everything at once.
        keep: Share of the candidates that is left after a stage.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    spread = Islands(islands, migrate, tuple(features))
    ask = Generate(
        samples,
        family,
        "evolve",
        template,
        temperature=Constant(temperature),
        max_tokens=max_tokens,
        refine="edit",
        last=True,
    )
    return Algorithm(
        name="evolve",
        select=GridDraw(spread, parents, best, diverse, explore, exploit),
        reflect=ParentRemarks(clip),
        propose=EvolveParent(ask, change),
        rate=rated(stages, keep, 1.0),
        keep=GridElites(spread),
    )
