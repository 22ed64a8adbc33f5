"""Expected answers and given ones on a run's page: a table for the start and one for the winner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_STRONG, _SOME = 0.5, 0.15  # shares of a row from which a mistake is coloured


def confusion_section(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the template shows; None where the answers are no closed set."""
    found = record.get("confusion")
    if not found:
        return None
    where = "held-out" if found["split"] == "test" else "training"
    ends = {"start": "start", "winner": "winner" if record["finished"] else "best so far"}
    others = any(row[-2] for end in ends for row in found[end])
    nothing = any(row[-1] for end in ends for row in found[end])
    heads = [*found["answers"], *(["other"] if others else []), *(["none"] if nothing else [])]
    return {
        "about": f"Rows: the expected answer of the {where} items; columns: the answer given.",
        "heads": heads,
        "tables": [
            {"id": end, "caption": f"The {name}: {_right(found[end]):,} of {_all(found[end]):,}"}
            | {"rows": list(_rows(found["answers"], found[end], others=others, nothing=nothing))}
            for end, name in ends.items()
        ],
    }


def _rows(
    answers: Sequence[str], counts: Sequence[Sequence[int]], *, others: bool, nothing: bool
) -> Iterator[dict[str, Any]]:
    for n, (answer, row) in enumerate(zip(answers, counts, strict=True)):
        kept = [*row[:-2], *([row[-2]] if others else []), *([row[-1]] if nothing else [])]
        total = sum(row) or 1
        yield {
            "expected": answer,
            "cells": [
                {"count": count or "·", "kind": _kind(count / total, hit=m == n)}
                for m, count in enumerate(kept)
            ],
        }


def _kind(share: float, *, hit: bool) -> str:
    if not share:
        return "none"
    if hit:
        return "hit"
    return "missed" if share >= _STRONG else "some" if share >= _SOME else "few"


def _right(counts: Sequence[Sequence[int]]) -> int:
    return sum(row[n] for n, row in enumerate(counts))


def _all(counts: Sequence[Sequence[int]]) -> int:
    return sum(map(sum, counts))
