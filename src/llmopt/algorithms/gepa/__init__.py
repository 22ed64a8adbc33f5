"""GEPA: rewrites from a few answered rows, and parents drawn from the front of each row.

Source: "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning" (ICLR 2026, arXiv
2507.19457) and its published code (gepa-ai/gepa, version 0.1.4): 3 rows a step, candidates drawn by
the number of rows on which they are among the best, and children measured on all tracked rows once
they do better on the rows they were written from.

Known deviations, each of them on purpose: by default a child is accepted by a sequential paired
test on rows it was not written from, with a known rate of false accepts (``gate = "strict"`` is the
published gate, which accepts children that are no better in a large share of cases); by default
every training row is tracked, a step reflects on rows that the parent got wrong, which costs
nothing, and those rows do not count in the test (``tracked`` below 1 keeps the two apart, as
published); an epoch of rows for reflection is filled up from its own beginning; equal children are
not measured twice; the round of parts is one for the run, where the published code keeps one for
each candidate; a merge is tested against the better of its parents with the gate of all children,
its ancestor is the best of several, and the number of merges counts those tried, as in the paper;
the final choice among candidates is made on validation rows by the run; marks in place of a code
fence; all texts are in our own words. Merges are off by default, as in the published code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.gepa.acceptance import AcceptanceGate, GateName
from llmopt.algorithms.gepa.components import ComponentChoice, Components
from llmopt.algorithms.gepa.reflection import RowReports
from llmopt.algorithms.gepa.rewriting import ReflectiveRewrite
from llmopt.algorithms.gepa.row_fronts import CandidatePool, ParetoDraw, Selection
from llmopt.algorithms.gepa.system_merge import MergeOrDraw
from llmopt.algorithms.gepa.tracked_rows import TrackedRows
from llmopt.core.algorithm import Algorithm, method
from llmopt.core.defaults import Following
from llmopt.parts.propose import Generate
from llmopt.parts.schedule import Constant

if TYPE_CHECKING:
    from llmopt.parts.propose import AnyFamily


@method
def gepa(
    *,
    rows: int = 3,
    tracked: float = 1.0,
    gate: GateName = "sequential",
    error: float = 0.05,
    futility: float = 0.2,
    selection: Selection = "tested",
    parents: int = 1,
    samples: int = 1,
    components: Components = "round-robin",
    merges: int = 0,
    clip: int = 2000,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = Following(1024),
) -> Algorithm:
    """Return GEPA as a row of parts.

    Args:
        rows: Training rows that a step reflects on.
        tracked: Share of the training rows that candidates are tracked by. 1: all of them, and a
            step reflects on rows that the parent got wrong; less: the others are for reflection
            alone, and tracked rows are never shown.
        gate: Which children are accepted: ``sequential`` or ``strict``.
        error: Largest share of accepted children among those that are no better, for
            ``sequential``.
        futility: Chance of being accepted below which a child is rejected early, for
            ``sequential``.
        selection: How a parent is chosen: ``pareto`` draws by the fronts of all rows; ``tested``
            does so among those that the best one does not surely beat; ``best`` takes the highest
            score.
        parents: Parents of a step.
        samples: Children of each parent.
        components: Which parts of a solution with several instructions a step rewrites:
            ``round-robin``, one after the other; ``all``, each by a request of its own; or
            ``together``, the solution as one text.
        merges: Merges of two candidates that a run tries at most, each after an accepted child;
            5 is published, 0 is off. They need several instructions.
        clip: Characters of an input, an answer or a remark that are shown at most.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        max_tokens: Of one draw; the default grows with long starting solutions.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    shares = TrackedRows(rows, tracked)
    ask = Generate(
        samples,
        family,
        "gepa",
        template,
        scores=0,
        temperature=Constant(temperature),
        max_tokens=max_tokens,
        refine="edit",
    )
    turns = ComponentChoice(components)
    draw = ParetoDraw(parents, selection, error)
    return Algorithm(
        name="gepa",
        select=MergeOrDraw(draw, merges) if merges else draw,
        reflect=RowReports(shares, clip, turns),
        propose=ReflectiveRewrite(ask, turns),
        rate=AcceptanceGate(shares, gate, error, futility),
        keep=CandidatePool(),
        shares=True,
    )
