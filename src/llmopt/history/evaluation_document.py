"""An evaluation of given instructions as plain data, with the outputs behind its items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.values import Outcome
from llmopt.engine.journal import EVALUATION
from llmopt.history.outputs import output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.core.store import Store

MOST_ITEMS = 200
"""Items on which the instructions differ, in the document; the command's ``--json`` has all."""


def found_in(store: Store, run: str) -> dict[str, Any]:
    """Return what an evaluation found.

    ``found`` is what :class:`~llmopt.evidence.comparison.Comparison` gives as plain data, without
    the single answers; None while there is nothing. ``items`` are those on which an instruction
    scored otherwise than the first one: ``{"id", "input", "target", "sides"}``, with a side
    ``{"score", "answer", "output", "feedback"}`` for each instruction; an output is None where it
    is not stored.

    Args:
        store: Where it is kept.
        run: Its name.
    """
    found = None
    for record in store.records(run):
        if record.kind == EVALUATION:  # the last one: what was unmeasured is asked for again
            found = record.data
    if found is None:
        return {"finished": False, "found": None, "items": []}
    rows = found["rows"]
    first: list[dict[str, Mapping[str, Any]]] = []
    for row in rows:
        of_row: dict[str, Mapping[str, Any]] = {}
        for outcome in row["outcomes"]:
            of_row.setdefault(outcome["item"], outcome)
        first.append(of_row)
    items = [
        {
            "id": item["item"],
            "input": item["input"],
            "target": item["target"],
            "sides": [
                {"score": score, "answer": answer, **_more(store, of_row.get(item["item"]))}
                for score, answer, of_row in zip(
                    item["scores"], item["answers"], first, strict=True
                )
            ],
        }
        for item in found["differing"][:MOST_ITEMS]
    ]
    bare = [{key: value for key, value in row.items() if key != "outcomes"} for row in rows]
    kept = {key: value for key, value in found.items() if key != "differing"}
    more = {"rows": bare, "differing": len(found["differing"])}
    return {"finished": True, "found": kept | more, "items": items}


def _more(store: Store, outcome: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the whole output of an answer, and what was said of it."""
    if outcome is None:
        return {"output": None, "feedback": ""}
    known = Outcome(outcome["item"], None, calls=outcome.get("calls", ""))
    return {"output": output(store, known), "feedback": outcome.get("feedback", "")}
