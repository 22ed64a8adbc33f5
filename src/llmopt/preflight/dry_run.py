"""Simulates a run with made-up replies and scores, to count its calls.

Because the algorithm itself is asked, this holds for methods of the user's own, too.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from llmopt.core.part import Bounded, StepContext
from llmopt.core.problem import parts_of
from llmopt.core.solution import join_parts, split_parts
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import (
    Candidate,
    Evaluation,
    Item,
    Outcome,
    digest,
)
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.preflight.workload import (
    Judging,
    Phase,
    Sizes,
    Work,
    Workload,
    bytes_of,
    more,
)
from llmopt.problems.data.splits import Splits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.part import CallBound
    from llmopt.core.problem import Problem
    from llmopt.core.values import Call
    from llmopt.problems.prompt.prompt_problem import PromptProblem

_STARTS, _NEW = 0.9998, 0.9999  # made-up scores: what is new is better, and nothing is perfect
_STEPS = 1_000  # steps gone through; more than these are like the last of them
_MARGIN = 0.1  # by which a race can take more than the two rehearsed ones; simulated: 0.06


async def rehearse(
    problem: PromptProblem,
    algorithm: Algorithm,
    optimizer: Model,
    scorer: Model,
    *,
    done: int,
    steps: int,
    seed: int,
    finalists: int,
    validate_every: int = 0,
    plain: Sequence[str] = (),
    samples: int = 1,
    new: bool,
) -> Workload:
    """Go through a run.

    Args:
        problem: What is optimized.
        algorithm: How.
        optimizer: The optimizer LLM; only its name and traits are looked at.
        scorer: The scorer LLM; only its traits are looked at.
        done: Steps to go through.
        steps: Steps planned, for schedules.
        seed: Seed of the run.
        finalists: How many are measured on validation.
        validate_every: Steps from point to point of the overfitting curve; 0: there is none.
        plain: The plain controls, as texts.
        samples: Answers to each test item.
        new: Whether every proposal is new, as long as is allowed and no worse than any other;
            if not, nothing new is proposed and every text is as short as it can be.

    Raises:
        TemplateError: A meta-prompt cannot be laid out.
    """
    sizes = Sizes(problem, scorer)
    plans = [
        await _Rehearsal(problem, one, optimizer, sizes, seed, samples=samples, new=new).plan(
            done, steps, finalists, validate_every
        )
        for one in algorithm.alone
    ]
    # Of several methods that take turns, any may make most of the steps.
    plan = (max if new else min)(plans, key=_calls_of)
    for text in plain:
        if new or text not in problem.starts:  # a start may have won, and is then tested anyway
            tested = [sizes.exact(text, problem.items("test"))] * samples
            work = sum(tested, plan.controls.scorer)
            plan = replace(plan, controls=Phase(scorer=work))
    if not problem.metric.calls:
        return plan
    judging = Judging(problem, problem.call("", problem.splits.train[0], scorer), scorer)
    return judging.most(plan) if new else judging.least(plan)


async def first_step(
    problem: Problem, algorithm: Algorithm, optimizer: Model, *, seed: int, steps: int
) -> tuple[tuple[Call, ...], int]:
    """Return the calls to the optimizer LLM as step 1 will make them, and its proposals.

    The scores of the starting solutions are not known yet and stand at one half.

    Raises:
        TemplateError: The meta-prompt cannot be laid out.
    """
    calls: list[Call] = []
    told = _told(problem, Trajectory(), [Candidate(text) for text in problem.starts], 0.5)
    model = _recorder(optimizer, calls)
    asked = await algorithm.ask(
        problem,
        told,
        model,
        seed,
        max(1, steps),
        scorer=_recorder(optimizer, []),
        embedder=_embedder(),
    )
    return tuple(calls), len(asked.candidates) + len(asked.rejected)


def _calls_of(plan: Workload) -> int:
    """Return the calls of a run's steps."""
    return sum(phase.optimizer.calls + phase.scorer.calls for phase in plan.steps)


def _in_parts(problem: Problem, text: str) -> str:
    """Return a made-up text as a solution: as its first part, where there are several."""
    names = [part.name for part in parts_of(problem)]
    if len(names) == 1:
        return text
    return join_parts({**split_parts(problem.starts[0], names), names[0]: text})


