"""CAPO: a population of instructions with demonstrations, crossed, mutated and raced.

Source: Zehle et al., "CAPO: Cost-Aware Prompt Optimization" (AutoML 2025, arXiv 2504.16005), and
the behaviour of its published code: a population of 10, 4 children a step, up to 5 shots, blocks of
30 items, a one-sided paired t-test at 0.2, a length penalty of 0.05. Two parents' instructions are
merged by an LLM and the result is reworded; a child has half of its parents' shots.

Known deviations: a shot is added with the stated chance of one third (the published code never
adds one, as a second test overwrites it); no row is shown twice in a prompt; the scorer LLM's own
answers in shots are stored replies to the parents' prompts, which cost nothing, where the published
code asks again with the child's; shots come from train itself, and a row that is measured is left
out of its own prompt, where the published code keeps a pool apart; the first population is the
starting solutions and other wordings of them, made in the first step; it has no budget of tokens
of its own, as the run has one; the race drops children alone, where the published code drops
members of the population as well, and ends once no more than a population is left; replies are
read strictly (``strict=False`` as published); the temperature is 1, where the library of the
published code asks all models at 0.1 with top_p 0.9 and up to 256 tokens by default.

Ours: every word of the templates. A solution is measured in one step only. So a child that no race
drops is measured on all items, a population has whole scores in each comparison, and the starting
solutions are measured in full. The penalty enters the race and never a score that is shown.
"""

from __future__ import annotations

from llmopt.algorithms.capo.block_race import BlockRace
from llmopt.algorithms.capo.offspring import Couples, Offspring, Unbeaten
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.reflect import NoReflection
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant


@method
def capo(
    *,
    population: int = 10,
    crossovers: int = 4,
    shots: int = 5,
    block: int = 30,
    alpha: float = 0.2,
    penalty: float = 0.05,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    mutation_template: str = "",
    strict: bool = True,
    max_tokens: int = USUAL,
) -> Algorithm:
    """Return CAPO as a row of parts.

    Args:
        population: Solutions that survive a step.
        crossovers: Children of a step.
        shots: Most demonstrations of a child; at most ``problem.demonstrations``.
        block: Training items after which the race compares.
        alpha: Level of the race's tests; the larger, the sooner children are dropped.
        penalty: What a solution as long as the longest first one loses in the race, as a share of
            the full score; others in proportion to their tokens.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own for two parents.
        mutation_template: The same for the instruction that is reworded.
        strict: Refuse a reply without marks, and take the first marked text. The published code
            takes the last one, or the whole reply.
        max_tokens: Of one draw; the default grows with long starting solutions.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: A template cannot be used.
    """
    cross = Generate(
        samples=1,
        family=family,
        wording="capo",
        template=template,
        strict=strict,
        scores=0,
        temperature=Constant(temperature),
        max_tokens=max_tokens,
        last=not strict,
    )
    mutate = Generate(
        samples=1,
        family=family,
        wording="capo-mutation",
        template=mutation_template,
        strict=strict,
        scores=0,
        temperature=Constant(temperature),
        max_tokens=max_tokens,
        last=not strict,
    )
    return Algorithm(
        name="capo",
        select=Couples(population, crossovers),
        reflect=NoReflection(),
        propose=Offspring(cross, mutate, shots),
        rate=BlockRace(block, alpha, population, penalty),
        keep=Unbeaten(population),
    )
