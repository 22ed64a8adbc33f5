"""The entry points: names and defaults in, a run or its result out."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.algorithms import algorithm_of
from llmopt.algorithms.sampling import SAMPLING
from llmopt.core.problem import (
    check_scorer,
    judge_of,
    judged,
    optimum_of,
)
from llmopt.engine.asking_first import completed
from llmopt.engine.blocking import wait
from llmopt.engine.confirm import confirmed
from llmopt.engine.control_size import opened_share
from llmopt.engine.controls import (
    Sampled,
    control_of,
    plain_controls,
)
from llmopt.engine.display import NO_DISPLAY
from llmopt.engine.evaluate import evaluated
from llmopt.engine.header import RunHeader
from llmopt.engine.identity import register
from llmopt.engine.no_more_gain import ending_rule
from llmopt.engine.opening import opened, opened_store
from llmopt.engine.options import Options, like, rows_of, takes
from llmopt.engine.overfitting import check_validation
from llmopt.engine.roles import Models
from llmopt.engine.run import Run, never
from llmopt.engine.stop import Stop
from llmopt.engine.watch import watched
from llmopt.errors import ConfigError, ModelError, StepFailedError, nearest
from llmopt.evidence.result import Result
from llmopt.evidence.verdict import Evidence
from llmopt.store import open_store
from llmopt.terminal.progress import say
from llmopt.terminal.progress.terminal_display import TERMINAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.engine.display import Display
    from llmopt.engine.headroom_first import HeadroomFirst
    from llmopt.engine.verification import Verification
    from llmopt.evidence.comparison import Comparison
    from llmopt.evidence.confirmation import Confirmation
    from llmopt.evidence.watch_report import WatchReport
    from llmopt.history.listing import Listed


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
    return wait(optimize_async(problem, **options), say)


@takes(Options)
async def optimize_async(problem: Problem, **options: Any) -> Result:
    """Do the same as :func:`optimize` in a running event loop."""
    async with _opened(problem, _chosen(problem, options), display=TERMINAL) as run:
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
    return _opened(problem, _chosen(problem, options), display=NO_DISPLAY)


def _chosen(problem: Problem, options: dict[str, Any]) -> Options:
    """Return the options of a run; one that there is not is named as the user wrote it."""
    known = [row.name for row in rows_of(Options)]
    for name in options:
        if name not in known:
            own = f"; it is given to the problem: {type(problem).__name__}(…, {name}=…)"
            advice = own if hasattr(problem, name) else nearest(name, known)
            raise TypeError(f"a run has no option {name!r}{advice}")
    return Options(**options)


@contextlib.asynccontextmanager
async def _opened(problem: Problem, chosen: Options, *, display: Display) -> AsyncIterator[Run]:
    """Open a run; see :func:`prepare` and, of `display`, :func:`~llmopt.engine.opening.opened`."""
    algorithm = algorithm_of(chosen.algorithm)
    searching, requests = algorithm.divided() if chosen.mode == "steady" else (algorithm, 1)
    check_validation(problem, every=chosen.validate_every, patience=chosen.validation_patience)
    plain = plain_controls(problem, chosen.controls)
    control = control_of(algorithm) if SAMPLING in chosen.controls else None
    models = _models(problem, chosen, algorithm, display)
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
            mode=chosen.mode,
        )

    before = _first_look(problem, algorithm, chosen)
    evidence = Evidence(chosen.level, plain, chosen.samples, drop=chosen.drop_finalists)
    async with opened(
        chosen,
        models,
        name=chosen.name,
        base=algorithm.name,
        register=registered,
        display=display,
        step_deadline=chosen.step_deadline,
    ) as session:
        problem = await completed(judged(problem, session.judge), session)
        stop = _stop(problem, algorithm, chosen, requests)
        over = ending_rule(
            problem, chosen.stop, stop.steps, chosen.budget, session=session, mode=chosen.mode
        )
        yield _kind_of_run(chosen)(
            problem,
            searching,
            session,
            stop=stop,
            finalists=chosen.finalists,
            validate_every=chosen.validate_every * requests,
            block=requests,
            evidence=evidence,
            further=Sampled(control) if control else None,
            before=before,
            over=over or never,
            aside=opened_share(control, problem, session, chosen.finalists, evidence),
        )


def _kind_of_run(chosen: Options) -> type[Run]:
    if chosen.mode == "steps":
        return Run
    from llmopt.engine.steady import SteadyRun

    return SteadyRun


def _models(problem: Problem, chosen: Options, algorithm: Algorithm, display: Display) -> Models:
    """Return the models of a run by their roles."""
    return Models(
        chosen,
        optimizer=chosen.optimizer,
        scorer=problem.scorer,
        judge=judge_of(problem),
        proposing=algorithm.needs_model,
        embedder=algorithm.embedder,
        seed=chosen.seed,
        record=chosen.record,
        display=display,
    )


def _first_look(problem: Problem, algorithm: Algorithm, chosen: Options) -> HeadroomFirst | None:
    """Return what measures the headroom before a search; None: nothing is to."""
    if chosen.headroom == "off":
        return None
    from llmopt.engine.headroom_first import HeadroomFirst
    from llmopt.engine.headroom_race import WORTH, headroom_plan

    plan = headroom_plan(
        problem,
        algorithm,
        steps=algorithm.steps(problem, chosen.steps),
        finalists=chosen.finalists,
        worth=WORTH / 100,
    )
    return HeadroomFirst(plan, chosen.headroom_over, stops=chosen.headroom == "stop")


def _stop(problem: Problem, algorithm: Algorithm, chosen: Options, requests: int) -> Stop:
    """Return when a search ends at the latest, with `requests` steps for one of the method."""
    return Stop(
        algorithm.steps(problem, chosen.steps) * requests,
        chosen.patience * requests,
        optimum_of(problem) if chosen.target is None else chosen.target,
        chosen.validation_patience,
    )


@like(evaluated)
async def evaluate_async(
    problem: Problem, instructions: Sequence[str], **options: Any
) -> Comparison:
    """Do the same as :func:`evaluate` in a running event loop."""
    return await evaluated(problem, instructions, **{"display": TERMINAL, **options})


@like(evaluated)
def evaluate(problem: Problem, instructions: Sequence[str], **options: Any) -> Comparison:
    """Score given instructions on the same items, and compare each with the first.

    Args:
        problem: Says what the items are and how an instruction is measured on one.
        instructions: The texts, measured as they are; a text that comes again counts once.
        options: See :func:`llmopt.engine.evaluate.evaluated`; progress is shown on a terminal or
            in a notebook.

    Raises:
        InputError: Something given cannot be used; nothing was paid.
        BudgetError: A spending limit was reached; the same evaluation goes on with a larger one.
        ModelError: A model could not answer; the same evaluation goes on when it does.
        StepFailedError: More answers failed than the tolerance allows; likewise.
    """
    return wait(evaluate_async(problem, instructions, **options), say)


@like(confirmed)
def confirm(problem: Problem, run: str, **options: Any) -> Confirmation:
    """Open the vault of a finished run, once, and compare its winner with its start there.

    Args:
        problem: The problem of the run, with its vault.
        run: Name of the run.
        options: See :func:`llmopt.engine.confirm.confirmed`; progress is shown on a terminal or
            in a notebook.

    Raises:
        InputError: The run cannot be confirmed, or its vault was opened; nothing was paid.
        BudgetError: A spending limit was reached; it continues with a larger one.
        ModelError: A model could not answer; repeating the call continues.
        StepFailedError: More answers failed than the tolerance allows; the same.
    """
    return wait(confirmed(problem, run, **{"display": TERMINAL, **options}), say)


@like(watched)
def watch(problem: Problem, run: str | None = None, **options: Any) -> WatchReport:
    """Measure a prompt in production on some rows more, and test whether it has dropped.

    Args:
        problem: Says how the prompt is measured.
        run: The finished run whose winner is in use; None: the problem's first start is.
        options: See :func:`llmopt.engine.watch.watched`; progress is shown on a terminal or in a
            notebook.

    Raises:
        InputError: Something given cannot be used; nothing was paid.
        BudgetError: A spending limit was reached; the day continues with a larger one.
        ModelError: A model could not answer; repeating the call continues.
        StepFailedError: More answers failed than the tolerance allows; the same.
    """
    return wait(watched(problem, run, **{"display": TERMINAL, **options}), say)


@takes(Options)
def verify(problem: Problem, **options: Any) -> Verification:
    """Do a finished run again from its stored replies, without a model, and compare.

    Splits, selection, held-out scores, verdict and every figure of the result are derived again;
    what was measured meanwhile (usage, time) is not. A function or program of the user's own is
    called again.

    Args:
        problem: The problem of the run.
        options: Those that the run had, see :class:`Options`: its `name` and `store` too.

    Raises:
        InputError: The run cannot be verified.
    """
    return wait(_verified(problem, _chosen(problem, options)), say)


async def _verified(problem: Problem, chosen: Options) -> Verification:
    from llmopt.engine.finished_run import Finished
    from llmopt.engine.rederived_store import RederivedStore
    from llmopt.engine.verification import compared

    if (run := chosen.name) is None:
        raise ConfigError("a run is verified by its name, but got none; pass name=…")
    if getattr(problem, "measured_anew", False):
        raise ConfigError(
            f"a run can be verified where the same solution scores the same again, but {run!r} "
            "measured times or memory, which differ each time; confirm its winner with a new run"
        )
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(opened_store(chosen.store))
        finished = Finished.of(kept, run)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        fresh = stack.enter_context(contextlib.closing(open_store(Path(folder) / "fresh.sqlite")))
        again = RederivedStore(kept, fresh, run)
        chosen = replace(
            chosen,
            store=again,
            name=run,
            budget=None,
            record=None,
            tolerance=1.0,
            steps=max(chosen.steps, finished.last),
            optimizer=finished.model("optimizer", chosen.optimizer),
            controls=chosen.controls if finished.whole else (),
        )
        problem = finished.asking_nobody(problem)
        failed = ""
        try:
            async with _opened(problem, chosen, display=TERMINAL) as repeated:
                repeated.over = finished.ends(repeated)
                await repeated.optimize()
        except (ModelError, StepFailedError) as error:
            failed = str(error)
        return compared(again, run, whole=finished.whole, failed=failed)


def runs(store: Store | str | None = None) -> tuple[Listed, ...]:
    """Return the runs of a store, newest first.

    Args:
        store: A store, or where it is; None: where runs are usually kept.

    Raises:
        StoreError: It cannot be read.
    """
    from llmopt.history.listing import listed

    with _read(store) as kept:
        return listed(kept)


def result_of(run: str, store: Store | str | None = None) -> Result:
    """Return what a finished run has found, again.

    Args:
        run: Its name.
        store: A store, or where it is; None: where runs are usually kept.

    Raises:
        StoreError: There is no such run.
        ConfigError: It has not come to its end, or is no search.
    """
    with _read(store) as kept:
        header = RunHeader.of(kept.config(run))
        found = None
        for record in kept.records(run):
            if record.kind == "result":  # the last one: a run resumed after its budget has several
                found = record.data
    if found is None:
        raise ConfigError(
            f"a result is that of a search which has come to its end, but {run!r} has none; go on "
            "with it, or look at it with llmopt show"
        )
    return Result.plain({"presentation": header.presentation.to_dict(), **found})


@contextlib.contextmanager
def _read(store: Store | str | None) -> Iterator[Store]:
    """Lend a store; one that is opened here is closed again."""
    if store is not None and not isinstance(store, str):
        yield store
        return
    with contextlib.closing(open_store(store, new=store is None)) as kept:
        yield kept
