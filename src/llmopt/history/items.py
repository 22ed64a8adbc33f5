"""Items on which the winner and the start differ, with their outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.values import Item
from llmopt.history.outputs import output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.core.store import Store
    from llmopt.core.values import Evaluation, Outcome
    from llmopt.history.run_history import RunHistory


def items_of(store: Store, journal: RunHistory, *, winner: str) -> tuple[dict[str, Any], list[str]]:
    """Return the items by split, and what is missing in them, in sentences.

    A split, ``test`` or ``train``, is ``{"both_right", "both_wrong", "fixed", "broken",
    "rows"}``: four counts, and the items on which the start or the winner fell short of the full
    score. A row is ``{"id", "input", "target", "kind", "before", "after"}``, where ``kind`` is one
    of the last three counts' names, ``better`` and ``worse`` included in fixed and broken, and
    each side is ``{"score", "answer", "output"}``. An output is what the scorer LLM said. A side
    has ``feedback`` and ``aims``, named sub-scores, where its outcome has them.

    Args:
        store: Where the replies are.
        journal: Of the run.
        winner: Its text.
    """
    shown = journal.header.presentation
    trajectory, tested, problem = journal.trajectory, journal.tested, journal.problem
    start = next(iter(trajectory), None)
    program = problem is not None and problem.own.get("kind") == "program"
    if start is None or not (journal.identity.get("scorer") or program):
        return {}, []
    missing = []
    found: dict[str, Any] = {}
    sides = {text: evaluation for _, text, evaluation in tested.answers} if tested else {}
    if tested and start.text in sides and winner in sides:
        pairs = _paired(sides[start.text], sides[winner])
        made = _Rows(store, {item.id: item for item in tested.items}, shown)
        found["test"] = made.split(pairs)
    elif problem is None or problem.items["test"]:
        missing.append("The run has kept no answers to held-out items, so none are shown.")
    best = next((entry for entry in trajectory if entry.text == winner), None)
    if best is not None:
        items = {item.id: item for item in problem.items["train"]} if problem else {}
        made = _Rows(store, items, shown)
        found["train"] = made.split(_paired(start.evaluation, best.evaluation))
        if problem is None:
            missing.append(
                "The inputs of training items and the models' whole answers are not shown: the "
                "version of llmopt that made this run did not record them with its outcomes."
            )
    return found, missing


class _Rows:
    """Makes the rows of a split."""

    def __init__(self, store: Store, items: Mapping[str, Item], shown: Presentation) -> None:
        self._store, self._items, self._shown = store, items, shown

    def split(self, pairs: Sequence[tuple[Outcome, Outcome]]) -> dict[str, Any]:
        """Return a split of :func:`items_of`."""
        kinds = [_kind(before, after, self._shown) for before, after in pairs]
        counts = {k: kinds.count(k) for k in ("both_right", "both_wrong", "fixed", "broken")}
        shown = [(*p, k) for p, k in zip(pairs, kinds, strict=True) if k not in ("", "both_right")]
        items = [self._items.get(b.item, Item(b.item)) for b, _, _ in shown]
        rows = [
            {
                "id": item.id,
                "input": item.input,
                "target": item.target,
                "kind": kind,
                "before": self._side(before),
                "after": self._side(after),
            }
            for item, (before, after, kind) in zip(items, shown, strict=True)
        ]
        return {**counts, "rows": rows}

    def _side(self, outcome: Outcome) -> dict[str, Any]:
        return {
            "score": self._shown.facing(outcome.score),
            "answer": outcome.answer,
            "output": output(self._store, outcome),
            **({"feedback": outcome.feedback} if outcome.feedback else {}),
            **({"aims": dict(outcome.aims)} if outcome.aims else {}),
        }


def _paired(first: Evaluation, second: Evaluation) -> list[tuple[Outcome, Outcome]]:
    """Return the outcomes of two on the items that both were measured on."""
    other = {outcome.item: outcome for outcome in second.outcomes}
    return [(o, other[o.item]) for o in first.outcomes if o.item in other]


def _kind(before: Outcome, after: Outcome, shown: Presentation) -> str:
    if before.score is None or after.score is None:
        return ""
    if before.score != after.score:
        return "fixed" if after.score > before.score else "broken"
    if not shown.shares:  # nothing is right or wrong
        return ""
    return "both_right" if before.score >= 1 else "both_wrong"
