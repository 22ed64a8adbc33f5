"""Opens the vault of a finished run, once: the engine of ``llmopt confirm``.

What it finds is kept in the journal of the run, and its calls are paid from the run's budget. A
confirmation that was stopped continues where it was; nothing else opens the same items again.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from llmopt.core.formatting import capped, counted
from llmopt.core.problem import calls_each, judged, presented
from llmopt.core.values import Candidate, Evaluation, canonical, digest
from llmopt.engine.answering import answering, scorer_models
from llmopt.engine.display import NO_DISPLAY
from llmopt.engine.header import RunHeader
from llmopt.engine.look_journal import looked, row_of
from llmopt.engine.opening import opened, opened_store
from llmopt.engine.options import SessionOptions
from llmopt.engine.repeated_answers import HeldOutDraws
from llmopt.engine.vaults import (
    CONFIRMED,
    OPENED,
    Opening,
    confirmation_of,
    openings,
    users_of,
    vault_of,
)
from llmopt.errors import BudgetError, ConfigError, StoreError
from llmopt.evidence.confirmation import confirmation
from llmopt.evidence.differences import groups_of
from llmopt.evidence.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from llmopt.core.model import Model
    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.core.values import Role
    from llmopt.engine.display import Display
    from llmopt.engine.progress import Progress
    from llmopt.engine.roles import Models
    from llmopt.engine.session import Session
    from llmopt.evidence.confirmation import Confirmation
    from llmopt.models.middleware.budget import Limits, Price
    from llmopt.models.middleware.concurrency import Rates
    from llmopt.models.registry import NamedModel


def _unsaid(calls: int, items: int) -> None:
    """Do not say what a confirmation costs."""
    del calls, items


async def confirmed(
    problem: Problem,
    run: str,
    *,
    scorer: str | NamedModel | Model | None = None,
    store: str | Path | Store | None = None,
    budget: Limits | None = None,
    prices: Mapping[Role, Price] | None = None,
    rates: Mapping[Role, Rates] | None = None,
    concurrency: int | None = None,
    tolerance: float = 0.5,
    progress: bool | Callable[[Progress], None] = True,
    cost: Callable[[int, int], None] = _unsaid,
    display: Display = NO_DISPLAY,
) -> Confirmation:
    """Measure winner and start of a finished run on the vault of its problem, and compare them.

    A store lets the items of a vault be opened once, by one run. Done again for that run, it
    returns what was found, and asks nothing.

    Args:
        problem: The problem of the run.
        run: Name of the run.
        scorer: The scorer LLM by name or as a model; None takes the problem's.
        store: A file, a ``sqlite:///`` URL, an open store, or None for the user's own.
        budget: Hard limits over the whole run, this included.
        prices: US dollars per million tokens, as for :func:`llmopt.optimize`.
        rates: Caps per minute by role.
        concurrency: Answers in flight at most; None: as many as the scorer LLM likes.
        tolerance: Share of the answers that may stay unmeasured, 0..1.
        progress: Whether to show progress, or what receives it.
        cost: Called before the vault is opened, with the number of calls that are made at most and
            the number of items.
        display: Where progress is shown.

    Raises:
        InputError: The run is not finished, has no vault, is another problem's, found no winner
            but the start, or the vault was opened; nothing was paid.
        BudgetError: A spending limit was reached; it continues with a larger one.
        ModelError: A model could not answer; repeating the call continues.
        StepFailedError: More answers failed than the tolerance allows; the same.
    """
    with opened_store(store) as kept:
        stored = _found_before(kept, run, problem)
        if stored is not None:
            return stored
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
        register = partial(_check_identity, problem=problem, models=models)
        async with opened(options, models, name=run, register=register, display=display) as session:
            session.remember()
            problem = judged(problem, session.judge)
            return await _Confirming(problem, session, cost).done()


def _found_before(store: Store, run: str, problem: Problem) -> Confirmation | None:
    """Return what was found before, if it was; refuse what cannot be confirmed."""
    result = finished(store, run)
    vault = vault_of(problem)
    if not vault:
        raise ConfigError(
            f"a confirmation is of a run with a vault, but {run!r} has none; begin a new run with "
            "problem.vault = 0.2, for example"
        )
    rows = frozenset(map(row_of, vault))
    stored = confirmation_of(store, run)
    others = [one for one in openings(store, rows) if one.run != run]
    if stored is None and others:
        other = others[0].run
        said = confirmation_of(store, other)
        raise ConfigError(
            f"a vault is opened once, but the run {other!r} has opened this one: "
            f"{said.verdict if said else f'finish that with llmopt confirm {other}'} Rows that "
            "nothing has used are needed for another confirmation"
        )
    if stored is not None and (stored.winner, stored.start) != (
        result.best.text,
        result.start.text,
    ):
        raise ConfigError(
            f"a vault is opened once, but {run!r} has opened it for another winner than it has "
            f"now: {stored.verdict} Rows that nothing has used are needed for another confirmation"
        )
    if stored is None and result.unchanged:
        raise ConfigError(
            f"a confirmation compares a winner with the start, but the winner of {run!r} is the "
            "start, so there is nothing to confirm; the vault stays closed"
        )
    return stored


def finished(store: Store, run: str) -> Result:
    """Return the last result of a run.

    Raises:
        StoreError: There is no such run.
        ConfigError: It is no search, or has not come to its end.
    """
    header = RunHeader.of(store.config(run))
    if header.kind != "run":
        raise ConfigError(
            f"a confirmation is of a run that searched, but {run!r} is of another kind "
            f"({header.kind}); llmopt runs lists them"
        )
    found = None
    for _, record in store.of_kind("result", (run,)):
        found = record.data
    if found is None:
        raise ConfigError(
            f"a confirmation is of a run that has come to its end, but {run!r} has not; "
            f"continue with: llmopt resume {run}"
        )
    return Result.plain({"presentation": header.presentation.to_dict(), **found})


def _check_identity(store: Store, name: str, *, problem: Problem, models: Models | None) -> None:
    """Refuse a problem or a scorer LLM that is not the run's.

    Raises:
        ConfigError: It is not.
    """
    known = store.config(name)["identity"]
    scorer = models.scorer if models else None
    now = {f"problem {key}": value for key, value in problem.fingerprint.items()}
    now["scorer"] = scorer.identity if scorer else ""
    before = {k: v for k, v in known.items() if k in now or k.startswith("problem ")}
    changed = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    if changed:
        raise ConfigError(
            f"a confirmation measures as the run did, but of {name!r} {', '.join(changed)} "
            "changed; restore the data and the configuration that it was begun with"
        )


@dataclass(frozen=True)
class _Confirming:
    """A confirmation whose models and place in the store are ready."""

    problem: Problem
    session: Session
    cost: Callable[[int, int], None]

    async def done(self) -> Confirmation:
        """Open the vault, measure, compare, and journal what was found."""
        vault, session = vault_of(self.problem), self.session
        rows = frozenset(map(row_of, vault))
        with ExitStack() as stack:
            try:
                stack.enter_context(
                    session.store.claim(f"vault-{digest(canonical(sorted(rows)))[:16]}")
                )
            except StoreError as error:
                raise ConfigError(
                    "a vault is opened by one process at a time, but another one has it; wait "
                    "until that has ended"
                ) from error
            try:
                opening = self._opening(rows)
                return await self._measured(opening)
            finally:
                session.note_time()

    def _opening(self, rows: frozenset[str]) -> Opening:
        """Return how the vault is open: as it was left, or from now on."""
        session, problem = self.session, self.problem
        result = finished(session.store, session.name)
        known = openings(session.store, rows)
        if any(one.run != session.name for one in known):  # since it was looked at first
            _found_before(session.store, session.name, problem)
        calls = 2 * len(vault_of(problem)) * calls_each(problem) * result.samples
        calls = calls if session.scorer else 0
        self.cost(calls, len(vault_of(problem)))
        if known:
            return known[-1]
        account = session.traffic.account
        cap, spent = account.limits.calls, account.spent.calls
        if cap is not None and spent + calls > cap:
            raise BudgetError(
                f"a vault is opened with a budget that pays for all of it, which takes {calls:,} "
                f"calls, but got {capped('calls', cap)}, of which {spent:,} are spent; nothing was "
                f"asked: give at least {capped('calls', spent + calls)}"
            )
        opening = Opening(session.name, rows, result.best.text, result.start.text)
        session.store.append(session.name, OPENED, opening.packed())
        return opening

    async def _measured(self, opening: Opening) -> Confirmation:
        session, problem, vault = self.session, self.problem, vault_of(self.problem)
        texts = (opening.winner, opening.start)
        jobs = [(Candidate(text), item) for text in texts for item in vault]
        result = finished(session.store, session.name)
        answers = len(jobs) * result.samples
        async with answering(session, problem, "confirming", answers) as measure:
            outcomes = await HeldOutDraws(measure, result.samples)(jobs)
        size = len(vault)
        winner, start = (Evaluation(tuple(outcomes[at : at + size]), size) for at in (0, size))
        found = confirmation(
            session.name,
            texts,
            (winner, start),
            groups=groups_of(vault),
            level=result.level,
            looks=looked(session.store, session.name, vault, texts, result.samples),
            notes=self._notes(opening),
            shown=presented(problem),
        )
        session.store.append(session.name, CONFIRMED, found.to_dict())
        return found

    def _notes(self, opening: Opening) -> list[str]:
        """Say where the vault is less than it seems."""
        used, runs = users_of(self.session.store, opening.rows, self.session.name)
        if not used:
            return []
        said = (
            f"{used:,} of {counted(len(opening.rows), 'vault item')} "
            f"{'is' if used == 1 else 'are'} in the data of other runs without this vault, such as "
            f"{runs[0]!r}; an instruction that was carried over from there is not new to them."
        )
        return [said]
