"""Expected answers and given ones, counted, where the answers are a closed set."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.core.values import Evaluation, Item
    from llmopt.history.run_history import RunHistory

_MOST = 12  # expected answers that still make a table that can be read
_LONGEST = 40  # characters of an answer of a closed set
_EACH = 2  # items per expected answer, at least, on average


def confusion_of(journal: RunHistory, winner: str) -> dict[str, Any] | None:
    """Return how often which answer was given where which one was expected; None: not closed.

    ``{"split", "answers", "start", "winner"}``: "test" or "train"; the expected answers, sorted;
    and for start and winner a row for each of them, with a count for each of them as the answer
    given, one for any other answer, and one for none at all. Answers are compared without regard
    to case and white space around them.

    Args:
        journal: Of the run.
        winner: Its text.
    """
    entries = {entry.text: entry.evaluation for entry in journal.trajectory}
    start = next(iter(entries), None)
    if start is None or journal.header.parts:
        return None
    sides, items, split = entries, {}, "train"
    if journal.problem:
        items = {item.id: item for item in journal.problem.items["train"]}
    tested = {text: found for _, text, found in journal.tested.answers} if journal.tested else {}
    if journal.tested and start in tested and winner in tested:
        sides, split = tested, "test"
        items = {item.id: item for item in journal.tested.items}
    if winner not in sides:
        return None
    answers = _closed(items)
    if not answers:
        return None
    return {
        "split": split,
        "answers": answers,
        "start": _counted(sides[start], items, answers),
        "winner": _counted(sides[winner], items, answers),
    }


def _closed(items: Mapping[str, Item]) -> list[str]:
    """Return the expected answers where they are a closed set; otherwise nothing."""
    found = {_plain(item.target) for item in items.values()}
    fits = all(answer and len(answer) <= _LONGEST for answer in found)
    if not fits or not 2 <= len(found) <= _MOST or len(items) < _EACH * len(found):  # noqa: PLR2004 - one answer is no choice
        return []
    return sorted(found)


def _counted(
    evaluation: Evaluation, items: Mapping[str, Item], answers: list[str]
) -> list[list[int]]:
    found: Counter[tuple[str, str | None]] = Counter()
    for outcome in evaluation.outcomes:
        if outcome.item in items and outcome.score is not None:
            given = None if outcome.answer is None else _plain(outcome.answer)
            found[_plain(items[outcome.item].target), given] += 1
    rows = []
    for expected in answers:
        named = [found[expected, given] for given in answers]
        nothing = found[expected, None]
        others = sum(n for (e, _), n in found.items() if e == expected) - sum(named) - nothing
        rows.append([*named, others, nothing])
    return rows


def _plain(answer: str) -> str:
    return " ".join(answer.split()).casefold()
