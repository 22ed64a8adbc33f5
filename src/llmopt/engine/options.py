"""The options of a run: the one table of them.

Everything that takes an option is made from it: the signatures of :func:`llmopt.optimize` and
:func:`llmopt.prepare`, the tables of a configuration and with them ``-o``, the file that
``llmopt init`` writes, and the tables of docs/configuration.md. An option is added here alone.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    TypeVar,
    get_args,
    get_type_hints,
)

from llmopt.core.algorithm import Algorithm
from llmopt.core.model import Model
from llmopt.core.problem import Problem
from llmopt.core.store import Store
from llmopt.core.values import Role
from llmopt.engine.progress import Progress
from llmopt.errors import ConfigError
from llmopt.models.middleware.budget import Limits, Price
from llmopt.models.middleware.concurrency import Rates
from llmopt.models.registry import NamedModel

P = ParamSpec("P")
R = TypeVar("R")

Control = Literal["empty", "think", "sampling"]
"""The controls that a result is compared with unless they are switched off."""

Ending = Literal["auto", "steps", "no more gain"]
"""What ends a search, in addition to its limits."""


FirstLook = Literal["off", "report", "stop"]
"""Whether it is measured before a search how much it may gain, and what follows."""

Mode = Literal["steps", "steady"]
"""Whether a search waits for the end of each step before it asks for the next one."""


@dataclass(frozen=True)
class Option:
    """What there is to say about an option beside its name, its type and its default.

    Attributes:
        means: What it does, in Markdown with links from docs/configuration.md. Its first
            sentence stands beside the key in the file that ``llmopt init`` writes.
        table: The table of the configuration in which it is a key of the same name; empty: it
            is an argument in Python alone.
        least: The smallest value allowed; None: there is none.
        most: The largest value allowed; None: there is none.
        above: A bound that is itself not allowed; None: there is none.
        below: The same for large values.
        rule: What a value outside of the bounds is told; empty: made from name and bounds.
        advice: What to do instead, for the same message.
        written: Type in the configuration, where it is not that in Python.
        example: What ``llmopt init`` shows where the default is None.
    """

    means: str
    table: str = ""
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    rule: str = ""
    advice: str = ""
    written: Any = None
    example: Any = None

    @property
    def bounds(self) -> str:
        """The bounds in words; empty where there are none."""
        if self.least is not None:
            if self.most is None:
                return f"{self.least:,} or more"
            return f"{self.least:,} to {self.most:,}"
        both = (("above", self.above), ("below", self.below))
        return " and ".join(f"{word} {bound:,}" for word, bound in both if bound is not None)

    def check(self, name: str, value: Any) -> None:
        """Refuse a number outside of the bounds.

        Raises:
            ConfigError: See above.
        """
        if value is None or not self.bounds:
            return
        within = (self.least is None or self.least <= value) and (
            self.most is None or value <= self.most
        )
        between = (self.above is None or self.above < value) and (
            self.below is None or value < self.below
        )
        if not (within and between):
            rule = self.rule or f"{name} is {self.bounds}"
            advice = f"; {self.advice}" if self.advice else ""
            raise ConfigError(f"{rule}, but got {value}{advice}")


@dataclass(frozen=True)
class OptionRow:
    """One row of the table of options.

    Attributes:
        name: The option's name.
        kind: Its type in Python.
        default: What it is where nothing is said.
        about: Everything else.
    """

    name: str
    kind: Any
    default: Any
    about: Option


def _described(cls: type[R]) -> type[R]:
    """Write what the options mean into the docstring of their class."""
    means = (f"    {row.name}: {plain(row.about.means)}" for row in rows_of(cls))
    cls.__doc__ = "\n".join((inspect.cleandoc(cls.__doc__ or ""), "", "Attributes:", *means))
    return cls


def rows_of(options: Any) -> tuple[OptionRow, ...]:
    """Return the rows of a class of options: its own first, then those that it inherits."""
    hints = get_type_hints(options, include_extras=True)
    own = inspect.get_annotations(options)
    return tuple(
        OptionRow(
            one.name,
            get_args(hints[one.name])[0],
            one.default_factory() if callable(one.default_factory) else one.default,
            get_args(hints[one.name])[1],
        )
        for one in sorted(fields(options), key=lambda one: one.name not in own)
    )


def plain(text: str) -> str:
    """Return Markdown without its links."""
    kept = ""
    while True:
        before, opened, rest = text.partition("[")
        words, closed, target = rest.partition("](")
        if not (opened and closed):
            return kept + text
        kept, text = kept + before + words, target.partition(")")[2]


@_described
@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """What everything needs that asks models and keeps their replies.

    Raises:
        ConfigError: A number is out of its range.
    """

    store: Annotated[
        str | Path | Store | None,
        Option(
            "A file, a `sqlite:///` or `postgresql://` URL, an open store, or None for the user's "
            "own."
        ),
    ] = None
    budget: Annotated[Limits | None, Option("Hard limits over all roles together.")] = None
    prices: Annotated[
        Mapping[Role, Price],
        Option(
            "US dollars per million tokens by role, for a budget in dollars; without one, what "
            "`llmopt.models.prices.price_of` knows."
        ),
    ] = field(default_factory=dict)
    rates: Annotated[
        Mapping[Role, Rates],
        Option("Caps per minute by role; models of one endpoint share the lower ones."),
    ] = field(default_factory=dict)
    concurrency: Annotated[
        int | None,
        Option(
            "Calls in flight at most. Without it, what suits the model: 64 over HTTP, 8 for a "
            "local one.",
            table="run",
            least=1,
            advice="leave it out for what suits the model",
            example=16,
        ),
    ] = None
    tolerance: Annotated[
        float,
        Option(
            "Share of what a step measures that may stay unmeasured, because calls failed, or code "
            "of yours did; one item always may. Above it the step ends, and the run can be "
            "resumed.",
            table="run",
            least=0,
            most=1,
            rule="tolerance is a share from 0 to 1",
        ),
    ] = 0.5
    progress: Annotated[
        bool | Callable[[Progress], None],
        Option("Whether to show progress, or who is told of it."),
    ] = True

    def __post_init__(self) -> None:
        for row in rows_of(type(self)):
            row.about.check(row.name, getattr(self, row.name))


@_described
@dataclass(frozen=True, kw_only=True)
class Options(SessionOptions):
    """What a run needs beside its problem; every option has a default that works.

    Raises:
        ConfigError: A number is out of its range.
    """

    algorithm: Annotated[
        str | Algorithm | Sequence[str | Algorithm],
        Option(
            "A method by name, by `package.module:name`, or as an object; or a list of methods "
            "that [take turns](choose.md#several-methods-in-one-run)."
        ),
    ] = "opro"
    optimizer: Annotated[
        str | NamedModel | Model | None,
        Option("The optimizer LLM by name, or as a model; None takes the scorer LLM."),
    ] = None
    name: Annotated[
        str | None,
        Option(
            "Name of the run: up to 64 of `a-z`, `0-9`, `.`, `_`, `-`. Without it, a new one made "
            "from the name of the file or of the method. A name that is in the store is "
            "continued.",
            table="run",
            example="tickets",
        ),
    ] = None
    seed: Annotated[int, Option("Seed of every random choice but the split.", table="run")] = 0
    mode: Annotated[
        Mode,
        Option(
            "`steps` measures all solutions of a step before it asks for the next ones; `steady` "
            "asks [as soon as a slot is free](speed.md#without-steps), with methods that allow it.",
            table="run",
        ),
    ] = "steps"
    steps: Annotated[
        int,
        Option(
            "Steps at most, not counting the starting solutions; 0 measures only these.",
            table="run",
            least=0,
            most=1_000_000,
            rule="steps are 0 or more, up to 1,000,000",
        ),
    ] = 10
    patience: Annotated[
        int,
        Option(
            "Stop after this many steps without a better train score; 0: never.",
            table="run",
            least=0,
            rule="patience is 0 (never) or more",
        ),
    ] = 0
    target: Annotated[
        float | None,
        Option(
            "Stop when the best train score reaches this (0 to 1 for prompts). Without it, when "
            "the score reaches the problem's optimum, where that is known.",
            table="run",
            example=0.95,
        ),
    ] = None
    stop: Annotated[
        Ending,
        Option(
            "`no more gain` ends a search when its next five steps are expected to gain less than "
            "0.5 points: [when more does not pay](budgets.md#when-more-does-not-pay). `steps`: "
            "never. `auto`: with a budget in dollars.",
            table="run",
        ),
    ] = "auto"
    headroom: Annotated[
        FirstLook,
        Option(
            "`report` measures a dozen candidates before the search and says whether it is "
            "[worth it](budgets.md#is-it-worth-it); `stop` also ends a run that is not. `off`: "
            "neither.",
            table="run",
        ),
    ] = "off"
    headroom_over: Annotated[
        int,
        Option(
            "Do so only where the whole search takes more calls to the scorer LLM than this.",
            table="run",
            least=0,
            rule="headroom_over is 0 or more calls",
        ),
    ] = 0
    validate_every: Annotated[
        int,
        Option(
            "Measure the best solution of every N steps on the validation rows, the starting "
            "solutions included: [the overfitting curve](evidence.md#the-overfitting-curve). "
            "0: never, as it costs calls.",
            table="run",
            least=0,
            rule="validate_every is 0 (never) or more steps",
        ),
    ] = 0
    validation_patience: Annotated[
        int,
        Option(
            "Stop after this many of these measurements without a better one; 0: never.",
            table="run",
            least=0,
            rule="validation_patience is 0 (never) or more",
        ),
    ] = 0
    finalists: Annotated[
        int,
        Option(
            "How many of the best on train are measured on validation.",
            table="run",
            least=1,
            rule="finalists are 1 or more",
        ),
    ] = 10
    drop_finalists: Annotated[
        bool,
        Option(
            "Whether a third of the finalists is dropped after each quarter of the validation "
            "rows: [three quarters of these calls, and a smaller "
            "front](evidence.md#dropped-finalists).",
            table="run",
        ),
    ] = False
    step_deadline: Annotated[
        float | None,
        Option(
            "Seconds after which no call of a step begins any more: [where an endpoint fails for "
            "long](models.md#when-calls-fail).",
            table="run",
            above=0,
            rule="a step's deadline is more than 0 seconds",
            advice="leave it out for none",
            example=900,
        ),
    ] = None
    level: Annotated[
        float,
        Option(
            "Confidence level of all intervals, and of the words in the verdict.",
            table="evidence",
            above=0.5,
            below=1,
            rule="a confidence level is above 0.5 and below 1",
            advice="0.95 is usual",
        ),
    ] = 0.95
    controls: Annotated[
        Sequence[str],
        Option(
            'The empty instruction, "Let\'s think step by step.", and best of N drawn without '
            "scores at as many evaluations as the search, which takes as many calls as the "
            "search. `[]`: no controls.",
            table="evidence",
            written=list[Control],
        ),
    ] = ("empty", "think", "sampling")
    samples: Annotated[
        int,
        Option(
            "Answers to each test row, for the winner, the start and the controls; [more than "
            "one](evidence.md#several-answers-to-each-test-row) at a temperature above 0 alone.",
            table="evidence",
            least=1,
            most=1_000,
            rule="evidence.samples are 1 to 1,000 answers",
        ),
    ] = 1
    record: Annotated[
        str | Path | None,
        Option(
            "A new file for all replies that the run uses, to be replayed as the model "
            "`replay/FILE`. Only a run that begins anew can be recorded; doing a stored one again "
            "under another name costs nothing."
        ),
    ] = None
    source: Annotated[
        dict[str, Any] | None, Option("What the journal keeps for `llmopt resume`.")
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in get_args(Mode):
            raise ConfigError(f"a mode is {' or '.join(get_args(Mode))}, but got {self.mode!r}")
        if self.headroom not in get_args(FirstLook):
            known = ", ".join(get_args(FirstLook))
            raise ConfigError(f"headroom is one of {known}, but got {self.headroom!r}")
        if self.mode == "steady" and self.step_deadline is not None:
            raise ConfigError(
                "step_deadline is about the calls of a step, but got mode = 'steady', which has "
                "no steps; set budget.seconds, or mode = 'steps'"
            )
        if isinstance(self.controls, str):
            raise ConfigError(
                f"controls are a list of names, but got {self.controls!r}; "
                f"write ({self.controls!r},)"
            )


def rows_in(table: str) -> Iterator[OptionRow]:
    """Yield the options of a run that are keys of a table of the configuration."""
    return (row for row in rows_of(Options) if row.about.table == table)


def like(other: Callable[P, object]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Give a function the arguments of another one."""

    def typed(function: Callable[..., R]) -> Callable[P, R]:
        function.__signature__ = inspect.signature(other)  # type: ignore[attr-defined]
        return function

    return typed


def takes(
    options: Callable[P, object],
) -> Callable[[Callable[..., R]], Callable[Concatenate[Problem, P], R]]:
    """Give a function of a problem the options of a class as its keywords.

    Editors complete them and type checkers check them; ``help`` shows them.

    Args:
        options: The class.
    """

    def typed(function: Callable[..., R]) -> Callable[Concatenate[Problem, P], R]:
        own = inspect.signature(function)
        kept = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        more = (
            inspect.Parameter(
                row.name, inspect.Parameter.KEYWORD_ONLY, default=row.default, annotation=row.kind
            )
            for row in rows_of(options)
        )
        function.__signature__ = own.replace(parameters=[*kept, *more])  # type: ignore[attr-defined]
        return function

    return typed
