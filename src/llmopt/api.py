"""The front door: names and defaults in, a run or its result out."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from llmopt.algorithms import algorithm_named
from llmopt.controls import SAMPLING, Sampled, control_of, plain_controls
from llmopt.errors import StoreError
from llmopt.evidence.verdict import Evidence
from llmopt.models.layers.ledger import Ledger
from llmopt.models.layers.traffic import Traffic
from llmopt.options import Options, takes
from llmopt.problem import check_scorer, judge_of, judged, optimum_of
from llmopt.report.progress import View
from llmopt.roles import Models
from llmopt.search.curve import check_validation
from llmopt.search.identity import register
from llmopt.search.journal import UNSTORED
from llmopt.search.progress import silent
from llmopt.search.run import Run
from llmopt.search.stop import Stop
from llmopt.store import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from llmopt.evidence.result import Result
    from llmopt.problem import Problem
    from llmopt.store.protocol import Store

T = TypeVar("T")

_CALM = 20_000  # new objects after which Python looks for cyclic garbage during a run


@takes(Options)
def optimize(problem: Problem, **options: Any) -> Result:
    """Find the best solution of a problem, and test it.

    Args:
        problem: What is optimized.
        options: See :class:`Options`.

    Returns:
        The winner, its held-out comparison with the start, and what was used.

    Raises:
        InputError: Something given cannot be used; nothing was paid.
        BudgetError: A spending limit was reached; the run can be resumed.
        ModelError: A model could not answer; the run can be resumed.
    """
    return wait(optimize_async(problem, **options))


@takes(Options)
async def optimize_async(problem: Problem, **options: Any) -> Result:
    """Do the same as :func:`optimize` in a running event loop."""
    chosen = Options(**options)
    with contextlib.ExitStack() as shown:
        if chosen.progress is True:
            options["progress"] = shown.enter_context(View())
        under_way = False
        try:
            async with prepare(problem, **options) as run:
                under_way = True
                return await run.optimize()
        except StoreError as error:
            error.under_way = under_way
            raise


@takes(Options)
@contextlib.asynccontextmanager
async def prepare(problem: Problem, **options: Any) -> AsyncIterator[Run]:
    """Open a run without starting it: for ``ask`` and ``tell``, or to watch it step by step.

    The run is claimed for this process while the context lasts; models and store are closed
    at its end.

    Args:
        problem: What is optimized.
        options: See :class:`Options`; progress is shown only where a listener is given.

    Raises:
        InputError: Something given cannot be used; nothing was paid.
    """
    chosen = Options(**options)
    algorithm = chosen.algorithm
    if isinstance(algorithm, str):
        algorithm = algorithm_named(algorithm)
    check_validation(problem, every=chosen.validate_every, patience=chosen.validation_patience)
    plain = plain_controls(problem, chosen.controls)
    control = control_of(algorithm) if SAMPLING in chosen.controls else None
    models = Models(
        chosen,
        problem.scorer,
        judge_of(problem),
        proposing=algorithm.needs_model,
        embedder=algorithm.embedder,
    )
    check_scorer(problem, models.scorer)
    if control:
        control.check(problem, models.optimizer)
    problem = judged(problem, models.judge)  # it is the same run only with the same judge
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(calm_collector())
        if chosen.store is None or isinstance(chosen.store, str | Path):
            store: Store = open_store(chosen.store)
            stack.callback(store.close)
        else:
            store = chosen.store
        name = chosen.name or store.new_name(algorithm.name)
        stack.enter_context(store.claim(name))
        register(
            store,
            name,
            problem,
            algorithm,
            optimizer=models.optimizer,
            scorer=models.scorer,
            seed=chosen.seed,
            source=chosen.source,
        )
        # A run that fails at its first call, say for a wrong key, leaves nothing behind.
        stack.callback(store.discard, name)
        traffic = Traffic(
            models.account(store, name),
            prices=models.prices,
            stored=lambda: store.spent(name),
            step_deadline=chosen.step_deadline,
        )
        stack.enter_context(booked(store, name, traffic))
        optimizer, scorer, judge = models.wrapped(store, name, traffic, stack)
        if models.embedder:
            algorithm = algorithm.bound(models.embedder)
        listen = chosen.progress if callable(chosen.progress) else silent
        shared: dict[str, Any] = {
            "problem": judged(problem, judge),
            "optimizer": optimizer,
            "scorer": scorer,
            "store": store,
            "seed": chosen.seed,
            "slots": models.evaluations,
            "tolerance": chosen.tolerance,
            "finalists": chosen.finalists,
            "traffic": traffic,
        }
        yield Run(
            **shared,
            algorithm=algorithm,
            name=name,
            stop=Stop(
                algorithm.steps(problem, chosen.steps),
                chosen.patience,
                optimum_of(problem) if chosen.target is None else chosen.target,
                chosen.validation_patience,
            ),
            validate_every=chosen.validate_every,
            evidence=Evidence(chosen.level, plain),
            further=Sampled(control, shared, listen) if control else None,
            listen=listen,
        )


@contextlib.contextmanager
def calm_collector() -> Iterator[None]:
    """Let Python look for cyclic garbage less often meanwhile.

    With hundreds of calls in flight it would look through what they hold many times a second,
    and find nothing: that took a sixth of the processor time of a call.
    """
    before = gc.get_threshold()
    if not 0 < before[0] < _CALM:  # switched off, or calm already
        yield
        return
    gc.set_threshold(_CALM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextlib.contextmanager
def booked(store: Store, run: str, traffic: Traffic) -> Iterator[None]:
    """Journal what the run has paid and its replies do not show, for when it is resumed.

    That is known when the models are closed. What was on its way when an earlier process was
    killed is in the ledger.
    """
    with store.ledger(run) as numbers:
        traffic.ledger = Ledger(numbers)
        if killed := traffic.ledger.noted():
            lost = {role: asdict(used) for role, used in killed.items()}
            store.append(run, UNSTORED, {"doubled": {}, "lost": lost})
            traffic.ledger.clear()
        try:
            yield
        finally:
            if data := traffic.unstored():
                store.append(run, UNSTORED, data)
            traffic.ledger.clear()


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where a loop runs already, as in a notebook."""
    if not _in_a_loop():
        return asyncio.run(work)
    found: list[T] = []
    failed: list[BaseException] = []

    def thread() -> None:
        try:
            found.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - raised again by the caller below
            failed.append(error)

    worker = threading.Thread(target=thread)
    worker.start()
    worker.join()
    if failed:
        raise failed[0]
    return found[0]


def _in_a_loop() -> bool:
    """Return whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
