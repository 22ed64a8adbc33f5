"""Where a text names one of a closed set of answers: labels, lettered options, yes and no."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_uppercase
from typing import TYPE_CHECKING

from llmopt.problems.answers.cleaning import clean, normalize
from llmopt.problems.answers.lettered_options import LETTER, parsed, same_option
from llmopt.problems.answers.scripts import denied, edges

if TYPE_CHECKING:
    from collections.abc import Sequence

BOOLEAN_PAIRS = (("true", "false"), ("yes", "no"), ("valid", "invalid"))
"""The words that a boolean answer may be, each pair with its positive word first."""

_OPPOSITE = {a: b for pair in BOOLEAN_PAIRS for a, b in (pair, pair[::-1])}
_NEGATION = re.compile(
    r"(?:\b(?:not|never|neither|nor|rather\s+than|instead\s+of)|n't)\s+"
    r"(?:(?:a|an|the|be|really|necessarily|deductively|logically|formally|always|option|answer"
    r"|choice|is|considered)\s+)*\W*$",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\b(?:than|over|beats|unlike|as\s+opposed\s+to|compared\s+(?:to|with)|versus"
    r"|prefer(?:s|red)?\s[^.!?\n]{1,60}?\sto)\s+(?:(?:it|they|he|she)\s+(?:is|are|was|were)\s+)?"
    r"(?:(?:the|a|an|option|answer|choice)\s+)*[^\w.!?\n]*$",
    re.IGNORECASE,
)
# What says of a lone letter that it is the answer, and of the text around it that it goes on.
_PREFERRED = re.compile(
    r"\s*[,(]?\s*(?:\b(?:and|but)\s+)?\b(?:not|rather\s+than|instead\s+of|over)\b\W+(?:option\s+|\()?[A-Za-z]\b"
    r"|\s+(?:is|seems|appears|looks|sounds)\s+(?:(?:a|an|the|much|far|slightly)\s+)*"
    r"(?:(?:more|better|likelier|stronger)\b[^.!?\n]{0,60}?\bthan\b|(?:correct|better)\b)"
    r"|\s*(?:选?项|選項|答案)?(?:是|才是|为)?(?:正确|正確|对的|對的)"
)
_LESS = re.compile(r"\b(?:less|worse|weaker)\b", re.IGNORECASE)
_REJECTED = re.compile(
    r"[)\].\"':]*\s+(?:(?:is|are|was|seems|would\s+be|can\s+be|must\s+be)\s+(?:therefore\s+|also\s+"
    r"|clearly\s+|thus\s+)?(?:wrong|incorrect|false\b|not\s+(?:correct|right|the|true|possible|valid)"
    r"|eliminated|excluded|ruled\s+out|out\b|impossible|worse\b|less\s+(?:likely|plausible|probable"
    r"|correct|accurate|suitable|appropriate|fitting|convincing))|(?:isn't|doesn't|does\s+not|cannot|can't)\b)",
    re.IGNORECASE,
)
_REJECTING = re.compile(
    r"wrong|incorrect|false|not\b|n't|eliminated|excluded|\bout\b|impossible|\bless\b|worse"
)
_NEARBY = 40  # characters before a mention in which a negation is looked for
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
        strength: 2 certain; 1 counts where there is no certain one (a letter that stands alone,
            the text of an option that has a letter); 0 counts only directly behind an
            announcement (a letter that may be a word).
    """

    start: int
    end: int
    value: str
    strength: int = 2


