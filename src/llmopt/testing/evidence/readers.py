"""A scripted optimizer LLM that believes what it is shown, to the degree that its world says.

It reads the list in the text of the meta-prompt and nothing else. Where that claims an order, the
order is believed, so a list that is out of order costs; where it claims none, the scores decide.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from llmopt.core.values import digest
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing.evidence.worlds import PLAN, SCORE, World, ability_of, plan, random_of
from llmopt.testing.orders import claimed_order

if TYPE_CHECKING:
    import re

    from llmopt.core.values import Call

_ENOUGH = 2  # scored instructions, of which one can be better


def reader_of(world: World, seed: int) -> ScriptedModel:
    """Return the optimizer LLM of a world, whose replies follow from the seed and the call."""

    def answer(call: Call) -> str:
        text = proposal(world, call.text, f"{seed} {call.sample}")
        return text if call.prompt is not None else f"<INS>{text}</INS> [{text}]"

    return ScriptedModel(answer, identity=f"scripted/reader-{seed}")


def proposal(world: World, prompt: str, draw: str) -> str:
    """Return the instruction that the optimizer LLM writes to a meta-prompt.

    Args:
        world: What is true, and how far scores are heeded.
        prompt: The meta-prompt.
        draw: What tells this reply from others to the same prompt.
    """
    random = random_of(prompt, draw)
    mark = digest(f"{prompt} {draw}")
    best = best_shown(prompt, world.among)
    if best and random.random_sample() < world.heeds:
        parent = best[random.randint(len(best))]
        moved = world.ability(parent) + world.step * random.normal()
        found = PLAN.fullmatch(parent)
        return plan(moved, found[2] if found else "A", mark)
    idea = ability_of(world.idea) + world.spread * random.normal()
    return plan(idea, "AB"[random.randint(2)], mark)


def best_shown(prompt: str, k: int) -> list[str]:
    """Return the `k` instructions that a reader takes for the best, best last.

    None where fewer than two are shown with scores: there is nothing to compare.
    """
    shown = scored(prompt)
    if len(shown) < _ENOUGH:
        return []
    claim = claimed_order(prompt)
    if claim is None:
        ordered = sorted(shown, key=lambda one: one[1])
    else:
        ordered = shown if claim[0] == "ascending" else shown[::-1]
    return [text for text, _ in ordered[-k:]]


def scored(prompt: str) -> list[tuple[str, float]]:
    """Return the instructions of a meta-prompt with their scores, in the order of the list.

    Scores are before all instructions, or behind all of them.
    """
    found = [*PLAN.finditer(prompt), *SCORE.finditer(prompt)]
    marks: list[re.Match[str]] = sorted(found, key=lambda one: one.start())
    if not marks:
        return []
    first = marks[0].re is SCORE
    return [
        (b[0], float(a[1])) if first else (a[0], float(b[1]))
        for a, b in pairwise(marks)
        if (a.re is SCORE) is first and (b.re is SCORE) is not first
    ]
