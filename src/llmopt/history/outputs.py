"""Model outputs by item, read from the stored replies that outcomes name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmopt.core.store import Store
    from llmopt.core.values import Call, Outcome, Reply

    Exchanges = list[tuple[Call, Reply]]

_ABOUT = ("judge", "embedder")  # roles that say something about an answer


def parted(store: Store, outcome: Outcome) -> tuple[Exchanges, Exchanges]:
    """Return the calls that answered an item, and those to a judge LLM, in order.

    Both are empty where one of them is not stored.
    """
    found = [store.exchange(key) for key in outcome.keys]
    known = [pair for pair in found if pair is not None]
    if len(known) < len(found):
        return [], []
    return (
        [pair for pair in known if pair[0].role not in _ABOUT],
        [pair for pair in known if pair[0].role == "judge"],
    )


def exchanges(store: Store, outcome: Outcome) -> list[tuple[Call, Reply]]:
    """Return the calls whose replies answered an item, in order; none where one is not stored.

    Those of a judge LLM, which follow, are left out.
    """
    return parted(store, outcome)[0]


def output(store: Store, outcome: Outcome) -> str | None:
    """Return what was answered, or None where that is not stored.

    A second answer follows the first one after a blank line.
    """
    said = [reply.text for _, reply in exchanges(store, outcome)]
    return "\n\n".join(said) if said else None
