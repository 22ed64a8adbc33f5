"""Anything that is text and can be scored by a Python function."""

from __future__ import annotations

import asyncio
import inspect
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmopt.errors import ConfigError
from llmopt.problem import Description, Exemplar, Refusal
from llmopt.text import leaked_marker, one_line
from llmopt.types import Item, Outcome, canonical

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from llmopt.model import Model
    from llmopt.problem import SplitName


@dataclass(frozen=True)
class FunctionProblem:
    """Find the text for which a function of the user's gives the best value.

    The function runs in a worker thread, so that a slow one does not hold up the others; a
    coroutine function is awaited. An exception of the function, or a value that is not
    finite, is data: the candidate stays unmeasured with that reason.

    Attributes:
        function: Text to value.
        describe: What a good text is, in a sentence or two; shown to the optimizer LLM.
        seeds: Starting texts; at least one.
        minimize: Whether lower values are better.
        parser: Canonical form of a proposed text; raises ValueError to refuse it.
        decimals: Significant digits of values as shown.

    Raises:
        ConfigError: No starting text, or one that the parser refuses.
    """

    function: Callable[[str], float | Awaitable[float]]
    describe: str
    seeds: Sequence[str]
    minimize: bool = False
    parser: Callable[[str], str] = str.strip
    decimals: int = 6
    scorer: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if isinstance(self.seeds, str) or not self.seeds:
            raise ConfigError(
                f"seeds are one or more starting texts in a list, but got {self.seeds!r}"
            )
        for seed in self.seeds:
            parsed = self.parse(seed)
            if isinstance(parsed, Refusal):
                raise ConfigError(
                    f"a starting text is one that the parser takes, but got {seed!r}: "
                    f"{parsed.reason}"
                )

    @property
    def description(self) -> Description:
        """How the problem presents itself to an optimizer LLM."""
        return Description(
            task=self.describe,
            noun="text",
            measure="value",
            higher_is_better=not self.minimize,
        )

    @property
    def fingerprint(self) -> dict[str, str]:
        """Names of the functions and all settings; their code is not looked into."""
        return {
            "function": _name(self.function),
            "parser": _name(self.parser),
            "decimals": str(self.decimals),
            "describe": self.describe,
            "minimize": str(self.minimize),
            "seeds": canonical(list(self.starts)),
        }

    @property
    def starts(self) -> tuple[str, ...]:
        """The starting texts in canonical form."""
        parsed = (self.parse(seed) for seed in self.seeds)
        return tuple(dict.fromkeys(text for text in parsed if isinstance(text, str)))

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return the one thing a text is measured on; there is nothing held out."""
        return (Item("value"),) if split == "train" else ()

    def parse(self, text: str) -> str | Refusal:
        """Return the canonical form that the user's parser gives."""
        marker = leaked_marker(text)
        if marker:
            return Refusal(f"leaked marker {marker}")
        try:
            parsed = self.parser(text)
        except ValueError as error:
            return Refusal(one_line(str(error)) or "refused by the parser")
        return parsed or Refusal("empty")

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return an empty example; a function has none, and none is ever chosen."""
        del placeholder
        return Exemplar(item.input, item.input, item.target)

    def show(self, score: float, buckets: int) -> str:
        """Return the function's value in the user's direction."""
        del buckets
        value = (-score if self.minimize else score) + 0.0  # never a negative zero
        return f"{value:.{self.decimals}g}"

    def scale(self, buckets: int) -> str:
        """Return an empty text: values have no range."""
        del buckets
        return ""

    def aim(self, best: float, buckets: int) -> str:
        """Return a value better than the best by a tenth of its size."""
        return self.show(best + (abs(best) or 1.0) / 10, buckets)

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Call the function; what goes wrong in it is the outcome's reason."""
        del scorer
        try:
            found = await asyncio.to_thread(self._called, text)
            value = float(await found if inspect.isawaitable(found) else found)
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything
            return Outcome(item.id, None, reason=one_line(f"{type(error).__name__}: {error}"))
        if not math.isfinite(value):
            return Outcome(item.id, None, reason=f"the function gave {value}")
        return Outcome(item.id, -value if self.minimize else value, f"{value:.12g}")

    def _called(self, text: str) -> float | Awaitable[float]:
        """Call the function; a StopIteration could not cross from a thread into a coroutine."""
        try:
            return self.function(text)
        except StopIteration as error:
            raise RuntimeError("the function raised StopIteration") from error


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
