"""Live updates: one look at the store, published to all waiting clients."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.values import canonical, digest
from llmopt.engine.header import RunHeader
from llmopt.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from llmopt.core.store import RunInfo, Store

PAUSE = 0.7
"""Seconds between two looks at the store, at least."""

_IDLE = 10  # times as long as a look has taken, at least, nothing is asked of the store
_OF_SWEEP = 30  # characters of a sweep's name in the names of its cells


@dataclass(frozen=True)
class News:
    """How a run stands.

    Attributes:
        run: Its name.
        status: As the store says.
        steps: Steps done; the starting solutions are none.
        calls: Calls paid, over all roles.
        tokens: Tokens paid, over all roles.
        version: Another one as soon as a page of the run would say something else, its spending
            aside.
    """

    run: str
    status: str
    steps: int
    calls: int
    tokens: int
    version: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return asdict(self)


class Looks:
    """Looks at a store, and asks it only about runs that may have changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[RunInfo, News]] = {}
        self._kinds: dict[tuple[str, str], str] = {}
        self._one = threading.Lock()

    def look(self) -> dict[str, News]:
        """Return how every run stands.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._one:  # a look that nobody waits for any more may still be under way
            return self._look()

    def _look(self) -> dict[str, News]:
        infos = self._store.runs()
        found: dict[str, tuple[RunInfo, News]] = {}
        for info in infos:
            known = self._known.get(info.name)
            if known and known[0] == info and info.status != "running":
                found[info.name] = known
            else:
                with contextlib.suppress(StoreError):  # deleted or renamed since it was listed
                    found[info.name] = (info, self._news(info))
        self._known = found
        made = {name: news for name, (_, news) in found.items()}
        return made | {news.run: news for news in self._sweeps(infos, made)}

    def _news(self, info: RunInfo) -> News:
        used = self._store.spent(info.name).values()
        return News(
            info.name,
            info.status,
            max(0, info.steps - 1),
            sum(one.calls for one in used),
            sum(one.tokens for one in used),
            _version(info.status, info.steps, info.best, list(info.tags), info.note),
        )

    def _sweeps(self, infos: tuple[RunInfo, ...], made: dict[str, News]) -> Iterator[News]:
        """Yield the sweeps, which stand as their cells do."""
        for info in infos:
            if info.name not in made or self._kind(info) != "sweep":
                continue
            own = f"{info.name[:_OF_SWEEP]}."
            cells = [news for name, news in made.items() if name.startswith(own)]
            states = [[cell.run, cell.status] for cell in cells]
            yield News(
                info.name,
                info.status,
                sum(cell.steps for cell in cells),
                sum(cell.calls for cell in cells),
                sum(cell.tokens for cell in cells),
                _version(made[info.name].version, states),
            )

    def _kind(self, info: RunInfo) -> str:
        key = (info.name, info.created)
        if key not in self._kinds:
            self._kinds[key] = RunHeader.of(self._store.config(info.name)).algorithm
        return self._kinds[key]


def _version(*facts: Any) -> str:
    return digest(canonical(facts))[:16]


class Waiting:
    """One who waits for news; of a run that changes twice meanwhile, the later news is told."""

    def __init__(self, run: str | None) -> None:
        self._run = run
        self._pending: dict[str, News | None] = {}
        self._some = asyncio.Event()

    def put(self, name: str, news: News | None) -> None:
        """Note what is new of a run; None: it is gone."""
        if self._run in (None, name):
            self._pending[name] = news
            self._some.set()

    def begin(self) -> None:
        """Let the first news be told, even if there are none."""
        self._some.set()

    async def get(self) -> dict[str, News | None]:
        """Wait until there is news, and take it."""
        await self._some.wait()
        taken, self._pending = self._pending, {}
        self._some.clear()
        return taken


class StoreWatcher:
    """Looks at a store again and again while somebody waits: one look for all of them."""

    def __init__(self, look: Callable[[], dict[str, News]], pause: float = PAUSE) -> None:
        """Begin without looking.

        Args:
            look: What looks at the store; called in a thread, once at a time.
            pause: Seconds between two looks, at least.
        """
        self._look = look
        self._pause = pause
        self._waiting: set[Waiting] = set()
        self._known: dict[str, News] = {}
        self._looked = False
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @contextlib.asynccontextmanager
    async def told(self, run: str | None) -> AsyncIterator[Waiting]:
        """Wait for news of a run, or of all, while the context lasts; how it stands comes first."""
        waiting = Waiting(run)
        self._waiting.add(waiting)
        try:
            if self._task is None:
                self._task = asyncio.create_task(self._looking())
            elif self._looked:
                for name, news in self._known.items():
                    waiting.put(name, news)
                waiting.begin()
            yield waiting
        finally:
            self._waiting.discard(waiting)
            if not self._waiting and self._task is not None:
                task, self._task, self._known, self._looked = self._task, None, {}, False
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _looking(self) -> None:
        while True:
            began = time.monotonic()
            # A store that is busy, or being moved, may be read again in a moment.
            with contextlib.suppress(StoreError):
                self._tell(await asyncio.to_thread(self._look))
            await asyncio.sleep(max(self._pause, _IDLE * (time.monotonic() - began)))

    def _tell(self, found: dict[str, News]) -> None:
        gone = [name for name in self._known if name not in found]
        changed = {name: news for name, news in found.items() if self._known.get(name) != news}
        first = not self._looked
        self._known, self._looked = found, True
        for waiting in self._waiting:
            if first:
                waiting.begin()
            for name, news in changed.items():
                waiting.put(name, news)
            for name in gone:
                waiting.put(name, None)
