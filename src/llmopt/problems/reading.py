"""Texts of a model made comparable: cleaning, normalizing, and where an answer is announced."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_SOON = 30  # characters after a colon within which an announced answer begins
_BOXES = 20  # the last ones that are looked into; models that loop write thousands
_PAIRS = dict(zip("\"'“‘«„*_`", "\"'”’»“*_`", strict=True))  # noqa: RUF001  # typographic quotes
_PLAIN = str.maketrans("‘’“”−–‐‑⁄", "''\"\"----/")  # noqa: RUF001  # what models write
_EMPHASIS = re.compile(r"\*\*|`|(?<!\w)(?:\*(?=\S)|_+(?=\w))|(?<=[^\s*])\*(?!\w)|(?<=\w)_+(?!\w)")
_LATEX = (
    (re.compile(r"\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}"), r"\1/\2"),
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[,!]"), ""),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\\[()\[\] ;]"), " "),
)
# The languages of MGSM, in which models number their questions.
_NEXT_QUESTION = re.compile(
    r"^[ \t]*(?:q|question|frage|pregunta|задача|вопрос|问题|問題|โจทย์|প্রশ্ন|ప్రశ్న|swali)"
    r"[ ]?\d*[ ]?:",
    re.IGNORECASE | re.MULTILINE,
)
_VERB = r"(?:\s+(?:is|are|was|must\s+be|should\s+be|would\s+be|will\s+be)\b|'s\b)"
_ANNOUNCEMENT = re.compile(
    r"(?:\b(?:answers?|(?:correct|right|best|final)\s+(?:option|choice|result))\b"
    r"(?:\s+(?:option|choice))?(?:\s+to\s[^.:\n]{1,80}?)?"
    rf"(?:(?P<verb>{_VERB})|(?=\s*[:=]))\s*[:=]*|(?P<hashes>\#{{4}})|\bfinal\s+answer\s*\n)",
    re.IGNORECASE,
)
_ANSWER_BEFORE = re.compile(
    r"\bis\s+the\s+(?:(?:correct|right|final|best)\s+)?(?:answer|option|choice)\b", re.IGNORECASE
)
_REFUSAL = re.compile(
    r"\b(?:i\s+(?:do\s+not|don't|can\s?not|can't|could\s+not|couldn't)\s+"
    r"(?:know|tell|say|determine|decide|answer)|(?:i\s+am|i'm)\s+(?:not\s+sure|unsure|unable)"
    r"|can\s?not\s+be\s+determined|(?:impossible|unable)\s+to\s+(?:know|tell|say|determine))\b"
    r"(?:(?!\bbut\b)[^.!?\n]){0,200}",
    re.IGNORECASE,
)
SENTENCE_END = re.compile(r"[.!?](?:\s|$)|\n")


@dataclass(frozen=True, slots=True)
class Announced:
    """Where an announced answer begins: from `low` up to `high`.

    With `backwards` the answer is the last one that begins there, otherwise the first. A
    `loose` announcement may head reasoning instead of an answer.
    """

    low: int
    high: int
    backwards: bool = False
    loose: bool = False


def normalize(text: str) -> str:
    """Return the form in which texts are compared.

    Unicode NFKC, case folded, white space collapsed, and without surrounding quotes, Markdown
    emphasis and final punctuation, as long as something is left. Normalizing twice changes
    nothing.
    """
    # Folding the case can undo NFKC and the other way round: the second pass settles it.
    for _ in range(2):
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    current = " ".join(text.split())
    while True:
        inner = current
        if len(inner) > 1 and _PAIRS.get(inner[0]) == inner[-1]:
            inner = inner[1:-1].strip()
        inner = inner.rstrip(" .,;:!?。、")
        if not inner or inner == current:
            return current
        current = inner


def clean(output: str) -> str:
    """Return what a model wrote without what only dresses it.

    Unicode NFKC with ASCII digits, quotes and dashes; no Markdown emphasis; common LaTeX as
    plain text. Cut before a further question that starts a line (``Q:`` and the like), unless
    nothing would be left before it.
    """
    text = output if output.isascii() else _ascii_digits(output)
    for pattern, plain in _LATEX:
        text = pattern.sub(plain, text)
    text = _EMPHASIS.sub("", text)
    for marker in _NEXT_QUESTION.finditer(text):
        if text[: marker.start()].strip():
            return text[: marker.start()]
    return text


def _ascii_digits(output: str) -> str:
    text = re.sub(r"(10)?([⁰¹²³⁴-⁹⁻]+)", _raised, output)
    # A narrow or unbreakable blank inside a number separates thousands.
    text = re.sub(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))", "", text)
    text = re.sub(r"[¼-¾⅐-⅞]", lambda m: " " + unicodedata.normalize("NFKC", m[0]), text)
    text = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    return "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in text)


def _raised(match: re.Match[str]) -> str:
    """Write a power of ten as ``10^5``; drop other raised digits, which belong to units."""
    return f"10^{unicodedata.normalize('NFKC', match[2])}" if match[1] else ""


def announced(text: str) -> list[Announced]:
    r"""Return where a cleaned text announces its answer, the best announcement first.

    The content of the last ``\boxed{}`` comes first, then the other announcements from the
    last to the first.
    """
    boxes = [
        Announced(match.end(), _closing(text, match.end()))
        for match in list(re.finditer(r"\\boxed\s*\{", text))[-_BOXES:]
    ]
    ranges = []
    for match in _ANNOUNCEMENT.finditer(text):
        following = re.compile(r"\S").search(text, match.end())
        begin = following.start() if following else len(text)
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        # "Answer:" may head a whole line of reasoning; "the answer is" does not.
        loose = not (match["verb"] or match["hashes"])
        high = min(end, begin + _SOON) if loose else end
        ranges.append((match.start(), Announced(begin, high, loose=loose)))
    for match in _ANSWER_BEFORE.finditer(text):
        window = max(0, match.start() - 300)
        ends = [m.end() for m in SENTENCE_END.finditer(text, window, match.start())]
        low = ends[-1] if ends else window
        ranges.append((match.start(), Announced(low, match.start(), backwards=True)))
    ranges.sort(key=lambda entry: entry[0], reverse=True)
    return boxes[::-1] + [place for _, place in ranges]


def _closing(text: str, start: int) -> int:
    """Return the index of the brace that closes the one before `start`, or the text's end."""
    depth = 1
    for match in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.start()
    return len(text)


def refusals(text: str) -> list[tuple[int, int]]:
    """Return the ranges of a cleaned text in which it refuses to answer."""
    return [match.span() for match in _REFUSAL.finditer(text)]
