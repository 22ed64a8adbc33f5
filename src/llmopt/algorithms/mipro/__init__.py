"""MIPRO: instructions and sets of demonstrations, combined by a surrogate on minibatches.

Source: Opsahl-Ong et al., "Optimizing Instructions and Demonstrations for Multi-Stage Language
Model Programs" (EMNLP 2024, arXiv 2406.11695), and the defaults of the published MIPROv2: six sets
of demonstrations and three instructions (``light``), at most 4 of the model's own answers and 4
expected ones in a set, minibatches of 35 rows if there are more than 50, a full evaluation after
every 5 trials, ``max(4 log2 n, 1.5 n)`` trials.

Known deviations: one predictor; the surrogate is a categorical Parzen estimator of our own, which
weighs every untried combination; it draws the 5 trials of a step together, where the published code
draws one after the other; a combination is tried once, on rows that all trials of its step share,
and the best of each step is measured in full, as a solution is measured in one step only; the
first trials are those that make each instruction and each set occur; sets come from the stored
replies to the starting solution, so bootstrapping costs no calls; there is one call for the
summary of the data, and none that describes a program; the starting solutions are measured in full.

Ours: every word of the templates; what an instruction is asked to try comes from our angles.
"""

from __future__ import annotations

import math

from llmopt.algorithms.mipro.combinations import Combined, Minibatches, PlannedTrials
from llmopt.algorithms.mipro.parzen import CategoricalParzen
from llmopt.algorithms.mipro.writing import DataSummary, ShotSets
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant
from llmopt.parts.select import Best


@method
def mipro(
    *,
    candidates: int = 6,
    own: int = 4,
    labelled: int = 4,
    minibatch: int = 35,
    full_every: int = 5,
    trials: int = 0,
    good: float = 0.25,
    summarized: int = 10,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = USUAL,
) -> Algorithm:
    """Return MIPRO as a row of parts.

    Args:
        candidates: Sets of demonstrations; half as many instructions, the starting one included.
        own: Most of the scorer LLM's own right answers in a set.
        labelled: Demonstrations to which a set is filled up with expected answers.
        minibatch: Training rows of a trial.
        full_every: Trials of a step, the best of which is measured in full.
        trials: Combinations tried in all; 0: the paper's number for these candidates.
        good: Share of the trials that the surrogate takes for good.
        summarized: Training rows of which a summary is written first; 0: none.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        max_tokens: Of one draw; the default grows with long starting solutions.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    sets = ShotSets(candidates, own, labelled)
    usual = int(max(4 * math.log2(candidates), 1.5 * candidates))
    write = Generate(
        samples=1,
        family=family,
        wording="mipro",
        template=template,
        scores=0,
        temperature=Constant(temperature),
        max_tokens=max_tokens,
        vary="none" if template else "angles",
    )
    return Algorithm(
        name="mipro",
        select=Best(1),
        reflect=DataSummary(summarized),
        propose=Combined(
            write, max(1, candidates // 2 - 1), sets, CategoricalParzen(good), full_every
        ),
        rate=Minibatches(minibatch),
        keep=Elitist(),
        pace=PlannedTrials(max(1, candidates - 1), full_every, trials or usual),
    )
