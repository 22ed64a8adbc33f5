"""Payment in a sweep: each reply is bought once, and charged to every cell that uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.store import UNSTORED
from llmopt.core.values import Usage, digest
from llmopt.errors import BudgetError, SweepBudgetError
from llmopt.models.middleware.base import Middleware
from llmopt.models.middleware.borrowed import Borrowed
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
    from collections.abc import Iterable

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


class BuiltModels:
    """The models of a process, each built once, and the gates before them.

    Args:
        quiet: Whether nothing is shown while weights are downloaded.
        share: Which part of each model's rate may be used here, above 0 and up to 1.

    Attributes:
        local: Whether one of them runs in this process.
    """

    def __init__(self, *, quiet: bool, share: float = 1.0) -> None:
        self._quiet, self._share = quiet, share
        self._models: dict[NamedModel, Model] = {}
        self._gates: dict[str, Gate] = {}
        self.local = False

    def model(self, named: NamedModel) -> Model:
        """Return a model without middleware."""
        if named not in self._models:
            with Download(quiet=self._quiet) as download:
                self._models[named] = named.built(download, batches_folder())
            self.local |= isinstance(self._models[named], LocalModel)
        return self._models[named]

    def gate(self, table: ModelTable, built: Model, most: int | None, replies: Replies) -> Gate:
        """Return what limits the calls to the endpoint of a model.

        Where the store keeps one rate for all its processes, none has a part of its own.
        """
        where = built.traits.endpoint or f"the model {table.named().name}"
        if where not in self._gates:
            whole = table.requests_per_minute, table.tokens_per_minute
            pace = pace_of(replies, where, Rates(*whole))
            rates = Rates(*whole) if pace else Rates(*map(self._part, whole))
            self._gates[where] = Gate(most or built.traits.slots, rates, pace)
        return self._gates[where]

    def _part(self, rate: int | None) -> int | None:
        return None if rate is None else max(1, int(rate * self._share))

    async def close(self) -> None:
        """Close the models."""
        for model in self._models.values():
            await model.close()


class PaidByAll(Middleware):
    """Tells a cell that the budget of all is spent from its own, by which its search ends."""

    async def complete(self, call: Call) -> Reply:
        """Pass the call on.

        Raises:
            SweepBudgetError: It does not fit; nothing was sent.
        """
        try:
            return await self.inner.complete(call)
        except BudgetError as error:
            raise of_sweep(error) from error


def of_sweep(error: BudgetError) -> SweepBudgetError:
    """Return the error of a budget that is a whole sweep's."""
    said = str(error).partition(";")[0]
    return SweepBudgetError(
        f"the cells of a sweep are done within the budget of all, but {said}; continue with a "
        "larger one, with --calls"
    )


class Pool:
    """The models of a sweep; a reply is bought once for all cells.

    Args:
        replies: Where replies are kept.
        built: The models.
        traffic: What all cells may buy together, and the ledger of what is on its way; None: no
            limit, and no ledger.
    """

    def __init__(
        self, replies: Replies, built: BuiltModels, *, traffic: Traffic | None = None
    ) -> None:
        self._traffic = traffic or Traffic()
        self._replies = replies
        self._built = built
        self._models: dict[NamedModel, Cache] = {}
        self._meters: list[Meter] = []

    @property
    def usage(self) -> dict[Role, Usage]:
        """What models have answered through this pool, by role."""
        found: dict[Role, Usage] = {}
        for meter in self._meters:
            for role, used in meter.usage.items():
                if used.calls:
                    found[role] = found.get(role, Usage()) + used
        return found

    @property
    def bought(self) -> int:
        """Calls that models have answered through this pool."""
        return sum(used.calls for used in self.usage.values())

    @property
    def local(self) -> bool:
        """Whether a model runs in this process."""
        return self._built.local

    def model(self, table: ModelTable, most: int | None) -> Model:
        """Return the model that a table names; `most` calls are in flight, from all cells."""
        named = table.named()
        if named not in self._models:
            built = self._built.model(named)
            meter = Meter(Borrowed(built))
            self._meters.append(meter)
            gate = self._built.gate(table, built, most, self._replies)
            # No retry: that is the cells' own, and one layer is enough. The budget is that of all.
            paid = PaidByAll(Budget(meter, self._traffic.account))
            bought = CacheWriter(paid, self._replies)
            # A budget that processes share knows what is on its way, also of a dead one.
            known = built.traits.kept or self._traffic.account.purse is not None
            ledger = None if known else self._traffic.ledger
            sent = Booked(bought, ledger) if ledger else bought
            self._models[named] = Cache(Limit(sent, gate), self._replies)
        return self._models[named]

    async def aclose(self) -> None:
        """Wait until replies that came are stored; the models stay open.

        What they may spend no more of a budget that processes share is given back.
        """
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

    def append_all(self, run: str, records: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Store records, except for those of :meth:`append`."""
        self._store.append_all(run, [one for one in records if one[0] != UNSTORED])


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
