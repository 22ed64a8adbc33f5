"""GPO: gradient-inspired prompt optimization.

Source: "Unleashing the Potential of Large Language Models as Prompt Optimizers" (AAAI version;
arXiv 2402.17564), whose best row the defaults are; what it leaves open is as in the published
code. Known deviations are listed in docs/gpo.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from llmopt.algorithm import Algorithm
from llmopt.errors import UnknownNameError
from llmopt.parts.critique import Critique, Merged, Summary, Together
from llmopt.parts.keep import Elitist, LatestBest, NeverChosen
from llmopt.parts.momentum import Importance, Only, Recency, Relevance
from llmopt.parts.pace import Epochs
from llmopt.parts.propose import Generate
from llmopt.parts.rate import rated
from llmopt.parts.reflect import Exemplars
from llmopt.parts.schedule import Constant
from llmopt.parts.stepsize import Shape, StepSize

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmopt.metaprompt import Refine
    from llmopt.model import Family
    from llmopt.part import Keep, Reflect
    from llmopt.parts.momentum import Among, Turn
    from llmopt.parts.similarity import Similarity
    from llmopt.parts.stepsize import Above, Counting

_KEEPS: dict[str, Keep] = {
    "latest_best": LatestBest(),
    "never_chosen": NeverChosen(),
    "best": Elitist(),
}

Past = Literal["recency", "relevance", "importance", "summary"]


def gpo(
    *,
    momentum: Past | Literal["none"] = "relevance",
    shown: int = 3,
    order: Turn = "ascending",
    among: Among = "chosen",
    similarity: str | Similarity = "words",
    reflection: Past | Literal["none", "current"] = "none",
    control: Shape | Literal["none"] = "cosine",
    words: int = 50,
    floor: float = 0.2,
    warmup: float = 0.0,
    counting: Counting = "paper",
    above: Above = "record",
    refine: Refine = "generate",
    current: Literal["latest_best", "never_chosen", "best"] = "latest_best",
    epochs: int = 0,
    batch: int = 8,
    exemplars: int = 3,
    samples: int = 8,
    scores: int = 100,
    temperature: float = 1.0,
    family: Family | Literal["auto"] = "auto",
    template: str = "",
    strict: bool = True,
    max_tokens: int = 512,
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
) -> Algorithm:
    """Return GPO as a row of parts.

    Args:
        momentum: Which past prompts are shown beside the current one: ``none``, by ``recency``,
            ``relevance`` or ``importance``, or a ``summary`` of them.
        shown: How many are shown, the current one included.
        order: The most recent, relevant or important last (``ascending``) or first.
        among: Whether past prompts are those that were ``chosen``, or ``all`` that were tried.
        similarity: For relevance: ``words``, ``characters``, or an embedding model by name.
        reflection: Whether the optimizer LLM is asked what is wrong: ``none``, with the
            ``current`` prompt, or with earlier ones too, chosen as in `momentum`.
        control: How the limit on changed words falls: ``none``: there is none; ``fixed``,
            ``linear``, ``cosine``.
        words: The limit at the beginning.
        floor: The limit at the end, as a share of `words`.
        warmup: Share of the steps in which the limit rises to `words`.
        counting: ``paper``: the first step has the full limit; ``code``: the one after it.
        above: What happens to a prompt beyond the limit: ``record``, ``refuse``, ``again``.
        refine: Whether to ``generate`` a new prompt or to ``edit`` the current one.
        current: Which prompt is the current one: the best of the last step (``latest_best``), the
            same without staying (``never_chosen``), or the ``best`` so far.
        epochs: Times through the training items after which the search ends; 0: when the run does.
        batch: Training items of a step, for `epochs` and for reflection.
        exemplars: Training examples shown, drawn once for the run.
        samples: New prompts asked for in a step.
        scores: Steps of the shown score range; 0 hides the scores.
        temperature: Of the optimizer LLM; reflections and summaries are made at 0.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        strict: Refuse a reply without marks.
        max_tokens: Of one draw.
        stages: Items seen after each stage of measuring; none: everything at once.
        keep: Share of the candidates that goes on after a stage.
        share: Most calls a step may spend, as a share of measuring everything.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    _check("momentum", momentum, ("none", *get_args(Past)))
    _check("reflection", reflection, ("none", "current", *get_args(Past)))
    _check("a control of the step size", control, ("none", *get_args(Shape)))
    _check("the current prompt", current, _KEEPS)
    by: dict[str, Recency | Relevance | Importance] = {
        "recency": Recency(shown, order, among),
        "relevance": Relevance(shown, order, among, similarity),
        "importance": Importance(shown, order, among),
    }
    said: list[Reflect] = [Exemplars(exemplars, "constant")]
    if momentum == "summary":
        said.append(Summary())
    if reflection != "none":
        said.append(Critique(batch, Merged() if reflection == "summary" else by.get(reflection)))
    limit = None
    if control != "none":
        limit = StepSize(control, words, floor, warmup, counting, above)
    return Algorithm(
        name="gpo",
        select=by.get(momentum, Only()),
        reflect=Together(tuple(said)) if len(said) > 1 else said[0],
        propose=Generate(
            samples=samples,
            family=family,
            wording="gpo",
            template=template,
            strict=strict,
            scores=scores,
            temperature=Constant(temperature),
            max_tokens=max_tokens,
            refine=refine,
            step_size=limit,
        ),
        rate=rated(stages, keep, share),
        keep=_KEEPS[current],
        pace=Epochs(epochs, batch) if epochs else None,
    )


def _check(what: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise UnknownNameError(what, value, known)
