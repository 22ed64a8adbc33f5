"""Demonstrations of behaviour steps: worked examples, verified before they are used.

Ours, a reconstruction after docs/papers/abo.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmopt.algorithms.abo.rounds import Shares
from llmopt.algorithms.abo.traces import (
    Demonstration,
    Lines,
    Trace,
    Wording,
)
from llmopt.core.model import text_call
from llmopt.core.text import without_emphasis
from llmopt.core.values import Call, Reply
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.model import Traits
    from llmopt.core.part import StepContext
    from llmopt.core.values import Item

STEADY = 0.0
"""Temperature of diagnoses, and of demonstrations in the first pass over the pool."""

_WARM = 0.7  # temperature of demonstrations, from the second pass over the pool


@dataclass(frozen=True)
class Demonstrate:
    """Have a demonstration written, and take it only if it is right.

    A demonstration is right if each marker stands in it once and in order, one line ``Answer:``
    ends it, and the problem gives it the full score on its question, whose answer the optimizer
    LLM is not shown. It is a training item that every instruction repeats, so the
    problem must allow that.

    Attributes:
        shares: How the training items are divided; questions come from the pool, in turn.
        retries: Demonstrations asked for at most, 1 or more.
        asking: The words of the request.
        max_tokens: Of one demonstration, 1 or more.
    """

    shares: Shares = field(default_factory=Shares)
    retries: int = 10
    asking: Wording = field(default_factory=lambda: Wording("demonstrate"))
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        if self.retries < 1 or self.max_tokens < 1:
            raise ConfigError(
                "tries to get a demonstration and its max_tokens are 1 or more, but got "
                f"{self.retries} and {self.max_tokens}"
            )

    async def __call__(
        self, ctx: StepContext, steps: Lines
    ) -> tuple[Demonstration | None, tuple[str, ...]]:
        """Return a verified demonstration or None, and the keys of the calls that it took."""
        pool = self.shares(ctx.problem.items("train")).pool
        keys: list[str] = []
        for attempt in range(self.retries):
            item = pool[attempt % len(pool)]
            text = self.asking.fill(
                task=ctx.problem.description.task, steps=steps, question=item.input
            )
            heat = STEADY if attempt < len(pool) else _WARM
            sample = ctx.sample(attempt) if heat else 0  # greedy: the same in each step
            call = call_of(text, heat, self.max_tokens, sample)
            reply = await ctx.model.complete(call)
            keys.append(call.key(ctx.model.identity))
            trace = Trace.within(without_emphasis(reply.text), len(steps))
            if trace.complete and await _right(ctx, item, trace.text):
                return Demonstration(item.input, trace.text), tuple(keys)
        return None, tuple(keys)


class _Saying:
    """A model that says one text, for a problem to judge."""

    identity = "a demonstration"

    def __init__(self, text: str, traits: Traits) -> None:
        self._text, self.traits = text, traits

    async def complete(self, call: Call) -> Reply:
        """Say the text, whatever is asked."""
        del call
        return Reply(self._text)

    async def close(self) -> None:
        """Nothing is held."""


async def _right(ctx: StepContext, item: Item, trace: str) -> bool:
    """Return whether the problem gives a trace the full score on an item."""
    traits = (ctx.scorer or ctx.model).traits
    outcome = await ctx.problem.measure("", item, _Saying(trace, traits))
    return outcome.score is not None and outcome.score >= 1


def call_of(text: str, temperature: float, max_tokens: int, sample: int) -> Call:
    """Return the call that asks the optimizer LLM in a chat of one turn."""
    return text_call(
        "optimizer", text, raw=False, temperature=temperature, max_tokens=max_tokens, sample=sample
    )
