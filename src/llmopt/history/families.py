"""Which runs of a list belong to another one: cells to a sweep, controls and headroom to a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmopt.history.listing import Listed

_BESIDE = re.compile(r"-(control(-\d+)?|headroom)$")
_OF_SWEEP = 30  # characters of a sweep's name in the names of its cells


@dataclass(frozen=True)
class Family:
    """A run, and those that belong to it.

    Attributes:
        head: The run.
        members: Those of the list that belong to it, in the order of the list.
    """

    head: Listed
    members: tuple[Family, ...] = ()

    def each(self, depth: int = 0) -> Iterator[tuple[int, Listed]]:
        """Yield the run and all below it, each with how deep it is."""
        yield depth, self.head
        for member in self.members:
            yield from member.each(depth + 1)

    @property
    def size(self) -> int:
        """How many runs belong to it, at any depth."""
        return sum(1 + member.size for member in self.members)


def families(rows: Sequence[Listed]) -> tuple[Family, ...]:
    """Return runs with those that belong to them, in the order of the list.

    A control, or the headroom measured before a search, belongs to the run that it is named
    after, and a cell to its sweep; one whose run is not in the list is listed by itself.
    """
    sweeps = {f"{row.name[:_OF_SWEEP]}.": row.name for row in rows if row.header.kind == "sweep"}
    names = {row.name for row in rows}
    below: dict[str, list[Listed]] = {}
    heads = []
    for row in rows:
        owner = _owner(row, sweeps, names)
        if owner is None:
            heads.append(row)
        else:
            below.setdefault(owner, []).append(row)

    def of(row: Listed) -> Family:
        return Family(row, tuple(of(member) for member in below.get(row.name, ())))

    return tuple(of(row) for row in heads)


def _owner(row: Listed, sweeps: dict[str, str], names: set[str]) -> str | None:
    """Return the name of the run that a run belongs to, if that is in the list."""
    if row.header.control:
        stem = _BESIDE.sub("", row.name)
        if stem in names and stem != row.name:
            return stem
        cut = [name for name in names if name.startswith(stem) and name != row.name]
        if stem != row.name and len(cut) == 1:  # a long name is cut before the suffix
            return cut[0]
    return next(
        (
            sweep
            for prefix, sweep in sorted(sweeps.items(), key=lambda pair: -len(pair[0]))
            if row.header.kind == "run" and row.name.startswith(prefix)
        ),
        None,
    )
