"""Which parts of a starting instruction another text has dropped."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from llmopt.core.text import folded, one_line
from llmopt.problems.prompt.leakage import words_of
from llmopt.problems.prompt.variables import variables_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEADING = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]+(.+?)[ \t#]*|\*\*([^*\n]+?):?\*\*:?|(\S.{0,58}):)[ \t]*$"
)
_RULE = re.compile(r"^[ \t]*\d{1,3}[.)][ \t]+(\S.*)$")
_TAG = re.compile(r"<([A-Za-z][\w-]*)(?:\s[^<>]*)?>")
_RULES = 3  # numbered lines from which they are rules
_WORDS = 40  # words from which a text is too long to be written anew without a remark
_SHARE = 0.5  # of its words that a kept rule, and a kept text, still has
_NAMED = 3
_WIDTH = 40


def dropped_from(start: str, text: str) -> tuple[str, ...]:
    """Return, as phrases, which parts of `start` a text has dropped; none where it is an edit.

    Parts are template variables, headings, tags, rules that are numbered, and, of a start of 40
    words or more, half of its words. A rule is kept where half of its words are.
    """
    return tuple(_dropped(start, text))


def _dropped(start: str, text: str) -> Iterator[str]:
    yield from _missing("placeholder", variables_of(start), variables_of(text))
    headings = _headings(start)
    yield from _missing("heading", headings, [h for h in headings if folded(h) in folded(text)])
    yield from _missing("tag", _tags(start), _tags(text))
    said = set(words_of(text))
    rules = [words_of(rule) for line in start.splitlines() for rule in _RULE.findall(line)]
    lost = sum(_kept(rule, said) < _SHARE for rule in rules)
    if len(rules) >= _RULES and lost:
        yield f"{lost} of {len(rules)} numbered rules"
    before, after = Counter(words_of(start)), Counter(words_of(text))
    share = (before & after).total() / max(1, before.total())
    if before.total() >= _WORDS and share < _SHARE:
        yield f"{100 * (1 - share):.0f} % of its words"


def _missing(what: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    lost = [one for one in before if one not in after]
    if lost:
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        names = ", ".join(one_line(one, _WIDTH) for one in lost[:_NAMED])
        yield f"{what}{'s' if len(lost) > 1 else ''} {names}{more}"


def _headings(text: str) -> tuple[str, ...]:
    found = (_HEADING.match(line) for line in text.splitlines())
    return tuple(dict.fromkeys(next(filter(None, match.groups())) for match in found if match))


def _tags(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"<{name}>" for name in _TAG.findall(text)))


def _kept(rule: Sequence[str], said: set[str]) -> float:
    return sum(word in said for word in rule) / max(1, len(rule))
