"""Intervals, paired tests and corrections: pure functions of numbers, numpy only.

Scores are numbers where higher is better, one per item, in item order. Random draws come from
the `seed` argument alone, through ``numpy.random.RandomState``, whose streams are frozen: the
same arguments give the same figures on every machine and with every numpy.
"""

from llmopt.statistics.added import Added, added, mostly_agree
from llmopt.statistics.draw_noise import DrawNoise, draw_noise
from llmopt.statistics.further_gain import further_gain
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
from llmopt.statistics.planning import items_needed, lead_p_value, shown_gain
from llmopt.statistics.possible_gain import PossibleGain, possible_gain
from llmopt.statistics.ranks import RankSum, rank_sum
from llmopt.statistics.rasch import Rasch, fit_rasch
from llmopt.statistics.student import t_p_value, t_quantile
from llmopt.statistics.two_way import MethodDifference, Repetition, between_methods, over_tasks

__all__ = [
    "Added",
    "CorrectedMean",
    "Difference",
    "DrawNoise",
    "Interval",
    "JudgeBias",
    "MethodDifference",
    "PossibleGain",
    "RankSum",
    "Rasch",
    "Repetition",
    "added",
    "alike",
    "between_methods",
    "bootstrap_mean",
    "corrected_mean",
    "draw_noise",
    "fit_rasch",
    "further_gain",
    "holm",
    "items_needed",
    "judge_bias",
    "lead_p_value",
    "mcnemar_exact",
    "mcnemar_mid_p",
    "mostly_agree",
    "over_tasks",
    "paired_difference",
    "possible_gain",
    "rank_sum",
    "shown_gain",
    "t_p_value",
    "t_quantile",
    "wilson",
]
