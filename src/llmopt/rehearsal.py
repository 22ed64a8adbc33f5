"""A run gone through with made-up replies and scores, to count what it would send.

Because the algorithm itself is asked, this holds for methods of the user's own, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmopt.models.scripted import ScriptedModel
from llmopt.problems.splits import Splits
from llmopt.trajectory import Entry, Trajectory
from llmopt.types import Candidate, Evaluation, Item, Outcome, Role, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.algorithm import Algorithm
    from llmopt.model import Model
    from llmopt.problems.prompting import PromptProblem
    from llmopt.types import Call

_STARTS, _NEW = 0.9998, 0.9999  # made-up scores: what is new is better, and nothing is perfect
_MARGIN = 0.1  # by which a race can take more than the two rehearsed ones; simulated: 0.06


@dataclass(frozen=True, slots=True)
class Work:
    """Calls that would be made.

    Attributes:
        calls: How many.
        size: UTF-8 bytes of what they send.
        most: Tokens that they may generate at most.
    """

    calls: int = 0
    size: int = 0
    most: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.calls + other.calls, self.size + other.size, self.most + other.most)


@dataclass(frozen=True)
class Phase:
    """A part of a run: the starts, a step, or the choice and the test at the end.

    Attributes:
        optimizer: What the optimizer LLM is asked.
        scorer: What the scorer LLM is asked.
        proposed: How many solutions are asked for.
    """

    optimizer: Work = Work()
    scorer: Work = Work()
    proposed: int = 0

    def of(self, role: Role) -> Work:
        """Return the work of a role."""
        return self.optimizer if role == "optimizer" else self.scorer


@dataclass(frozen=True)
class Plan:
    """A run in its parts.

    Attributes:
        starts: The starting solutions.
        steps: The steps.
        final: Choosing on validation and testing.
    """

    starts: Phase
    steps: tuple[Phase, ...]
    final: Phase


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
    new: bool,
) -> Plan:
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
        new: Whether every proposal is new, as long as is allowed and no worse than any other;
            if not, nothing new is proposed and every text is as short as it can be.

    Raises:
        TemplateError: A meta-prompt cannot be laid out.
    """
    made = _Rehearsal(problem, algorithm, optimizer, _Sizes(problem, scorer), seed, new=new)
    return await made.plan(done, steps, finalists)


async def first_call(
    problem: PromptProblem, algorithm: Algorithm, optimizer: Model, *, seed: int, steps: int
) -> Call | None:
    """Return the first call to the optimizer LLM as step 1 will make it; None: there is none.

    The scores of the starting solutions are not known yet and stand at one half.

    Raises:
        TemplateError: The meta-prompt cannot be laid out.
    """
    calls: list[Call] = []
    told = _told(problem, Trajectory(), [Candidate(text) for text in problem.starts], 0.5)
    await algorithm.ask(problem, told, _recorder(optimizer, calls), seed, max(1, steps))
    return calls[0] if calls else None


class _Sizes:
    """How long the calls to the scorer LLM are: the bytes of a prompt without its instruction."""

    def __init__(self, problem: PromptProblem, scorer: Model) -> None:
        self._problem, self._scorer = problem, scorer
        self._around: dict[str, int] = {}

    def exact(self, text: str, items: Sequence[Item]) -> Work:
        """Return the work of measuring a text; equal calls are made once."""
        calls = {
            call.text: call
            for call in (self._problem.call(text, item, self._scorer) for item in items)
        }
        size = sum(_bytes(sent) for sent in calls)
        return Work(len(calls), size, sum(call.max_tokens for call in calls.values()))

    def around(self, item: Item) -> int:
        """Return the bytes that are sent beside an instruction."""
        if item.input not in self._around:
            sent = self._problem.call("x", item, self._scorer).text
            self._around[item.input] = _bytes(sent) - 1
        return self._around[item.input]

    def of(self, length: int, items: Sequence[Item], times: int = 1) -> Work:
        """Return the work of measuring so many texts of a length, in bytes, on the items."""
        distinct = {item.input: item for item in items}.values()
        if not distinct:
            return Work()
        most = self._problem.call("x", items[0], self._scorer).max_tokens
        size = sum(self.around(item) + length for item in distinct)
        return Work(times * len(distinct), times * size, times * len(distinct) * most)


