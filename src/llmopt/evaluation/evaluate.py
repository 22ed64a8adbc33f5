"""Scores given instructions on given items: the engine of ``llmopt evaluate``.

An evaluation is kept as a run of its own kind, named by what it measures. So the same one goes
on where it was stopped, under the same budget, and costs nothing when it is done again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.api import booked, calm_collector, wait
from llmopt.errors import BudgetError, ConfigError, StoreError
from llmopt.evidence.comparison import Comparison, are_shares, compare, differing, sentence
from llmopt.evidence.versus import groups_of
from llmopt.models.layers.ring import Ring
from llmopt.models.layers.traffic import Traffic
from llmopt.options import Options, like
from llmopt.problem import check_scorer, judge_of, judged
from llmopt.problems.prompting import PromptProblem
from llmopt.report.progress import View
from llmopt.roles import Models
from llmopt.search.journal import EVALUATION, UNSTORED
from llmopt.search.progress import Progress, silent
from llmopt.search.scoring import Scoring
from llmopt.search.watching import Watch
from llmopt.store import open_store
from llmopt.types import Candidate, Item, Outcome, canonical, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from llmopt.model import Model
    from llmopt.models.layers.budget import Limits, Price
    from llmopt.models.layers.gate import Rates
    from llmopt.models.registry import NamedModel
    from llmopt.problem import Problem, SplitName
    from llmopt.store.protocol import Status, Store
    from llmopt.types import Call, Reply, Role

_SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
PARTS = (*_SPLITS, "all")
_SLOTS = 64  # evaluations in flight where no scorer LLM says what it likes


@dataclass(frozen=True)
class Plan:
    """What an evaluation measures.

    Attributes:
        problem: Says how a text is measured on an item.
        given: The instructions; the others are compared with the first.
        part: train, validation, test, or all three together.
        samples: Answers to each item, 1 or more.

    Raises:
        ConfigError: There is nothing to measure, or several answers would all be the same.
    """

    problem: Problem
    given: tuple[str, ...]
    part: str = "test"
    samples: int = 1

    def __post_init__(self) -> None:
        if not self.given:
            raise ConfigError("an evaluation is of one instruction or more, but got none")
        if self.part not in PARTS:
            raise ConfigError(f"a part is one of {', '.join(PARTS)}, but got {self.part!r}")
        if not self.items:
            raise ConfigError(
                f"an evaluation is of one item or more, but the part {self.part!r} has none; "
                "choose another, such as all"
            )
        if self.samples < 1:
            raise ConfigError(f"samples are 1 or more, but got {self.samples}")
        greedy = isinstance(self.problem, PromptProblem) and not self.problem.asking.temperature
        if self.samples > 1 and greedy:
            raise ConfigError(
                f"several answers to an item are drawn at a temperature above 0, but got "
                f"{self.samples} samples at temperature 0; set scorer.temperature, or leave "
                "samples out"
            )

    @property
    def texts(self) -> tuple[str, ...]:
        """The instructions, each once."""
        return tuple(dict.fromkeys(self.given))

    @property
    def items(self) -> tuple[Item, ...]:
        """The items of the part."""
        names = _SPLITS if self.part == "all" else tuple(n for n in _SPLITS if n == self.part)
        return tuple(item for name in names for item in self.problem.items(name))

    def identity(self, scorer: Model | None) -> dict[str, str]:
        """Return everything that decides what is found, by name."""
        return {
            **{f"problem {key}": value for key, value in self.problem.fingerprint.items()},
            "instructions": canonical(self.texts),
            "part": self.part,
            "samples": str(self.samples),
            "scorer": scorer.identity if scorer else "",
        }

    def jobs(self) -> list[tuple[Candidate, Item]]:
        """Return what is to be measured: instruction by instruction, item by item."""
        return [
            (Candidate(text), _Draw(item.id, item.input, item.target, item.weight, number))
            for text in self.texts
            for item in self.items
            for number in range(self.samples)
        ]


async def evaluate_async(
    problem: Problem,
    instructions: Sequence[str],
    *,
    part: str = "test",
    samples: int = 1,
    scorer: str | NamedModel | Model | None = None,
    store: str | Path | Store | None = None,
    budget: Limits | None = None,
    prices: Mapping[Role, Price] | None = None,
    rates: Mapping[Role, Rates] | None = None,
    concurrency: int | None = None,
    tolerance: float = 0.02,
    progress: bool | Callable[[Progress], None] = True,
    source: Sequence[str] = (),
) -> Comparison:
    """Do the same as :func:`evaluate` in a running event loop.

    Args:
        problem: See :func:`evaluate`.
        instructions: See :func:`evaluate`.
        part: The items: train, validation, test, or all three together.
        samples: Answers to each item; more than 1 need a temperature above 0. The item stays
            the unit of all figures.
        scorer: The scorer LLM by name or as a model; None takes the problem's.
        store: A file, a ``sqlite:///`` URL, an open store, or None for the user's own.
        budget: Hard limits over the whole evaluation, also when it is done in several goes.
        prices: US dollars per million tokens, as for :func:`llmopt.optimize`.
        rates: Caps per minute, likewise.
        concurrency: Answers in flight at most; None: as many as the scorer LLM likes.
        tolerance: Share of the answers that may stay unmeasured, 0..1; one always may.
        progress: Whether to show progress, or who is told of it.
        source: The words of the command that repeats it, which the journal keeps.
    """
    plan = Plan(problem, tuple(instructions), part, samples)
    options = Options(
        budget=budget,
        prices=prices or {},
        rates=rates or {},
        store=store,
        concurrency=concurrency,
        tolerance=tolerance,
        progress=progress,
    )
    asked = problem.scorer if scorer is None else scorer
    models = None
    if asked is not None:
        models = Models(_for_scorer(options), asked, judge_of(problem))
        check_scorer(problem, models.scorer)
        # It is the same evaluation only with the same judge LLM.
        plan = replace(plan, problem=judged(problem, models.judge))
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(calm_collector())
        if store is None or isinstance(store, str | Path):
            store = open_store(store)
            stack.callback(store.close)
        listen = progress if callable(progress) else silent
        if progress is True:
            listen = stack.enter_context(View())
        name = _claimed(plan, models, store, stack, source)
        traffic, model = Traffic(), None
        if models:
            traffic = Traffic(
                models.account(store, name),
                prices=models.prices,
                stored=lambda: store.spent(name),
            )
            stack.enter_context(booked(store, name, traffic))
            _, model, judge = models.wrapped(store, name, traffic, stack)
            plan = replace(plan, problem=judged(plan.problem, judge))
        for record in store.records(name):
            if record.kind == UNSTORED:
                traffic.remember(record.data)
        state = Progress(name, phase="evaluating", warnings=traffic.warnings)
        watch = Watch(state, traffic, listen)
        slots = models.evaluations if models else concurrency or _SLOTS
        scoring = Scoring(_Draws(plan.problem), model, slots, tolerance, watch.observed)
        priced = models is not None and _paid_roles(models) <= models.prices.keys()
        return await _Evaluating(plan, scoring, watch, store, name, traffic, priced).done()


@like(evaluate_async)
def evaluate(problem: Problem, instructions: Sequence[str], **options: Any) -> Comparison:
    """Score given instructions on the same items, and compare each with the first.

    Args:
        problem: Says what the items are and how an instruction is measured on one.
        instructions: The texts, measured as they are; a text that comes again counts once.
        options: See :func:`evaluate_async`.

    Raises:
        InputError: Something given cannot be used; nothing was paid.
        BudgetError: A spending limit was reached; the same evaluation goes on with a larger one.
        ModelError: A model could not answer; the same evaluation goes on when it does.
        StepFailedError: More answers failed than the tolerance allows; likewise.
    """
    return wait(evaluate_async(problem, instructions, **options))


@dataclass(frozen=True)
class _Evaluating:
    """An evaluation whose models and place in the store are ready."""

    plan: Plan
    scoring: Scoring
    watch: Watch
    store: Store
    name: str
    traffic: Traffic
    priced: bool

    async def done(self) -> Comparison:
        """Measure, compare, and journal what was found and how it ended."""
        began = time.monotonic()
        status: Status = "failed"
        self.store.append(self.name, "status", {"status": "running"})
        try:
            found = await self._measured()
            seconds = self.store.seconds(self.name) + time.monotonic() - began
            comparison = self._compared(found, seconds)
            self.store.append(self.name, EVALUATION, comparison.to_dict())
            status = "done"
        except BudgetError:
            status = "budget"
            raise
        except StoreError as error:
            error.under_way = True
            raise
        except (asyncio.CancelledError, KeyboardInterrupt):
            status = "interrupted"
            raise
        finally:
            self.store.add_seconds(self.name, time.monotonic() - began)
            self.store.append(self.name, "status", {"status": status})
        return comparison

    async def _measured(self) -> list[Outcome]:
        """Measure all jobs, in their order."""
        jobs = self.plan.jobs()
        async with self.watch.stalls():
            self.watch.planned(len(jobs))
            found = await self.scoring.measure(jobs)
        self.watch.say(phase="done")
        return found

    def _compared(self, found: Sequence[Outcome], seconds: float) -> Comparison:
        plan = self.plan
        size = len(plan.items) * plan.samples
        upward = plan.problem.description.higher_is_better
        rows = compare(
            {text: found[at * size : (at + 1) * size] for at, text in enumerate(plan.texts)},
            plan.samples,
            groups=groups_of(plan.items),
            higher_is_better=upward,
        )
        doubled = self.traffic.doubled()
        spent = self.store.spent(self.name)
        return Comparison(
            run=self.name,
            scorer=self.scoring.scorer.identity if self.scoring.scorer else "",
            part=plan.part,
            items=len(plan.items),
            samples=plan.samples,
            shares=are_shares(rows),
            rows=rows,
            differing=differing(rows, plan.items, plan.samples, higher_is_better=upward),
            verdict=sentence(rows, plan.part, shares=are_shares(rows)),
            notes=tuple(_notes(plan, found)),
            usage={
                str(role): used + doubled[role]
                for role, used in spent.items()
                if (used + doubled[role]).calls
            },
            usd=self.traffic.account.spent.usd if self.priced else None,
            seconds=seconds,
            stretch=self.traffic.stretch,
        )


@dataclass(frozen=True, slots=True)
class _Draw(Item):
    """An item that is to be answered once more."""

    sample: int = 0


@dataclass(frozen=True)
class _Draws:
    """Measures draws: the problem as it is, but with calls that are different draws."""

    problem: Problem

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """See :meth:`llmopt.problem.Problem.measure`."""
        if scorer is not None and isinstance(item, _Draw):
            scorer = _Nth(scorer, item.sample)
        return await self.problem.measure(text, item, scorer)


class _Nth(Ring):
    """Makes of each call the draw of one number."""

    def __init__(self, inner: Model, number: int) -> None:
        super().__init__(inner)
        self._number = number

    async def complete(self, call: Call) -> Reply:
        """Ask for this draw; number 0 is the call as it is."""
        return await self.inner.complete(replace(call, sample=call.sample + self._number))


def _for_scorer(options: Options) -> Options:
    """Return the options with the scorer's price and rates for the one model that is asked."""
    prices, rates = dict(options.prices), dict(options.rates)
    if "scorer" in prices:
        prices["optimizer"] = prices["scorer"]
    if "scorer" in rates:
        rates["optimizer"] = rates["scorer"]
    return replace(options, prices=prices, rates=rates)


