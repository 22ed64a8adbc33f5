"""Let a language model minimize a Python function whose formula it is never shown.

Run it with a model's name, or with none for the small local one::

    python examples/function.py
    python examples/function.py openai/gpt-5-mini
"""

from __future__ import annotations

import sys

import llmopt


def bowl(text: str) -> float:
    """Return the squared distance from (3, -1); 0 is the best there is."""
    x, y = (float(part) for part in text.split(","))
    return (x - 3) ** 2 + (y + 1) ** 2


def two_numbers(text: str) -> str:
    """Return the canonical form "x, y"; a ValueError refuses everything else."""
    x, y = (float(part) for part in text.split(","))
    return f"{x:g}, {y:g}"


problem = llmopt.FunctionProblem(
    bowl,
    describe="Two numbers, written as x, y. A hidden function of them shall be small.",
    seeds=["8, 8", "0, 5", "-4, 0"],
    minimize=True,
    parser=two_numbers,
)
result = llmopt.optimize(
    problem,
    algorithm=llmopt.opro(samples=8, max_tokens=32),
    optimizer=sys.argv[1] if len(sys.argv) > 1 else "local/smollm2-135m",
    steps=4,
)
print("best:", result.best.text)
print("value:", bowl(result.best.text))
print("measured:", result.candidates, "refused:", result.rejected)
