"""Opens a run's session: store, lock, first record, models with middleware, spending."""

from __future__ import annotations

import contextlib
import gc
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from llmopt.core.store import UNSTORED
from llmopt.engine.display import NO_DISPLAY
from llmopt.engine.progress import silent
from llmopt.engine.session import Session
from llmopt.errors import StoreError
from llmopt.models.middleware.in_flight import Ledger
from llmopt.models.middleware.traffic import Traffic
from llmopt.models.secrets import know
from llmopt.store import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from llmopt.core.store import Store
    from llmopt.engine.display import Display
    from llmopt.engine.options import SessionOptions
    from llmopt.engine.roles import Models

_CALM = 20_000  # new objects after which Python looks for cyclic garbage during a run


def nothing(store: Store, name: str) -> bool:
    """Say of a run that nothing was found beside its steps and replies."""
    del store, name
    return False


@contextlib.asynccontextmanager
async def opened(
    options: SessionOptions,
    models: Models | None,
    *,
    name: str | None,
    base: str = "run",
    register: Callable[[Store, str], None],
    found: Callable[[Store, str], bool] = nothing,
    display: Display = NO_DISPLAY,
    step_deadline: float | None = None,
) -> AsyncIterator[Session]:
    """Open a session: a run that is this process's while the context lasts.

    Models are closed at its end, and the store if it was opened here. What fails at its first
    call, say for a wrong key, leaves nothing behind.

    Args:
        options: What everything needs that asks models.
        models: The models that are asked; None where none is.
        name: Name of the run; None takes a new one made of `base`.
        base: See `name`.
        register: Writes the first record of a new run, or checks that a known run is this one.
        found: Whether the run is to be kept even if it has neither steps nor replies.
        display: Shows progress where nobody listens and the options do not say no.
        step_deadline: See :class:`~llmopt.engine.options.Options`.

    Raises:
        InputError: The run cannot be opened; nothing was paid.
        StoreError: As above; or later, when nothing can be stored, and then it is under way.
    """
    under_way = False
    try:
        async with contextlib.AsyncExitStack() as stack:
            listen = options.progress if callable(options.progress) else silent
            if options.progress is True:
                listen = stack.enter_context(display.progress())
            stack.enter_context(calm_collector())
            store = stack.enter_context(opened_store(options.store))
            know(*getattr(store, "secrets", ()), answers=False)
            name = name or store.new_name(base)
            stack.enter_context(store.claim(name))
            register(store, name)
            stack.callback(_tidied, store, name, found, models)
            session = Session(store, name, listen=listen, tolerance=options.tolerance)
            if models is not None:
                _ask(session, models, stack, step_deadline)
                await stack.enter_async_context(session.timed())
            elif options.concurrency:
                session.slots = options.concurrency
            under_way = True
            yield session
    except StoreError as error:
        error.under_way = under_way
        raise


@contextlib.contextmanager
def opened_store(store: str | Path | Store | None) -> Iterator[Store]:
    """Open a store, unless it is open already; what was opened here is closed."""
    if not (store is None or isinstance(store, str | Path)):
        yield store
        return
    with contextlib.closing(open_store(store)) as made:
        yield made


def _tidied(
    store: Store, name: str, found: Callable[[Store, str], bool], models: Models | None
) -> None:
    """Leave no run behind that has nothing, has cost nothing, and has nothing to come."""
    if not (found(store, name) or (models and models.sent_batches)):
        store.discard(name)


def _ask(
    session: Session,
    models: Models,
    stack: contextlib.AsyncExitStack,
    step_deadline: float | None,
) -> None:
    """Wrap the models in middleware, under the account of the run."""
    store, name = session.store, session.name
    session.traffic = Traffic(
        models.account(store, name),
        prices=models.prices,
        stored=lambda: store.spent(name),
        step_deadline=step_deadline,
    )
    stack.enter_context(booked(store, name, session.traffic))
    session.optimizer, session.scorer, session.judge = models.wrapped(
        store, name, session.traffic, stack
    )
    session.embedder = models.embedder
    session.price_list = models.price_list
    session.seed, session.slots = models.seed, models.evaluations


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
    with store.counters(run) as counters:
        traffic.ledger = Ledger(counters)
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