class _Rehearsal:
    """Goes through a run with made-up replies and scores."""

    def __init__(
        self,
        problem: PromptProblem,
        algorithm: Algorithm,
        optimizer: Model,
        sizes: Sizes,
        seed: int,
        *,
        samples: int = 1,
        new: bool,
    ) -> None:
        self._problem, self._algorithm, self._sizes = problem, algorithm, sizes
        self._seed, self._samples, self._new = seed, samples, new
        self._calls: list[Call] = []
        self._validated = 0  # candidates of the overfitting curve
        self._model = _recorder(optimizer, self._calls, alike=new)
        self._measured: list[Call] = []  # what the parts of the algorithm ask the scorer LLM
        self._scorer = _recorder(sizes.scorer, self._measured)
        # What is shown of the items differs from step to step: all are the longest, or shortest.
        self._shown = _like_one(problem, longest=new)
        self._shortest = min(map(bytes_of, problem.starts))
        words = "".join((problem.task, *problem.starts))
        width = bytes_of(words) / max(1, len(words))  # bytes of a character: 1 for English
        longest = max(problem.limits.max_length * width, *map(bytes_of, problem.starts), 1)
        self._length = math.ceil(longest)

    async def plan(self, done: int, steps: int, finalists: int, every: int) -> Workload:
        """Return the parts of a run that does `done` of `steps` planned steps."""
        starts = self._problem.starts
        work = await self._starts(steps)
        shown = starts if self._new else tuple(str(n or "") for n in range(len(starts)))
        if not self._new:
            shown = tuple(_in_parts(self._problem, text) for text in shown)
        entries = [Candidate(text) for text in shown]
        self._told = _told(self._problem, Trajectory(), entries, _STARTS if self._new else 1.0)
        phases = []
        for _ in range(min(done, _STEPS)):
            checked = self._checked(every)
            phase = await self._step(steps)
            phases.append(replace(phase, scorer=checked + phase.scorer))
        like = phases[-max(1, every) :]  # one of these has the point of the overfitting curve
        phases += [like[n % len(like)] for n in range(done - len(phases))]
        checked = self._checked(every)
        final = self._final(finalists)
        return Workload(Phase(scorer=work), tuple(phases), Phase(scorer=checked + final))

    async def _starts(self, steps: int) -> Work:
        """Let the algorithm measure the starting solutions."""
        asked: list[tuple[Candidate, Item]] = []

        async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
            asked.extend(jobs)
            return [Outcome(item.id, _STARTS, weight=item.weight) for _, item in jobs]

        starts = [Candidate(text) for text in self._problem.starts]
        items = self._problem.items("train")
        ctx = self._context(Trajectory(), steps)
        await self._algorithm.rate(ctx, starts, items, measure)
        measured = {start: [item for one, item in asked if one == start] for start in starts}
        return sum((self._sizes.exact(c.text, some) for c, some in measured.items()), Work())

    def _context(self, told: Trajectory, steps: int) -> StepContext:
        return StepContext(
            problem=self._shown,
            trajectory=told,
            model=self._model,
            step=told.steps,
            steps=steps,
            seed=self._seed,
            scorer=self._scorer,
            embedder=_embedder(),
        )

    def _checked(self, every: int) -> Work:
        """Measure the best of the last step on validation where the curve wants it."""
        step = self._told.steps - 1
        if not every or step % every or (step and not self._new):
            return Work()
        self._validated += 1
        length = self._length if self._new else self._shortest
        return self._sizes.of(length, self._problem.items("validation"))

    async def _step(self, steps: int) -> Phase:
        self._calls.clear()
        step = self._told.steps
        self._measured.clear()
        asked = await self._algorithm.ask(
            self._shown,
            self._told,
            self._model,
            self._seed,
            steps,
            scorer=self._scorer,
            embedder=_embedder(),
        )
        work = Work(
            len(self._calls),
            sum(bytes_of(call.text) for call in self._calls),
            sum(call.max_tokens for call in self._calls),
        )
        proposed = len(asked.candidates) + len(asked.rejected)
        aside = sum(
            (Work(1, bytes_of(call.text), call.max_tokens) for call in set(self._measured)), Work()
        )
        if not self._new:
            self._told = self._told.tell((), asked.by)
            return Phase(work, aside, proposed)
        ctx = self._context(self._told, steps)
        method = self._algorithm.turn(self._told, steps, self._seed).method
        ctx = replace(ctx, survivors=method.keep(ctx))
        groups = await method.select(ctx)
        for part in (method.reflect, method.propose):
            if isinstance(part, Bounded):
                most = part.most() * len(groups)
                work, aside = self._with(work, aside, most)
                proposed = max(proposed, most.proposed)
        texts = (f"{step} {n} ".ljust(self._length, "x") for n in range(proposed))
        made = [Candidate(_in_parts(self._problem, text), step) for text in texts]
        return Phase(work, aside + await self._scored(ctx, made, asked.by), proposed)

    def _with(self, work: Work, aside: Work, most: CallBound) -> tuple[Work, Work]:
        """Add calls that depend on replies; each is as long as the longest, and a solution."""
        size = self._length + max((bytes_of(call.text) for call in self._calls), default=0)
        tokens = max((call.max_tokens for call in self._calls), default=0)
        items = self._shown.items("train")
        one = self._sizes.one(self._length, items[0])
        asked = Work(
            most.optimizer,
            most.optimizer * size,
            most.optimizer * tokens,
            most.repeated * one.most,
        )
        times = most.scorer + most.measured * len(items)
        return work + asked, aside + Work(
            times * one.calls, times * one.size, times * one.most, times * one.returned
        )

    async def _scored(self, ctx: StepContext, candidates: Sequence[Candidate], by: str) -> Work:
        """Let the algorithm measure candidates of which none is worse than another."""
        work, evaluations = await self._rated(ctx, candidates, lambda *_: _NEW)
        if any(evaluation.partial for evaluation in evaluations):
            # Who drops out may depend on the scores; then the count is not the largest there is.
            other, _ = await self._rated(ctx, candidates, _uneven(candidates))
            if other.calls != work.calls:
                work = more(max(work, other, key=lambda found: found.calls), _MARGIN)
        entries = [Entry(c, e) for c, e in zip(candidates, evaluations, strict=True)]
        self._told = self._told.tell(entries, by)
        return work

    async def _rated(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        score: Callable[[Candidate, Item], float],
    ) -> tuple[Work, tuple[Evaluation, ...]]:
        """Return the work of measuring candidates with these scores, and what they got."""
        items = self._problem.items("train")
        asked: set[tuple[str, str]] = set()
        work = Work()

        async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
            nonlocal work
            for candidate, item in jobs:
                job = (candidate.text, item.input)
                if job not in asked:  # an equal call is made once
                    asked.add(job)
                    work += self._sizes.one(self._length, item)
            return [Outcome(item.id, score(c, item), weight=item.weight) for c, item in jobs]

        evaluations = await self._algorithm.rate(ctx, candidates, items, measure)
        return work, evaluations

    def _final(self, finalists: int) -> Work:
        validation, test = self._problem.items("validation"), self._problem.items("test")
        if self._new:
            # The start is measured too, where it is not among the best. How many candidates are
            # measured in full may depend on the scores, so each may be a finalist.
            # None of those on the curve need be among them.
            known = len(self._told)
            times = min(self._validated + finalists + 1, known) - self._validated
            chosen = self._sizes.of(self._length, validation, times)
            return chosen + self._sizes.of(self._length, test, self._samples * min(2, known))
        full = sum(not entry.evaluation.partial for entry in self._told)
        times = max(0, min(finalists, full) - self._validated)
        chosen = self._sizes.of(self._shortest, validation, times)
        return chosen + self._sizes.of(self._shortest, test, self._samples)


