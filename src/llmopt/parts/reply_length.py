"""How many tokens a reply may have that holds new solutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.defaults import Following, follows

if TYPE_CHECKING:
    from llmopt.core.problem import Description

USUAL = Following(512)
"""Tokens of a reply that holds one solution and little else."""

_BESIDE = 4  # of what is usual, a fourth is for what stands beside the solutions


def reply_tokens(most: int, description: Description, several: int = 1) -> int:
    """Return the longest reply in tokens.

    Args:
        most: What the method says. A number that the user set stays; a default grows where the
            starting solutions are long, so that a reply can hold an edit of the longest.
        description: Of the problem.
        several: How many solutions the reply is to hold.
    """
    if not description.tokens or not follows(most):
        return int(most)
    return max(int(most), several * description.tokens + most // _BESIDE)
