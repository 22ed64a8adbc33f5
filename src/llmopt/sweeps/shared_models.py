"""Payment in a sweep: each reply is bought once, and charged to every cell that uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.store import UNSTORED
from llmopt.core.values import digest
from llmopt.models.middleware.budget import Budget
from llmopt.models.middleware.cache import Cache, CacheWriter
from llmopt.models.middleware.concurrency import Gate, Rates, pace_of
from llmopt.models.middleware.in_flight import Booked
from llmopt.models.middleware.rate_limit import Limit
from llmopt.models.middleware.traffic import Traffic
from llmopt.models.middleware.usage import Meter
from llmopt.models.providers.local import LocalModel
from llmopt.store import batches_folder
from llmopt.terminal.progress import Download

if TYPE_CHECKING:
    from llmopt.config.tables import ModelTable
    from llmopt.core.model import Model, Replies
    from llmopt.core.store import Store
    from llmopt.core.values import Call, Reply, Role
    from llmopt.models.registry import NamedModel
    from llmopt.sweeps.grid import Cell


def models_of(cell: Cell, pool: Pool) -> dict[Role, Model]:
    """Return the models of a cell by role; one that plays two roles is one."""
    most = cell.settings.run.concurrency
    return {role: pool.model(table, most) for role, table in cell.settings.models().items()}


class Pool:
    """The models of a sweep, each built once; a reply is bought once for all cells.

    Args:
        replies: Where replies are kept.
        quiet: Whether nothing is shown.
        traffic: What all cells may buy together, and the ledger of what is on its way; None: no
            limit, and no ledger.
    """

    def __init__(self, replies: Replies, *, quiet: bool, traffic: Traffic | None = None) -> None:
        self._traffic = traffic or Traffic()
        self._replies = replies
        self._quiet = quiet
        self._models: dict[NamedModel, Cache] = {}
        self._gates: dict[str, Gate] = {}
        self._meters: list[Meter] = []
        self.local = False

    @property
    def bought(self) -> int:
        """Calls that models have answered in this process."""
        return sum(used.calls for meter in self._meters for used in meter.usage.values())

    def model(self, table: ModelTable, most: int | None) -> Model:
        """Return the model that a table names; `most` calls are in flight, from all cells."""
        named = table.named()
        if named not in self._models:
            with Download(quiet=self._quiet) as download:
                built = named.built(download, batches_folder())
            self.local |= isinstance(built, LocalModel)
            meter = Meter(built)
            self._meters.append(meter)
            rates = Rates(table.requests_per_minute, table.tokens_per_minute)
            where = built.traits.endpoint or f"the model {named.name}"
            if where not in self._gates:
                pace = pace_of(self._replies, where, rates)
                self._gates[where] = Gate(most or built.traits.slots, rates, pace)
            gate = self._gates[where]
            # No retry: that is the cells' own, and one layer is enough. The budget is that of all.
            bought = CacheWriter(Budget(meter, self._traffic.account), self._replies)
            # A budget that processes share knows what is on its way, also of a dead one.
            known = built.traits.kept or self._traffic.account.purse is not None
            ledger = None if known else self._traffic.ledger
            sent = Booked(bought, ledger) if ledger else bought
            self._models[named] = Cache(Limit(sent, gate), self._replies)
        return self._models[named]

    async def close(self) -> None:
        """Close the models, and give back what they may spend no more."""
        for model in self._models.values():
            await model.close()
        if (purse := self._traffic.account.purse) is not None:
            purse.close()


class Charged:
    """A store in which a run finds only the replies that it was charged for itself.

    Beside that it is the store it stands for. What another run has bought comes from the pool,
    through the middleware that charges it.
    """

    def __init__(self, store: Store, sweep: str) -> None:
        self._store, self._sweep = store, sweep

    def create(self, run: str, config: dict[str, Any]) -> None:
        """Create a run that says whose cell it is: alone it would find other cells' replies."""
        self._store.create(run, {**config, "cell": self._sweep})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def replies(self, run: str) -> Replies:
        """Return the replies that the run was charged for."""
        return _Own(self._store.replies(run), run)

    def append(self, run: str, kind: str, data: dict[str, Any]) -> None:
        """Store a record, unless it charges calls that an interruption cut off.

        They are asked again; charged twice, the cell would have a smaller budget than the others.
        """
        if kind != UNSTORED:
            self._store.append(run, kind, data)


class _Own:
    """The replies that one run was charged for."""

    def __init__(self, replies: Replies, run: str) -> None:
        self._replies, self._run = replies, run

    async def get(self, key: str) -> Reply | None:
        return await self._replies.get(self._salted(key))

    async def put(self, key: str, model: str, call: Call, reply: Reply) -> bool:
        return await self._replies.put(self._salted(key), model, call, reply)

    def _salted(self, key: str) -> str:
        return digest(f"{self._run} {key}")