def _told(
    problem: Problem, trajectory: Trajectory, candidates: Sequence[Candidate], score: float
) -> Trajectory:
    """Return the trajectory after candidates that got the same score on every training item."""
    items = problem.items("train")
    outcomes = tuple(Outcome(item.id, score, weight=item.weight) for item in items)
    return trajectory.tell(Entry(c, Evaluation(outcomes, len(items))) for c in candidates)


def _uneven(candidates: Sequence[Candidate]) -> Callable[[Candidate, Item], float]:
    """Return scores of 0 and 1 with which the candidates differ as much as they can."""
    share = {c.text: (n + 1) / (len(candidates) + 1) for n, c in enumerate(candidates)}

    def score(candidate: Candidate, item: Item) -> float:
        luck = int(digest(f"{candidate.text[:20]} {item.id}")[:6], 16) / 0x1000000
        return float(luck < share[candidate.text])

    return score


def _recorder(like: Model, calls: list[Call], *, alike: bool = False) -> Model:
    """Return a model that answers nothing and notes what it was asked; an equal call once.

    Args:
        like: The model whose name and traits it has.
        calls: Where it notes the calls.
        alike: Whether items were made alike, as in the high rehearsal. Calls without the number of
            a draw may then differ in the run where they are equal here: each is noted.
    """
    known: set[Call] = set()

    def note(call: Call) -> str:
        if call not in known or (alike and not call.sample):  # otherwise its reply is a stored one
            known.add(call)
            calls.append(call)
        return ""

    return ScriptedModel(note, traits=like.traits, identity=like.identity)


def _embedder() -> Model:
    """Return an embedding model that finds all texts alike."""
    return ScriptedModel(lambda _: "[1.0]")


def _like_one(problem: PromptProblem, *, longest: bool) -> PromptProblem:
    """Return the problem with every training item as long as the longest, or the shortest."""
    items = problem.splits.train

    def length(item: Item) -> int:
        return bytes_of(item.input) + bytes_of(item.target)

    one = max(items, key=length) if longest else min(items, key=length)
    train = tuple(replace(item, input=one.input, target=one.target) for item in items)
    return replace(problem, splits=Splits(train, problem.splits.validation, problem.splits.test))