def _paid_roles(models: Models) -> set[Role]:
    """Return the roles that an evaluation asks."""
    return {"scorer"} if models.judge is None else {"scorer", "judge"}


def _claimed(
    plan: Plan,
    models: Models | None,
    store: Store,
    stack: contextlib.AsyncExitStack,
    source: Sequence[str],
) -> str:
    """Return the name of an evaluation, which is this process's and in the store."""
    identity = plan.identity(models.scorer if models else None)
    name = f"evaluate-{digest(canonical(identity))[:8]}"
    stack.enter_context(store.claim(name))
    if all(info.name != name for info in store.runs()):
        store.create(name, {"identity": identity, "source": {}, EVALUATION: list(source)})
        # What fails at its first call, say for a wrong key, leaves nothing behind.
        stack.callback(_discard_unless_found, store, name)
    return name


def _discard_unless_found(store: Store, name: str) -> None:
    if all(record.kind != EVALUATION for record in store.records(name)):
        store.discard(name)


def _notes(plan: Plan, found: Sequence[Outcome]) -> Iterator[str]:
    """Say what was given twice, and how many answers are missing and why the first of them is."""
    again = len(plan.given) - len(plan.texts)
    if again:
        yield f"{again} of {len(plan.given)} instructions given repeat others."
    missing = [outcome for outcome in found if outcome.score is None]
    if missing:
        yield (
            f"{len(missing)} of {len(found)} answers stayed unmeasured and are left out; the "
            f"same evaluation asks for them again. The first: {missing[0].reason}."
        )
