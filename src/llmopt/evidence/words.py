"""The words of a verdict, decided by a paired test and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from llmopt.evidence.scores import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmopt.core.presentation import Presentation
    from llmopt.statistics import Difference

Word = Literal["better", "worse", "not distinguishable", "not tested"]
ORDER: tuple[str, ...] = (*get_args(Word), "not comparable")
"""In which order words are told; the last is for what was not measured on the same items."""
SIGNS: dict[str, tuple[str, str]] = {
    "better": ("good", "▲"),
    "worse": ("bad", "▼"),
    "not distinguishable": ("even", "◆"),
    "not tested": ("even", "◇"),
}
"""What each word is, and the mark beside it, for those who draw it."""
_ROUND = 0.03  # a share from which whole points are exact enough


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
    behind = {"not distinguishable": "from", "not tested": "against"}
    return f"{word} {behind.get(word, 'than')}"


def by_word(words: Iterable[tuple[str, str]]) -> str:
    """Return which names each word stands for: ``better: [2], [4]; worse: [3]``.

    Args:
        words: A name with its word.
    """
    named: dict[str, list[str]] = {}
    for name, word in words:
        named.setdefault(word, []).append(name)
    return "; ".join(f"{word}: {', '.join(named[word])}" for word in ORDER if word in named)


def can_show(difference: Difference, word: str, shown: Presentation) -> str:
    """Return how small a difference these items can show, as a sentence, where they show none.

    Empty where a difference was shown, where it is not known, and where the one that was seen is
    as large, so that something else than the number of items was in the way.

    Args:
        difference: What was seen.
        word: What was said of it.
        shown: How the scores are shown.
    """
    least = difference.detectable
    if word != "not distinguishable" or least is None or abs(difference.mean) >= least:
        return ""
    n = difference.n
    if shown.shares and least >= 1:
        return f"{'This item is' if n == 1 else f'These {n:,} items are'} too few to show any."
    items = "This item" if n == 1 else f"These {n:,} items"
    return f"{items} can show a difference of about {_about(least, shown)} or more."


def _about(size: float, shown: Presentation) -> str:
    """Return a size in round figures."""
    if not shown.shares:
        return f"{size:.2g}"
    return f"{100 * size:.0f} points" if size >= _ROUND else f"{100 * size:.1f} points"
