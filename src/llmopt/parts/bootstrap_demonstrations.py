"""Draws demonstrations for solutions, and says how long a solution is with them.

The scorer LLM's own answers are replies that the run has stored, so looking at them costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.core.demonstrations import Shot, shot_rules_of, shots_in, shots_text
from llmopt.core.problem import Refusal, parts_of
from llmopt.core.recording import Overheard
from llmopt.core.solution import join_parts, split_parts
from llmopt.core.text import tokens_of
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from llmopt.core.demonstrations import ShotRules
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Item

_TRIES = 8  # rows looked at for each demonstration that is wanted


@dataclass(frozen=True)
class Taught:
    """An instruction with its demonstrations.

    Attributes:
        instruction: The instruction.
        shots: The demonstrations in their order; none where the problem's solutions have none.
    """

    instruction: str
    shots: tuple[Shot, ...] = ()


def one_instruction(problem: Problem) -> None:
    """Refuse a problem whose solutions are more than an instruction and demonstrations.

    Raises:
        ConfigError: They are.
    """
    kinds = [part.kind for part in parts_of(problem)]
    if kinds not in (["instruction"], ["instruction", "demonstrations"]):
        raise ConfigError(
            "it works on one instruction, with demonstrations or without, but got a problem whose "
            f"solutions are {', '.join(kinds)}; take gepa or opro"
        )


def taught(problem: Problem, text: str) -> Taught:
    """Return the instruction and the demonstrations of a solution."""
    names = [part.name for part in parts_of(problem)]
    if len(names) == 1:
        return Taught(text)
    said, examples = split_parts(text, names).values()
    shots = shots_in(examples)
    return Taught(said, () if isinstance(shots, Refusal) else shots)


def solution(problem: Problem, made: Taught) -> str:
    """Return the canonical text of an instruction with demonstrations."""
    names = [part.name for part in parts_of(problem)]
    if len(names) == 1:
        return made.instruction
    return join_parts({names[0]: made.instruction, names[1]: shots_text(made.shots)})


def prompt_tokens(problem: Problem, text: str) -> int:
    """Return about how many tokens a solution adds to a prompt, its demonstrations included."""
    made, rules = taught(problem, text), shot_rules_of(problem)
    examples = sum(map(rules.size, made.shots)) if rules else 0
    return tokens_of(made.instruction) + examples


async def drawn(
    ctx: StepContext,
    rules: ShotRules,
    wanted: int,
    rng: np.random.RandomState,
    *,
    sources: Sequence[Entry] = (),
    kept: Sequence[Shot] = (),
) -> tuple[Shot, ...]:
    """Return demonstrations that are kept, and new ones of other rows, drawn at random.

    For a row that a source got right, the scorer LLM's answer to it is shown; for the others, and
    where the rules want it, the expected answer. There are fewer where no more are found.

    Args:
        ctx: Of the step.
        rules: Which demonstrations there may be.
        wanted: How many new ones, 0 or more.
        rng: Draws the rows.
        sources: Measured solutions whose right answers may be shown; the first one that has an
            answer is taken.
        kept: Demonstrations that come first.
    """
    found = list(kept)
    known = {shot.id for shot in kept}
    order = rng.permutation(len(rules.rows))
    rows = (rules.rows[int(at)] for at in order[: _TRIES * (wanted + 1)])
    for row in rows:
        if len(found) - len(kept) >= min(wanted, rules.most - len(kept)):
            break
        shot = None if row.id in known else await shot_of(ctx, rules, row, sources)
        if shot and not rules.fault([*found, shot]):
            found.append(shot)
    return tuple(found)


async def shot_of(
    ctx: StepContext, rules: ShotRules, row: Item, sources: Sequence[Entry]
) -> Shot | None:
    """Return a row as a demonstration; None: the rules allow none of it."""
    said = "" if rules.answers == "labels" else await _right_answer(ctx, row, sources)
    own = Shot(row.id, said)
    worked = said and (rules.answers == "reasoning" or said != row.target.strip())
    if worked and not rules.fault([own]):
        return own
    label = Shot(row.id)
    return None if rules.fault([label]) else label


async def _right_answer(ctx: StepContext, row: Item, sources: Sequence[Entry]) -> str:
    """Return what the scorer LLM answered to a row, where that was right; else nothing."""
    for entry in sources if ctx.scorer else ():
        outcomes = (o for o in entry.evaluation.outcomes if o.item == row.id)
        outcome = next(outcomes, None)
        if outcome is None or outcome.score is None or outcome.score < 1 or outcome.cut_at:
            continue
        overheard = Overheard(ctx.scorer)  # type: ignore[arg-type] # the loop is empty without one
        await ctx.problem.measure(entry.text, row, overheard)
        said = next((text.strip() for text in overheard.replies), "")
        if said:
            return said
    return ""