class _Rehearsal:
    """Goes through a run with made-up replies and scores."""

    def __init__(
        self,
        problem: PromptProblem,
        algorithm: Algorithm,
        optimizer: Model,
        sizes: _Sizes,
        seed: int,
        *,
        new: bool,
    ) -> None:
        self._problem, self._algorithm, self._sizes = problem, algorithm, sizes
        self._seed, self._new = seed, new
        self._calls: list[Call] = []
        self._model = _recorder(optimizer, self._calls)
        # What is shown of the items differs from step to step: all are the longest, or shortest.
        self._shown = _like_one(problem, longest=new)
        longest = max(problem.filters.max_length * _width(problem), *map(_bytes, problem.starts), 1)
        self._length = math.ceil(longest)

    async def plan(self, done: int, steps: int, finalists: int) -> Plan:
        """Return the parts of a run that does `done` of `steps` planned steps."""
        starts = self._problem.starts
        work = Work()
        for text in starts:
            work += self._sizes.exact(text, self._problem.items("train"))
        shown = starts if self._new else tuple(str(n or "") for n in range(len(starts)))
        entries = [Candidate(text) for text in shown]
        self._told = _told(self._problem, Trajectory(), entries, _STARTS if self._new else 1.0)
        phases = [await self._step(steps) for _ in range(done)]
        return Plan(Phase(scorer=work), tuple(phases), self._final(finalists))

    async def _step(self, steps: int) -> Phase:
        self._calls.clear()
        step = self._told.steps
        asked = await self._algorithm.ask(self._shown, self._told, self._model, self._seed, steps)
        work = Work(
            len(self._calls),
            sum(_bytes(call.text) for call in self._calls),
            sum(call.max_tokens for call in self._calls),
        )
        proposed = len(asked.candidates) + len(asked.rejected)
        if not self._new:
            self._told = self._told.tell(())
            return Phase(work, proposed=proposed)
        made = [Candidate(f"{step} {n} ".ljust(self._length, "x"), step) for n in range(proposed)]
        return Phase(work, await self._scored(made), proposed)

    async def _scored(self, candidates: Sequence[Candidate]) -> Work:
        """Let the algorithm measure candidates of which none is worse than another."""
        work, evaluations = await self._rated(candidates, lambda *_: _NEW)
        if any(evaluation.partial for evaluation in evaluations):
            # Who drops out may depend on the scores; then the count is not the largest there is.
            other, _ = await self._rated(candidates, _uneven(candidates))
            if other.calls != work.calls:
                work = _more(max(work, other, key=lambda found: found.calls), _MARGIN)
        entries = [Entry(c, e) for c, e in zip(candidates, evaluations, strict=True)]
        self._told = self._told.tell(entries)
        return work

    async def _rated(
        self, candidates: Sequence[Candidate], score: Callable[[Candidate, Item], float]
    ) -> tuple[Work, tuple[Evaluation, ...]]:
        """Return the work of measuring candidates with these scores, and what they got."""
        items = self._problem.items("train")
        asked: set[tuple[str, str]] = set()
        size = 0

        async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
            nonlocal size
            for candidate, item in jobs:
                job = (candidate.text, item.input)
                if job not in asked:  # an equal call is made once
                    asked.add(job)
                    size += self._sizes.around(item) + self._length
            return [Outcome(item.id, score(c, item), weight=item.weight) for c, item in jobs]

        evaluations = await self._algorithm.rate(candidates, items, self._told, measure)
        most = self._sizes.of(1, items[:1]).most
        return Work(len(asked), size, len(asked) * most), evaluations

    def _final(self, finalists: int) -> Phase:
        validation, test = self._problem.items("validation"), self._problem.items("test")
        if self._new:
            # The start is measured too, where it is not among the best. How many candidates are
            # measured in full may depend on the scores, so each may be a finalist.
            known = len(self._told)
            chosen = self._sizes.of(self._length, validation, min(finalists + 1, known))
            return Phase(scorer=chosen + self._sizes.of(self._length, test, min(2, known)))
        full = sum(not entry.evaluation.partial for entry in self._told)
        shortest = min(map(_bytes, self._problem.starts))
        chosen = self._sizes.of(shortest, validation, min(finalists, full))
        return Phase(scorer=chosen + self._sizes.of(shortest, test))


def _told(
    problem: PromptProblem, trajectory: Trajectory, candidates: Sequence[Candidate], score: float
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


def _more(work: Work, share: float) -> Work:
    """Return a share more of the same work."""
    return Work(*(math.ceil(amount * (1 + share)) for amount in (work.calls, work.size, work.most)))


def _recorder(like: Model, calls: list[Call]) -> Model:
    """Return a model that answers nothing and notes what it was asked."""

    def note(call: Call) -> str:
        calls.append(call)
        return ""

    return ScriptedModel(note, traits=like.traits, identity=like.identity)


def _like_one(problem: PromptProblem, *, longest: bool) -> PromptProblem:
    """Return the problem with every training item as long as the longest, or the shortest."""
    items = problem.splits.train

    def length(item: Item) -> int:
        return _bytes(item.input) + _bytes(item.target)

    one = max(items, key=length) if longest else min(items, key=length)
    train = tuple(replace(item, input=one.input, target=one.target) for item in items)
    return replace(problem, splits=Splits(train, problem.splits.validation, problem.splits.test))


def _width(problem: PromptProblem) -> float:
    """Return the bytes of a character in the user's own words: 1 for English."""
    text = "".join((problem.task, *problem.starts))
    return _bytes(text) / max(1, len(text))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
