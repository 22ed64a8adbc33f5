"""Measures a prompt in production again, day by day: the engine of ``llmopt watch``.

A watch is kept as an evaluation of its own, named by what it measures. Its journal has the
reference and a record for each day. The answers of a day are draws of their own, numbered by the
day, so earlier replies of the store do not serve for them, and those of the same day do.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace
from functools import partial
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.problem import judged, presented
from llmopt.core.values import Candidate, Item, canonical, digest
from llmopt.engine.answering import answering, scorer_models
from llmopt.engine.display import NO_DISPLAY
from llmopt.engine.evaluate import name_of, register_evaluation
from llmopt.engine.journal import understood
from llmopt.engine.look_journal import measuring, row_of
from llmopt.engine.opening import opened, opened_store
from llmopt.engine.options import SessionOptions
from llmopt.engine.repeated_answers import Draw, draws_of
from llmopt.engine.watch_reference import WatchReference, reference_of
from llmopt.errors import ConfigError
from llmopt.evidence.watch_report import WatchedDay, WatchReport, watch_report
from llmopt.statistics.always_valid import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from llmopt.core.model import Model
    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.core.values import Outcome, Role
    from llmopt.engine.display import Display
    from llmopt.engine.progress import Progress
    from llmopt.engine.session import Session
    from llmopt.models.middleware.budget import Limits, Price
    from llmopt.models.middleware.concurrency import Rates
    from llmopt.models.registry import NamedModel

WATCH_REPORT = "watch report"
"""Kind of the records with what was known after a day of a watch."""

WATCHED = "watched"
"""Kind of the records with what a day of a watch found."""

_REFERENCE = "watch reference"  # kind of the record with what is compared with
_FIRST_DRAW = 1 << 19  # beyond the draws of any evaluation, below the next equal call of a program
_EPOCH = dt.date(2000, 1, 1)


async def watched(
    problem: Problem,
    run: str | None = None,
    *,
    rows: int = 20,
    fresh: Sequence[Item] | None = None,
    min_drop: float = 0.05,
    day: dt.date | None = None,
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
) -> WatchReport:
    """Measure a prompt in production on some rows, and test whether it has dropped.

    Call it once a day, or whenever there are new rows; called again on the same day, it returns
    what the day has found and asks nothing.

    Args:
        problem: Says how the prompt is measured. Its scores are from 0 to 1.
        run: A finished run: its winner is watched, and compared with what that got on the test
            items. None: the first starting solution of the problem is, and what it gets on the
            test items is measured once, to compare with.
        rows: Rows of a day, 1 or more.
        fresh: New rows with their expected answers, of which those not used before are taken; None:
            test items are used.
        min_drop: A drop that is shown to be smaller is no alarm, above 0, at most 1.
        day: The day that this is for; None: today in UTC.
        scorer: The scorer LLM by name or as a model; None takes the problem's.
        store: A file, a ``sqlite:///`` URL, an open store, or None for the user's own.
        budget: Hard limits over the whole watch, all days together.
        prices: US dollars per million tokens, as for :func:`llmopt.optimize`.
        rates: Caps per minute by role.
        concurrency: Answers in flight at most; None: as many as the scorer LLM likes.
        tolerance: Share of the answers of a day that may stay unmeasured, 0..1.
        progress: Whether to show progress, or what receives it.
        source: The words of the command that repeats it, which the journal keeps.
        display: Where progress is shown.

    Raises:
        InputError: Something given cannot be used; nothing was paid.
        BudgetError: A spending limit was reached; the day continues with a larger one.
        ModelError: A model could not answer; repeating the call continues.
        StepFailedError: More answers failed than the tolerance allows; the same.
    """
    _check(problem, rows, min_drop)
    with opened_store(store) as kept:
        options = SessionOptions(
            budget=budget,
            prices=prices or {},
            rates=rates or {},
            store=kept,
            concurrency=concurrency,
            tolerance=tolerance,
            progress=progress,
        )
        models, problem = scorer_models(options, problem, scorer, display)
        now = {f"problem {key}": value for key, value in problem.fingerprint.items()}
        now["scorer"] = models.scorer.identity if models and models.scorer else ""
        known = reference_of(kept, run, problem, now)
        identity = {**measuring(now), "watched": canonical(known.watched)}
        async with opened(
            options,
            models,
            name=name_of("watch", identity),
            register=partial(
                register_evaluation, identity=identity, source=source, problem=problem
            ),
            found=_has_day,
            display=display,
        ) as session:
            session.remember()
            problem = judged(problem, session.judge)
            today = day or dt.datetime.now(dt.UTC).date()
            watching = _Watching(problem, session, known, rows, fresh, today)
            with session.under_way():
                return await watching.reported(min_drop)


def _check(problem: Problem, rows: int, min_drop: float) -> None:
    """Refuse what cannot be watched."""
    if rows < 1 or not 0 < min_drop <= 1:
        raise ConfigError(
            "a watch asks 1 row a day or more and finds drops above 0 and up to 100 points, but "
            f"got {rows} rows and {100 * min_drop:g} points"
        )
    if not presented(problem).shares:
        raise ConfigError(
            "a watch is of scores that are shares from 0 to 1, but those of this problem are "
            "values of any size; watch a metric that is a share"
        )


def _has_day(store: Store, name: str) -> bool:
    """Return whether a watch has measured a day."""
    return any(record.kind == WATCHED for record in store.records(name))


@dataclass(frozen=True)
class _Watching:
    """A watch whose models and place in the store are ready."""

    problem: Problem
    session: Session
    known: WatchReference
    rows: int
    fresh: Sequence[Item] | None
    day: dt.date

    async def reported(self, min_drop: float) -> WatchReport:
        """Measure the day unless that was done; return and journal what is known after it."""
        session = self.session
        reference, days, notes = await self._done()
        report = watch_report(
            session.name,
            self.known.text,
            [score for _, score in reference],
            days,
            min_drop=min_drop,
            shown=presented(self.problem),
            notes=notes,
        )
        known = [one.data for _, one in session.store.of_kind(WATCH_REPORT, (session.name,))]
        if not known or known[-1]["day"] != report.day:
            session.store.append(session.name, WATCH_REPORT, report.to_dict())
        return report

    async def _done(self) -> tuple[list[tuple[str, float]], list[WatchedDay], list[str]]:
        """Measure the day unless that was done; return the reference, all days, and notes."""
        session = self.session
        reference = await self._reference()
        days = [
            understood(session.name, record, WatchedDay.plain)
            for _, record in session.store.of_kind(WATCHED, (session.name,))
        ]
        today = self.day.isoformat()
        if days and days[-1].day > today:
            raise ConfigError(
                f"the days of a watch come in their order, but got {today} after {days[-1].day}; "
                "name a later day"
            )
        if days and days[-1].day == today:
            return reference, days, [f"{today} was measured before, and nothing was asked."]
        picked = _picked(self._items(), dict(reference), days, self.rows, self._random())
        if not picked:
            said = "Every row of the file was measured before; add new ones."
            if not days:
                raise ConfigError(f"a watch needs a row to begin with, but got none: {said}")
            return reference, days, [said]
        number = _FIRST_DRAW + (self.day - _EPOCH).days
        found = await self._measured([replace(draws_of(i, 1)[0], sample=number) for i in picked])
        made = _day(today, picked, found, dict(reference), days, fresh=self.fresh is not None)
        session.store.append(session.name, WATCHED, made.to_dict())
        lost = len(picked) - len(made.rows)
        notes = [f"{lost} of {len(picked)} answers stayed unmeasured and are left out."]
        return reference, [*days, made], notes if lost else []

    def _items(self) -> dict[str, Item]:
        """Return the rows that may be asked, by what they hold."""
        items = self.known.items if self.fresh is None else self.fresh
        return {row_of(item): item for item in reversed(items)}

    def _random(self) -> np.random.RandomState:
        """Return the choice of the day's rows: the same for who does it again."""
        return np.random.RandomState(
            int(digest(f"{self.session.name} {self.day.isoformat()}")[:8], 16)
        )

    async def _reference(self) -> list[tuple[str, float]]:
        """Return what is compared with, row by row; it is settled on the first day."""
        session, items = self.session, self.known.items
        for _, record in session.store.of_kind(_REFERENCE, (session.name,)):
            return [(row, score) for row, score in record.data["scores"]]
        scores = self.known.scores
        if scores is None:
            found = await self._measured([draws_of(item, 1)[0] for item in items])
            scores = [outcome.score for outcome in found]
        rows = [(row_of(item), s) for item, s in zip(items, scores, strict=True) if s is not None]
        made = list({row: (row, score) for row, score in reversed(rows)}.values())[::-1]
        if not made:
            raise ConfigError(
                "a watch compares with scores on test items, but none of them was measured; "
                "give the command again"
            )
        if any(not 0 <= score <= 1 for _, score in made):
            raise ConfigError("a watch is of scores from 0 to 1, but the reference has others")
        session.store.append(session.name, _REFERENCE, {"scores": [list(one) for one in made]})
        return made

    async def _measured(self, draws: Sequence[Draw]) -> list[Outcome]:
        jobs = [(Candidate(self.known.text), draw) for draw in draws]
        async with answering(self.session, self.problem, "watching", len(jobs)) as measure:
            return list(await measure(jobs))


