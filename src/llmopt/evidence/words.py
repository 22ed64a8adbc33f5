"""The words of a verdict, decided by a paired test and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from llmopt.evidence.scores import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmopt.statistics import Difference

Word = Literal["better", "worse", "not distinguishable"]
ORDER: tuple[str, ...] = (*get_args(Word), "not comparable")
"""In which order words are told; the last is for what was not measured on the same items."""
SIGNS: dict[str, tuple[str, str]] = {
    "better": ("good", "▲"),
    "worse": ("bad", "▼"),
    "not distinguishable": ("even", "◆"),
}
"""What each word is, and the mark beside it, for those who draw it."""


def word_of(difference: Difference, p_value: float, level: float = LEVEL) -> Word:
    """Return what the second of two is: by the p-value that decides, at a confidence level.

    Args:
        difference: The second minus the first; above 0 the second is better.
        p_value: Its own, or the corrected one.
        level: Above 0 and below 1.
    """
    if p_value >= 1 - level:
        return "not distinguishable"
    return "better" if difference.mean > 0 else "worse"


def deciding(difference: Difference | None, corrected: float | None) -> float:
    """Return the p-value that decides: the corrected one where there is one; 1 without a test."""
    if corrected is not None:
        return corrected
    return 1.0 if difference is None else difference.p_value


def than(word: str) -> str:
    """Return a word as it stands before what is compared with: ``better than``."""
    return f"{word} {'from' if word == 'not distinguishable' else 'than'}"


def by_word(words: Iterable[tuple[str, str]]) -> str:
    """Return which names each word stands for: ``better: [2], [4]; worse: [3]``.

    Args:
        words: A name with its word.
    """
    named: dict[str, list[str]] = {}
    for name, word in words:
        named.setdefault(word, []).append(name)
    return "; ".join(f"{word}: {', '.join(named[word])}" for word in ORDER if word in named)


def needed(difference: Difference, word: str) -> int | None:
    """Return how many items would show a difference of this size where these do not, if known."""
    wanted = difference.needed
    more = word == "not distinguishable" and wanted is not None and wanted > difference.n
    return wanted if more else None
