"""Vaults in the journals of a store: who has opened which, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.problem import HasVault
from llmopt.engine.journal import PROBLEM, ProblemRecord, understood
from llmopt.engine.look_journal import row_of
from llmopt.evidence.confirmation import Confirmation

if TYPE_CHECKING:
    from collections.abc import Collection

    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.core.values import Item

OPENED = "opened"
"""Kind of the record that comes before the first call of a confirmation."""

CONFIRMED = "confirmed"
"""Kind of the record with what a confirmation found."""


@dataclass(frozen=True)
class Opening:
    """A vault as it was opened.

    Attributes:
        run: The run that has opened it.
        rows: Its items, by what they hold.
        winner: The text that is measured on them.
        start: What it is compared with.
    """

    run: str
    rows: frozenset[str]
    winner: str
    start: str

    def packed(self) -> dict[str, Any]:
        """Return it as JSON data, without the run, whose journal has it."""
        return {"rows": sorted(self.rows), "winner": self.winner, "start": self.start}


def vault_of(problem: Problem) -> tuple[Item, ...]:
    """Return the items that a problem keeps back from every search."""
    return tuple(problem.vault()) if isinstance(problem, HasVault) else ()


def openings(store: Store, rows: Collection[str]) -> list[Opening]:
    """Return who has opened a vault that has some of these rows.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted, found = frozenset(rows), []
    for run, record in store.of_kind(OPENED):

        def made(data: dict[str, Any], run: str = run) -> Opening:
            return Opening(run, frozenset(data["rows"]), data["winner"], data["start"])

        opening = understood(run, record, made)
        if opening.rows & wanted:
            found.append(opening)
    return found


def confirmation_of(store: Store, run: str) -> Confirmation | None:
    """Return what the confirmation of a run found, or None without one.

    Raises:
        StoreError: The store has no such run, or cannot be read.
    """
    found = None
    for _, record in store.of_kind(CONFIRMED, (run,)):
        found = understood(run, record, Confirmation.plain)
    return found


def users_of(store: Store, rows: Collection[str], but: str) -> tuple[int, tuple[str, ...]]:
    """Return how many rows of a vault other runs have in their splits, and which runs.

    Args:
        store: Where runs are kept.
        rows: The rows of the vault.
        but: Name of the run that keeps it.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted, used, runs = frozenset(rows), set[str](), []
    for run, record in store.of_kind(PROBLEM):
        kept = understood(run, record, ProblemRecord.unpacked)
        common = wanted & {row_of(item) for split in kept.items.values() for item in split}
        if common and run != but:
            used |= common
            runs.append(run)
    return len(used), tuple(runs)
