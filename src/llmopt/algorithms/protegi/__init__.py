"""ProTeGi, also called APO: textual gradients from errors, edits, a beam and a bandit.

Source: "Automatic Prompt Optimization with 'Gradient Descent' and Beam Search" (arXiv 2305.03495);
the counts are the defaults of its published code (microsoft/LMOps, prompt_optimization), which goes
through 6 rounds.

The paper asks at temperature 1 wherever it does not classify, and so does this row; its code asks
at 0.7 with up to 1,024 tokens (``temperature=0.7``, ``max_tokens=1024``). The paper compares
bandits and settles on UCB, as here; by default its code measures all on an even share of the calls
(``selection="bf"``).

Known deviations, each of them on purpose: UCB numbers its rounds from 1, so that the first choice
takes chances (``first_round=1``: as in the code, which takes none); a reply to a request for new
wordings without marks is refused (``strict=False`` takes it whole, as the code does); errors are
those of the evaluation that a prompt already has, so its minibatch costs nothing; what the bandit
leaves is measured on all training items, and the beam is the best of these and all before, where
the published code lets the bandit estimate the old beam anew; the lot that leaves successors out
falls before they are asked for; a prompt without errors is only reworded; all texts are in our own
words.
"""

from __future__ import annotations

from dataclasses import replace
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
    first_round: int = 2,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    strict: bool = True,
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
        selection: How they are measured: by a bandit (``ucb``, ``ucb-e``, ``successive-rejects``,
            ``sh``), on even shares (``bf``), by ``ability``, or ``everything``.
        selection_calls: Calls that the bandit may take in a step, before what it leaves is measured
            on all training items.
        first_round: Number of UCB's round after its look at everybody; 1: as in the code.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A template of the user's own for the edits.
        strict: Refuse a reply without marks.
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
        strict=strict,
        scores=0,
        temperature=heat,
        max_tokens=max_tokens,
        refine="edit",
        vary=vary,
    )
    reworded = replace(edit, samples=paraphrases or 1, wording="ape", template="", refine="")
    return Algorithm(
        name="protegi",
        select=EachOfBest(beam, zeros),
        reflect=TextualGradients(
            groups, errors, reasons, batch, "protegi", temperature, max_tokens
        ),
        propose=Successors(edit, reworded if paraphrases else None, successors),
        rate=selected_by(selection, beam, selection_calls, first_round),
        keep=Elitist(beam),
        steady=True,
        version=1 if temperature else 2,
    )
