r"""Sequences of closing brackets, as answers to "close these brackets".

The rules, in order:

1. Brackets of LaTeX (``\[``, ``\boxed{``), arrows, tags and brackets around words are none of
   the answer; ``\{`` and ``\rangle`` are. Commas, quotes, blanks and "and" may stand between.
2. Where a text has no words, all its brackets; else the content of the last box or of the JSON
   key ``answer``; else the
   brackets behind the last announcement that is followed by any, such as ``answer is`` or
   ``the completed sequence is``.
3. Else the last line of brackets alone; else what the last line ends in after a colon, "is",
   "add" or the like. Numbered steps and lines about a stack are reasoning.
4. What ends in an opening bracket is no answer. Of a sequence with opening brackets, which
   repeats what was to be closed, the closing brackets at the end count.
"""

from __future__ import annotations

import html
import re
import unicodedata

from llmopt.problems.answers.cleaning import announced, before_next_question
from llmopt.problems.answers.thoughts import spoken

_OPENING = "([{<"
_CLOSING = ")]}>"
_PARTNER = dict(zip(_CLOSING, _OPENING, strict=True))
_SIGN = re.compile(r"[()\[\]{}<>]")
_PLAIN = str.maketrans("⟨⟩〈〉", "<><>")
_REPLACED = (
    (re.compile(r"^[ \t]*```\w*[ \t]*$", re.MULTILINE), ""),
    (re.compile(r"<(?:final[ _]?)?answer>", re.IGNORECASE), "\nanswer: "),
    (re.compile(r"</?[a-z][a-z_ ]{0,20}/?>", re.IGNORECASE), "\n"),
    (re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![a-z])"), ""),
    (re.compile(r"\\(?:langle|lt)\b"), "<"),
    (re.compile(r"\\(?:rangle|gt)\b"), ">"),
    (re.compile(r"\\[()\[\]]"), " "),
    (re.compile(r"\\([{}])"), r"\1"),
    (re.compile(r"[`*\"“”$]|(?<!\w)'|'(?!\w)"), ""),
    (re.compile(r"[-=]{1,3}>|<[-=]{1,3}|→"), " "),
    (re.compile(r"[(\[{<](?=\w)|(?<=\w)[)\]}>]|(?<=\w[.,:;!?])[)\]}>]", re.ASCII), ""),
)
_BOX = re.compile(
    r"\\f?boxed\s*\{(?P<content>[^\n]{0,2000})\}|\"[\w ]*answer\"\s*:\s*\"(?P<json>[^\"\n]*)\"",
    re.IGNORECASE,
)
_STYLED = re.compile(r"\s*\\(?:text|math)\w*\s*\{([^\n]*)\}")
_JOIN = r"(?:[\s,;+]|\band\b|\bthen\b|\bfollowed\s+by\b)*"
_RUN = re.compile(rf"[()\[\]{{}}<>](?:{_JOIN}[()\[\]{{}}<>])*")
_SEQUENCE = re.compile(
    r"\b(?:(?:complet|clos|final|full|correct|remain|miss|rest|balanc|need|requir|result)\w*\s+)+"
    r"(?:of\s+the\s+)?(?:sequence|string|word|brackets?|parenthes[ie]s|symbols|characters)\b"
    r"[^.:\n]{0,60}?(?:\s(?:is|are|would\s+be)\b|(?=:))[ \t]*:?",
    re.IGNORECASE,
)
_BARE = re.compile(r"[-\s>.:()\[\]{}<>,;]*")
_LEADS = re.compile(
    r"(?:[:=]|\b(?:is|are|be|with|add|adding|append|need|get|have|sequence|brackets?))\W*$",
    re.IGNORECASE,
)
# No two runs of blanks follow each other: what looks for their border takes long.
_STEP = re.compile(r"\s*(?:\d+\s*[:.)]|(?:[-#]+\s*)?step\b)|.*\bstack\s*[:=]", re.IGNORECASE)


def bracket_sequence(output: str) -> str | None:
    """Return the brackets that `output` gives as its answer, without blanks, or None.

    They are the whole sequence where the output repeats it; see :func:`closing_part`.
    """
    text = before_next_question(html.unescape(spoken(output)).translate(_PLAIN))
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if not re.search(r"\w", text):
        solid = "".join(_SIGN.findall(_replaced(text)))
        return solid if solid and solid[-1] in _CLOSING else None
    for box in reversed(list(_BOX.finditer(text))):
        content = box["content"] or box["json"] or ""
        inner = _STYLED.match(content)
        found = _first_run(_replaced(inner[1] if inner else content))
        if found:
            return found
    text = _replaced(text)
    places = [place.low for place in announced(text) if not place.backwards]
    places += [match.end() for match in _SEQUENCE.finditer(text)]
    for low in sorted(places, reverse=True):
        found = _first_run(_line_behind(text, low))
        if found:
            return found
    return _unannounced(text)


def closing_part(sequence: str) -> str | None:
    """Return the closing brackets at the end of a sequence, with blanks between, or None."""
    part = sequence[len(sequence.rstrip(_CLOSING)) :]
    return " ".join(part) or None


def closes(sequence: str, target: str) -> bool:
    """Say whether a sequence is the closing brackets `target`, or a whole that they complete.

    A whole is a balanced sequence with opening brackets that ends in `target`. Whether it also
    begins with what was to be closed cannot be seen from the target.
    """
    wanted = brackets_of(target)
    if wanted is None:
        return False
    whole = sequence[0] in _OPENING and sequence.endswith(wanted) and _balanced(sequence)
    return sequence == wanted or whole


def brackets_of(target: str) -> str | None:
    """Return `target` without blanks where it consists of closing brackets alone, else None."""
    solid = "".join(target.split())
    return solid if solid and not solid.strip(_CLOSING) else None


def _replaced(text: str) -> str:
    for pattern, plain in _REPLACED:
        text = pattern.sub(plain, text)
    return text


def _balanced(sequence: str) -> bool:
    stack: list[str] = []
    for bracket in sequence:
        if bracket in _OPENING:
            stack.append(bracket)
        elif not stack or stack.pop() != _PARTNER[bracket]:
            return False
    return not stack


def _line_behind(text: str, begin: int) -> str:
    """Return the rest of the line, or where that is blank, the next line that is not."""
    for line in text[begin:].split("\n"):
        if line.strip(" \t.:-"):
            return line
    return ""


def _first_run(text: str) -> str | None:
    """Return the first run of brackets that ends in a closing one."""
    for match in _RUN.finditer(text):
        solid = "".join(_SIGN.findall(match[0]))
        if solid[-1] in _CLOSING:
            return solid
    return None


def _unannounced(text: str) -> str | None:
    lines = [line for line in text.split("\n") if line.strip()]
    for line in reversed(lines):
        if _BARE.fullmatch(line) and (found := _first_run(line)):
            return found
    if not lines or _STEP.match(lines[-1]):
        return None
    runs = list(_RUN.finditer(lines[-1]))
    if runs and _LEADS.search(lines[-1][: runs[-1].start()]):
        solid = "".join(_SIGN.findall(runs[-1][0]))
        return solid if solid[-1] in _CLOSING else None
    return None