def _picked(
    items: Mapping[str, Item],
    reference: Mapping[str, float],
    days: Sequence[WatchedDay],
    rows: int,
    random: np.random.RandomState,
) -> list[Item]:
    """Choose the rows of a day: first those not asked yet, then, of the reference, any."""
    used = {row for day in days for row in day.rows}
    new = [row for row in items if row not in used]
    old = [row for row in items if row in used and row in reference]
    order = [rows[at] for rows in (new, old) for at in random.permutation(len(rows))]
    return [items[row] for row in order[:rows]]


def _day(
    day: str,
    picked: Sequence[Item],
    found: Sequence[Outcome],
    reference: Mapping[str, float],
    days: Sequence[WatchedDay],
    *,
    fresh: bool,
) -> WatchedDay:
    """Compare what a day found with the reference.

    A row's first new answer and its reference are equally lucky where nothing has changed, so the
    difference needs no margin. From the second on, the luck of the reference is the same again; and
    a row that the reference does not have is compared with its mean.
    """
    used = {row for one in days for row in one.rows}
    scores = {row_of(i): o.score for i, o in zip(picked, found, strict=True) if o.score is not None}
    usual = sum(reference.values()) / len(reference)
    compared = {row: reference.get(row, usual) for row in scores}
    groups: dict[tuple[str, str], list[str]] = {}
    for item in picked:
        row = row_of(item)
        if row in scores:
            kind = _kind(row, reference, used)
            own = item.group if kind == "new" and item.group else row
            groups.setdefault((kind, own), []).append(row)
    margins = {"first": 0.0, "again": _again_margin(days, reference), "new": _margin(reference)}
    means = {
        key: sum(scores[row] - compared[row] for row in some) / len(some)
        for key, some in groups.items()
    }
    return WatchedDay(
        day=day,
        asked=len(picked),
        rows=tuple(scores),
        score=sum(scores.values()) / len(scores) if scores else None,
        reference=sum(compared.values()) / len(scores) if scores else None,
        changes=tuple(means.values()),
        margins=tuple(margins[kind] for kind, _ in means),
        fresh=fresh,
    )


def _kind(row: str, reference: Mapping[str, float], used: set[str]) -> str:
    """Return how a row is compared."""
    if row not in reference:
        return "new"
    return "again" if row in used else "first"


def _again_margin(days: Sequence[WatchedDay], reference: Mapping[str, float]) -> float:
    """Return how far the reference may be above what the same rows get in the mean, by luck.

    The variance of an answer is half the mean square of differences of two; one more is added.
    """
    first = [
        change
        for day in days
        for change, margin in zip(day.changes, day.margins, strict=True)
        if not margin
    ]
    variance = (sum(change**2 for change in first) + 1) / (len(first) + 1) / 2
    return _bound(variance, len(reference))


def _margin(reference: Mapping[str, float]) -> float:
    """Return how far the reference may be above what rows get in the mean, by luck."""
    n = len(reference)
    usual = sum(reference.values()) / n
    squares = sum((score - usual) ** 2 for score in reference.values())
    return _bound((squares + usual * (1 - usual)) / n, n)


def _bound(variance: float, n: int) -> float:
    """Return what a mean exceeds its expectation by in a share :data:`REFERENCE` of cases."""
    return min(0.99, NormalDist().inv_cdf(1 - REFERENCE) * math.sqrt(variance / n))
