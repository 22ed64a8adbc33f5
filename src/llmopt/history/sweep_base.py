"""What the searches of a sweep have in common, and what each had spent after its steps."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

from llmopt.engine.journal import SPENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.store import Store
    from llmopt.evidence.sweep_summary import Done


def common_to(store: Store, cells: Sequence[Done]) -> dict[str, Any]:
    """Return the configuration and the identity that all cells share, by table and by key."""
    configs = [store.config(cell.cell) for cell in cells]
    sources = [config.get("source") or {} for config in configs]
    shared: dict[str, dict[str, Any]] = {}
    for table, values in (sources[0] if sources else {}).items():
        same = _shared([source.get(table) or {} for source in sources], values)
        if same:
            shared[table] = same
    identities = [config.get("identity") or {} for config in configs]
    return {"config": shared, "identity": _shared(identities, identities[0] if identities else {})}


def _shared(tables: Sequence[Mapping[str, Any]], first: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in first.items()
        if all(key in table and table[key] == value for table in tables)
    }


class SpentCalls:
    """Calls that the cells of a sweep had used by the end of each step.

    Args:
        store: Where they are kept.
        cells: The cells.
    """

    def __init__(self, store: Store, cells: Sequence[Done]) -> None:
        self._of: dict[tuple[str, str], list[list[int]]] = {}
        by_run: dict[str, list[int]] = {cell.cell: [] for cell in cells}
        for run, record in store.of_kind(SPENT, list(by_run)):
            by_run[run].append(sum(used[0] for used in record.data["usage"].values()))
        for cell in cells:
            self._of.setdefault((cell.task, cell.variant), []).append(by_run[cell.cell])

    def mean(self, task: str, variant: str, step: int) -> float | None:
        """Return the mean over the repetitions; None where one has not kept it.

        A search that has ended keeps what it used.
        """
        found = self._of.get((task, variant), [])
        if not found or not all(found):
            return None
        return fmean(calls[min(step, len(calls) - 1)] for calls in found)
