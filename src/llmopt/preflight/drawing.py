"""Warnings about the number of answers to each test row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.problems.prompt.prompt_problem import PromptProblem

_USUAL = 5  # answers that are suggested


def on_samples(problem: PromptProblem, samples: int) -> Iterator[str]:
    """Yield what more answers to each test row would bring, or that they bring nothing.

    Args:
        problem: What is optimized.
        samples: Answers to each test row that are asked for.
    """
    warmth, rows = problem.asking.temperature, len(problem.splits.test)
    if not warmth and samples > 1:
        yield (
            f"evidence.samples is {samples}, but the scorer LLM is asked at temperature 0, where "
            "equal calls get equal answers: each test row is answered once."
        )
    if warmth and samples == 1 and rows:
        narrow = 100 / math.sqrt(_USUAL)
        yield (
            f"The scorer LLM answers at temperature {warmth:g}, and each test row once, so the "
            f"luck of single draws widens every interval. evidence.samples = {_USUAL} takes "
            f"{rows * (_USUAL - 1):,} more answers for each text that is tested, and makes "
            f"intervals narrower, at best {narrow:.0f} % as wide; the result then says how much of "
            "its noise comes from draws."
        )
