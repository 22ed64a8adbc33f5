"""How often is a verdict wrong? Simulated worlds, through the real pipeline.

A :class:`World` says what is true: how good the starting instruction is, how good new ideas are,
and how far the optimizer LLM heeds the scores that it is shown. :func:`error_rates` lets a method
search in many draws of it with :func:`llmopt.optimize`, reads what the results say, and counts how
often it was true::

    from llmopt.testing.evidence import World, error_rates

    print(error_rates("my_module:my_algorithm", World(), runs=100))

No model is asked and nothing is paid. The same on the command line, with progress::

    python -m llmopt.testing evidence my_module:my_algorithm --runs 100

By default there is nothing to find: every "better" is then an error. :data:`WORLDS` has others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from llmopt.errors import ConfigError
from llmopt.statistics import Interval, wilson
from llmopt.testing.evidence.claims import (
    SENTENCE_RULES,
    Claim,
    SentenceRule,
    Truth,
    claims_of,
    unknown_sentences,
)
from llmopt.testing.evidence.trials import Trial
from llmopt.testing.evidence.worlds import SimulatedProblem, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from llmopt.core.algorithm import Algorithm
    from llmopt.evidence.result import Result

__all__ = [
    "SENTENCE_RULES",
    "WORLDS",
    "Claim",
    "ErrorRates",
    "Figure",
    "SentenceRule",
    "SimulatedProblem",
    "Trial",
    "Truth",
    "World",
    "error_rates",
]

WORLDS: dict[str, World] = {
    "nothing": World(),
    "gain": World(gain=0.1),
    "ignores": World(gain=0.05, spread=0.25),
    "follows": World(gain=0.05, spread=0.25, step=0.1, heeds=0.9),
    "lost": World(lost=0.01),
    "passages": World(passages=5),
    "graded": World(grades=4),
    "noise": World(noise=0.5),
}
"""Worlds by name: nothing to find; every idea 10 points better; ideas that differ, and an
optimizer LLM that ignores scores or follows them; and nothing to find among answers of which some
are lost, that come in passages, that are graded in quarters, or that are drawn at a temperature."""


@dataclass(frozen=True)
class Figure:
    """A share with its interval, and its bar.

    Attributes:
        name: Of what.
        hits: How often it was so.
        of: Of how many.
        runs: In how many runs; what one run says several times is not independent.
        least: The smallest share that is allowed; None: any.
        most: The largest share that is allowed; None: any.
    """

    name: str
    hits: int
    of: int
    runs: int
    least: float | None = None
    most: float | None = None

    @property
    def share(self) -> float:
        """The share."""
        return self.hits / self.of

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval of the share, as wide as that of one case a run."""
        return wilson(self.share * self.runs, self.runs)

    @property
    def beyond(self) -> str:
        """Where the share is in relation to its bar.

        ``surely`` beyond it where the whole interval is, ``maybe`` where the share alone is, and
        empty otherwise.
        """
        low, high = self.interval.low, self.interval.high
        if (self.least is not None and high < self.least) or (
            self.most is not None and low > self.most
        ):
            return "surely"
        within = (self.least is None or self.share >= self.least) and (
            self.most is None or self.share <= self.most
        )
        return "" if within else "maybe"

    @property
    def bar(self) -> str:
        """The bar in words; empty without a bar."""
        if self.least is not None:
            return f"{100 * self.least:g} % or more"
        return f"{100 * self.most:g} % or less" if self.most is not None else ""

    def __str__(self) -> str:
        """Return the figure on one line."""
        low, high = 100 * self.interval.low, 100 * self.interval.high
        said = f"{self.name:58} {100 * self.share:5.1f} % [{low:.1f}, {high:.1f}] of {self.of}"
        bar = f"  bar: {self.bar}" if self.bar else ""
        return said + bar + (f"  {self.beyond} beyond it" if self.beyond else "")

    def to_dict(self) -> dict[str, Any]:
        """Return the figure as plain data."""
        return {
            "name": self.name,
            "hits": self.hits,
            "of": self.of,
            "runs": self.runs,
            "share": self.share,
            "low": self.interval.low,
            "high": self.interval.high,
            "least": self.least,
            "most": self.most,
            "beyond": self.beyond,
        }


