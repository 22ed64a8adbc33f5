"""Improve an instruction for a language model on 45 support tickets.

Run it with a model's name, or with none for the small local one::

    python examples/prompt.py
    python examples/prompt.py openai/gpt-5-mini
"""

from __future__ import annotations

import sys

import llmopt
from llmopt.recipes import FOLDER

model = sys.argv[1] if len(sys.argv) > 1 else "local/smollm2-135m"

problem = llmopt.PromptProblem.from_file(
    FOLDER / "starter" / "tickets.csv",
    input="text",
    target="label",
    sizes=(0.3, 0.2, 0.5),  # train, validation, test
    task="Decide which team a customer's message belongs to: billing, technical or shipping.",
    instructions=["Which team should handle this message?"],
    metric="choice",
    asking=llmopt.Asking(max_tokens=12),
    scorer=model,
)
result = llmopt.optimize(
    problem,
    algorithm=llmopt.opro(samples=4, max_tokens=48),
    steps=2,
    budget=llmopt.Budget(calls=2000),
)

print("start: ", result.start.text)
print("winner:", result.best.text)
print(result.verdict)
if result.test:
    difference = result.test.difference
    low, high = difference.interval.low, difference.interval.high
    print(
        f"{difference.mean:+.3f}, interval {low:+.3f} to {high:+.3f}, p = {difference.p_value:.3g}"
    )
for note in result.notes:
    print("note:", note)
print("look closer: llmopt show", result.run)
