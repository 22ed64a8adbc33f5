"""How a proposed instruction is polished, and what is refused whatever the task is."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Self, get_args

from llmopt.core.defaults import Following, follows
from llmopt.core.problem import Refusal
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.problems.prompt.frames import QUOTES, unframed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmopt.problems.prompt.own_marks import OwnMarks

Variables = Literal["keep", "free"]
Quotes = Literal["strip", "keep"]

EDIT = 1.5
"""How much longer than the start an edit of it may become."""

_PER_TOKEN = 3  # UTF-8 bytes of a token, on the safe side: 4 of English, 3 of a Chinese character
_LETTERS = 7  # of a word with its blank, on the safe side for English
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*(?=[\s,.;:!?)]|$)")
_DRESS = '*_`~"\u201c\u201d \t\n'  # of frames that nothing stands in
_MARKUP = ".!?:`>}]|*_#~"  # after these a full stop is none


_REMEDIES = (
    (r"longer than \d+ characters", "raise problem.max_length"),
    (r"longer than \d+ words", "raise problem.max_words"),
    (r"longer than about \d+ tokens", "raise problem.max_instruction_tokens"),
    (r"contains a digit", "set problem.digits = true"),
    (r"copies a training|contains training", "see problem.copied_words"),
    (r"invents the variable|lacks the placeholder .* of the start", "see problem.variables"),
    (r"lacks the placeholder", "see problem.placeholders"),
    (r"lacks the required", "see problem.required"),
    (r"contains the forbidden", "see problem.forbidden"),
    (r"not in [A-Z]", "see problem.language"),
)


def remedy_for(reason: str) -> str:
    """Return what to change so that no instruction is refused for a reason; empty: nothing."""
    return next((said for form, said in _REMEDIES if re.match(form, reason)), "")


@dataclass(frozen=True)
class Filters:
    """Which proposed instructions are refused (OPRO, section 3, step 8).

    Attributes:
        max_length: Longest instruction in characters. The default follows the starting
            instructions, see :meth:`following`.
        digits: Whether digits are allowed (the published code forbids them on GSM8K only).
        last_full_stop: Whether a final full stop is added where there is no end mark.
        copied_words: Consecutive words of a training row that make a copy, 2 or more, see
            :class:`~llmopt.problems.prompt.constraints.Leaks`; 0: training rows and answers may
            stand in instructions.
        variables: Whether template variables such as ``{{question}}`` and ``{name}`` are those of
            the starting instructions ("keep"), or any ("free").
        quotes: Whether quotation marks around a whole proposal are removed ("strip", as the
            published codes of PE2 and EvoPrompt do), or belong to it ("keep", as in those of OPRO
            and GPO).

    Raises:
        ConfigError: `copied_words` is 1 or below 0, or `variables` or `quotes` is something else.
    """

    max_length: int = Following(500)
    digits: bool = True
    last_full_stop: bool = False
    copied_words: int = 8
    variables: Variables = "keep"
    quotes: Quotes = "strip"

    def __post_init__(self) -> None:
        if self.copied_words < 0 or self.copied_words == 1:
            raise ConfigError(
                f"copied_words is 0 (off) or 2 or more, but got {self.copied_words}; 8 is usual"
            )
        if self.variables not in get_args(Variables):
            raise UnknownNameError("problem.variables", self.variables, get_args(Variables))
        if self.quotes not in get_args(Quotes):
            raise UnknownNameError("problem.quotes", self.quotes, get_args(Quotes))

    def following(self, starts: Iterable[str]) -> Self:
        """Return the filters with which an edit of the longest start is not too long.

        A limit that the user set stays; the default becomes 1.5 times that length at least.
        """
        if not follows(self.max_length):
            return self
        longest = max(map(len, starts), default=0)
        return replace(self, max_length=max(self.max_length, math.ceil(EDIT * longest)))

    @property
    def longest(self) -> int:
        """The limit in words, for an optimizer LLM: models count words, not letters; 1 or more."""
        return max(1, self.max_length // _LETTERS)

    def polished(self, text: str, own: OwnMarks, kept: tuple[str, ...] = ()) -> str | Refusal:
        """Polish a proposed instruction, or refuse it.

        What frames the text is removed: quotes, a code fence, emphasis, a tag around everything.
        What stands within is kept byte for byte, but for a small letter of a first word.

        Args:
            text: The instruction.
            own: What belongs to the user's own texts.
            kept: Placeholders; one that begins the instruction keeps its first letter.
        """
        quoted = QUOTES if self.quotes == "keep" else ()
        polished = unframed(text, (*own.frames, *quoted))
        marker = own.leaked(polished)
        if marker:
            return Refusal(f"leaked marker {marker}")
        if not polished.strip(_DRESS):
            return Refusal("empty")
        first = _WORD.match(polished)
        if first and first[0].islower() and not polished.startswith(kept):
            polished = polished[0].upper() + polished[1:]
        if self.last_full_stop and polished[-1] not in _MARKUP:
            polished += "."
        if len(polished) > self.max_length:
            return Refusal(f"longer than {self.max_length} characters")
        if not self.digits and re.search(r"\d", polished):
            return Refusal("contains a digit")
        return polished


def edit_tokens(starts: Iterable[str]) -> int:
    """Return how many tokens an edit of the longest start may have, where starts are long; else 0.

    Args:
        starts: The starting instructions, one or more.
    """
    longest = max(starts, key=len)
    if len(longest) * EDIT <= Filters.max_length:
        return 0
    return math.ceil(EDIT * len(longest.encode("utf-8", "surrogatepass")) / _PER_TOKEN)