@dataclass(frozen=True)
class ErrorRates:
    """What was counted in the runs of one world.

    Attributes:
        world: The world.
        runs: How many draws of it.
        figures: What was counted, in the order of appearance.
        unknown_sentences: Printed sentences that no rule knows, most frequent first.
    """

    world: World
    runs: int
    figures: tuple[Figure, ...]
    unknown_sentences: tuple[tuple[str, int], ...]

    def __getitem__(self, name: str) -> Figure:
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(name)

    @property
    def beyond(self) -> tuple[Figure, ...]:
        """The figures that are surely beyond their bars."""
        return tuple(figure for figure in self.figures if figure.beyond == "surely")

    def __str__(self) -> str:
        """Return a line for each figure."""
        return "\n".join(map(str, self.figures))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        return {
            "world": asdict(self.world),
            "runs": self.runs,
            "figures": [figure.to_dict() for figure in self.figures],
            "unknown_sentences": [
                {"sentence": said, "runs": count} for said, count in self.unknown_sentences
            ],
        }


_Counted = tuple[str, float | None, float | None]
"""What is counted: a name with its bars."""


def error_rates(
    algorithm: str | Algorithm = "opro",
    world: World | None = None,
    *,
    runs: int = 100,
    seed: int = 0,
    trial: Trial | None = None,
    rules: tuple[SentenceRule, ...] = SENTENCE_RULES,
    listen: Callable[[int], None] | None = None,
    **options: Any,
) -> ErrorRates:
    """Let a method search in draws of a world, and count how often what is said is true.

    Args:
        algorithm: A method by name, by ``package.module:name``, or as an object.
        world: What is true; None: there is nothing to find.
        runs: Draws of the world, 1 or more; a share of 2.5 % needs hundreds.
        seed: Of the first draw; the others follow.
        trial: How runs are led: resumed, repeated, broken off; None: one search of four steps.
        rules: Which sentences are true, and when.
        listen: Called after each draw with the number of draws done.
        options: Of :func:`llmopt.optimize`, such as ``finalists`` or ``controls``.

    Raises:
        ConfigError: `runs` is below 1.
        InputError: An option cannot be used, or the method does not fit.
    """
    if runs < 1:
        raise ConfigError(f"runs are 1 or more, but got {runs}")
    world, trial = world or World(), trial or Trial()
    led = replace(trial, algorithm=algorithm, options={**trial.options, **options})
    counts = defaultdict[_Counted, list[tuple[int, bool]]](list)
    unknown = Counter[str]()
    for number in range(runs):
        problem, results = led.run(world, seed + number)
        for claim in _counted(problem, results, rules):
            counts[claim.name, claim.least, claim.most].append((number, claim.holds))
        unknown.update(
            {said for result in results[-1:] for said in unknown_sentences(result, rules)}
        )
        if listen:
            listen(number + 1)
    figures = (_figure(counted, held) for counted, held in counts.items())
    return ErrorRates(world, runs, tuple(figures), tuple(unknown.most_common()))


def _figure(counted: _Counted, held: list[tuple[int, bool]]) -> Figure:
    """Return the share of what holds; each case has the number of its run."""
    name, least, most = counted
    hits = sum(holds for _, holds in held)
    return Figure(name, hits, len(held), len({number for number, _ in held}), least, most)


def _counted(
    problem: SimulatedProblem, results: list[Result], rules: tuple[SentenceRule, ...]
) -> Iterator[Claim]:
    """Yield what is counted of one draw: the last result, and whether any said "better"."""
    yield Claim("there is a result", bool(results))
    if results:
        yield from claims_of(Truth(problem, results[-1]), rules)
    if len(results) > 1:
        wrong = _any(claims_of(Truth(problem, result), ()) for result in results)
        yield Claim("better than the start, wrongly, in any look", wrong, most=0.025)


def _any(several: Iterable[Iterable[Claim]]) -> bool:
    """Whether any of several results is wrongly better than the start."""
    name = "better than the start, wrongly"
    return any(claim.name == name and claim.holds for claims in several for claim in claims)
