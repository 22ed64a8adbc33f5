"""The front door: names and defaults in, a run or its result out."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from llmopt.algorithms import algorithm_named
from llmopt.errors import ConfigError
from llmopt.journal import UNSTORED
from llmopt.models.layers import wrap
from llmopt.models.layers.borrowed import Borrowed
from llmopt.models.layers.budget import Account, Limits, Price, Spent
from llmopt.models.layers.gate import Gate, Rates
from llmopt.models.layers.record import Record, Recording
from llmopt.models.layers.traffic import Traffic
from llmopt.models.prices import price_of
from llmopt.models.registry import NamedModel
from llmopt.progress import silent
from llmopt.report.progress import Download, View
from llmopt.run import Run, Stop, register
from llmopt.store import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from llmopt.algorithm import Algorithm
    from llmopt.model import Model
    from llmopt.problem import Problem
    from llmopt.progress import Progress
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
        prices: US dollars per million tokens by role, for a budget in dollars; without one,
            what :func:`~llmopt.models.prices.price_of` knows.
        rates: Caps per minute by role; models of one endpoint share the lower ones.
        seed: Seed of every random choice.
        name: Name of the run; None takes a new one. A name that is in the store is continued.
        store: A file, a ``sqlite:///`` URL, an open store, or None for the user's own.
        concurrency: Evaluations in flight at most; None: as many as the scorer LLM likes.
        step_deadline: Seconds after whose passing no call of a step begins, so that a step
            ends, resumable, if its calls fail for that long; None: only calls have a deadline.
        record: A new file for all replies that the run uses, to be replayed as the model
            ``replay/FILE``. Only a run that begins anew can be recorded; doing a stored one
            again under another name costs nothing.
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
    rates: Mapping[Role, Rates] = field(default_factory=dict)
    seed: int = 0
    name: str | None = None
    store: str | Path | Store | None = None
    concurrency: int | None = None
    step_deadline: float | None = None
    record: str | Path | None = None
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
        if self.step_deadline is not None and not self.step_deadline > 0:
            raise ConfigError(
                f"a step's deadline is more than 0 seconds, but got {self.step_deadline}; "
                "leave it out for none"
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
        traffic = Traffic(
            models.account(store, name),
            prices=models.prices,
            stored=lambda: store.spent(name),
            step_deadline=chosen.step_deadline,
        )
        # When the models are closed, it is known what was paid and is not in the store.
        stack.callback(_note_unstored, store, name, traffic)
        optimizer, scorer = models.wrapped(store, name, traffic, stack)
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
            traffic=traffic,
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
        show = options.progress is not False
        self.optimizer = _built(optimizer, show=show)
        if scorer is None:
            self.scorer = None
        else:
            same = scorer is optimizer or scorer == optimizer
            self.scorer = self.optimizer if same else _built(scorer, show=show)
        if options.budget and options.budget.usd is not None:
            self._options = replace(options, prices=self._known_prices(options.prices))

    @property
    def prices(self) -> Mapping[Role, Price]:
        """What the models cost, as far as it is known or needed."""
        return self._options.prices

    def _known_prices(self, given: Mapping[Role, Price]) -> Mapping[Role, Price]:
        """Return the user's prices, and where there is none the one that is known, if any."""
        made = dict(given)
        roles: tuple[tuple[Role, Model | None], ...] = (
            ("optimizer", self.optimizer),
            ("scorer", self.scorer),
        )
        for role, model in roles:
            price = price_of(model) if model and role not in made else None
            if price:
                made[role] = price
        return made

    def account(self, store: Store, run: str) -> Account:
        """Return the budget of a run that may have spent before."""
        spent = Spent(seconds=store.seconds(run))
        for role, used in store.spent(run).items():
            price = self._options.prices.get(role, Price(0.0, 0.0))
            usd = price.of(used.input_tokens, used.output_tokens)
            spent += Spent(used.calls, used.tokens, usd)
        return Account(self._options.budget or Limits(), spent)

    def wrapped(
        self, store: Store, run: str, traffic: Traffic, stack: contextlib.AsyncExitStack
    ) -> tuple[Model, Model | None]:
        """Return the optimizer LLM and the scorer LLM in their rings.

        Both roles share the account, the gate of an endpoint at which both are reached, and one
        onion where they are the same model.

        Raises:
            ConfigError: The run shall be recorded, but has begun, or the file has.
        """
        recording = self._recording(store, run, stack)

        def onion(role: Role, model: Model) -> Model:
            made = wrap(
                model,
                replies=store.replies(run),
                account=traffic.account,
                price=self._options.prices.get(role),
                gate=gates[role],
                deadline=model.traits.deadline,
                seed=self._options.seed,
            )
            stack.push_async_callback(made.close)
            traffic.add(made)
            return made if recording is None else Record(made, recording)

        gates = self._gates()
        optimizer = onion("optimizer", self.optimizer)
        if self.scorer is None:
            scorer = None
        elif self.scorer is self.optimizer:
            scorer = optimizer
        else:
            scorer = onion("scorer", self.scorer)
        if recording is not None:
            recording.name("optimizer", optimizer)
            if scorer is not None:
                recording.name("scorer", scorer)
        return optimizer, scorer

    def _gates(self) -> dict[Role, Gate]:
        """Return the gate of each role: one for both where they are reached at one endpoint."""
        most, rates = self._options.concurrency, self._options.rates
        first, rate = self.optimizer.traits, rates.get("optimizer", Rates())
        if self.scorer is None or self.scorer is self.optimizer:
            return {"optimizer": Gate(most or first.slots, rate)}
        second, other = self.scorer.traits, rates.get("scorer", Rates())
        if first.endpoint and first.endpoint == second.endpoint:
            gate = Gate(most or min(first.slots, second.slots), rate.lower(other))
            return {"optimizer": gate, "scorer": gate}
        return {
            "optimizer": Gate(most or first.slots, rate),
            "scorer": Gate(most or second.slots, other),
        }

    def _recording(
        self, store: Store, run: str, stack: contextlib.AsyncExitStack
    ) -> Recording | None:
        """Return the file that the run is recorded to, if it is."""
        if self._options.record is None:
            return None
        if any(info.name == run and info.steps for info in store.runs()):
            raise ConfigError(
                f"a run is recorded from its beginning, but {run!r} has begun; record it under "
                "another name: what is stored costs nothing"
            )
        recording = Recording(Path(self._options.record).expanduser())
        stack.callback(recording.close)
        return recording


def _built(model: str | NamedModel | Model, *, show: bool) -> Model:
    """Return a model; one that the caller made stays open at the end of the run."""
    if isinstance(model, str):
        model = NamedModel(model)
    if isinstance(model, NamedModel):
        if not show:
            return model.built()
        with Download() as download:
            return model.built(download)
    return Borrowed(model)


def _note_unstored(store: Store, run: str, traffic: Traffic) -> None:
    """Journal what the run has paid and its replies do not show, for when it is resumed."""
    data = traffic.unstored()
    if data:
        store.append(run, UNSTORED, data)


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
