"""Pages of a store: rendered on request, and cached until the run changes."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from llmopt.engine.header import RunHeader
from llmopt.history.cells import Matrix
from llmopt.history.compare import compared_runs
from llmopt.history.document import record
from llmopt.history.run_history import told
from llmopt.web.pages import site_pages as pages
from llmopt.web.pages.evaluation_page import evaluation_page
from llmopt.web.pages.run_rows import ListQuery, Reading
from llmopt.web.server.events import Looks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.store import Store
    from llmopt.web.server.events import News

_KEPT = 8  # pages kept; one may have 2 MB


class Shelf:
    """Pages of a store. Nothing is written, and all methods may be called from any thread."""

    def __init__(self, store: Store) -> None:
        """Read from a store, where the runs are kept; the caller closes it."""
        self.store = store
        self._looks = Looks(store)
        self._reading = Reading(store)
        self._made: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._matrix: tuple[tuple[str, str], Matrix] | None = None
        self._one = threading.Lock()

    def news(self) -> dict[str, News]:
        """Return how every run stands.

        Raises:
            StoreError: The store cannot be read.
        """
        return self._looks.look()

    def names(self) -> list[str]:
        """Return the names of all runs, newest first."""
        return [info.name for info in self.store.runs()]

    def kind(self, run: str) -> str:
        """Return "sweep", "evaluation", or the name of a run's method.

        Raises:
            StoreError: There is no such run.
        """
        return RunHeader.of(self.store.config(run)).algorithm

    def listing(self, asked: ListQuery) -> str:
        """Return the page with the list of runs."""
        with self._one:
            return pages.listing(self._reading.rows(asked), asked)

    def run(self, run: str) -> str:
        """Return the page of a run, a sweep or an evaluation.

        Raises:
            StoreError: There is no such run.
        """
        with self._one:
            # The version is older than what is read after it, so nothing new is missed.
            news = self.news().get(run)
            key = (run, json.dumps(news.to_dict()) if news else "")
            if key not in self._made:
                made = _made(record(self.store, run), news)
                self._made = OrderedDict((k, v) for k, v in self._made.items() if k[0] != run)
                self._made[key] = made
                while len(self._made) > _KEPT:
                    self._made.popitem(last=False)
            return self._made[key]

    def cells(self, run: str, place: int) -> list[Any] | None:
        """Return the cells of a candidate of a run by its position; None: it has no such one.

        Raises:
            StoreError: There is no such run.
        """
        with self._one:
            news = self.news().get(run)
            key = (run, news.version if news else "")
            if self._matrix is None or self._matrix[0] != key:
                self._matrix = key, Matrix(self.store, told(self.store, run))
            matrix = self._matrix[1]
            return matrix.row(place) if place < len(matrix) else None

    def document(self, run: str) -> dict[str, Any]:
        """Return a run, a sweep or an evaluation as plain data.

        Raises:
            StoreError: There is no such run.
        """
        with self._one:
            return record(self.store, run)

    def compared(self, names: Sequence[str]) -> str:
        """Return the page that puts runs beside each other.

        Raises:
            StoreError: There is no such run.
            ConfigError: They cannot be compared.
        """
        with self._one:
            return pages.comparison(compared_runs(self.store, names))


def _made(found: dict[str, Any], news: News | None) -> str:
    if found["kind"] == "evaluation":
        return evaluation_page(found, alone=False)
    return pages.run_page(found, news)
