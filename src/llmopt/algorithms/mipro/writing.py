"""What is combined: sets of demonstrations, and instructions written with a view of the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmopt.core.metaprompt import filled, mark_for, marked_call
from llmopt.core.part import Feedback
from llmopt.core.text import between
from llmopt.errors import ConfigError
from llmopt.parts.bootstrap_demonstrations import drawn

if TYPE_CHECKING:
    from llmopt.core.demonstrations import Shot, ShotRules
    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry

_WHOLE = 2  # sets up to this number have as many own answers as there may be
_MOST_WORDS = 512  # tokens of a summary


@dataclass(frozen=True)
class DataSummary:
    """Have the training rows summed up in a few sentences, once, in the first step.

    Attributes:
        rows: Rows that the optimizer LLM is shown, drawn at random; 0: no summary.
    """

    rows: int = 10

    def __post_init__(self) -> None:
        if self.rows < 0:
            raise ConfigError(f"rows that are summed up are 0 or more, but got {self.rows}")

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the summary as text."""
        items = ctx.problem.items("train")
        if ctx.step > 1 or not self.rows or not any(item.target for item in items):
            return Feedback()
        size = min(self.rows, len(items))
        places = sorted(ctx.rng("summary").choice(len(items), size, replace=False))
        description = ctx.problem.description
        mark = mark_for(description)
        text = filled(
            "mipro",
            "summary",
            task=description.task,
            rows=[ctx.problem.exemplar(items[at], "") for at in places],
            opening=mark.opening,
            closing=mark.closing,
        )
        call = marked_call(
            ctx.model.traits,
            text,
            temperature=1.0,
            max_tokens=_MOST_WORDS,
            sample=ctx.sample(0),
            mark=mark,
        )
        reply = (await ctx.model.complete(call)).text
        said = between(reply, mark.opening, mark.closing)
        summary = reply.partition(mark.closing)[0] if said is None else said
        return Feedback(text=summary.strip(), calls=(call.key(ctx.model.identity),))


@dataclass(frozen=True)
class ShotSets:
    """Sets of demonstrations: none, expected answers alone, and the scorer LLM's own right ones.

    Attributes:
        sets: How many there are, 2 or more.
        own: Most of the scorer LLM's own answers in a set, 0 or more; each set has a random number.
        labelled: Expected answers with which a set is filled up, 0 or more.
    """

    sets: int = 6
    own: int = 4
    labelled: int = 4

    def __post_init__(self) -> None:
        if self.sets < 2:  # noqa: PLR2004 - the empty set and another
            raise ConfigError(f"sets of demonstrations are 2 or more, but got {self.sets}")
        if self.own < 0 or self.labelled < 0 or not self.own + self.labelled:
            raise ConfigError(
                "a set has 1 demonstration or more, but got at most "
                f"{self.own} own and {self.labelled} labelled ones"
            )

    async def __call__(
        self, ctx: StepContext, rules: ShotRules, sources: tuple[Entry, ...]
    ) -> tuple[tuple[Shot, ...], ...]:
        """Return different sets, the empty one first.

        Args:
            ctx: Of the step.
            rules: Which demonstrations there may be.
            sources: Solutions whose right answers are shown.
        """
        found: list[tuple[Shot, ...]] = [()]
        for number in range(1, self.sets):
            rng = replace(ctx, group=number).rng("shots")
            shots: tuple[Shot, ...] = ()
            mixed = number > 1 or rules.answers == "reasoning"
            if mixed and self.own and rules.answers != "labels":
                wanted = self.own if number <= _WHOLE else rng.randint(1, self.own + 1)
                own = replace(rules, answers="reasoning")
                shots = await drawn(ctx, own, wanted, rng, sources=sources)
            if rules.answers != "reasoning":
                missing = max(0, self.labelled - len(shots))
                shots = await drawn(ctx, rules, missing, rng, kept=shots)
            found.append(shots)
        return tuple(dict.fromkeys(found))
