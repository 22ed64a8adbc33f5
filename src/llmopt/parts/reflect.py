"""What a meta-prompt says about past solutions, apart from their scores."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from llmopt.core.part import Feedback
from llmopt.core.trajectory import missed
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from llmopt.core.part import StepContext
    from llmopt.core.values import Item

Choose = Literal["random", "constant", "accumulative_most_frequent", "current_most_frequent"]


@dataclass(frozen=True)
class NoReflection:
    """No feedback."""

    stored_name: ClassVar[str] = "Nothing"

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return empty feedback."""
        del ctx
        return Feedback()


@dataclass(frozen=True)
class Exemplars:
    """Show training examples (OPRO, section 3, step 2).

    Attributes:
        n: Their number; 0 shows none, and more than exist shows all.
        choose: ``random`` draws in each step; ``constant`` draws once per run;
            ``accumulative_most_frequent`` takes the items that most candidates of the whole
            run got wrong (O14: the highest counts, where the published code draws among all
            that ever failed); ``current_most_frequent`` those that most of the solutions
            shown now got wrong. The run's generator breaks ties, and if too few items ever
            failed, random others are added.
        among: Number of training items, the first ones, that they are chosen among, as GPO's code
            has examples that nothing is measured on; 0: all of them.
    """

    n: int = 3
    choose: Choose = "random"
    among: int = 0

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ConfigError(f"the number of exemplars is 0 or more, but got {self.n}")
        if self.among < 0:
            raise ConfigError(f"rows for examples alone are 0 or more, but got {self.among}")
        if self.choose not in get_args(Choose):
            raise ConfigError(
                f"exemplars are chosen by {', '.join(get_args(Choose))}, but got {self.choose!r}"
            )

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the exemplars of this step, in the order of the training items."""
        items = ctx.problem.items("train")
        items = items[: self.among] if self.among else items
        if self.n == 0 or not any(item.target for item in items):
            return Feedback()
        if self.choose == "random":
            chosen = _draw(len(items), self.n, ctx.rng("exemplars"))
            return Feedback(tuple(items[i] for i in chosen))
        if self.choose == "constant":
            from llmopt.core.part import generator

            chosen = _draw(len(items), self.n, generator(ctx.seed, 0, "exemplars"))
            return Feedback(tuple(items[i] for i in chosen))
        if self.choose == "accumulative_most_frequent":
            counts = ctx.trajectory.misses()
        else:
            counts = Counter(item for entry in ctx.shown for item in missed(entry))
        return _most_missed(items, counts, self.n, ctx.rng("exemplars"))


def _draw(among: int, n: int, rng: np.random.RandomState) -> list[int]:
    return sorted(int(i) for i in rng.choice(among, min(n, among), replace=False))


def _most_missed(
    items: tuple[Item, ...], counts: Counter[str], n: int, rng: np.random.RandomState
) -> Feedback:
    """Return the n items missed most; a random key breaks ties and orders the never missed."""
    tie = rng.permutation(len(items))
    ranked = sorted(range(len(items)), key=lambda i: (-counts[items[i].id], tie[i]))[:n]
    chosen = tuple(items[i] for i in sorted(ranked))
    return Feedback(chosen, failing=bool(chosen) and all(counts[item.id] for item in chosen))
