"""What a sweep may buy in all, in one process or in several that share a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.model import SharedReplies
from llmopt.models.middleware.budget import Account, Limits, Spent
from llmopt.models.middleware.purse import Purse
from llmopt.models.middleware.traffic import Traffic

if TYPE_CHECKING:
    from llmopt.core.store import Store
    from llmopt.sweeps.grid import Sweep


def traffic_of(store: Store, sweep: Sweep) -> Traffic:
    """Return the budget of a sweep: no more calls than those of its cells come to.

    Where processes can share it by the store, they do, and what was on its way when one of them
    died counts.
    """
    caps = [cell.settings.budget.calls for cell in sweep.cells]
    whole = sum(cap for cap in caps if cap is not None) if None not in caps else None
    replies, limits = store.replies(sweep.name), Limits(calls=whole)
    purse = None
    if isinstance(replies, SharedReplies) and whole is not None:
        purse = Purse(replies.bank({}), limits)
    account = Account(limits, purse=purse)
    for role, used in store.spent(sweep.name).items():
        account.add(Spent(used.calls, used.tokens), role)
    return Traffic(account, stored=lambda: store.spent(sweep.name))


def joined_traffic(store: Store, sweep: Sweep) -> Traffic:
    """Return the budget for one of several processes; without one that can be shared, no limit."""
    if isinstance(store.replies(sweep.name), SharedReplies):
        return traffic_of(store, sweep)
    return Traffic()
