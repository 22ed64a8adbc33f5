"""The budget of a whole sweep in processes that have no leader: each draws from the same."""

from __future__ import annotations

from llmopt.core.model import Replies, SharedReplies
from llmopt.models.middleware.budget import Account, Limits
from llmopt.models.middleware.purse import Purse


def joint_account(replies: Replies, calls: int | None) -> Account | None:
    """Return what one of the processes that do cells of a sweep may buy.

    What was on its way when another one died, or was drawn by it ahead, stays counted.

    Args:
        replies: Those of the sweep.
        calls: What all may buy together; None: there is no limit.

    Returns:
        The account; None where the store keeps no budget for all of its processes.
    """
    if not isinstance(replies, SharedReplies):
        return None
    purse = Purse(replies.bank({}), Limits(calls=calls).shared) if calls else None
    return Account(Limits(), purse=purse)
