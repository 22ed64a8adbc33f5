"""Which answer the mentions in a text amount to: announced, only, leading, or concluded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmopt.problems.answers.cleaning import announced, refusals, sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.problems.answers.cleaning import Announced
    from llmopt.problems.answers.mentions import Mention

_JOINED = re.compile(
    r"\W*\s(?:or|and|nor|vs\.?)\s+\W*|\W*[/|、&]\W*"
    r"|\W*(?:或者?|还是|還是|和|与|與|及|または|もしくは|あるいは|[かとや]|또는|혹은|이?나|[와과]|หรือ|และ|กับ)\W*",
    re.IGNORECASE,
)
_BESIDE = re.compile(r"\W*[,;+]\W*")  # between answers of which several are given
_CLAUSE_END = re.compile(r"\W*(?:[.,;!?\n]|$)")
_JOIN_LENGTH = 12  # characters between two alternatives of a list at most
_HEADING = re.compile(r"\W*(?:[^\W\d]\w*(?: \w+){0,2}\s*:\W*)?")
_EXPRESSION = re.compile(r"\s*(?:and\b|or\b|not\b|=|&|\||\))", re.IGNORECASE)
_QUESTION = re.compile(
    r"\b(?:whether|(?:if|which|what|who)\b[^.!?\n]*\?|(?:determine|check|see|assess|decide)\s+if)\b"
    r"|是否|是不是|かどうか|인지|หรือไม่"
    r"|^\W*(?:is|are|was|were|does|do|did|can|could|would|should|will|has|have)\b[^.!\n]*\?",
    re.IGNORECASE,
)
_ASKED_ABROAD = re.compile(r"是否|是不是|かどうか|인지|หรือไม่")
_CONCLUSION = re.compile(
    r"\W*(?:so|thus|therefore|hence|consequently|accordingly|overall|finally|ultimately|in\s+(?:conclusion"
    r"|summary|short|the\s+end)|to\s+(?:conclude|summarize|sum\s+up)|as\s+a\s+result|conclusion"
    r"|based\s+on|given\s+(?:this|that|the)|this\s+means|which\s+means|since|final(?:ly)?)\b"
    r"|\W*(?:因此|所以|综上|綜上|总之|總之|总体|總體|整体|最终|最終|结论|結論|したがって|従って|よって|ゆえに|以上|つまり"
    r"|全体として|따라서|그러므로|결론|결국|종합|전체적으로|ดังนั้น|สรุป|โดยรวม)",
    re.IGNORECASE,
)
_STATED = re.compile(
    r"(?:\b(?:is|are|was|be|becomes?|gives?|equals?|to|as|say|would\s+be|get|have|choose)|=|:|->|⇒|→"
    r"|[是为為应選选]|属于|屬於|[はがも]|(?:[은는]|이|가)(?=\W)|คือ|เป็น|ว่า)"
    r"(?:\s+(?:the|a|an|that|therefore|thus|then|indeed|clearly|deductively|option|choice))*[\s\W]*$",
    re.IGNORECASE,
)
_RIGHT = re.compile(
    r"[^.,;!?\n]{0,120}?\s(?:is|are|seems|must\s+be|would\s+be)\s+(?:therefore\s+|indeed\s+|clearly\s+"
    r"|thus\s+|also\s+)?(?:the\s+)?(?:correct|right|sarcastic|best|accurate)\b|[^\n]{0,80}[✓✔✅]",
    re.IGNORECASE,
)
_ITEM_LINE = re.compile(r"^[ \t>#*-]*[(\[]?$")
_MARK = re.compile(r"[.!?\n]")
_CLAUSE = 600  # characters before and behind a mention in which its clause is looked for
_NEARBY = 80  # characters before a mention in which "is" or a colon is looked for
_LONG = 200  # characters from which a text is reasoning and not a bare answer


def decide(text: str, mentions: Sequence[Mention], *, lost: bool = False) -> str | None:
    """Return the one answer that the mentions in a cleaned text amount to, or None.

    In this order: the announced one; the one that the last line consists of; the one that a
    last sentence concludes; the only one that occurs; the one at the beginning; the only one
    behind an "is" or a colon; the only one of the last sentence. What stands in a list of
    alternatives, in a question or in a refusal does not count, nor do lines that repeat the
    options.

    Args:
        text: Cleaned.
        mentions: Where it names an answer.
        lost: Whether the text goes on without end: only what it announces counts then.
    """
    if not mentions:
        return None
    counted = _counted(text, mentions)
    for place in announced(text):
        found = _announced(text, place, counted)
        if found:
            return None if _several(text, found, counted) else found.value
    if lost:
        return None
    named = _without_repeated_options(text, [m for m in counted if m.strength])
    if named and _several(text, named[0], counted) and _leads(text, named[0]):
        return None
    if named:
        return _bare_last_line(text, counted) or _unannounced(text, named)
    return _only({m.value for m in counted if m.strength > 1 and _RIGHT.match(text, m.end)})


def _several(text: str, mention: Mention, mentions: Sequence[Mention]) -> bool:
    """Say whether other answers stand beside one, with commas alone between: "A, C"."""
    place = mention.end
    for other in mentions:
        if other.start < mention.end or other.value == mention.value:
            continue
        between = text[place : other.start]
        if len(between) > _JOIN_LENGTH or not _BESIDE.fullmatch(between):
            return False
        return _CLAUSE_END.match(text, other.end) is not None
    return False


def _unannounced(text: str, named: list[Mention]) -> str | None:
    strongest = max(m.strength for m in named)
    solid = [m for m in named if m.strength == strongest]
    parts = sentences(text)
    last = next(part for part in reversed(parts) if part[0] <= solid[-1].start)
    concluded = _concluded(text, last, solid, final=last == parts[-1])
    if concluded:
        return concluded
    only = _only({m.value for m in solid})
    if only:
        return only if _is_answer(text, solid, parts, strongest) else None
    if _leads(text, solid[0]):
        return solid[0].value
    stated = {m.value for m in solid if _stated(text, 0, m)}
    final = {m.value for m in _inside(solid, last)} if last == parts[-1] else set()
    return _only(stated) or (_only(final) if not stated else None)


def _only(values: set[str]) -> str | None:
    return values.pop() if len(values) == 1 else None


def _bare_last_line(text: str, mentions: Sequence[Mention]) -> str | None:
    """Return the answer that the last line consists of: a letter, a text, or both."""
    end = len(text.rstrip())
    begin = text.rfind("\n", 0, end) + 1
    inside = [m for m in mentions if m.start >= begin and m.strength]
    only = _only({m.value for m in inside})
    rest = list(text[begin:end])
    for mention in inside:
        rest[mention.start - begin : mention.end - begin] = " " * (mention.end - mention.start)
    return None if re.search(r"\w", "".join(rest)) else only


def _counted(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    refused = refusals(text)
    counted = _without_lists(text, mentions)
    if refused:
        # A choice that is itself worded like a refusal begins where the refusal begins.
        counted = [m for m in counted if not any(lo < m.start < hi for lo, hi in refused)]
    if "?" in text or "whether" in text or " if " in text or _ASKED_ABROAD.search(text):
        counted = [m for m in counted if not _asked(text, m)]
    return counted


def _asked(text: str, mention: Mention) -> bool:
    """Say whether a mention belongs to a question: "is it (A)?", "whether it is valid".

    Only so much around it is looked at: a clause that never ends would be read for each mention.
    """
    before = text[max(0, mention.start - _CLAUSE) : mention.start]
    clause = before[max(map(before.rfind, ".!?\n")) + 1 :]
    ends = _MARK.search(text, mention.end, mention.end + _CLAUSE)
    end = ends.end() if ends else min(len(text), mention.end + _CLAUSE)
    whole = clause + text[mention.start : end]
    if not _QUESTION.search(whole):
        return False
    if whole.endswith("?"):
        return True
    # "Whether it is valid, ..." ends at the comma.
    return _QUESTION.search(clause[clause.rfind(",") + 1 :]) is not None


def _announced(text: str, place: Announced, counted: Sequence[Mention]) -> Mention | None:
    inside = [
        m
        for m in counted
        if place.low <= m.start < place.high
        and (m.strength or not text[place.low : m.start].strip("\"'({[ ").strip())
    ]
    if not inside:
        return None
    if place.backwards:
        return inside[-1]
    if text[place.low : inside[0].start].strip("\"'({[ "):
        certain = [m for m in inside if m.strength > 1]
        return certain[0] if certain else inside[0]
    return inside[0]


def _without_repeated_options(text: str, mentions: list[Mention]) -> list[Mention]:
    """Drop the lines that first begin with an option, where lines begin with several."""
    heads = [
        m for m in mentions if _ITEM_LINE.match(text[text.rfind("\n", 0, m.start) + 1 : m.start])
    ]
    if not heads or _only({m.value for m in heads}):
        return mentions
    first: dict[str, int] = {}
    for m in heads:
        first.setdefault(m.value, text.rfind("\n", 0, m.start))
    rows = set(first.values())
    return [m for m in mentions if text.rfind("\n", 0, m.start) not in rows]


def _inside(mentions: Sequence[Mention], part: tuple[int, int]) -> list[Mention]:
    return [m for m in mentions if part[0] <= m.start < part[1]]


def _concluded(
    text: str, part: tuple[int, int], mentions: Sequence[Mention], *, final: bool
) -> str | None:
    """Return what a concluding sentence names alone, or what the final sentence ends in."""
    inside = _inside(mentions, part)
    only = _only({m.value for m in inside})
    if _CONCLUSION.match(text, part[0]):
        only = only or _only({m.value for m in inside if _stated(text, part[0], m)})
        if only:
            return only
    last = inside[-1]
    ends = final and not text[last.end : part[1]].strip(" \t\n.!)]}\"'*$")
    return last.value if ends and _stated(text, part[0], last) else None


def _stated(text: str, begin: int, mention: Mention) -> bool:
    """Say whether "is", a colon or the like stands before a mention."""
    return _STATED.search(text[max(begin, mention.start - _NEARBY) : mention.start]) is not None


def _is_answer(
    text: str, mentions: list[Mention], parts: Sequence[tuple[int, int]], strength: int
) -> bool:
    """Say whether the only answer named is given: in passing within long reasoning it is not."""
    if strength > 1 or len(text) < _LONG or _leads(text, mentions[0]):
        return True
    return parts[-1][0] <= mentions[-1].start


def _leads(text: str, mention: Mention) -> bool:
    heading = _HEADING.fullmatch(text[: mention.start]) is not None
    return heading and _EXPRESSION.match(text, mention.end) is None


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
