"""Intervals, paired tests and corrections: pure functions of numbers, numpy only.

Scores are numbers where higher is better, one per item, in item order. Random draws come from
the `seed` argument alone, through ``numpy.random.RandomState``, whose streams are frozen: the
same arguments give the same figures on every machine and with every numpy.
"""

from llmopt.statistics.draw_noise import DrawNoise, draw_noise
from llmopt.statistics.intervals import Interval, alike, bootstrap_mean, wilson
from llmopt.statistics.judge_bias import (
    CorrectedMean,
    JudgeBias,
    corrected_mean,
    judge_bias,
)
from llmopt.statistics.paired import (
    Difference,
    holm,
    mcnemar_exact,
    mcnemar_mid_p,
    paired_difference,
)
from llmopt.statistics.planning import items_needed, lead_p_value

__all__ = [
    "CorrectedMean",
    "Difference",
    "DrawNoise",
    "Interval",
    "JudgeBias",
    "alike",
    "bootstrap_mean",
    "corrected_mean",
    "draw_noise",
    "holm",
    "items_needed",
    "judge_bias",
    "lead_p_value",
    "mcnemar_exact",
    "mcnemar_mid_p",
    "paired_difference",
    "wilson",
]
