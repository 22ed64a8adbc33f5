"""Limits how many solutions with a score of zero a meta-prompt shows.

Ours: the papers show the best, whatever they got. While good solutions are few, that is a list of
zeros, and a language model that is shown mostly failures writes more of their kind. So texts
of which (nearly) no answer could be read are left out while there are others, and of what scored
(nearly) nothing no more is shown than of the rest (``few``; ``all`` is the papers' way). All of it
stays in the trajectory, so that it is never tried again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from llmopt.core.metaprompt import Zeros
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.trajectory import Entry, Trajectory


def check_zeros(zeros: str) -> None:
    """Refuse what is no :data:`Zeros`.

    Raises:
        ConfigError: It is something else.
    """
    if zeros not in get_args(Zeros):
        raise ConfigError(f"solutions that came to nothing are few or all, but got {zeros!r}")


def best_shown(trajectory: Trajectory, k: int, zeros: Zeros) -> list[Entry]:
    """Return the `k` best by their estimates, best first, or fewer where they came to nothing."""
    if zeros == "all":
        return list(trajectory.promising(k))
    return sparing(trajectory, trajectory.promising(k, readable=True))


def sparing(trajectory: Trajectory, entries: Sequence[Entry]) -> list[Entry]:
    """Return entries in their order, without the last of the worthless beyond one half.

    Where all are worthless, all are given.
    """
    worthless = [trajectory.worthless(entry) for entry in entries]
    most = len(entries) - sum(worthless) or len(entries)
    kept, zeros = [], 0
    for entry, zero in zip(entries, worthless, strict=True):
        zeros += zero
        if not zero or zeros <= most:
            kept.append(entry)
    return kept
