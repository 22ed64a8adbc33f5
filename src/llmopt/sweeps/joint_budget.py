"""The budget of a sweep whose cells are done by several processes that have no leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.model import SharedReplies
from llmopt.errors import ConfigError
from llmopt.models.middleware.budget import Account, Limits, Spent
from llmopt.models.middleware.purse import Purse
from llmopt.models.middleware.traffic import Traffic

if TYPE_CHECKING:
    from llmopt.core.store import Store
    from llmopt.sweeps.grid import Sweep


def joint_traffic(store: Store, sweep: Sweep, calls: int | None = None) -> Traffic:
    """Return what all processes that do cells of a sweep may buy together, for one of them.

    What was on its way when one of them died stays counted.

    Args:
        store: It can be shared: see `llmopt.core.model.SharedReplies`.
        sweep: It is in the store.
        calls: Calls at most; None: as many as the budgets of its cells come to.

    Raises:
        ConfigError: Processes cannot share a budget by this store.
    """
    replies = store.replies(sweep.name)
    if not isinstance(replies, SharedReplies):
        raise ConfigError(
            "processes without a leader share a budget by a store in PostgreSQL, but got another "
            "one; name a database with --store"
        )
    caps = [cell.settings.budget.calls for cell in sweep.cells]
    if calls is None and None not in caps:
        calls = sum(cap for cap in caps if cap is not None)
    limits = Limits(calls=calls)
    purse = None if calls is None else Purse(replies.bank({}), limits.shared)
    account = Account(limits, purse=purse)
    for role, used in store.spent(sweep.name).items():
        account.add(Spent(used.calls, used.tokens), role)
    return Traffic(account, stored=lambda: store.spent(sweep.name))
