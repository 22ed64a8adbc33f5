"""PE2: questions about each error, then a new prompt, shown with its own history.

Source: "Prompt Engineering a Prompt Engineer" (arXiv 2311.05661): in each of 3 steps the 4 best
prompts so far are refined 4 times each, every time after another batch of 2 errors; the questions
are answered at temperature 0, the prompt is written at 0.7. A limit on changed words and the
history are studied in its appendix B and left out of its final version. They are on here, as GPO
(arXiv 2402.17564, table 4) describes PE2; ``words=0`` and ``history=1`` are the final version.

Its published code (INK-USC/PE2) differs from the paper and from this row in what follows, and an
option gives its form: the questions are answered at 0.5, with up to 1,500 tokens, and a prompt has
up to 300 (``question_temperature=0.5``, ``question_tokens=1500``, ``max_tokens=300``); errors are
shown with the task model's reasoning (``reasoning=True``); prompts are ranked on rows of their own,
not on those whose errors were shown (``dev=0.5``); a reply without marks is taken whole
(``strict=False``); rows of a batch may be drawn in two other ways (``batching``). Its own defaults
are 2 prompts, refined twice each, in 10 steps.

Ours: the limit of 15 words, the largest that the paper tries, as it does not say which it found
best; the history is told by prompts and scores, without a summary of each change; no limit on a
prompt's length (the paper: 50 tokens; set ``max_words`` of the invariants); both parts of the
conversation are calls of their own; errors are those of the evaluation that a prompt already has;
all texts are in our own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.promptagent.reward_rows import OnRewardRows, RewardRows
from llmopt.algorithms.protegi.gradients import Successors, TextualGradients
from llmopt.core.algorithm import Algorithm, method
from llmopt.errors import ConfigError
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.rate import Rating, rated
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant
from llmopt.parts.select import Lineages
from llmopt.parts.word_limit import StepSize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.algorithms.protegi.gradients import Batching
    from llmopt.parts.word_limit import Above


@method
def pe2(
    *,
    parents: int = 4,
    batches: int = 4,
    errors: int = 2,
    history: int = 0,
    words: int = 15,
    above: Above = "record",
    scores: int = 100,
    temperature: float = 0.7,
    question_temperature: float = 0.0,
    batching: Batching = "hard",
    reasoning: bool = False,
    dev: float = 0.0,
    family: AnyFamily = "auto",
    template: str = "",
    strict: bool = True,
    max_tokens: int = USUAL,
    question_tokens: int = 1024,
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
    rate: Rating = "auto",
) -> Algorithm:
    """Return PE2 as a row of parts.

    Args:
        parents: How many of the best prompts are refined in a step.
        batches: New prompts of each, every one after another batch of errors.
        errors: Errors in a batch.
        history: Of how many prompts the history of a prompt is told, itself included; 0: of all.
        words: How many words of a prompt may change; 0: no limit.
        above: What happens to a prompt beyond the limit: ``record``, ``refuse``, ``again``.
        scores: Steps of the shown score range; 0 hides the scores.
        temperature: Of new prompts.
        question_temperature: Of the answers to the questions; the paper 0, its code 0.5.
        batching: Rows of a batch: ``hard`` (errors), ``hard_weighted``, or ``random`` (any).
        reasoning: Show errors with the whole reply of the scorer LLM.
        dev: Share of the training rows that rank prompts, while errors come from the others; 0: all
            rows are for both.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A template of the user's own for the second part.
        strict: Refuse a reply without marks.
        max_tokens: Of one draw; the default grows with long starting solutions.
        question_tokens: Of the answers to the questions about one batch of errors.
        stages: Items seen after each stage of measuring; none: everything at once.
        keep: Share of the candidates that goes on after a stage.
        share: Most calls a step may spend, as a share of measuring everything.
        rate: ``ability`` for a race by abilities, which takes fewest calls, or ``auto``: what
            `stages` and `share` say.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    rows = RewardRows(dev) if dev else None
    if rows and (stages or share < 1 or rate != "auto"):
        raise ConfigError(
            "with rows of their own for ranking (dev), prompts are measured on all of these, but "
            "got stages, share or rate too; leave one out"
        )
    edit = Generate(
        1,
        family,
        "pe2",
        template,
        strict=strict,
        scores=scores,
        temperature=Constant(temperature),
        max_tokens=max_tokens,
        refine="generate",
        step_size=StepSize("fixed", words, above=above) if words else None,
    )
    return Algorithm(
        name="pe2",
        select=Lineages(history),
        reflect=TextualGradients(
            batches,
            errors,
            wording="pe2",
            temperature=question_temperature,
            max_tokens=question_tokens,
            batching=batching,
            reasoning=reasoning,
            rows=rows,
        ),
        propose=Successors(edit, at_most=batches),
        rate=OnRewardRows(rows) if rows else rated(stages, keep, share, rate),
        keep=Elitist(parents),
        steady=True,
        version=2,
    )
