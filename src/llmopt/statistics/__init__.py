"""Intervals, paired tests and corrections: pure functions of numbers, numpy only.

Scores are numbers where higher is better, one per item, in item order. Random draws come from
the `seed` argument alone, through ``numpy.random.RandomState``, whose streams are frozen: the
same arguments give the same figures on every machine and with every numpy.
"""

from llmopt.statistics.intervals import Interval, alike, bootstrap_mean, wilson
from llmopt.statistics.paired import (
    Difference,
    holm,
    mcnemar_exact,
    mcnemar_mid_p,
    paired_difference,
)
from llmopt.statistics.planning import items_needed, lead_p_value
from llmopt.statistics.ranks import RankSum, rank_sum

__all__ = [
    "Difference",
    "Interval",
    "RankSum",
    "alike",
    "bootstrap_mean",
    "holm",
    "items_needed",
    "lead_p_value",
    "mcnemar_exact",
    "mcnemar_mid_p",
    "paired_difference",
    "rank_sum",
    "wilson",
]
