"""The models of a run by the roles they play: named, built, priced and wrapped in middleware."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.engine.display import NO_DISPLAY
from llmopt.errors import ConfigError
from llmopt.models.embeddings import embedder_named
from llmopt.models.middleware.borrowed import Borrowed
from llmopt.models.middleware.budget import (
    Account,
    Limits,
    Price,
    Spent,
)
from llmopt.models.middleware.concurrency import Gate, Rates, pace_of
from llmopt.models.middleware.recorder import Recorder, Recording
from llmopt.models.middleware.stack import wrap
from llmopt.models.prices import price_of
from llmopt.models.providers.batch.batch_model import BatchModel
from llmopt.models.providers.null import AbsentModel
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.registry import NamedModel
from llmopt.store import batches_folder

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Mapping

    from llmopt.core.model import Model, Replies
    from llmopt.core.store import Store
    from llmopt.core.values import Role
    from llmopt.engine.display import Display
    from llmopt.engine.options import SessionOptions
    from llmopt.models.middleware.traffic import Traffic

_AHEAD = 4  # one more evaluation is prepared for so many in flight


class Models:
    """The models of a run: built before anything is stored, wrapped once the run has a name.

    Args:
        options: What they cost, and how fast they may be asked.
        optimizer: The optimizer LLM by name or as a model; None takes the scorer LLM.
        scorer: The scorer LLM by name or as a model; None where the problem needs none.
        judge: The judge LLM likewise.
        proposing: Whether the method asks an optimizer LLM. If not, none is built, also not one
            that is named, and :class:`~llmopt.models.providers.null.AbsentModel` stands for it.
        embedder: The name of the embedding model, where the method compares texts by one.
        seed: Seed of every random choice.
        record: A new file for all replies, or None.

    Raises:
        InputError: A model cannot be built, or there is no optimizer LLM.
    """

    def __init__(
        self,
        options: SessionOptions,
        *,
        optimizer: Any = None,
        scorer: Any = None,
        judge: Any = None,
        proposing: bool = True,
        embedder: str = "",
        seed: int = 0,
        record: str | Path | None = None,
        display: Display = NO_DISPLAY,
    ) -> None:
        if optimizer is None:
            optimizer = scorer
        if not proposing:
            optimizer = AbsentModel()
        if optimizer is None:
            raise ConfigError(
                "an optimizer LLM proposes the solutions, but got none; "
                "name one with optimizer=…, for example 'local/smollm2-135m', or take a method "
                "that needs none, such as 'random-search'"
            )
        self._options = options
        self.seed, self._record = seed, record
        self._proposing = proposing
        shown = display if options.progress is not False else NO_DISPLAY
        self.optimizer = _built(optimizer, shown)
        if scorer is None:
            self.scorer = None
        else:
            same = scorer is optimizer or scorer == optimizer
            self.scorer = self.optimizer if same else _built(scorer, shown)
        self.judge: Model | None = None
        if judge is not None:
            known = ((optimizer, self.optimizer), (scorer, self.scorer))
            same_one = next((m for named, m in known if judge is named or judge == named), None)
            self.judge = same_one or _built(judge, shown)
        self.embedder = embedder_named(embedder) if embedder else None
        if options.budget and options.budget.usd is not None:
            self._options = replace(options, prices=self._known_prices(options.prices))

    @property
    def prices(self) -> Mapping[Role, Price]:
        """What the models cost, as far as it is known or needed."""
        return self._options.prices

    def price_list(self) -> Mapping[Role, Price]:
        """Return what each model costs: as the user says, or else as far as it is known."""
        return self._known_prices(self._options.prices)

    def _known_prices(self, given: Mapping[Role, Price]) -> Mapping[Role, Price]:
        """Return the user's prices, and where there is none the one that is known, if any."""
        made = dict(given)
        for role, model in self._roles().items():
            known = next((made[other] for other in self._played_by(model) if other in made), None)
            price = known or price_of(model)
            if role not in made and price:
                made[role] = price
        return made

    def _roles(self) -> dict[Role, Model]:
        """Return who plays each role that is played."""
        players: tuple[tuple[Role, Model | None], ...] = (
            ("optimizer", self.optimizer if self._proposing else None),
            ("scorer", self.scorer),
            ("judge", self.judge),
            ("embedder", self.embedder),
        )
        return {role: model for role, model in players if model is not None}

    def _played_by(self, model: Model) -> list[Role]:
        """Return the roles that a model plays, in their order."""
        return [role for role, other in self._roles().items() if other is model]

    @property
    def sent_batches(self) -> bool:
        """Whether a provider works on batches that this run, resumed, gets the answers of."""
        batched = (m for m in self._roles().values() if isinstance(m, BatchModel))
        return any(model.waited_for for model in batched)

    @property
    def evaluations(self) -> int:
        """How many evaluations are under way at once, so that the models are kept busy."""
        measuring = [m for m in (self.scorer, self.judge) if m is not None]
        if not measuring:
            return self._options.concurrency or self.optimizer.traits.slots
        # Each waits for the scorer LLM or for the judge LLM, so both need enough of them.
        slots = self._options.concurrency or sum(
            {_place(model): model.traits.slots for model in measuring}.values()
        )
        # The gates bound what is in flight; a few more are ready there when a slot is free.
        return slots + slots // _AHEAD

    def account(self, store: Store, run: str) -> Account:
        """Return the budget of a run that may have spent before."""
        account = Account(self._options.budget or Limits(), Spent(seconds=store.seconds(run)))
        for role, used in store.spent(run).items():
            price = self._options.prices.get(role, Price(0.0, 0.0))
            account.add(Spent(used.calls, used.tokens, price.paid(used)), role)
        return account

    def wrapped(
        self, store: Store, run: str, traffic: Traffic, stack: contextlib.AsyncExitStack
    ) -> tuple[Model, Model | None, Model | None]:
        """Return the optimizer LLM, the scorer LLM and the judge LLM with their middleware.

        The embedding model, where there is one, then has its middleware too. All roles share the
        account, those that are reached at one endpoint its gate, and those that are the same
        model one stack.

        Raises:
            ConfigError: The run shall be recorded, but has begun, or the file has.
        """
        recording = self._recording(store, run, stack)

        def with_middleware(role: Role, model: Model) -> Model:
            made = wrap(
                model,
                replies=store.replies(run),
                account=traffic.account,
                price=self._options.prices.get(role),
                gate=gates[role],
                # A call in a batch is not lost when this process dies: a resumed run gets its
                # answer, and counts it then.
                ledger=None if model.traits.kept else traffic.ledger,
                deadline=model.traits.deadline,
                seed=self.seed,
            )
            stack.push_async_callback(made.close)
            traffic.add(made)
            if isinstance(model, OpenAIModel | BatchModel):
                traffic.warnings += model.notes
                model.notes = traffic.warnings  # so that progress shows what it finds out
            return made if recording is None else Recorder(made, recording)

        gates = self._gates(store.replies(run))
        made: dict[Role, Model] = {}
        for role, model in self._roles().items():
            first = self._played_by(model)[0]
            made[role] = made[first] if first in made else with_middleware(role, model)
            if recording is not None:
                recording.name(role, made[role])
        self.embedder = made.get("embedder")
        return made.get("optimizer", self.optimizer), made.get("scorer"), made.get("judge")

    def _gates(self, replies: Replies) -> dict[Role, Gate]:
        """Return the gate of each role: one for all that are reached at one endpoint."""
        most, given = self._options.concurrency, self._options.rates
        gates: dict[Role, Gate] = {}
        for role, model in self._roles().items():
            sharing = [r for r, other in self._roles().items() if _place(other) == _place(model)]
            if sharing[0] in gates:
                gates[role] = gates[sharing[0]]
                continue
            rates = Rates()
            for other in sharing:
                rates = rates.lower(given.get(other, Rates()))
            slots = min(self._roles()[other].traits.slots for other in sharing)
            where = model.traits.endpoint
            gates[role] = Gate(
                most or slots, rates, pace_of(replies, where, rates) if where else None
            )
        return gates

    def _recording(
        self, store: Store, run: str, stack: contextlib.AsyncExitStack
    ) -> Recording | None:
        """Return the file that the run is recorded to, if it is."""
        if self._record is None:
            return None
        if any(info.name == run and info.steps for info in store.runs()):
            raise ConfigError(
                f"a run is recorded from its beginning, but {run!r} has begun; record it under "
                "another name: what is stored costs nothing"
            )
        recording = Recording(Path(self._record).expanduser())
        stack.callback(recording.close)
        return recording


def _place(model: Model) -> str:
    """Return where a model is reached: an endpoint, or a place of its own."""
    return model.traits.endpoint or f"model {id(model)}"


def _built(model: str | NamedModel | Model, display: Display) -> Model:
    """Return a model; one that the caller made stays open at the end of the run."""
    if isinstance(model, str):
        model = NamedModel(model)
    if isinstance(model, NamedModel):
        with display.download() as download:
            return model.built(download, batches_folder())
    return Borrowed(model)
