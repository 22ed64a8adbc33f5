"""Where a text names one of a closed set of answers: labels, lettered options, yes and no."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from llmopt.problems.reading import announced, clean, normalize, refusals

if TYPE_CHECKING:
    from collections.abc import Sequence

BOOLEAN_PAIRS = (("true", "false"), ("yes", "no"), ("valid", "invalid"))
"""The words that a boolean answer may be, each pair with its positive word first."""

_OPPOSITE = {a: b for pair in BOOLEAN_PAIRS for a, b in (pair, pair[::-1])}
_LETTER = re.compile(r"\s*[(\[]?([A-Za-z])[)\].]?\s*")
_NEGATION = re.compile(
    r"(?:\b(?:not|never|neither|nor|rather\s+than|instead\s+of)|n't)\s+"
    r"(?:(?:a|an|the|really|necessarily|deductively|logically|option|answer)\s+)*\W*$",
    re.IGNORECASE,
)
_NEARBY = 40  # characters before a mention in which a negation is looked for
_JOINED = re.compile(r"\W*\s(?:or|and|nor|vs\.?)\s+\W*|\W*[/|]\W*", re.IGNORECASE)
_JOIN_LENGTH = 12  # characters between two alternatives of a list at most
_HEADING = re.compile(r"\W*(?:[^\W\d]\w*(?: \w+){0,2}\s*:\W*)?")
# "No" answers before the end of a clause or a new sentence's subject, but not in "no doubt".
_NO = re.compile(
    r"\s*(?:$|[^\w\s])|[ \t]*\n|\s+(?:it|he|she|they|this|that|these|those|there|we|you|i|the|"
    r"because|since|as)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A place where a text names one of the possible answers.

    Attributes:
        start: Index of its first character.
        end: Index after its last character.
        value: Which answer.
        strength: 2 certain; 1 counts where there is no certain one; 0 counts only directly
            behind an announcement (a letter that may be a word).
    """

    start: int
    end: int
    value: str
    strength: int = 2


def decide(text: str, mentions: Sequence[Mention]) -> str | None:
    """Return the one answer that the mentions in a cleaned text amount to, or None.

    An announced one wins; else the only one that occurs; else the one at the beginning. What
    stands in a list of alternatives or in a refusal does not count.
    """
    refused = refusals(text)
    # A choice that is itself worded like a refusal begins where the refusal begins.
    counted = [
        m
        for m in _without_lists(text, mentions)
        if not any(low < m.start < high for low, high in refused)
    ]
    for place in announced(text):
        inside = [
            m
            for m in counted
            if place.low <= m.start < place.high
            and (m.strength or not text[place.low : m.start].strip("\"'( "))
        ]
        if inside:
            return inside[-1 if place.backwards else 0].value
    strongest = max((m.strength for m in counted), default=0)
    solid = [m for m in counted if m.strength == strongest > 0]
    if not solid:
        return None
    only = len({m.value for m in solid}) == 1
    return solid[0].value if only or _HEADING.fullmatch(text[: solid[0].start]) else None


def boolean_mentions(text: str, words: Sequence[str]) -> list[Mention]:
    """Find `words` of :data:`BOOLEAN_PAIRS`; "not valid" is a mention of "invalid"."""
    mentions = []
    for match in whole_words(tuple(words)).finditer(text):
        word = match[0].casefold()
        negated = _negated(text, match.start())
        if word in ("yes", "no"):
            if negated or (word == "no" and not _NO.match(text, match.end())):
                continue
        elif negated:
            word = _OPPOSITE[word]
        mentions.append(Mention(match.start(), match.end(), word))
    return mentions


def choice_mentions(text: str, choices: tuple[str, ...] | None) -> list[Mention]:
    """Find labels as whole words, and letters as options; None stands for every letter.

    A longer label wins over a shorter one inside it. Negated ones are left out.
    """
    letters, labels = _options(choices)
    found = _letter_mentions(text, letters) if letters else []
    if labels:
        found += [
            Mention(m.start(), m.end(), labels[normalize(m[0])])
            for m in whole_words(_spellings(choices or ())).finditer(text)
        ]
    kept = [m for m in found if not _negated(text, m.start)]
    return sorted(kept, key=lambda m: (m.start, m.end))


def as_choice(target: str, choices: tuple[str, ...] | None) -> str | None:
    """Return the choice that `target` means, or None: ``A`` means ``(A)``."""
    letters, labels = _options(choices)
    letter = _LETTER.fullmatch(target)
    return letters.get(letter[1].upper()) if letter else labels.get(normalize(clean(target)))


