"""Combinations of an instruction and a set of demonstrations: proposed, measured on minibatches."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llmopt.algorithms.mipro.parzen import CategoricalParzen
from llmopt.algorithms.mipro.writing import ShotSets
from llmopt.core.demonstrations import shot_rules_of
from llmopt.core.part import Feedback, Proposed, all_of
from llmopt.core.problem import Refusal
from llmopt.core.trajectory import Entry
from llmopt.core.values import Candidate, Evaluation
from llmopt.errors import ConfigError
from llmopt.parts.bootstrap_demonstrations import Taught, one_instruction, solution, taught
from llmopt.parts.propose import Generate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.demonstrations import Shot
    from llmopt.core.model import Model
    from llmopt.core.part import Measure, StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.values import Item, Outcome

_SHOWN = 3  # demonstrations shown when an instruction is written


@dataclass(frozen=True)
class Combined:
    """Write all instructions and draw all sets in the first step; then combine them.

    The first step proposes as many combinations as make each instruction and each set occur. Later
    steps ask no LLM: a surrogate draws untried combinations. Both pools are read from the solutions
    of the first step, so they are a function of the trajectory.

    Attributes:
        write: How an instruction is asked for.
        instructions: Instructions that are written, 1 or more, in addition to the starting ones.
        sets: Draws the sets of demonstrations.
        surrogate: Chooses combinations.
        trials: Combinations of a step, 1 or more.
    """

    write: Generate = field(default_factory=lambda: Generate(1, wording="mipro", scores=0))
    instructions: int = 2
    sets: ShotSets = field(default_factory=ShotSets)
    surrogate: CategoricalParzen = field(default_factory=CategoricalParzen)
    trials: int = 5

    def __post_init__(self) -> None:
        if self.instructions < 1 or self.trials < 1:
            raise ConfigError(
                "instructions written and trials of a step are 1 or more, but got "
                f"{self.instructions} and {self.trials}"
            )

    def proposes_parts(self) -> bool:
        """Return True: it sees whole solutions."""
        return True

    def fits(self, problem: Problem) -> None:
        """Refuse a problem without demonstrations: there is nothing to combine."""
        one_instruction(problem)
        if shot_rules_of(problem) is None:
            raise ConfigError(
                "it combines instructions with demonstrations, but got a problem without any; set "
                "problem.demonstrations, or take ape or opro for instructions alone"
            )

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.write.check(model)

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return combinations that are not tried yet."""
        return await (self._first(ctx) if ctx.step == 1 else self._chosen(ctx))

    async def _first(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return combinations of what is written and drawn now."""
        rules = shot_rules_of(ctx.problem)
        assert rules is not None  # noqa: S101 - checked by fits
        base = (ctx.base,) if ctx.base else ()
        sets = await self.sets(ctx, rules, base)
        starts = [
            Proposed(taught(ctx.problem, text).instruction, "", "") for text in ctx.problem.starts
        ]
        rows = [[rules.by_id[shot.id] for shot in some[:_SHOWN]] for some in sets]
        written = await all_of(
            self._written(ctx, number, rows[number % len(rows)])
            for number in range(1, 1 + self.instructions)
        )
        refused = [replace(one, parents=base) for one in written if isinstance(one.text, Refusal)]
        known = [one for one in (*starts, *written) if isinstance(one.text, str)]
        pairs = ((known[at % len(known)], sets[at % len(sets)]) for at in _places(known, sets))
        return (*refused, *filter(None, (self._pair(ctx, one, shots) for one, shots in pairs)))

    def _pair(self, ctx: StepContext, one: Proposed, shots: tuple[Shot, ...]) -> Proposed | None:
        """Return a combination, unless it is a starting solution."""
        text = solution(ctx.problem, Taught(str(one.text), shots))
        if ctx.trajectory.knows(Candidate(text)):
            return None
        return replace(one, text=text, parents=(ctx.base,) if ctx.base else ())

    async def _written(self, ctx: StepContext, number: int, rows: list[Item]) -> Proposed:
        """Return a new instruction, polished."""
        shown: tuple[Entry, ...] = ()
        if ctx.base:
            now = taught(ctx.problem, ctx.base.text).instruction
            shown = (Entry(Candidate(now), ctx.base.evaluation),)
        feedback = Feedback(tuple(rows), text=ctx.feedback.text)
        (made, *_) = await self.write(replace(ctx, group=number, shown=shown, feedback=feedback))
        if isinstance(made.text, Refusal):
            return made
        parsed = ctx.problem.parse(solution(ctx.problem, Taught(made.text)))
        text = parsed if isinstance(parsed, Refusal) else taught(ctx.problem, parsed).instruction
        return replace(made, text=text)

    async def _chosen(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return the combinations that the surrogate draws."""
        texts: dict[str, int] = {}
        sets: dict[tuple[Shot, ...], int] = {}
        scores: dict[tuple[int, int], float] = {}
        for entry in ctx.trajectory:
            made = taught(ctx.problem, entry.text)
            if entry.candidate.step <= 1:
                texts.setdefault(made.instruction, len(texts))
                sets.setdefault(made.shots, len(sets))
            pair = (texts.get(made.instruction), sets.get(made.shots))
            if None not in pair and entry.evaluation.score is not None:
                scores[pair] = ctx.trajectory.estimate(entry)  # type: ignore[index] # no None
        all_texts, all_sets = list(texts), list(sets)
        untried = [
            (i, s)
            for i, text in enumerate(all_texts)
            for s, shots in enumerate(all_sets)
            if not ctx.trajectory.knows(Candidate(solution(ctx.problem, Taught(text, shots))))
        ]
        chosen = self.surrogate.drawn(scores, untried, self.trials, ctx.rng("surrogate"))
        base = (ctx.base,) if ctx.base else ()
        if not chosen:
            return (Proposed(Refusal("every combination is tried"), "", "", base),)
        return tuple(
            Proposed(solution(ctx.problem, Taught(all_texts[i], all_sets[s])), "", "", base)
            for i, s in chosen
        )


def _places(known: Sequence[object], sets: Sequence[object]) -> range:
    """Return numbers by which each of both occurs in some pair."""
    return range(max(len(known), len(sets)))


@dataclass(frozen=True)
class Minibatches:
    """Measure the candidates of a step on the same random rows, and the best of them on all.

    Attributes:
        size: Rows of a minibatch, 1 or more; with no more rows than `least`, all are measured.
        least: Rows of train up to which everything is measured in full, 0 or more.
    """

    size: int = 35
    least: int = 50

    def __post_init__(self) -> None:
        if self.size < 1 or self.least < 0:
            raise ConfigError(
                "rows of a minibatch are 1 or more, and rows measured in full 0 or more, "
                f"but got {self.size} and {self.least}"
            )

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return a full evaluation of the best, and partial ones of the others."""
        rows = list(range(len(items)))
        if ctx.trajectory.steps and len(rows) > max(self.least, self.size):
            drawn = ctx.rng("minibatch").choice(len(rows), self.size, replace=False)
            rows = sorted(int(at) for at in drawn)
        found: list[dict[int, Outcome]] = [{} for _ in candidates]

        async def measured(which: Sequence[int], places: Sequence[int]) -> None:
            jobs = [(i, at) for i in which for at in places]
            outcomes = await measure([(candidates[i], items[at]) for i, at in jobs])
            for (i, at), outcome in zip(jobs, outcomes, strict=True):
                found[i][at] = outcome

        await measured(range(len(candidates)), rows)
        if candidates and len(rows) < len(items):
            best = max(range(len(candidates)), key=lambda i: (_score(found[i]), -i))
            await measured([best], [at for at in range(len(items)) if at not in found[best]])
        return tuple(
            Evaluation(tuple(some[at] for at in sorted(some)), len(items)) for some in found
        )


def _score(found: dict[int, Outcome]) -> float:
    score = Evaluation(tuple(found.values()), len(found)).score
    return -math.inf if score is None else score


@dataclass(frozen=True)
class PlannedTrials:
    """As many steps as a number of trials takes.

    Attributes:
        first: Combinations of the first step, 1 or more.
        each: Combinations of every further step, 1 or more.
        trials: In all, 1 or more.
    """

    first: int
    each: int
    trials: int

    def __call__(self, problem: Problem) -> int:
        """Return the number of steps."""
        del problem
        return 1 + math.ceil(max(0, self.trials - self.first) / self.each)
