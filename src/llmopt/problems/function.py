"""Anything that is text and can be scored by a Python function."""

from __future__ import annotations

import asyncio
import inspect
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.core.encoding import written
from llmopt.core.problem import Description, Exemplar, Refusal
from llmopt.core.text import leaked_marker, mark_names, one_line
from llmopt.core.values import Item, Outcome, canonical
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.problems.function_workers import (
    FailedCallError,
    Processes,
    awaited,
    in_thread,
    reason_of,
    too_long,
)
from llmopt.problems.metrics.contract import Scored, fault, said, value_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from llmopt.core.model import Model
    from llmopt.core.problem import SplitName

Workers = Literal["thread", "process"]
FunctionValue = float | Scored | tuple[float, str]


@dataclass(frozen=True)
class FunctionProblem:
    """Find the text for which a function of the user's gives the best value.

    The function runs in worker threads or processes, so that a slow one does not hold up the
    others; a coroutine function is awaited. An exception of the function, a value that is not
    finite, or no value in time is data: the candidate stays unmeasured with that reason.

    Attributes:
        function: Text to value; or to a :class:`~llmopt.problems.metrics.contract.Scored` or a pair
            of a value and a text, which say something about the text as well.
        describe: What a good text is, in a sentence or two; shown to the optimizer LLM.
        seeds: Starting texts; at least one.
        minimize: Whether lower values are better.
        parser: Canonical form of a proposed text; raises ValueError to refuse it; so does
            whatever else it raises.
        decimals: Significant digits of values as shown.
        shown: How a value is shown, instead of with `decimals`; equal texts for values that the
            optimizer LLM need not tell apart.
        best: The best value there is, where it is known: a run stops when it is reached.
        workers: ``thread``, or ``process`` for a function that keeps a processor busy or may
            never return: its process is killed at the end of its time. It must be importable.
        timeout: Seconds that a call may take; None: any time. In a thread a call that is given
            up goes on unobserved until the function returns.
        memory: Bytes that a worker process may take, alone and with the processes it starts, on
            Linux; None: 2 GiB, or half of what is free when it starts if that is less.

    Raises:
        ConfigError: No starting text, one that the parser refuses, or an option out of range.
    """

    function: Callable[[str], FunctionValue | Awaitable[FunctionValue]]
    describe: str
    seeds: Sequence[str]
    minimize: bool = False
    parser: Callable[[str], str] = str.strip
    decimals: int = 6
    shown: Callable[[float], str] | None = None
    best: float | None = None
    workers: Workers = "thread"
    timeout: float | None = None
    memory: int | None = None
    scorer: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.workers not in get_args(Workers):
            raise UnknownNameError("a kind of worker", self.workers, get_args(Workers))
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise ConfigError(
                f"a timeout is more than 0 seconds, but got {self.timeout}; leave it out for none"
            )
        if self.memory is not None and self.memory < 1:
            raise ConfigError(
                f"memory must be at least 1 byte, but got {self.memory}; leave it out for 2 GiB"
            )
        if self.workers == "process":
            _ = self._processes  # a function that cannot be sent there is refused here
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

    def __repr__(self) -> str:
        """Return a short summary; texts may be long and many."""
        aim = "minimize" if self.minimize else "maximize"
        return (
            f"{type(self).__name__}({aim}, {one_line(self.describe, 60)!r}, "
            f"{len(self.seeds)} starts)"
        )

    @property
    def description(self) -> Description:
        """How the problem presents itself to an optimizer LLM."""
        return Description(
            task=self.describe,
            noun="text",
            measure="value",
            higher_is_better=not self.minimize,
            unit="value",
            marks=self._own,
        )

    @property
    def fingerprint(self) -> dict[str, str]:
        """Names of the functions and all settings; their code is not looked into."""
        return {
            "function": _name(self.function),
            "parser": _name(self.parser),
            "decimals": _name(self.shown) if self.shown else str(self.decimals),
            "describe": self.describe,
            "minimize": str(self.minimize),
            "seeds": canonical(list(self.starts)),
        }

    @property
    def starts(self) -> tuple[str, ...]:
        """The starting texts in canonical form."""
        parsed = (self.parse(seed) for seed in self.seeds)
        return tuple(dict.fromkeys(text for text in parsed if isinstance(text, str)))

    def optimum(self) -> float | None:
        """Return the best score there can be, where it is known; higher is better."""
        return None if self.best is None else self._inside(self.best)

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return the one thing a text is measured on; there is nothing held out."""
        return (Item("value"),) if split == "train" else ()

    def parse(self, text: str) -> str | Refusal:
        """Return the canonical form that the user's parser gives."""
        marker = leaked_marker(text, self._own)
        if marker:
            return Refusal(f"leaked marker {marker}")
        try:
            parsed = self.parser(text)
        except ValueError as error:
            return Refusal(one_line(str(error)) or "refused by the parser")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code may raise anything
            return Refusal(f"the parser raised {reason_of(error)}")
        if not isinstance(parsed, str):
            return Refusal(f"the parser gave {one_line(repr(parsed), 80)}, which is no text")
        return parsed or Refusal("empty")

    @cached_property
    def _own(self) -> frozenset[str]:
        """Markers that belong to the user's own texts, such as a tag <text> of an SVG."""
        return frozenset(m for text in (self.describe, *self.seeds) for m in mark_names(text))

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return an empty example; a function has none, and none is ever chosen."""
        del placeholder
        return Exemplar(item.input, item.input, item.target)

    def show(self, score: float, buckets: int) -> str:
        """Return the function's value in the user's direction."""
        del buckets
        value = self._inside(score) + 0.0  # never a negative zero
        return self.shown(value) if self.shown else f"{value:.{self.decimals}g}"

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
            found = await self._value(text)
            value = value_of(found)
        except FailedCallError as error:
            return Outcome(item.id, None, reason=str(error))
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything
            return Outcome(item.id, None, reason=reason_of(error))
        if not math.isfinite(value):
            return Outcome(item.id, None, reason=f"the function gave {value}")
        if wrong := fault(found):
            return Outcome(item.id, None, reason=wrong)
        answer = found.answer or f"{value:.12g}"
        return replace(found, score=self._inside(value), answer=answer).outcome(item)

    async def _value(self, text: str) -> Scored:
        if self.workers == "process":
            return await in_thread(self._processes.call, text)
        limit = asyncio.timeout(self.timeout)
        try:
            async with limit:
                found = await in_thread(self.function, text)
                return said(await awaited(found) if inspect.isawaitable(found) else found)
        except TimeoutError as error:
            if limit.expired():
                raise FailedCallError(too_long(self.timeout)) from error
            raise  # the function's own

    @cached_property
    def _processes(self) -> Processes:
        return Processes(self.function, self.timeout, self.memory)

    def _inside(self, value: float) -> float:
        """Turn a value into a score, or a score into a value."""
        return -value if self.minimize else value


@dataclass(frozen=True)
class Fixed:
    """Shows a value with so many digits after the point.

    Attributes:
        decimals: 0 or more; with 0 the digits are cut off, as in OPRO's published code.
    """

    decimals: int

    def __post_init__(self) -> None:
        if self.decimals < 0:
            raise ConfigError(f"decimals are 0 or more, but got {self.decimals}")

    def __call__(self, value: float) -> str:
        """Return the value as text, without a sign before zero."""
        text = f"{value:.{self.decimals}f}" if self.decimals else str(int(value))
        return text.removeprefix("-") if float(text) == 0 else text


def _name(function: Callable[..., object]) -> str:
    named = getattr(function, "__qualname__", None)
    # What holds its settings as a dataclass, such as Fixed, is reason_of by them.
    return named or (
        written(function) if hasattr(function, "__dataclass_fields__") else _kind(function)
    )


def _kind(function: object) -> str:
    return type(function).__name__
