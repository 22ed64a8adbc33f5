"""Which items belong together: those of one group of the user's, and those of one input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.text import folded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.values import Item

_OF_USER = "\0"  # begins the names of the user's groups: no input has this character


def group_labels(items: Sequence[Item]) -> list[str]:
    """Return a label for each item, in order; items that belong together have the same one.

    Items belong together if they have the same group, or the same input but for case and white
    space, and so do those that are linked by others: one input in two groups joins both.

    The label follows from the content of what belongs together, not from the order of the items.
    """
    leader: dict[str, str] = {}

    def first(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    own = [folded(item.input) or item.id for item in items]
    for item, name in zip(items, own, strict=True):
        leader.setdefault(name, name)
        if item.group:
            group = _OF_USER + item.group
            leader.setdefault(group, group)
            low, high = sorted((first(name), first(group)))
            leader[high] = low
    return [first(name) for name in own]
