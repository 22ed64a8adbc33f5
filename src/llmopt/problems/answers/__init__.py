r"""Reading the answer out of what a scorer LLM wrote, and comparing it with the target.

The rules, in order (docs/answers.md has them with examples):

1. The text is cleaned (:func:`~llmopt.problems.answers.cleaning.clean`): no thoughts of a reasoning
   model, no Markdown, no LaTeX; cut before a further question that starts a line, or behind an
   answer that is the whole first line where a further row of a prompt follows.
2. An announced answer wins: the content of the last ``\boxed{}``, else what follows the last
   ``answer is``, ``Answer:``, ``####`` and the like or stands before ``is the correct answer``.
   After a colon it must come soon, because reasoning may follow a colon as well.
3. Without an announcement a number is the bold one of the last line, else the last one; a
   choice or boolean is what :mod:`~llmopt.problems.answers.resolution` finds; a text is everything.
   :mod:`~llmopt.problems.answers.lists` and :mod:`~llmopt.problems.answers.brackets` have rules
   of their own.

An output that is one JSON object gives the answer of its field. A text that ends in an endless
repetition gives what it announced before, and nothing else.

What is negated (``not spam``), listed (``yes or no``), asked (``is it true?``) or part of a
refusal (``I do not know whether it is true``) is no answer. Nothing is credited for a bare
substring.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from llmopt.problems.answers.brackets import bracket_sequence, brackets_of, closes, closing_part
from llmopt.problems.answers.cleaning import (
    SENTENCE_END,
    announced,
    before_next_row,
    clean,
    normalize,
    readable,
    refusals,
)
from llmopt.problems.answers.json_answers import answer_field
from llmopt.problems.answers.lettered_options import with_target
from llmopt.problems.answers.lists import word_list, words_of
from llmopt.problems.answers.mentions import (
    BOOLEAN_PAIRS,
    Mention,
    as_choice,
    boolean_mentions,
    choice_mentions,
    whole_words,
)
from llmopt.problems.answers.numbers import Found, find_numbers, round_to, show_number
from llmopt.problems.answers.repetition import endless
from llmopt.problems.answers.resolution import decide
from llmopt.problems.answers.thoughts import spoken

if TYPE_CHECKING:
    from collections.abc import Sequence

AnswerKind = Literal["number", "choice", "boolean", "text", "list", "brackets"]

_BOOLEANS = tuple(word for pair in BOOLEAN_PAIRS for word in pair)
_BOLD = re.compile(r"\*\*([^*\n:]{1,80})\*\*")
_EQUATION = re.compile(r"[\d\s.,+\-*/×÷^()%]*=")  # noqa: RUF001  # what models write


def extract(output: str, kind: AnswerKind, choices: Sequence[str] | None = None) -> str | None:
    """Return the answer that `output` gives, or None where it gives none, or several.

    Args:
        output: What the model wrote.
        kind: number: as a decimal number without separators, such as ``12`` or ``-0.5``.
            choice: as it is written in `choices`; without them as a small letter in brackets,
            such as ``(b)``. boolean: one of `choices`, or without them any word of true,
            false, yes, no, valid, invalid, in small letters. text: the announced rest of a
            line, else everything, stripped. list: the words in small letters, parted by
            blanks. brackets: the closing brackets at the end of the sequence, parted by blanks.
        choices: For choice the possible answers: labels, letters such as ``A`` or ``(A)``, or
            both as in ``(A) text``. Labels can be named by their place as well: the first is
            ``(A)``. For boolean a pair of words.
    """
    whole, output = output, readable(output)
    if kind == "brackets":
        sequence = bracket_sequence(output)
        return None if sequence is None else closing_part(sequence)
    if kind != "text" and (field := answer_field(spoken(output))) is not None:
        output = field
    if kind == "list":
        return None if endless(spoken(output)) >= 0 else word_list(output)
    if kind in ("choice", "boolean"):
        return _one_of(output, kind, None if choices is None else tuple(choices))
    text = clean(output)
    if kind == "number":
        number = _number(*_finished(text), _emphasized(output))
        return None if number is None else show_number(number)
    return _announced_text(text) or spoken(whole).strip() or None


# Remembered, because a model that classifies gives the same few answers thousands of times.
@lru_cache(maxsize=512)
def _one_of(output: str, kind: AnswerKind, choices: tuple[str, ...] | None) -> str | None:
    """Return the choice or boolean that `output` decides for, or None."""
    text, lost = _finished(clean(output))

    def mentions(part: str) -> list[Mention]:
        if kind == "choice":
            return choice_mentions(part, choices)
        return boolean_mentions(part, choices or _BOOLEANS)

    first = before_next_row(text)
    bare = mentions(first) if first else []
    if len(bare) == 1 and _is_all(first, bare[0]):
        return bare[0].value
    return decide(text, mentions(text), lost=lost)


def _is_all(text: str, part: Mention | Found) -> bool:
    """Whether no other letter or digit is in a text."""
    return not any(map(str.isalnum, text[: part.start] + text[part.end :]))


def _finished(text: str) -> tuple[str, bool]:
    """Return a cleaned text without an endless repetition at its end, and whether it had one."""
    begin = endless(text)
    return (text, False) if begin < 0 else (text[:begin], True)


def is_correct(
    output: str,
    target: str,
    kind: AnswerKind,
    choices: Sequence[str] | None = None,
    tolerance: float = 1e-5,
) -> bool:
    """Say whether `output` gives the answer `target`.

    A target that is no answer of its kind (see :func:`possible`) is never given, except a text
    beside lettered choices that none of them shows: it is one more choice.

    Args:
        output: What the model wrote.
        target: The expected answer; a choice by its letter, its text, or both.
        kind: See :func:`extract`. For boolean the target decides which pair of words counts.
            For brackets a whole sequence that is balanced and ends in the target is right.
        choices: For choice, see :func:`extract`.
        tolerance: Largest difference of two equal numbers, at least 0. Besides, an answer is
            rounded to the decimals of a target that is not whole: ``1/3`` gives ``0.33``.
    """
    if kind == "brackets":
        sequence = bracket_sequence(readable(output))
        return sequence is not None and closes(sequence, target)
    if kind == "choice":
        choices = with_target(choices, target)
    answer = extract(output, kind, pair_of(target) if kind == "boolean" else choices)
    if kind == "text" and normalize(output) == normalize(target):
        return True
    return same_answer(answer, target, kind, choices, tolerance)


def same_answer(
    answer: str | None,
    target: str,
    kind: AnswerKind,
    choices: Sequence[str] | None = None,
    tolerance: float = 1e-5,
) -> bool:
    """Say whether `answer`, as :func:`extract` gave it, is `target`; None never is."""
    if answer is None:
        return False
    if kind == "number":
        return _same_number(Fraction(answer), target, tolerance)
    if kind == "choice":
        return answer == as_choice(target, None if choices is None else tuple(choices))
    if kind == "list":
        return words_of(answer) == words_of(target)
    if kind == "brackets":
        return closes("".join(answer.split()), target)
    return normalize(answer) == normalize(target)


def pair_of(target: str) -> tuple[str, str] | None:
    """Return the pair of :data:`BOOLEAN_PAIRS` that `target` is a word of, or None."""
    word = normalize(target)
    return next((pair for pair in BOOLEAN_PAIRS if word in pair), None)


def possible(target: str, kind: AnswerKind, choices: Sequence[str] | None = None) -> bool:
    """Say whether any output can give `target` as an answer of this kind."""
    if kind == "number":
        return number_of(target) is not None
    if kind == "boolean":
        return pair_of(target) is not None
    if kind == "choice":
        return as_choice(target, None if choices is None else tuple(choices)) is not None
    if kind == "brackets":
        return brackets_of(target) is not None
    if kind == "list":
        return bool(words_of(target))
    return bool(normalize(target))


def number_of(text: str) -> Fraction | None:
    """Return the number that `text` consists of (``$1,200``, ``5 %``, ``1/2``), or None."""
    text = clean(text).strip()
    plain = re.sub(r"^([-+]?)\s*[$€£¥₹]\s*", r"\1", text).removesuffix(".").rstrip(" %$€£¥₹")
    for written in (plain, text):  # a currency can say that "m" are millions
        found = find_numbers(written)
        if len(found) == 1:
            around = written[: found[0].start] + written[found[0].end :]
            if not (around if written is plain else around.strip(" .%$€£¥₹")):
                return found[0].value
    return None


def contains(output: str, phrase: str) -> bool:
    """Say whether `phrase` occurs in `output` as whole words, both cleaned and normalized."""
    wanted = normalize(clean(phrase))
    return bool(wanted) and bool(whole_words((wanted,)).search(normalize(clean(output))))


def _announced_text(text: str) -> str:
    """Return the rest of the line behind the best announcement, or an empty text."""
    for place in announced(text):
        if not place.backwards:
            end = text.find("\n", place.low) if place.low < len(text) else -1
            boxed = text[: place.low].rstrip().endswith("{")
            stop = place.high if boxed else len(text) if end < 0 else end
            rest = text[place.low : stop].strip()
            if rest:
                return rest
    return ""


def _emphasized(output: str) -> Fraction | None:
    """Return the number of the only bold phrase in the last line, or None."""
    if "**" not in output:
        return None
    spans = _BOLD.findall(output.rstrip().rpartition("\n")[2])
    found = find_numbers(clean(spans[0])) if len(spans) == 1 else []
    return found[0].value if len(found) == 1 and not found[0].weak else None


def _number(text: str, lost: bool, emphasized: Fraction | None) -> Fraction | None:
    """Apply rules 2 and 3 of the module to the numbers of a cleaned text; `lost`: 2 alone."""
    first = before_next_row(text)
    bare = find_numbers(first) if first else []
    if len(bare) == 1 and _is_all(first, bare[0]):
        return bare[0].value
    refused = refusals(text)
    found = [
        f for f in find_numbers(text) if not any(low <= f.start < high for low, high in refused)
    ]
    for place in announced(text):
        inside = _certain([f for f in found if place.low <= f.start < place.high])
        if inside and not (place.loose and _is_reasoning(text, place.low, inside[0], found)):
            return (inside[-1] if place.backwards else _right_side(text, inside)).value
    found = _certain(found)
    if not found or lost:
        return None
    if emphasized is not None and "=" not in text.rstrip().rpartition("\n")[2]:
        return emphasized
    last = found[-1]
    if last.word:  # "12 apples between the two of them": digits say more than words
        begin = max((m.end() for m in SENTENCE_END.finditer(text, 0, last.start)), default=0)
        digits = [f for f in found if f.start >= begin and not f.word]
        last = digits[-1] if digits else last
    return last.value


def _is_reasoning(text: str, begin: int, first: Found, found: list[Found]) -> bool:
    """Say whether words lead to `first` and more numbers follow it on the same line."""
    end = text.find("\n", first.end)
    end = len(text) if end < 0 else end
    follows = any(first.end <= f.start < end for f in found)
    return follows and len(text[begin : first.start].split()) > 1


def _certain(found: list[Found]) -> list[Found]:
    """Leave out what may be no quantity, unless there is nothing else."""
    return [f for f in found if not f.weak] or found


def _right_side(text: str, found: list[Found]) -> Found:
    """Return the first number, or where it begins an equation, the number on its right."""
    chosen = found[0]
    while equation := _EQUATION.match(text, chosen.end):
        right = [f for f in found if f.start >= equation.end()]
        if not right:
            break
        chosen = right[0]
    return chosen


def _same_number(number: Fraction, target: str, tolerance: float) -> bool:
    expected = number_of(target)
    if expected is None:
        return False
    if abs(number - expected) <= tolerance:
        return True
    # "2.0" is a whole number that a table wrote with a decimal: nothing is rounded to it.
    written = re.search(r"\d\.(\d+)", clean(target))
    decimals = len(written[1]) if written and expected.denominator > 1 else 0
    return decimals > 0 and round_to(number, decimals) == expected
