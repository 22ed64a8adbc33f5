"""The front door: names and defaults in, a run or its result out."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from llmopt.algorithms import algorithm_named
from llmopt.core.problem import (
    check_scorer,
    judge_of,
    judged,
    optimum_of,
)
from llmopt.engine.controls import (
    SAMPLING,
    Sampled,
    control_of,
    plain_controls,
)
from llmopt.engine.identity import register
from llmopt.engine.opening import opened
from llmopt.engine.options import Options, takes
from llmopt.engine.overfitting import check_validation
from llmopt.engine.roles import Models
from llmopt.engine.run import Run
from llmopt.engine.stop import Stop
from llmopt.evidence.verdict import Evidence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from contextlib import AbstractAsyncContextManager

    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.evidence.result import Result

T = TypeVar("T")


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
    async with _opened(problem, Options(**options), view=True) as run:
        return await run.optimize()


@takes(Options)
def prepare(problem: Problem, **options: Any) -> AbstractAsyncContextManager[Run]:
    """Open a run without starting it: for ``ask`` and ``tell``, or to watch it step by step.

    The run is claimed for this process while the context lasts; models and store are closed
    at its end.

    Args:
        problem: What is optimized.
        options: See :class:`Options`; progress is shown only where a listener is given.

    Raises:
        InputError: Something given cannot be used; nothing was paid.
    """
    return _opened(problem, Options(**options), view=False)


@contextlib.asynccontextmanager
async def _opened(problem: Problem, chosen: Options, *, view: bool) -> AsyncIterator[Run]:
    """Open a run; see :func:`prepare` and, of `view`, :func:`~llmopt.engine.opening.opened`."""
    algorithm = chosen.algorithm
    if isinstance(algorithm, str):
        algorithm = algorithm_named(algorithm)
    check_validation(problem, every=chosen.validate_every, patience=chosen.validation_patience)
    plain = plain_controls(problem, chosen.controls)
    control = control_of(algorithm) if SAMPLING in chosen.controls else None
    models = Models(
        chosen,
        optimizer=chosen.optimizer,
        scorer=problem.scorer,
        judge=judge_of(problem),
        proposing=algorithm.needs_model,
        embedder=algorithm.embedder,
        seed=chosen.seed,
        record=chosen.record,
    )
    check_scorer(problem, models.scorer)
    if control:
        control.check(problem, models.optimizer)
    problem = judged(problem, models.judge)  # it is the same run only with the same judge

    def registered(store: Store, name: str) -> None:
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

    async with opened(
        chosen,
        models,
        name=chosen.name,
        base=algorithm.name,
        register=registered,
        view=view,
        step_deadline=chosen.step_deadline,
    ) as session:
        yield Run(
            judged(problem, session.judge),
            algorithm,
            session,
            stop=Stop(
                algorithm.steps(problem, chosen.steps),
                chosen.patience,
                optimum_of(problem) if chosen.target is None else chosen.target,
                chosen.validation_patience,
            ),
            finalists=chosen.finalists,
            validate_every=chosen.validate_every,
            evidence=Evidence(chosen.level, plain),
            further=Sampled(control) if control else None,
        )


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
