"""Scores given instructions on given items: the engine of ``llmopt evaluate``.

An evaluation is kept as a run of its own kind, named by what it measures. So the same one goes
on where it was stopped, under the same budget, and costs nothing when it is done again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from llmopt.core.demonstrations import rows_shown
from llmopt.core.problem import judged, parts_of, presented
from llmopt.core.values import (
    Candidate,
    Item,
    Outcome,
    canonical,
    digest,
)
from llmopt.engine.answering import answering, scorer_models
from llmopt.engine.display import NO_DISPLAY
from llmopt.engine.header import HEADER, headed
from llmopt.engine.journal import EVALUATION
from llmopt.engine.look_journal import looked
from llmopt.engine.opening import opened
from llmopt.engine.options import SessionOptions
from llmopt.engine.repeated_answers import draws_of
from llmopt.errors import ConfigError
from llmopt.evidence.comparison import Comparison, compare, differing, large_losses, sentence
from llmopt.evidence.differences import groups_of
from llmopt.evidence.finalists import cut_off, picking
from llmopt.problems.prompt.prompt_problem import PromptProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from llmopt.core.model import Model
    from llmopt.core.problem import Problem, SplitName
    from llmopt.core.store import Store
    from llmopt.core.values import Role
    from llmopt.engine.display import Display
    from llmopt.engine.progress import Progress
    from llmopt.engine.roles import Models
    from llmopt.engine.session import Session
    from llmopt.models.middleware.budget import Limits, Price
    from llmopt.models.middleware.concurrency import Rates
    from llmopt.models.registry import NamedModel

_SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
PARTS = (*_SPLITS, "all")
_MANY = 3  # instructions from which the best of them is pointed out to be a choice


@dataclass(frozen=True)
class EvaluationPlan:
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
            (Candidate(text), draw)
            for text in self.texts
            for item in self.items
            for draw in draws_of(item, self.samples)
        ]


async def evaluated(
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
    tolerance: float = 0.5,
    progress: bool | Callable[[Progress], None] = True,
    source: Sequence[str] = (),
    display: Display = NO_DISPLAY,
) -> Comparison:
    """Score given instructions on the same items, and compare each with the first.

    Args:
        problem: Says what the items are and how an instruction is measured on one.
        instructions: The texts, measured as they are; a text that comes again counts once.
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
        display: Where progress is shown.

    Raises:
        InputError: Something given cannot be used; nothing was paid.
        BudgetError: A spending limit was reached; the same evaluation goes on with a larger one.
        ModelError: A model could not answer; the same evaluation goes on when it does.
        StepFailedError: More answers failed than the tolerance allows; likewise.
    """
    plan = EvaluationPlan(problem, tuple(instructions), part, samples)
    options = SessionOptions(
        budget=budget,
        prices=prices or {},
        rates=rates or {},
        store=store,
        concurrency=concurrency,
        tolerance=tolerance,
        progress=progress,
    )
    models, problem = scorer_models(options, problem, scorer, display)
    # It is the same evaluation only with the same judge LLM.
    plan = replace(plan, problem=problem)
    identity = plan.identity(models.scorer if models else None)
    async with opened(
        options,
        models,
        name=name_of("evaluate", identity),
        register=partial(
            register_evaluation, identity=identity, source=source, problem=plan.problem
        ),
        found=has_result,
        display=display,
    ) as session:
        session.remember()
        plan = replace(plan, problem=judged(plan.problem, session.judge))
        priced = models is not None and _paid_roles(models) <= models.prices.keys()
        return await _Evaluating(plan, session, priced).done()


@dataclass(frozen=True)
class _Evaluating:
    """An evaluation whose models and place in the store are ready."""

    plan: EvaluationPlan
    session: Session
    priced: bool

    async def done(self) -> Comparison:
        """Measure, compare, and journal what was found and how it ended."""
        session = self.session
        with session.under_way():
            comparison = self._looked(self._compared(await self._measured()))
            session.store.append(session.name, EVALUATION, comparison.to_dict())
        return comparison

    def _looked(self, comparison: Comparison) -> Comparison:
        """Journal the look at held-out items, and say how many there were before it."""
        plan, session = self.plan, self.session
        items = plan.problem.items("test") if plan.part in ("test", "all") else ()
        if not items:
            return comparison
        looks = looked(session.store, session.name, items, plan.texts, plan.samples)
        notes = (*comparison.notes, *looks.uncorrected())
        return replace(comparison, looks=looks, notes=notes)

    async def _measured(self) -> list[Outcome]:
        """Measure all jobs, in their order."""
        jobs = self.plan.jobs()
        async with answering(self.session, self.plan.problem, "evaluating", len(jobs)) as measure:
            return list(await measure(jobs))

    def _compared(self, found: Sequence[Outcome]) -> Comparison:
        plan, session = self.plan, self.session
        size = len(plan.items) * plan.samples
        shown = presented(plan.problem)
        rows = compare(
            {text: found[at * size : (at + 1) * size] for at, text in enumerate(plan.texts)},
            plan.samples,
            groups=groups_of(plan.items),
            shown=shown,
        )
        parts = parts_of(plan.problem)
        rows_of = {item.id: item for item in plan.problem.items("train")}
        return Comparison(
            run=session.name,
            scorer=session.scorer.identity if session.scorer else "",
            part=plan.part,
            items=len(plan.items),
            samples=plan.samples,
            shown=shown,
            rows=rows,
            differing=differing(rows, plan.items, plan.samples, shown),
            verdict=sentence(rows, plan.part, shown),
            notes=(*_notes(plan, found), *large_losses(rows, plan.part, shown)),
            usage={str(role): used for role, used in session.paid().items() if used.calls},
            usd=session.traffic.account.spent.usd if self.priced else None,
            seconds=session.seconds,
            stretch=session.traffic.stretch,
            parts=parts if len(parts) > 1 else (),
            shown_rows=rows_shown(plan.texts, parts, rows_of),
        )


def _paid_roles(models: Models) -> set[Role]:
    """Return the roles that an evaluation asks."""
    return {"scorer"} if models.judge is None else {"scorer", "judge"}


def name_of(kind: str, identity: Mapping[str, str]) -> str:
    """Return the name of what is measured: it follows from what that is."""
    return f"{kind}-{digest(canonical(identity))[:8]}"


def register_evaluation(
    store: Store,
    name: str,
    *,
    identity: Mapping[str, str],
    source: Sequence[str],
    problem: Problem | None = None,
) -> None:
    """Write the first record of an evaluation that is new.

    Args:
        store: Where it is kept.
        name: Its name.
        identity: What decides its outcomes.
        source: The command that began it.
        problem: Says how its scores are shown; None where they are not scores of a problem.
    """
    if not store.has(name):
        kept: dict[str, Any] = {"identity": dict(identity), "source": {}}
        if problem is not None:
            kept[HEADER] = headed(problem)
        store.create(name, {**kept, EVALUATION: list(source)})


def has_result(store: Store, name: str) -> bool:
    """Return whether an evaluation has ended once with what it found."""
    return any(record.kind == EVALUATION for record in store.records(name))


def _notes(plan: EvaluationPlan, found: Sequence[Outcome]) -> Iterator[str]:
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
    yield from cut_off(found, "in all")
    if len(plan.texts) >= _MANY and plan.part in ("test", "all"):
        yield picking(f"{len(plan.texts)} instructions")
