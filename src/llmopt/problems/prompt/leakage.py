"""Runs of words that a text shares with many others, found in time that hardly grows with them."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

# Thai, Lao, Burmese, Khmer, kana and Chinese characters: no blanks between words.
_SPACELESS = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_SPACELESS}]|[^\W{_SPACELESS}]+")
_COMMON = 3  # different texts that share words which are nobody's own


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text for comparing: NFKC, case folded, without punctuation.

    In a script without blanks between words, each letter is a word.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return tuple(_WORD.findall(plain.casefold()))


@dataclass(frozen=True)
class Runs:
    """Texts, to be asked whether another text copies one of them.

    Attributes:
        texts: The texts as words, all different.
        n: Consecutive words that make a copy, 2 or more. The whole of a shorter text with at
            least half as many is a copy too.
    """

    texts: tuple[tuple[str, ...], ...]
    n: int

    def copied(self, said: tuple[str, ...]) -> bool:
        """Return whether `said` copies a text.

        Words that stand in three or more of the texts are nobody's own and may be said.
        """
        for length, short in self._short.items():
            if any(said[at : at + length] in short for at in range(len(said) - length + 1)):
                return True
        hashes, whole = _rolled([self._numbers.get(word, 0) for word in said], self.n)
        hashes, known = hashes[whole], self._hashes
        if not len(hashes) or not len(known):
            return False
        places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        return bool((known[places] == hashes).any())

    @cached_property
    def _short(self) -> dict[int, set[tuple[str, ...]]]:
        """The texts that are too short for a run but not for a copy, by their length."""
        found: dict[int, set[tuple[str, ...]]] = {}
        for words in self.texts:
            if math.ceil(self.n / 2) <= len(words) < self.n:
                found.setdefault(len(words), set()).add(words)
        return found

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """A number for every word, 1 for the first: the same in every process."""
        numbers: dict[str, int] = {}
        for words in self.texts:
            for word in words:
                numbers.setdefault(word, len(numbers) + 1)
        return numbers

    @cached_property
    def _hashes(self) -> npt.NDArray[np.uint64]:
        """Hashes, sorted, of the runs that fewer than three texts share: 8 bytes each."""
        texts = [words for words in self.texts if len(words) >= self.n]
        # The 0 behind each text is no word, so no run reaches over it.
        flat = [number for words in texts for number in (*map(self._numbers.get, words), 0)]
        owner = np.repeat(np.arange(len(texts)), [len(words) + 1 for words in texts])
        hashes, whole = _rolled(flat, self.n)
        owner = owner[: len(whole)][whole]
        order = np.lexsort((owner, hashes[whole]))
        hashes, owner = hashes[whole][order], owner[order]
        new = np.ones(len(hashes), bool)  # the first place of a run in a text
        new[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
        runs, counts = np.unique(hashes[new], return_counts=True)
        return runs[counts < _COMMON]


def _rolled(
    numbers: Sequence[int | None], n: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Return a hash of every run of n numbers, and whether none of them is 0.

    With 64 bits, a run of an instruction agrees by accident with one of a million others once in
    a hundred billion times.
    """
    flat = np.array(numbers, np.uint64)
    mixed = (flat + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    count = max(0, len(flat) - n + 1)
    hashes, whole = np.zeros(count, np.uint64), np.ones(count, bool)
    for k in range(n):
        hashes = hashes * np.uint64(0x100000001B3) + mixed[k : k + count]
        whole &= flat[k : k + count] != 0
    return hashes, whole
