"""Stopping rules of a search."""

from __future__ import annotations

from dataclasses import dataclass

from llmopt.errors import ConfigError


@dataclass(frozen=True)
class Stop:
    """When a search ends.

    Attributes:
        steps: Steps at most, not counting the starting solutions.
        patience: End after this many steps without a better score; 0: never.
        target: End when the best score on train reaches this; None: never. In the problem's
            inner direction, higher is better.
        validation_patience: End after this many points of the overfitting curve without a
            better validation score; 0: never.

    Raises:
        ConfigError: A number is below 0.
    """

    steps: int = 10
    patience: int = 0
    target: float | None = None
    validation_patience: int = 0

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ConfigError(f"steps are 0 or more, but got {self.steps}")
        if self.patience < 0:
            raise ConfigError(f"patience is 0 (never) or more, but got {self.patience}")
        if self.validation_patience < 0:
            raise ConfigError(
                f"validation_patience is 0 (never) or more, but got {self.validation_patience}"
            )

    def why(self, *, done: int, best: float | None, idle: int, stale: int) -> str:
        """Return why a search is over, or an empty text while it is not.

        Args:
            done: Steps done; -1: the starting solutions are not measured yet.
            best: The best score on train; None while that is partial, which reaches no target.
            idle: Steps since that score was reached.
            stale: Validations since the best one.
        """
        if done < 0:
            return ""
        if self.target is not None and best is not None and best >= self.target:
            return "target reached"
        if self.patience and idle >= self.patience:
            return f"no better score in {self.patience} steps"
        if self.validation_patience and stale >= self.validation_patience:
            return f"no better validation score in {self.validation_patience} validations"
        return "steps done" if done >= self.steps else ""
