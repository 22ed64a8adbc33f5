"""The number of steps that a method plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.problem import Problem


@dataclass(frozen=True)
class Epochs:
    """So many times through the training items, batch by batch (GPO, section 3).

    Attributes:
        epochs: How many times, 1 or more.
        batch: Items of a step, 1 or more.
    """

    epochs: int = 3
    batch: int = 8

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"epochs are 1 or more, but got {self.epochs}")
        check_batch(self.batch)

    def __call__(self, problem: Problem) -> int:
        """Return how many steps that takes with the training items of this problem (G10)."""
        return self.epochs * epoch_steps(len(problem.items("train")), self.batch)


def paced(epochs: int, batch: int) -> Epochs | None:
    """Return the pace of so many epochs; 0 of them leave the steps to the run."""
    return Epochs(epochs, batch) if epochs else None


def epoch_steps(items: int, batch: int) -> int:
    """Return the steps of an epoch: whole batches, and a rest of at least half a batch.

    At least one, however few the items are.
    """
    whole, rest = divmod(items, batch)
    return max(1, whole + (2 * rest >= batch))


def check_batch(batch: int) -> None:
    """Refuse a batch without items.

    Raises:
        ConfigError: It is below 1.
    """
    if batch < 1:
        raise ConfigError(f"the items of a batch are 1 or more, but got {batch}; 8 is usual")
