"""What identifies the rows of a problem, so that a run is resumed with the same ones only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.values import canonical, digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.values import Item
    from llmopt.problems.data.splits import Splits

_DIGITS = 16


def identity_of(splits: Splits) -> dict[str, str]:
    """Return a digest of each split by its name, and of the groups where there are any."""
    parts = (splits.train, splits.validation, splits.test, splits.vault)
    return {
        "train": _data(splits.train),
        "validation": _data(splits.validation),
        "test": _data(splits.test),
        **({"vault": _data(splits.vault)} if splits.vault else {}),
        **_groups([item for part in parts for item in part]),
    }


def _data(items: Sequence[Item]) -> str:
    rows = [
        [item.id, item.input, item.target, item.weight]
        + ([item.accepted, item.fields] if item.accepted or item.fields else [])
        for item in items
    ]
    return digest(canonical(rows))[:_DIGITS]


def _groups(items: Sequence[Item]) -> dict[str, str]:
    """Return what identifies the groups; apart, so that rows are the same rows with and without."""
    if not any(item.group for item in items):
        return {}
    return {"groups": digest(canonical([[item.id, item.group] for item in items]))[:_DIGITS]}
