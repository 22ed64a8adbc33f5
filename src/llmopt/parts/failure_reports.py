"""What failed tests say of a solution, for meta-prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmopt.core.trajectory import Entry


def failures(entry: Entry, most: int, clip: int) -> tuple[str, ...]:
    """Return what was said of the items that a solution failed on, in their order.

    Those with a score below 0 failed; different items of which the same is said count once.

    Args:
        entry: The solution with its outcomes.
        most: How many are returned.
        clip: Characters of each, from its beginning and its end.
    """
    said = dict.fromkeys(
        one.feedback
        for one in entry.evaluation.outcomes
        if one.score is not None and one.score < 0 and one.feedback
    )
    return tuple(clipped(text, clip) for text in [*said][:most])


def clipped(text: str, most: int) -> str:
    """Return the beginning and the end of a text that is longer than `most` characters."""
    text = text.strip()
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[: most - half]} [...] {text[len(text) - half :]}"
