"""Texts of a model made comparable: cleaning, normalizing, and where an answer is announced."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from llmopt.problems.answers.thoughts import spoken

_BEGINNING, _END = 4_000, 12_000  # characters of a long output that are read
_SOON = 30  # characters after a colon within which an announced answer begins
_BOXES = 20  # the last ones that are looked into; models that loop write thousands
_PAIRS = dict(zip("\"'“‘«„*_`", "\"'”’»“*_`", strict=True))  # noqa: RUF001  # typographic quotes
_PLAIN = str.maketrans("‘’“”−–‐‑⁄٫٬", "''\"\"----/.,") | {ord("。"): ". "}  # noqa: RUF001  # as written
# Scripts without blanks between words: Thai, Japanese, Chinese, Korean.
_DENSE = r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_SEAM = re.compile(rf"(?<={_DENSE})(?=[A-Za-z0-9(\[$+-])|(?<=[A-Za-z0-9)\]%])(?={_DENSE})")
_FULL_STOP = re.compile(r"[！？](?!\s|$)")  # noqa: RUF001  # they end a sentence without a blank
_END_TAG = re.compile(r"</(?:final[ _]?)?answer>", re.IGNORECASE)
_EMPHASIS = re.compile(
    r"\*\*|`|(?<!\w)(?:\*(?=\S)|_+(?=[^\W_]))|(?<=[^\s*])\*(?!\w)|(?<=[^\W_])_+(?!\w)"
)
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
_LATEX = (
    (re.compile(r"\\(?:left|right|displaystyle|quad|qquad)\b ?"), ""),
    (re.compile(r"(\d)\s*\\[dt]?frac(?=\s*\{?\d)"), r"\1 \\frac"),
    (re.compile(r"\\[dt]?frac\s*\{([-\d.,]+)\}\s*\{([\d.,]+)\}"), r"\1/\2"),
    (re.compile(r"\\[dt]?frac\s*(\d)\s*(\d)"), r"\1/\2"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[,!]"), ""),
    (re.compile(r"\\([$%#&_])"), r"\1"),
    (re.compile(r"\\[()\[\] ;]"), " "),
)
_STYLED = re.compile(
    r"\\(?:text|textbf|textit|textrm|texttt|mathrm|mathbf|mathit|mathsf|mbox|emph|bm)"
    r"\s*\{([^{}]*)\}"
)
# A letter or a word in dollars, which stand for a formula; before digits they are money.
_FORMULA = re.compile(
    r"(?<![\w$])\${1,2}\s*(\(?[A-Za-z](?:[A-Za-z ()-]{0,40}[A-Za-z)])?)\s*\${1,2}(?![\w$])"
)
_QUOTED_LETTER = re.compile(r"([:=]|\bis)[ ]*'([A-Za-z])'(?!\w)")
_NESTING = 4  # levels of styles inside one another
# The languages of MGSM, in which models number their questions.
_NEXT_QUESTION = re.compile(
    r"^[ \t]*(?:q|question|frage|pregunta|задача|вопрос|问题|問題|โจทย์|প্রশ্ন|ప్రశ్న|swali)"
    r"[ ]?\d*[ ]?:",
    re.IGNORECASE | re.MULTILINE,
)
# A bare first line, and after a blank line a further row in the layout of the prompt, of which base
# models write one after the other: two labels or more, but none of them heads reasons.
_NEXT_ROW = re.compile(
    r"\s*(?P<answer>[^\n:]{1,40})\n(?:[ \t]*\n)+(?:[ \t]*(?!(?:explanation|reason|rationale|because"
    r"|justification|analysis|thought|note|evidence|step|answer|final)s?(?:ing)?\b)"
    r"[^\W\d_][\w ]{0,30}:[^\n]*\n(?:[ \t]*\n)*)+[ \t]*[^\W\d_][\w ]{0,30}:",
    re.IGNORECASE,
)
_VERB = (
    r"(?:\s+(?:here\s+)?(?:is|are|was|must\s+be|should\s+be|would\s+be|will\s+be)\b"
    r"(?:\s+(?:therefore|thus|then|hence|clearly|simply))?|'s\b)"
)
# "Answer" in the languages of MGSM and a few more, with the verb or mark that follows it.
_ABROAD = (
    r"\b(?:die\s+)?(?:endgültige\s+|richtige\s+|korrekte\s+)?antwort(?:\s+(?:ist|lautet)\b|(?=\s*:))"
    r"|\br[ée]ponse(?:\s+(?:finale|correcte))?(?:\s+est\b|(?=\s*:))"
    r"|\brespuesta(?:\s+(?:final|correcta))?(?:\s+es\b|(?=\s*:))"
    r"|\bresposta(?:\s+(?:final|correta))?(?:\s+é\b|(?=\s*:))"
    r"|\brisposta(?:\s+(?:finale|corretta))?(?:\s+è\b|(?=\s*:))"
    r"|\b(?:окончательный\s+|правильный\s+)?ответ(?=\s*[:—-])"
    r"|(?:最终|正确)?(?:答案|回答)(?:[是为為]|(?=\s*:))"
    r"|(?:答え|正解|解答)(?:[はが]|(?=\s*:))|정답(?:[은이]|(?=\s*:))|답(?:[은]|(?=\s*:))"
    r"|(?:故|应|應|我|因此|所以)[选選](?:择|擇)?(?:项|項)?"
    r"|คำตอบ(?:คือ|(?=\s*:))|উত্তর(?:\s*হল|(?=\s*:))|సమాధానం(?:\s*ఏమిటంటే)?|\bjibu(?:\s+ni\b|(?=\s*:))"
    r"|उत्तर(?:\s+है)?(?=\s*:|\s+\d)|(?:الجواب|الإجابة)(?:\s+(?:هو|هي))?"
)
# Where an announcement may begin: quick to search, so that the rest is tried there only.
_ANCHOR = re.compile(r"answer|correct|right|best|final|#{4}|<answer>|<final")
_ANNOUNCEMENT = re.compile(
    r"(?:\b|(?<=_))(?:answers?|(?:correct|right|best|final)\s+(?:option|choice|result|statement|sentence))\b"
    r"(?:\s+(?:option|choice|letter))?(?:\s+(?:to|for)\s[^.:\n]{1,80}?)?[\"']?"
    rf"(?:(?P<verb>{_VERB})|(?=\s*[:=])|(?P<gap>\s*\n(?=\s*\S)))\s*[:=]*"
    r"|(?P<hashes>\#{4}(?!\#)(?=\s*[^\s\w#]{0,3}\d)(?!\s*\d{1,2}[.)]\s))"
    r"|(?P<tag><(?:final[ _]?)?answer>)"
)
_PICKING = re.compile(r"choose|chose|pick|select|go\s+with")
_PICK = re.compile(r"\bi(?:'ll|\s+would|\s+will|'d)?\s+(?:choose|chose|pick|select|go\s+with)\b")
_FOREIGN = re.compile(r"[^\x00-\x7f]|antwort|reponse|resp[ou]|risposta|jibu")
_ANNOUNCEMENT_ABROAD = re.compile(rf"(?:{_ABROAD})[ \t]*:?")
_LABEL = re.compile(
    r"^[ \t>#-]*(?:(?P<a>a)|label|category|class(?:ification)?|sentiment|verdict|prediction|output"
    r"|result|conclusion)[ \t]*:(?=\s*\S)",
    re.IGNORECASE | re.MULTILINE,
)
_B_LINE = re.compile(r"^[ \t>#-]*b[ \t]*:", re.IGNORECASE | re.MULTILINE)
_ANSWER_BEFORE = re.compile(
    r"\bis\s+(?:therefore\s+|thus\s+)?the\s+(?:(?:correct|right|final|best)\s+)?"
    r"(?:answer|option|choice)\b"
)
_REFUSAL = re.compile(
    r"\b(?:i\s+(?:do\s+not|don't|can\s?not|can't|could\s+not|couldn't)\s+"
    r"(?:know|tell|say|determine|decide|answer)|(?:i\s+am|i'm)\s+(?:not\s+sure|unsure|unable)"
    r"|can\s?not\s+be\s+determined|(?:impossible|unable)\s+to\s+(?:know|tell|say|determine))\b"
    r"(?:(?!\b(?:but|so|therefore|thus|hence|answer)\b)[^.!?\n]){0,200}",
    re.IGNORECASE,
)
_REFUSING = re.compile(r"not|n't|unsure|unable|impossible", re.IGNORECASE)
_SMALL = str.maketrans(
    ascii_uppercase + "ÉÈОПАБВГДЕТКЧНЫЙЛЬРИ",
    ascii_lowercase + "éèопабвгдеткчныйльри",
)
_SOLID = re.compile(r"\S")
_BOX = re.compile(r"\\f?boxed\s*\{")
_BRACE = re.compile(r"[{}]")
SENTENCE_END = re.compile(r"[.!?](?:\s|$)|\n")


@dataclass(frozen=True, slots=True)
class Announced:
    """Where an announced answer begins: from `low` up to `high`.

    With `backwards` the answer is the last one that begins there, otherwise the first. A
    `loose` announcement may head reasoning instead of an answer. A `boxed` one is exactly the
    content of a box.
    """

    low: int
    high: int
    backwards: bool = False
    loose: bool = False
    boxed: bool = False


@lru_cache(maxsize=4096)
def normalize(text: str) -> str:
    """Return the form in which texts are compared.

    Unicode NFKC, case folded, white space collapsed, and without surrounding quotes, Markdown
    emphasis and final punctuation, as long as something is left. Normalizing twice changes
    nothing.
    """
    if text.isascii():
        text = text.lower()
    else:
        # Folding the case can undo NFKC and the other way round: the second pass settles it.
        for _ in range(2):
            text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    current = " ".join(text.split())
    low, high = 0, len(current)
    while True:
        begin, end = low, high
        if high - low > 1 and _PAIRS.get(current[low]) == current[high - 1]:
            begin, end = _without(current, " ", low + 1, high - 1)
        end = _without(current, " .,;:!?。、", begin, end)[1]
        if begin == end or (begin, end) == (low, high):
            return current[low:high]
        low, high = begin, end


def _without(text: str, edges: str, low: int, high: int) -> tuple[int, int]:
    """Return where a part of a text begins and ends without some characters at its edges.

    Those at its beginning are blanks alone.
    """
    while high > low and text[high - 1] in edges:
        high -= 1
    while low < high and text[low] == " ":
        low += 1
    return low, high


def readable(output: str) -> str:
    """Return what is read of an output that is longer than any answer needs: its two ends.

    Reading takes longer than in proportion to the length, and a model that repeats itself until
    its tokens are used up would stop all others.
    """
    if len(output) <= _BEGINNING + _END:
        return output
    output = spoken(output)
    if len(output) <= _BEGINNING + _END:
        return output
    return f"{output[:_BEGINNING]}\n\n{output[-_END:]}"


def clean(output: str) -> str:
    """Return what a model wrote without what only dresses it.

    Unicode NFKC with ASCII digits, quotes and dashes; no Markdown emphasis and nothing struck
    out; common LaTeX as plain text, a letter in dollars without them; of a reasoning model only
    what it said (:func:`~llmopt.problems.answers.thoughts.spoken`). Cut before a further question
    that starts a line (``Q:`` and the like), unless nothing would be left before it.
    """
    text = spoken(output)
    text = text if text.isascii() else _ascii_digits(_FULL_STOP.sub(r"\g<0> ", text))
    if "\\" in text or "{,}" in text:
        text = _without_latex(text)
    if "$" in text:
        text = _FORMULA.sub(r"\1", text)
    if "'" in text:
        text = _QUOTED_LETTER.sub(r'\1 "\2"', text)
    if "</" in text:
        text = _END_TAG.sub("\n", text)
    if "~~" in text:
        text = _STRUCK.sub("", text)
    if "*" in text or "_" in text or "`" in text:
        text = _EMPHASIS.sub("", text)
    return before_next_question(text)


def before_next_question(text: str) -> str:
    """Cut a text before a further question that starts a line, unless nothing would be left."""
    if ":" in text:
        for marker in _NEXT_QUESTION.finditer(text):
            if text[: marker.start()].strip():
                return text[: marker.start()]
    return text


def before_next_row(text: str) -> str:
    """Cut a text behind its first line where a row in the layout of a prompt follows; else ""."""
    row = _NEXT_ROW.match(text) if ":" in text else None
    return row["answer"].strip() if row else ""


def _without_latex(text: str) -> str:
    for _ in range(_NESTING):
        plain = _STYLED.sub(r"\1", text)
        if plain == text:
            break
        text = plain
    for pattern, plain in _LATEX:
        text = pattern.sub(plain, text)
    return text


def _ascii_digits(output: str) -> str:
    text = re.sub(r"(10)?([⁰¹²³⁴-⁹⁻]+)", _raised, output)
    # A narrow or unbreakable blank inside a number separates thousands.
    text = re.sub(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))", "", text)
    text = re.sub(r"[¼-¾⅐-⅞]", lambda m: " " + unicodedata.normalize("NFKC", m[0]), text)
    text = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    text = "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in text)
    return _SEAM.sub(" ", text)


def _raised(match: re.Match[str]) -> str:
    """Write a power of ten as ``10^5``; drop other raised digits, which belong to units."""
    return f"10^{unicodedata.normalize('NFKC', match[2])}" if match[1] else ""


def announced(text: str) -> list[Announced]:
    r"""Return where a cleaned text announces its answer, the best announcement first.

    The content of the last ``\boxed{}`` comes first, then the other announcements from the
    last to the first, and at last lines that begin with a word such as ``A:`` or ``Label:``.
    """
    boxes = [
        Announced(match.end(), _closing(text, match.end()), boxed=True)
        for match in list(_BOX.finditer(text))[-_BOXES:]
    ]
    ranges = []
    lower = _lowered(text)
    done = 0
    for anchor in _ANCHOR.finditer(lower):
        match = _ANNOUNCEMENT.match(lower, anchor.start()) if anchor.start() >= done else None
        if match:
            done = match.end()
            # "Answer:" may head a whole line of reasoning; "the answer is" does not.
            loose = not (match["verb"] or match["hashes"] or match["tag"])
            ranges.append((match.start(), _following(text, done, loose=loose)))
    if _PICKING.search(lower):
        ranges += [
            (m.start(), _following(text, m.end(), loose=False)) for m in _PICK.finditer(lower)
        ]
    if _FOREIGN.search(lower):
        ranges += [
            (m.start(), _following(text, m.end(), loose=True))
            for m in _ANNOUNCEMENT_ABROAD.finditer(lower)
        ]
    for match in _ANSWER_BEFORE.finditer(lower) if " the " in lower else ():
        window = max(0, match.start() - 300)
        ends = [m.end() for m in SENTENCE_END.finditer(text, window, match.start())]
        low = ends[-1] if ends else window
        ranges.append((match.start(), Announced(low, match.start(), backwards=True)))
    ranges.sort(key=lambda entry: entry[0], reverse=True)
    return boxes[::-1] + [place for _, place in ranges] + _labelled(text)


def _lowered(text: str) -> str:
    """Return the text with its Latin letters small, every index as before."""
    return text.lower() if text.isascii() else text.translate(_SMALL)


def _labelled(text: str) -> list[Announced]:
    if ":" not in text:
        return []
    places = [
        _following(text, match.end(), loose=True)
        for match in _LABEL.finditer(text)
        if not (match["a"] and _B_LINE.search(text))  # else the options are repeated
    ]
    return places[::-1]


def _following(text: str, begin: int, *, loose: bool) -> Announced:
    following = _SOLID.search(text, begin)
    low = following.start() if following else len(text)
    end = text.find("\n", low)
    end = len(text) if end < 0 else end
    return Announced(low, min(end, low + _SOON) if loose else end, loose=loose)


def _closing(text: str, start: int) -> int:
    """Return the index of the brace that closes the one before `start`, or the text's end."""
    depth = 1
    for match in _BRACE.finditer(text, start):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.start()
    return len(text)


def refusals(text: str) -> list[tuple[int, int]]:
    """Return the ranges of a cleaned text in which it refuses to answer."""
    if not _REFUSING.search(text):
        return []
    return [match.span() for match in _REFUSAL.finditer(text)]


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the ranges of the sentences and lines of a text that are not blank."""
    found = []
    start = 0
    for match in SENTENCE_END.finditer(text):
        if text[start : match.start()].strip():
            found.append((start, match.end()))
        start = match.end()
    if text[start:].strip():
        found.append((start, len(text)))
    return found