def boolean_mentions(text: str, words: Sequence[str]) -> list[Mention]:
    """Find `words` of :data:`BOOLEAN_PAIRS`; "not valid" is a mention of "invalid"."""
    mentions = []
    for match in whole_words(tuple(words)).finditer(text):
        word = match[0].lower()
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

    A longer label wins over a shorter one inside it. Left out are the negated ones ("not
    spam"), and options that the text rejects ("(A) is wrong").
    """
    pair = _boolean_pair(choices) if choices else None
    if pair:
        return [
            Mention(m.start, m.end, pair[m.value], m.strength)
            for m in boolean_mentions(text, tuple(pair))
        ]
    letters, labels, lettered = _options(choices)
    found = _letter_mentions(text, letters, shown=lettered) if letters else []
    if labels:
        strength = 1 if lettered else 2
        texts = [
            Mention(m.start(), m.end(), labels[normalize(m[0])], strength)
            for m in whole_words(_spellings(choices or ())).finditer(text)
        ]
        # The "A" of "A Tale of Two Cities" is no letter.
        found = [
            m for m in found if m.strength > 1 or not any(t.start <= m.start < t.end for t in texts)
        ] + texts
    rejecting = letters and _REJECTING.search(text)
    foreign = not text.isascii()
    kept = [
        m
        for m in found
        if not _negated(text, m.start)
        and not (foreign and denied(text, m.start, m.end))
        and not (rejecting and _rejected(text, m, choices))
    ]
    return sorted(kept, key=lambda m: (m.start, m.end))


def as_choice(target: str, choices: tuple[str, ...] | None) -> str | None:
    """Return the choice that `target` means, or None: ``A`` means ``(A)`` or ``(A) text``."""
    pair = _boolean_pair(choices) if choices else None
    if pair:
        return pair.get(normalize(target))
    letters, labels, _ = _options(choices)
    letter = LETTER.fullmatch(target)
    if letter and letter[1].upper() in letters:
        return letters[letter[1].upper()]
    found = labels.get(normalize(clean(target)))
    if found is None and choices:  # "(B) text" as the target
        found = next((o.value for o in parsed(choices) if same_option(o, target)), None)
    return found


@lru_cache(maxsize=512)
def whole_words(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Compile a pattern that finds the longest of `phrases` as whole words in any case."""
    ordered = sorted(phrases, key=len, reverse=True)
    return re.compile("|".join(map(_whole, ordered)), re.IGNORECASE)


def _whole(phrase: str) -> str:
    first, last = phrase[0], phrase[-1]
    before, after = edges(phrase)
    before = before or (r"(?<!\w)(?<!\w-)" if re.match(r"\w", first) else "")
    after = after or (r"(?!\w)(?!-\w)" if re.match(r"\w", last) else "")
    if first.isdigit():  # 5 is not in 4.5 nor in -5
        before += r"(?<!\d[.,])(?<!-)"
    if last.isdigit():
        after += r"(?![.,]\d)"
    return before + r"\s+".join(map(re.escape, phrase.split())) + after


@lru_cache(maxsize=512)
def _boolean_pair(choices: tuple[str, ...]) -> dict[str, str] | None:
    """Return the choices by word where they are a pair of :data:`BOOLEAN_PAIRS`, else None."""
    words = {normalize(choice): choice for choice in choices}
    return words if any(words.keys() == set(pair) for pair in BOOLEAN_PAIRS) else None


@lru_cache(maxsize=512)
def _options(choices: tuple[str, ...] | None) -> tuple[dict[str, str], dict[str, str], bool]:
    """Return the choices by upper-case letter and by normalized text, and if letters are shown.

    Texts without letters are lettered in their order; a text that two options share names none.
    """
    if choices is None:
        letters = {chr(c).upper(): f"({chr(c)})" for c in range(ord("a"), ord("z") + 1)}
        return letters, {}, True
    options = parsed(choices)
    shown = any(option.letter for option in options)
    labels: dict[str, str] = {}
    if shown:
        letters = {o.letter: o.value for o in reversed(options) if o.letter}
    else:
        letters = dict(zip(ascii_uppercase, (o.value for o in options), strict=False))
    for option in options:
        if option.label and labels.setdefault(option.label, option.value) != option.value:
            labels[option.label] = ""
    return letters, {label: value for label, value in labels.items() if value}, shown


@lru_cache(maxsize=512)
def _spellings(choices: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels normalized and as written: folding turns some letters into two."""
    _, labels, _ = _options(choices)
    forms = list(labels)
    for choice in choices:
        text = clean(choice).strip()
        if normalize(text) in labels:
            forms.append(text)
    return tuple(dict.fromkeys(forms))


@lru_cache(maxsize=64)
def _letter_pattern(letters: str) -> re.Pattern[str]:
    """Return a pattern of the ways to name an option by letter; its group tells the strength."""
    some = f"[{letters}]"
    either = f"(?i:{some})"
    alone = r"(?<![\w'])"
    ends = r"(?=\s*(?:[.,;:!)\]}\"】」』》、]|\n|$))"
    # A capital A or I before a small word begins a sentence, unless the word gives a reason.
    prose = (
        r"(?!(?<=[AI]) (?!because|since|is|as|and|not|over|rather than|instead of"
        r"|seems|appears|looks|sounds)[a-z])"
    )
    return re.compile(
        rf"(?<![\w)])[(\[]\s?(?P<bracketed>{either})\s?[)\]]"
        rf"|(?<![\w'(\[])(?P<closed>{either})\)(?!\w)"
        rf"|^[ \t>#-]*(?P<dotted>{either})\.(?=\s|$)"
        rf"|\b(?i:option|choice|letter) (?P<named>{some})(?![\w'])"
        rf"|^[^\w\n]*(?P<line>{either})[^\w\n]*$"
        rf"|{alone}(?P<alone>{some}){ends}"
        rf"|{alone}(?P<maybe>{some})(?![\w']){prose}"
        rf"|{alone}(?P<small>{either}){ends}",
        re.MULTILINE,
    )


_STRENGTHS = {"bracketed": 2, "closed": 2, "dotted": 2, "named": 2, "line": 1, "alone": 1}


def _letter_mentions(text: str, letters: dict[str, str], *, shown: bool) -> list[Mention]:
    """Find options by letter; where no choice shows its letter, none is certain."""
    found = []
    for match in _letter_pattern("".join(letters)).finditer(text):
        way = match.lastgroup or ""
        strength = _STRENGTHS.get(way, 0)
        if not strength and match[way].isupper() and _PREFERRED.match(text, match.end(way)):
            strength = 1
        elif not shown:
            strength = 1 if way == "bracketed" else 0
        value = letters[match[way].upper()]
        found.append(Mention(match.start(way), match.end(), value, strength))
    return found


def _negated(text: str, start: int) -> bool:
    """Say whether a mention is denied, or is what another one is preferred to."""
    low = max(0, start - _NEARBY)
    if _NEGATION.search(text, low, start):
        return True
    return bool(_COMPARED.search(text, low, start)) and not _LESS.search(text, low, start)


def _rejected(text: str, mention: Mention, choices: tuple[str, ...] | None) -> bool:
    """Say whether "is wrong" or the like follows a mention, or its option's repeated text."""
    if _REJECTED.match(text, mention.end):
        return True
    label = next((o.label for o in parsed(choices or ()) if o.value == mention.value), "")
    begin = text.lower().find(label, mention.end, mention.end + len(label) + 4) if label else -1
    return begin >= 0 and _REJECTED.match(text, begin + len(label)) is not None
