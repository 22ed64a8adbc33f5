"""Looks at held-out items, in the journals of a store: what was read off which items.

A look is a result that came of the answers to held-out items: of a run whose winner is not its
start, also of one that was resumed and has another winner, of an evaluation, or of a vault. It is a
record of its own, kept before the result. The control that belongs to a run is a part of its look.
Items are known by what they hold, so that another split of the same file, or a copy of it, is still
seen to have the same items.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llmopt.core.store import CONFIG
from llmopt.core.text import folded
from llmopt.core.values import canonical, digest
from llmopt.engine.header import RunHeader
from llmopt.engine.journal import TESTED, HeldOut, understood
from llmopt.evidence.looks import SHARED, PriorLooks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from llmopt.core.store import Store
    from llmopt.core.values import Item

LOOK = "look"
"""Kind of the records of a look at held-out items; it comes before the result."""

_SEARCH = frozenset(
    f"problem {key}"
    for key in (
        "train",
        "validation",
        "test",
        "vault",
        "instructions",
        "task",
        "filters",
        "invariants",
    )
)
"""What of a problem's identity says where a search goes, and not what a text is worth."""


@dataclass(frozen=True)
class Look:
    """A look as its record says it.

    Attributes:
        key: What was measured: the same texts in the same way on the same items have the same.
        rows: The items, by what they hold.
        found: How many looks there had been before it; None where an older release wrote it.
    """

    key: str
    rows: frozenset[str]
    found: PriorLooks | None = None

    def packed(self) -> dict[str, Any]:
        """Return it as JSON data."""
        found = self.found or PriorLooks()
        return {
            "key": self.key,
            "rows": sorted(self.rows),
            "earlier": found.earlier,
            "own": found.own,
            "items": found.items,
            "shared": found.shared,
        }

    @classmethod
    def unpacked(cls, data: dict[str, Any]) -> Look:
        """Rebuild it from what :meth:`packed` gave."""
        return cls(data["key"], frozenset(data["rows"]), PriorLooks.plain(data))


def looked(
    store: Store, run: str, items: Sequence[Item], texts: Collection[str], samples: int = 1
) -> PriorLooks:
    """Journal a look, and return how many there were before it.

    What was measured before, here or in another run, gives no new answer: its first look counts.
    Two processes that look at the same time count each other.

    Args:
        store: Where runs are kept.
        run: Name of the run that has a result, which is in the store.
        items: The held-out items.
        texts: What the result is about: the winner and the start.
        samples: Answers to each item; more of them are new answers.

    Raises:
        StoreError: It cannot be read or written.
    """
    identity = store.config(run)["identity"]
    made = _made({**identity, "samples": str(samples)}, items, texts)
    noted = list(_noted(store))
    older = list(_older(store, {name for name, _ in noted}))
    seen = [*noted, *older]
    own = [look for name, look in seen if name == run]
    if not any(look.found for look in own):  # those of an older release get records now
        for look in own:
            store.append(run, LOOK, replace(look, found=PriorLooks(items=len(look.rows))).packed())
    known = [(name, look.found) for name, look in seen if look.key == made.key and look.found]
    kept = next((found for name, found in reversed(known) if name == run), None)
    if kept is not None:
        return kept
    first = min((found for _, found in known), key=lambda found: found.earlier, default=None)
    found = first or _counted(seen, run, made)
    store.append(run, LOOK, replace(made, found=found).packed())
    if first is None:  # another process may have looked in the meantime
        again = _counted([*_noted(store), *older], run, made)
        if again != found:
            found = again
            store.append(run, LOOK, replace(made, found=found).packed())
    return found


def row_of(item: Item, without_input: str = "") -> str:
    """Return by what an item is known in every run: its input and target, in 16 hex digits.

    Args:
        item: The item.
        without_input: What its id belongs to, where it has no input and is its id alone.
    """
    own = () if item.input else (item.id, without_input)
    return digest(canonical([folded(item.input), folded(item.target), *own]))[:16]


def measuring(identity: Mapping[str, str]) -> dict[str, str]:
    """Return what of a run's identity decides what a text is worth on an item."""
    return {
        key: value
        for key, value in identity.items()
        if key == "scorer"
        or (key == "samples" and value != "1")
        or (key.startswith("problem ") and key not in _SEARCH)
    }


def _made(identity: Mapping[str, str], items: Sequence[Item], texts: Collection[str]) -> Look:
    """Return the look that a run of this identity has at items, for these texts."""
    how = measuring(identity)
    rows = frozenset(row_of(item, canonical(how)) for item in items)
    return Look(digest(canonical([sorted(set(texts)), how, sorted(rows)]))[:16], rows)


def _counted(seen: Sequence[tuple[str, Look]], run: str, made: Look) -> PriorLooks:
    """Return how many other looks at the items of one there are."""
    others: dict[str, str] = {}
    used: set[str] = set()
    for name, look in seen:
        shared = made.rows & look.rows
        if look.key != made.key and len(shared) >= max(1, SHARED * len(made.rows)):
            others[look.key] = run if run in (name, others.get(look.key)) else name
            used |= shared
    own = sum(name == run for name in others.values())
    return PriorLooks(len(others), own, len(made.rows), len(used))


def _noted(store: Store) -> Iterator[tuple[str, Look]]:
    """Yield every look in a store that has a record, with the name of its run."""
    alike = dict[frozenset[str], frozenset[str]]()
    for run, record in store.of_kind(LOOK):
        look = understood(run, record, Look.unpacked)
        # Most looks are at the same items, which may be many; they are kept in memory once.
        yield run, replace(look, rows=alike.setdefault(look.rows, look.rows))


def _older(store: Store, noted: Collection[str]) -> Iterator[tuple[str, Look]]:
    """Yield the looks of runs that have no record of one, with their names."""
    older = {}
    for run, record in store.of_kind(CONFIG):
        if run not in noted and not RunHeader.of(record.data).control:
            older[run] = record.data.get("identity") or {}
    for run, record in store.of_kind(TESTED, older):
        held = understood(run, record, HeldOut.unpacked)
        texts = {text for label, text, _ in held.answers if label in ("best", "start")}
        if len(texts) > 1:
            yield run, _made(older[run], held.items, texts)
