"""The size of a run: calls, bytes sent and tokens that may be generated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.model import Model
    from llmopt.core.values import Call, Item, Role
    from llmopt.problems.prompt.prompt_problem import PromptProblem


@dataclass(frozen=True, slots=True)
class Work:
    """Calls that would be made.

    Attributes:
        calls: How many.
        size: UTF-8 bytes of what they send.
        most: Tokens that they may generate at most.
        returned: Tokens of answers that are sent again at most, beside `size`.
    """

    calls: int = 0
    size: int = 0
    most: int = 0
    returned: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.calls + other.calls,
            self.size + other.size,
            self.most + other.most,
            self.returned + other.returned,
        )


@dataclass(frozen=True)
class Phase:
    """A part of a run: the starts, a step, or the choice and the test at the end.

    Attributes:
        optimizer: What the optimizer LLM is asked.
        scorer: What the scorer LLM is asked.
        proposed: How many solutions are asked for.
        judge: What the judge LLM is asked, where there is one.
    """

    optimizer: Work = Work()
    scorer: Work = Work()
    proposed: int = 0
    judge: Work = Work()

    def of(self, role: Role) -> Work:
        """Return the work of a role."""
        work: Work = getattr(self, role)
        return work


@dataclass(frozen=True)
class Workload:
    """A run in its parts.

    Attributes:
        starts: The starting solutions.
        steps: The steps, each with the validation that is due before it.
        final: The last validation, choosing on validation and testing.
        controls: What the winner is compared with beside the start.
    """

    starts: Phase
    steps: tuple[Phase, ...]
    final: Phase
    controls: Phase = Phase()


class Sizes:
    """How long the calls to the scorer LLM are: the bytes of a prompt without its instruction."""

    def __init__(self, problem: PromptProblem, scorer: Model) -> None:
        self._problem, self.scorer = problem, scorer
        self._known: dict[str, Work] = {}

    def exact(self, text: str, items: Sequence[Item]) -> Work:
        """Return the work of measuring a text; equal calls are made once."""
        calls = {
            call.text: (call, item)
            for item in items
            for call in (self._problem.call(text, item, self.scorer),)
        }
        return sum((self._work(*one) for one in calls.values()), Work())

    def one(self, length: int, item: Item) -> Work:
        """Return the work of measuring a text of a length, in bytes, on an item."""
        if item.input not in self._known:
            self._known[item.input] = self._work(self._problem.call("x", item, self.scorer), item)
        known = self._known[item.input]
        # Every call holds the text once.
        size = known.size + known.calls * (length - 1)
        return Work(known.calls, size, known.most, known.returned)

    def of(self, length: int, items: Sequence[Item], times: int = 1) -> Work:
        """Return the work of measuring so many texts of a length, in bytes, on the items."""
        distinct = {item.input: item for item in items}.values()
        work = sum((self.one(length, item) for item in distinct), Work())
        return Work(times * work.calls, times * work.size, times * work.most, times * work.returned)

    def _work(self, call: Call, item: Item) -> Work:
        """Return the work of a call, and of asking again for the final answer."""
        work = Work(1, bytes_of(call.text), call.max_tokens)
        again = self._problem.again(call, "x", item)
        if again:
            work += Work(1, bytes_of(again.text) - 1, again.max_tokens, call.max_tokens)
        return work


class Judging:
    """What a judge LLM is asked, beside the calls of a plan to the scorer LLM."""

    def __init__(self, problem: PromptProblem, answer: Call, scorer: Model) -> None:
        self._metric, self._longest = problem.metric, answer.max_tokens
        self._scorer = scorer  # calls to a judge LLM say the same whichever model it is
        self._each = 1 + problem.asking.again  # calls to the scorer LLM for one answer
        splits = (problem.splits.train, problem.splits.validation, problem.splits.test)
        # Equal questions with different targets are one call to the scorer LLM, but not here.
        self._splits = [list({(i.input, i.target): i for i in items}.values()) for items in splits]

    def least(self, plan: Workload) -> Workload:
        """Add the work where all instructions get the same short answer to an item."""
        train, *others = (sum(map(self._on, items), Work()) for items in self._splits)
        final = replace(plan.final, judge=sum(others, Work()))
        return replace(plan, starts=replace(plan.starts, judge=train), final=final)

    def most(self, plan: Workload) -> Workload:
        """Add the work where no two answers are equal, and all are as long as they may be."""
        known = [items for items in self._splits if items]
        share = max(len(items) / len({item.input for item in items}) for items in known)
        means = [sum(self._on(item).size for item in items) / len(items) for items in known]
        tokens = self._on(known[0][0]).most  # equal for all items

        def judged(phase: Phase) -> Phase:
            answers = math.ceil(share * phase.scorer.calls / self._each)
            calls, most = answers * self._metric.calls, answers * tokens
            work = Work(calls, math.ceil(answers * max(means)), most, calls * self._longest)
            return replace(phase, judge=work)

        starts, final, controls = map(judged, (plan.starts, plan.final, plan.controls))
        return Workload(starts, tuple(map(judged, plan.steps)), final, controls)

    def _on(self, item: Item) -> Work:
        """Return the work of judging an empty answer."""
        calls = self._metric.asked("", item, self._scorer)
        size = sum(bytes_of(call.text) for call in calls)
        return Work(len(calls), size, sum(call.max_tokens for call in calls))


def more(work: Work, share: float) -> Work:
    """Return a share more of the same work."""
    amounts = (work.calls, work.size, work.most, work.returned)
    return Work(*(math.ceil(amount * (1 + share)) for amount in amounts))


def bytes_of(text: str) -> int:
    """Return the length of a text in UTF-8, whatever a model put into it."""
    return len(text.encode("utf-8", "surrogatepass"))
