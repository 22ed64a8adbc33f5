"""ProTeGi, also called APO: textual gradients from errors, edits, a beam and a bandit.

Source: "Automatic Prompt Optimization with 'Gradient Descent' and Beam Search" (arXiv 2305.03495);
the counts are the defaults of its published code (microsoft/LMOps, prompt_optimization), which
goes through 6 rounds.

Known deviations, each of them on purpose: errors are those of the evaluation that a prompt already
has, so its minibatch costs nothing; what the bandit leaves is measured on all training items, and
the beam is the best of these and all before, where the published code lets the bandit estimate the
old beam anew; the lot that leaves successors out falls before they are asked for; a prompt without
errors is only reworded; all texts are in our own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.protegi.gradients import Successors, TextualGradients
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.bandits import selected_by
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant
from llmopt.parts.select import EachOfBest

if TYPE_CHECKING:
    from llmopt.core.metaprompt import Zeros
    from llmopt.parts.bandits import Selection
    from llmopt.parts.variety import Vary


@method
def protegi(
    *,
    beam: int = 4,
    zeros: Zeros = "few",
    batch: int = 64,
    groups: int = 4,
    errors: int = 4,
    reasons: int = 1,
    edits: int = 1,
    paraphrases: int = 2,
    successors: int = 8,
    selection: Selection = "ucb",
    selection_calls: int = 2048,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = USUAL,
    vary: Vary = "none",
) -> Algorithm:
    """Return ProTeGi as a row of parts.

    Args:
        beam: How many of the best prompts are gone on from.
        zeros: Whether of solutions that came to nothing ``few`` are gone on from, or ``all``.
        batch: Training items among which the errors of a prompt are looked for.
        groups: Groups of errors of each prompt.
        errors: Errors in a group.
        reasons: Gradients that a group is asked for.
        edits: Edits of a prompt for each gradient.
        paraphrases: New wordings of each edit and of the prompt itself; 0: none.
        successors: Successors of each prompt at most, drawn by lot; 0: all.
        selection: How they are measured: ``ucb``, ``successive-rejects``, ``ability`` or
            ``everything``.
        selection_calls: Calls that the bandit may take in a step, before what it leaves is measured
            on all training items.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A template of the user's own for the edits.
        max_tokens: Of one draw; the default grows with long starting solutions.
        vary: How draws are made to differ: ``none``, ``exemplars``, ``angles``, ``together``.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    heat = Constant(temperature)
    edit = Generate(
        edits,
        family,
        "protegi",
        template,
        scores=0,
        temperature=heat,
        max_tokens=max_tokens,
        refine="edit",
        vary=vary,
    )
    reworded = None
    if paraphrases:
        reworded = Generate(
            paraphrases, family, "ape", scores=0, temperature=heat, max_tokens=max_tokens, vary=vary
        )
    return Algorithm(
        name="protegi",
        select=EachOfBest(beam, zeros),
        reflect=TextualGradients(
            groups, errors, reasons, batch, "protegi", temperature, max_tokens
        ),
        propose=Successors(edit, reworded, successors),
        rate=selected_by(selection, beam, selection_calls),
        keep=Elitist(beam),
        steady=True,
        version=1 if temperature else 2,
    )
