"""A method that no paper has: OPRO's trajectory, GPO's cosine limit, ProTeGi's errors.

Every line of it is a part of a published method. It runs in a small scripted world, so it needs no
model and no key::

    python examples/recombined.py
"""

from __future__ import annotations

from dataclasses import replace

import llmopt
from llmopt.algorithms.protegi.gradients import Successors, TextualGradients
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import Generate
from llmopt.parts.rate import Everything
from llmopt.parts.select import Best
from llmopt.parts.word_limit import StepSize
from llmopt.testing import scripted


def recombined() -> llmopt.Algorithm:
    """Return the method."""
    limited = Generate(samples=2, wording="gpo", refine="generate", step_size=StepSize("cosine"))
    return llmopt.Algorithm(
        name="recombined",
        keep=Elitist(),
        select=Best(20),  # OPRO: the 20 best with their scores, best last
        reflect=TextualGradients(groups=4, errors=4),  # ProTeGi: what groups of errors say
        propose=Successors(limited),  # GPO: few words of the best may change, ever fewer
        rate=Everything(),
    )


if __name__ == "__main__":
    problem = replace(scripted.problem(200, (40, 40, 120)), scorer=scripted.model())
    for algorithm in (recombined(), llmopt.opro(), llmopt.protegi()):
        result = llmopt.optimize(problem, algorithm=algorithm, steps=4, progress=False)
        print(f"{algorithm.name:10}", result.best.text, "|", result.verdict)
