"""Let a language model find a line from values alone, beside random search.

This is the OPRO paper's linear regression: 50 points scatter about w = 15, b = 14, and the model
sees pairs that were tried with their errors, never the points. Run it with a model's name, or
with none for the small local one::

    python examples/regression.py
    python examples/regression.py openai/gpt-5-mini
"""

from __future__ import annotations

import sys

import llmopt
from llmopt.algorithms.baselines.random_search import random_search
from llmopt.problems.numeric.regression import LinearRegression, linear_regression

problem = linear_regression(w=15, b=14, repetition=0)
error = LinearRegression(w=15, b=14, repetition=0)
methods = {
    "language model": llmopt.opro(samples=4, max_tokens=24),
    "random search": random_search(samples=4),
}
for label, method in methods.items():
    result = llmopt.optimize(
        problem,
        algorithm=method,
        optimizer=sys.argv[1] if len(sys.argv) > 1 else "local/smollm2-135m",
        steps=4,
    )
    value = error(problem.decode(result.best.text))
    print(f"{label}: {result.best.text}, value {value:.2f} ({result.stopped})")
    print(f"  pairs tried: {result.candidates}, refused: {result.rejected}")