@lru_cache(maxsize=64)
def whole_words(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Compile a pattern that finds the longest of `phrases` as whole words in any case."""
    ordered = sorted(phrases, key=len, reverse=True)
    return re.compile("|".join(map(_whole, ordered)), re.IGNORECASE)


def _whole(phrase: str) -> str:
    first, last = phrase[0], phrase[-1]
    before = r"(?<!\w)(?<!\w-)" if re.match(r"\w", first) else ""
    after = r"(?!\w)(?!-\w)" if re.match(r"\w", last) else ""
    if first.isdigit():  # 5 is not in 4.5 nor in -5
        before += r"(?<!\d[.,])(?<!-)"
    if last.isdigit():
        after += r"(?![.,]\d)"
    return before + r"\s+".join(map(re.escape, phrase.split())) + after


@lru_cache(maxsize=64)
def _options(choices: tuple[str, ...] | None) -> tuple[dict[str, str], dict[str, str]]:
    """Return the choices by upper-case letter, and the other ones by normalized label."""
    if choices is None:
        return {chr(code).upper(): f"({chr(code)})" for code in range(ord("a"), ord("z") + 1)}, {}
    letters: dict[str, str] = {}
    labels: dict[str, str] = {}
    for choice in choices:
        letter = _LETTER.fullmatch(choice)
        if letter:
            letters.setdefault(letter[1].upper(), choice)
        else:
            labels.setdefault(normalize(clean(choice)), choice)
    return letters, labels


@lru_cache(maxsize=64)
def _spellings(choices: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels normalized and as written: folding turns some letters into two."""
    written = [clean(choice) for choice in choices if not _LETTER.fullmatch(choice)]
    forms = [form for text in written for form in (normalize(text), text.strip())]
    return tuple(dict.fromkeys(forms))


@lru_cache(maxsize=64)
def _letter_patterns(letters: str) -> tuple[tuple[int, re.Pattern[str]], ...]:
    """Return (strength, pattern) for the ways to name an option by letter, strongest first."""
    some = f"([{letters}])"
    either = f"(?i:{some})"
    alone = r"(?<![\w'])"
    ends = r"(?=\s*(?:[.,;:!)\]\"]|\n|$))"
    # A capital A or I before a small word begins a sentence, unless the word gives a reason.
    prose = r"(?!(?<=[AI]) (?!because|since|is|as|and)[a-z])"
    sources = (
        (2, rf"(?<![\w)])[(\[]\s?{either}\s?[)\]]"),
        (2, rf"(?<![\w'(\[]){either}\)(?!\w)"),
        (2, rf"^[ \t>#-]*{either}\.(?=\s|$)"),
        (2, rf"\b(?i:option|choice|letter) {some}(?![\w'])"),
        (1, rf"^[^\w\n]*{either}[^\w\n]*$"),
        (1, rf"{alone}{some}{ends}"),
        (0, rf"{alone}{some}(?![\w']){prose}"),
        (0, rf"{alone}{either}{ends}"),
    )
    return tuple((strength, re.compile(source, re.MULTILINE)) for strength, source in sources)


def _letter_mentions(text: str, letters: dict[str, str]) -> list[Mention]:
    found: dict[int, Mention] = {}
    for strength, pattern in _letter_patterns("".join(letters)):
        for match in pattern.finditer(text):
            start, value = match.start(1), letters[match[1].upper()]
            found.setdefault(start, Mention(start, match.end(), value, strength))
    return list(found.values())


def _negated(text: str, start: int) -> bool:
    return _NEGATION.search(text, max(0, start - _NEARBY), start) is not None


def _without_lists(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Drop lists of alternatives such as "positive, negative or neutral"."""
    listed: set[int] = set()
    for i in range(len(mentions) - 2, -1, -1):
        here, after = mentions[i], mentions[i + 1]
        between = text[here.end : after.start]
        if here.value == after.value or len(between) > _JOIN_LENGTH:
            continue
        # "4/5" is a mark out of five, not a list.
        joined = _JOINED.fullmatch(between) and not text[here.end - 1].isdigit()
        if joined or (i + 1 in listed and re.fullmatch(r"\W*,\W*", between)):
            listed |= {i, i + 1}
    return [m for i, m in enumerate(mentions) if i not in listed]
