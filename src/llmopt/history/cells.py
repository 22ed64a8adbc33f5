"""The matrix of candidates and training items: what each candidate was answered on each item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.values import Item
from llmopt.history.outputs import parted
from llmopt.history.step_records import item_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.core.store import Store
    from llmopt.core.values import Outcome
    from llmopt.history.run_history import RunHistory

_THOUSANDTH = 3  # digits of seconds


class Matrix:
    """Reads the cells of a run's matrix, a candidate at a time.

    Args:
        store: Where the replies are.
        journal: Of the run.
    """

    def __init__(self, store: Store, journal: RunHistory) -> None:
        self._store = store
        self._entries = tuple(journal.trajectory)
        self._order = item_order(journal.trajectory)
        problem = journal.problem
        self._known = {item.id: item for item in problem.items["train"]} if problem else {}

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self._entries)

    @property
    def items(self) -> list[dict[str, str]]:
        """The training items, in the order of their first measurement."""
        found = (self._known.get(name, Item(name)) for name in self._order)
        return [{"id": i.id, "input": i.input, "target": i.target} for i in found]

    def row(self, place: int) -> list[list[Any] | None]:
        """Return the cells of a candidate, by its position; None where an item was not tried.

        A cell is ``[answer, output, said, why, tokens, seconds]``: what was read, None: nothing;
        the whole output, None where it is the answer or is not stored; feedback, the judge LLM's
        words and sub-scores; why it was not measured; tokens in and out, and the seconds of all
        its calls, None where they are not known.

        Raises:
            IndexError: There is no such candidate.
        """
        found: list[list[Any] | None] = [None] * len(self._order)
        for outcome in self._entries[place].evaluation.outcomes:
            found[self._order[outcome.item]] = self._cell(outcome)
        while found and found[-1] is None:
            found.pop()
        return found

    def _cell(self, outcome: Outcome) -> list[Any]:
        answered, judged = parted(self._store, outcome)
        replies = [reply for _, reply in answered]
        output = "\n\n".join(reply.text for reply in replies)
        same = not replies or output.strip() == (outcome.answer or "").strip()
        used = [reply.usage for reply in replies]
        tokens = [sum(u.input_tokens for u in used), sum(u.output_tokens for u in used)]
        seconds = sum(reply.seconds for reply in replies)
        said = _said(outcome, "\n\n".join(reply.text for _, reply in judged))
        return [
            outcome.answer,
            None if same else output,
            "\n".join(said),
            outcome.reason,
            tokens if used else None,
            round(seconds, _THOUSANDTH) if seconds else None,
        ]


def _said(outcome: Outcome, judgement: str) -> Iterator[str]:
    if outcome.feedback:
        yield outcome.feedback
    if judgement and judgement not in outcome.feedback:
        yield judgement
    if outcome.aims:
        yield ", ".join(f"{name} {value:g}" for name, value in outcome.aims)
