"""Recognizes weights that make classes count the same, as balanced accuracy has them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST = 20  # classes
_NEAR = 0.1  # of a class: some items may be missing, as unmeasured ones are


def classes_of(weights: Sequence[float]) -> list[float] | None:
    """Return the class of each item where weights balance classes; None where they do not.

    An item of a class with n of N items then weighs ``N / (K n)`` with K classes. So the items
    of one weight together weigh a whole number of K-th parts of N, one for each class of that
    size; classes of one size are one class here, as their items count the same.

    Args:
        weights: One per item.
    """
    counts, size = Counter(weights), len(weights)
    if not 1 < len(counts) <= _MOST:
        return None
    for number in range(len(counts), _MOST + 1):
        parts = [weight * count * number / size for weight, count in counts.items()]
        whole = [round(part) for part in parts]
        near = all(abs(p - w) <= _NEAR for p, w in zip(parts, whole, strict=True))
        if near and min(whole) > 0 and sum(whole) == number:
            return list(weights)
    return None
