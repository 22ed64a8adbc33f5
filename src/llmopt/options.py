"""What a run needs beside its problem."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from llmopt.algorithm import Algorithm
    from llmopt.model import Model
    from llmopt.models.layers.budget import Limits, Price
    from llmopt.models.layers.gate import Rates
    from llmopt.models.registry import NamedModel
    from llmopt.search.progress import Progress
    from llmopt.store.protocol import Store
    from llmopt.types import Role

Control = Literal["empty", "think", "sampling"]
"""The controls that a result is compared with unless they are switched off."""

_HALF = 0.5  # a lower level is none


@dataclass(frozen=True)
class Options:
    """What a run needs beside its problem; every field has a default that works.

    Attributes:
        algorithm: A method by name, by ``package.module:name``, or as an object.
        optimizer: The optimizer LLM by name, or as a model; None takes the scorer LLM.
        steps: Steps at most, not counting the starting solutions.
        patience: End after this many steps without a better score; 0: never.
        target: End when the best train score (0..1 for prompts) reaches this; None: when it
            reaches the problem's optimum, where that is known.
        validate_every: Measure the best of every so many steps on validation, the starting
            solutions included, for the overfitting curve; 0: never, as it costs calls.
        validation_patience: End after this many of these without a better one; 0: never.
        budget: Hard limits over both roles together.
        prices: US dollars per million tokens by role, for a budget in dollars; without one,
            what :func:`~llmopt.models.prices.price_of` knows.
        rates: Caps per minute by role; models of one endpoint share the lower ones.
        seed: Seed of every random choice.
        name: Name of the run; None takes a new one. A name that is in the store is continued.
        store: A file, a ``sqlite:///`` URL, an open store, or None for the user's own.
        concurrency: Evaluations in flight at most; None: as many as the scorer LLM likes.
        step_deadline: Seconds after whose passing no call of a step begins, so that a step
            ends, resumable, if its calls fail for that long; None: only calls have a deadline.
        record: A new file for all replies that the run uses, to be replayed as the model
            ``replay/FILE``. Only a run that begins anew can be recorded; doing a stored one
            again under another name costs nothing.
        tolerance: Share of a step that may stay unmeasured, 0..1; one item always may.
        finalists: How many of the best on train are measured on validation, 1 or more.
        level: Confidence level of intervals and verdict, above 0.5 and below 1.
        controls: What the winner is compared with beside the start: "empty" and "think" (the
            empty instruction and "Let's think step by step."; prompts only), and "sampling"
            (best of N without scores, at as many evaluations as the search); () for nothing.
        progress: Whether to show progress, or who is told of it.
        source: What the journal keeps for ``llmopt resume``.

    Raises:
        ConfigError: A number is out of its range.
    """

    algorithm: str | Algorithm = "opro"
    optimizer: str | NamedModel | Model | None = None
    steps: int = 10
    patience: int = 0
    target: float | None = None
    validate_every: int = 0
    validation_patience: int = 0
    budget: Limits | None = None
    prices: Mapping[Role, Price] = field(default_factory=dict)
    rates: Mapping[Role, Rates] = field(default_factory=dict)
    seed: int = 0
    name: str | None = None
    store: str | Path | Store | None = None
    concurrency: int | None = None
    step_deadline: float | None = None
    record: str | Path | None = None
    tolerance: float = 0.02
    finalists: int = 10
    level: float = 0.95
    controls: Sequence[str] = get_args(Control)
    progress: bool | Callable[[Progress], None] = True
    source: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise ConfigError(
                f"concurrency is 1 or more, but got {self.concurrency}; "
                "leave it out for what suits the model"
            )
        if self.step_deadline is not None and not self.step_deadline > 0:
            raise ConfigError(
                f"a step's deadline is more than 0 seconds, but got {self.step_deadline}; "
                "leave it out for none"
            )
        if not 0 <= self.tolerance <= 1:
            raise ConfigError(f"tolerance is a share from 0 to 1, but got {self.tolerance}")
        if self.validate_every < 0:
            raise ConfigError(
                f"validate_every is 0 (never) or more steps, but got {self.validate_every}"
            )
        if self.finalists < 1:
            raise ConfigError(f"finalists are 1 or more, but got {self.finalists}")
        if not _HALF < self.level < 1:
            raise ConfigError(
                f"a confidence level is above {_HALF} and below 1, but got {self.level}; "
                "0.95 is usual"
            )
        if isinstance(self.controls, str):
            raise ConfigError(
                f"controls are a list of names, but got {self.controls!r}; "
                f"write ({self.controls!r},)"
            )
