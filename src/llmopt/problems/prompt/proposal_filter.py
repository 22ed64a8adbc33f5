"""How a proposed instruction is polished, and what is refused whatever the task is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llmopt.core.problem import Refusal
from llmopt.core.text import leaked_marker
from llmopt.errors import ConfigError

_LETTERS = 7  # of a word with its blank, on the safe side for English


@dataclass(frozen=True)
class Filters:
    """Which proposed instructions are refused (OPRO, section 3, step 8).

    Attributes:
        max_length: Longest instruction in characters.
        digits: Whether digits are allowed (the published code forbids them on GSM8K only).
        last_full_stop: Whether a final full stop is added where there is no end mark.
        copied_words: Consecutive words of a training row that make a copy, 2 or more, see
            :class:`~llmopt.problems.prompt.constraints.Leaks`; 0: training rows and answers may
            stand in instructions.

    Raises:
        ConfigError: `copied_words` is 1 or below 0.
    """

    max_length: int = 500
    digits: bool = True
    last_full_stop: bool = False
    copied_words: int = 8

    def __post_init__(self) -> None:
        if self.copied_words < 0 or self.copied_words == 1:
            raise ConfigError(
                f"copied_words is 0 (off) or 2 or more, but got {self.copied_words}; 8 is usual"
            )

    @property
    def longest(self) -> int:
        """The limit in words, for an optimizer LLM: models count words, not letters; 1 or more."""
        return max(1, self.max_length // _LETTERS)

    def polished(self, text: str, kept: tuple[str, ...] = ()) -> str | Refusal:
        """Polish a proposed instruction as the paper's code does, or refuse it.

        Args:
            text: The instruction.
            kept: Placeholders; one that begins the instruction keeps its first letter.
        """
        marker = leaked_marker(text)
        if marker:
            return Refusal(f"leaked marker {marker}")
        polished = _stripped(text)
        if not polished:
            return Refusal("empty")
        if not polished.startswith(kept):
            polished = polished[0].upper() + polished[1:]
        if self.last_full_stop and polished[-1] not in ".!?:":
            polished += "."
        if len(polished) > self.max_length:
            return Refusal(f"longer than {self.max_length} characters")
        if not self.digits and re.search(r"\d", polished):
            return Refusal("contains a digit")
        return polished


def _stripped(text: str) -> str:
    """Strip white space, a pair of quotes around everything, and ``**`` (OPRO, section 3)."""
    polished = text.replace("**", "").strip()
    while len(polished) > 1 and (polished[0], polished[-1]) in (('"', '"'), ("“", "”")):
        inner = polished[1:-1]
        if polished[0] in inner or polished[-1] in inner:
            break  # two quotations, not one around everything
        polished = inner.strip()
    return polished
