"""Several answers to one item: calls that are different draws, and the mean of what they got."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from llmopt.core.groups import group_labels
from llmopt.core.values import Item, Outcome
from llmopt.models.middleware.base import Middleware
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.statistics import DrawNoise, draw_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.model import Model
    from llmopt.core.part import Measure
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Call, Candidate, Reply


@dataclass(frozen=True, slots=True)
class Draw(Item):
    """An item that is to be answered once more."""

    sample: int = 0


_ITEM = tuple(field.name for field in fields(Item))


def draws_of(item: Item, samples: int) -> list[Draw]:
    """Return an item as often as it is to be answered."""
    own = {name: getattr(item, name) for name in _ITEM}
    return [Draw(sample=number, **own) for number in range(samples)]


def answers_each(problem: Problem, scorer: object, samples: int) -> int:
    """Return how many different answers to a test item there are to draw: `samples`, or 1.

    It is 1 where no scorer LLM is asked, and where it is asked at temperature 0: answers to equal
    calls are equal there.
    """
    greedy = isinstance(problem, PromptProblem) and not problem.asking.temperature
    return 1 if scorer is None or greedy else samples


@dataclass(frozen=True)
class NumberedDraws:
    """Measures draws: the problem as it is, but with calls that are different draws."""

    problem: Problem

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """See :meth:`llmopt.core.problem.Problem.measure`."""
        if scorer is not None and isinstance(item, Draw):
            scorer = _Nth(scorer, item.sample)
        return await self.problem.measure(text, item, scorer)


class _Nth(Middleware):
    """Makes of each call the draw of one number."""

    def __init__(self, inner: Model, number: int) -> None:
        super().__init__(inner)
        self._number = number

    async def complete(self, call: Call) -> Reply:
        """Ask for this draw; number 0 is the call as it is."""
        return await self.inner.complete(replace(call, sample=call.sample + self._number))


@dataclass(frozen=True)
class HeldOutDraws:
    """Measures held-out jobs with several answers each; a job's outcome is their mean.

    Attributes:
        measure: Measures single answers, see :class:`NumberedDraws`.
        samples: Answers to each item, 1 or more.
        scores: The scores of the answers to each item that was measured, by id of the candidate.
    """

    measure: Measure
    samples: int
    scores: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)

    async def __call__(self, jobs: Sequence[tuple[Candidate, Item]]) -> Sequence[Outcome]:
        """Return one outcome per job, in order."""
        if self.samples == 1:
            return await self.measure(jobs)
        single = [(c, draw) for c, item in jobs for draw in draws_of(item, self.samples)]
        found = await self.measure(single)
        made = []
        for at, (candidate, _) in enumerate(jobs):
            answers = found[at * self.samples : (at + 1) * self.samples]
            scores = tuple(answer.score for answer in answers if answer.score is not None)
            self.scores.setdefault(candidate.id, []).append(scores)
            made.append(_mean(answers, scores))
        return made

    def noise(self, items: Sequence[Item], first: Entry, second: Entry) -> DrawNoise | None:
        """Return how much of the noise of a difference comes from the draws, where it is known.

        It is not known where items belong together, or count differently.

        Args:
            items: All that were measured.
            first: One solution.
            second: The other.
        """
        ids = {first.candidate.id, second.candidate.id}
        if len(ids) == 1 or not ids <= self.scores.keys():
            return None
        if len(set(group_labels(items))) < len(items) or len({i.weight for i in items}) > 1:
            return None
        before, after = (self.scores[entry.candidate.id] for entry in (first, second))
        return draw_noise(before, after, self.samples)


def _mean(answers: Sequence[Outcome], scores: Sequence[float]) -> Outcome:
    """Return the outcome of an item: the mean score, the answer given most often, all replies."""
    if not scores:
        return answers[0]
    known = [answer for answer in answers if answer.score is not None]
    usual = Counter(answer.answer for answer in known).most_common(1)[0][0]
    return replace(
        known[0],
        score=sum(scores) / len(scores),
        answer=usual,
        calls="".join(answer.calls for answer in known),
        cut_at=max(answer.cut_at for answer in known),
        feedback=next((a.feedback for a in known if a.answer == usual and a.feedback), ""),
        aims=_mean_aims(known),
    )


def _mean_aims(answers: Sequence[Outcome]) -> tuple[tuple[str, float], ...]:
    """Return the mean of each sub-score over the answers that have it."""
    found: dict[str, list[float]] = {}
    for answer in answers:
        for name, value in answer.aims:
            found.setdefault(name, []).append(value)
    return tuple((name, sum(values) / len(values)) for name, values in found.items())
