"""The front door: names and defaults in, a run or its result out."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from llmopt.algorithms import algorithm_named
from llmopt.errors import ConfigError
from llmopt.models.layers import wrap
from llmopt.models.layers.borrowed import Borrowed
from llmopt.models.layers.budget import Account, Limits, Price, Spent
from llmopt.models.registry import NamedModel
from llmopt.report.progress import Download, View
from llmopt.run import Run, Stop, register, silent
from llmopt.store import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from llmopt.algorithm import Algorithm
    from llmopt.model import Model
    from llmopt.problem import Problem
    from llmopt.run import Progress
    from llmopt.store.protocol import Store
    from llmopt.types import Role
    from llmopt.verdict import Result

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """What a run needs beside its problem; every field has a default that works.

    Attributes:
        algorithm: A method by name, by ``package.module:name``, or as an object.
        optimizer: The optimizer LLM by name, or as a model; None takes the scorer LLM.
        steps: Steps at most, not counting the starting solutions.
        patience: End after this many steps without a better score; 0: never.
        target: End when the best train score (0..1 for prompts) reaches this.
        budget: Hard limits over both roles together.
        prices: US dollars per million tokens by role, for a budget in dollars.
        seed: Seed of every random choice.
        name: Name of the run; None takes a new one. A name that is in the store is continued.
        store: A file, a ``sqlite:///`` URL, an open store, or None for the user's own.
        concurrency: Evaluations in flight at most; None: as many as the scorer LLM likes.
        tolerance: Share of a batch that may stay unmeasured, 0..1; one item always may.
        finalists: How many of the best on train are measured on validation, 1 or more.
        progress: Whether to show progress, or who is told of it.
        source: What the journal keeps for ``llmopt resume``.

    Raises:
        ConfigError: A number is out of its range.
    """

    algorithm: str | Algorithm = "opro"
    optimizer: str | NamedModel | Model | None = None
    steps: int = 10
    patience: int = 0
    target: float | None = None
    budget: Limits | None = None
    prices: Mapping[Role, Price] = field(default_factory=dict)
    seed: int = 0
    name: str | None = None
    store: str | Path | Store | None = None
    concurrency: int | None = None
    tolerance: float = 0.02
    finalists: int = 10
    progress: bool | Callable[[Progress], None] = True
    source: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise ConfigError(
                f"concurrency is 1 or more, but got {self.concurrency}; "
                "leave it out for what suits the model"
            )
        if not 0 <= self.tolerance <= 1:
            raise ConfigError(f"tolerance is a share from 0 to 1, but got {self.tolerance}")
        if self.finalists < 1:
            raise ConfigError(f"finalists are 1 or more, but got {self.finalists}")


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
    return _wait(optimize_async(problem, **options))


async def optimize_async(problem: Problem, **options: Any) -> Result:
    """Do the same as :func:`optimize` in a running event loop."""
    chosen = Options(**options)
    with contextlib.ExitStack() as shown:
        if chosen.progress is True:
            options["progress"] = shown.enter_context(View())
        async with prepare(problem, **options) as run:
            return await run.optimize()


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
    models = _Models(chosen, problem.scorer)
    async with contextlib.AsyncExitStack() as stack:
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
        account = models.account(store, name)
        optimizer, scorer = models.wrapped(store, name, account, stack)
        yield Run(
            problem,
            algorithm,
            optimizer,
            scorer,
            store=store,
            name=name,
            seed=chosen.seed,
            stop=Stop(chosen.steps, chosen.patience, chosen.target),
            slots=chosen.concurrency or (scorer or optimizer).traits.slots,
            tolerance=chosen.tolerance,
            finalists=chosen.finalists,
            keep_back=account.keep_back,
            listen=chosen.progress if callable(chosen.progress) else silent,
        )


class _Models:
    """The models of a run: built before anything is stored, wrapped once the run has a name."""

    def __init__(self, options: Options, scorer: Any) -> None:
        optimizer = scorer if options.optimizer is None else options.optimizer
        if optimizer is None:
            raise ConfigError(
                "an optimizer LLM proposes the solutions, but got none; "
                "name one with optimizer=…, for example 'local/smollm2-135m'"
            )
        self._options = options
        self.optimizer = _built(optimizer)
        if scorer is None:
            self.scorer = None
        else:
            same = scorer is optimizer or scorer == optimizer
            self.scorer = self.optimizer if same else _built(scorer)

    def account(self, store: Store, run: str) -> Account:
        """Return the budget of a run that may have spent before."""
        spent = Spent(seconds=store.seconds(run))
        for role, used in store.spent(run).items():
            price = self._options.prices.get(role, Price(0.0, 0.0))
            usd = price.of(used.input_tokens, used.output_tokens)
            spent += Spent(used.calls, used.tokens, usd)
        return Account(self._options.budget or Limits(), spent)

    def wrapped(
        self, store: Store, run: str, account: Account, stack: contextlib.AsyncExitStack
    ) -> tuple[Model, Model | None]:
        """Return the optimizer LLM and the scorer LLM in their rings.

        Both roles share the account, and one onion where they are the same model.
        """

        def onion(role: Role, model: Model) -> Model:
            made = wrap(
                model,
                replies=store.replies(run),
                account=account,
                price=self._options.prices.get(role),
                slots=self._options.concurrency,
                deadline=model.traits.deadline,
                seed=self._options.seed,
            )
            stack.push_async_callback(made.close)
            return made

        optimizer = onion("optimizer", self.optimizer)
        if self.scorer is None:
            return optimizer, None
        if self.scorer is self.optimizer:
            return optimizer, optimizer
        return optimizer, onion("scorer", self.scorer)


def _built(model: str | NamedModel | Model) -> Model:
    """Return a model; one that the caller made stays open at the end of the run."""
    if isinstance(model, str):
        model = NamedModel(model)
    if isinstance(model, NamedModel):
        with Download() as download:
            return model.built(download)
    return Borrowed(model)


def _wait(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where a loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
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
