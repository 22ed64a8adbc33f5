"""Let a language model shorten round trips, beside what is known without one.

This is the OPRO paper's travelling salesman with 10 points; the shortest tour is proven. Run it
with a model's name, or with none for the small local one::

    python examples/tours.py
    python examples/tours.py openai/gpt-5-mini
"""

from __future__ import annotations

import sys

import llmopt
from llmopt.problems.tours.tour_problem import tsp

problem = tsp(nodes=10, seed=0)
result = llmopt.optimize(
    problem,
    algorithm=llmopt.opro(shown=10, samples=4, max_tokens=40),
    optimizer=sys.argv[1] if len(sys.argv) > 1 else "local/smollm2-135m",
    steps=4,
)

found = {"best of the starts": result.start.text, "language model": result.best.text}
for label, text in (found | problem.controls()).items():
    length = problem.instance(text)
    print(f"{label:28} {length:7.1f}  +{100 * (problem.gap(-length) or 0):.1f} %  {text}")
if problem.solved:
    print(f"{'shortest tour':28} {problem.solved.length:7.1f}  by {problem.solved.by}")
print("tours tried:", result.candidates, "refused:", result.rejected)
