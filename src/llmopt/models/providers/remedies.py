"""Which key of a configuration helps where an endpoint refuses how it is asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmopt.core.values import Role

_ASKED_WRONGLY = (400, 404, 405, 415, 422)
_ODD = (400, 422)  # the same as a rule, where the words say nothing that is known
_REASONING = '{dialect} = "reasoning"'
_ONLY = r"(?:only|default|must be|not (?:support|accept)|unsupported|deprecated)"
_UNKNOWN = r"(?:un(?:supported|known|recognized)|not support|invalid)"
_RULES: tuple[tuple[str, str], ...] = (
    # OpenAI's reasoning models and their aliases at Azure and at proxies.
    ("max_completion_tokens", f"set {_REASONING}"),
    (
        rf"\btemperature\b.{{0,80}}{_ONLY}|{_ONLY}.{{0,80}}\btemperature\b",
        f"set {{temperature}} = 1, or {_REASONING}, which sends none",
    ),
    (rf"{_UNKNOWN}.{{0,60}}['\"`]stop['\"`]", f"set {_REASONING}, which sends no stop texts"),
    (r"\bdeveloper\b.{0,40}\brole|\brole\b.{0,40}\bdeveloper\b", 'set {dialect} = "plain"'),
    (
        r"\bstream\w*\b.{0,60}\b(?:must|required|only|should|true|not support|disabled)\b",
        "set {stream} = true",
    ),
    (r"\bonly\b.{0,40}\bstream", "set {stream} = true"),
    (
        r"\bheader.{0,40}(?:missing|required|must)|(?:missing|requires?|required).{0,60}\bheader",
        'send it with {headers} = {{ "NAME" = "VALUE" }}',
    ),
)
# "parameter.enable_thinking must be set to false for non-streaming calls"
_SET = re.compile(
    r"\b([a-z][a-z0-9]*_[a-z_0-9]*)['\"`]?\s+(?:must|should|needs? to|has to)\s+be"
    r"\s+(?:set\s+to\s+|equal\s+to\s+)?['\"`]?(true|false|-?\d[\d.]*|[a-z][\w-]*)",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"(?:missing|required)\b.{0,40}?\b(?:parameter|field|property|argument)s?\b[:\s]*"
    r"['\"`]?([a-z][a-z_0-9]*)",
    re.IGNORECASE,
)
# What no field and no header changes.
_ELSEWHERE = re.compile(r"context|too (?:long|large|many)|exist|not found|no such", re.IGNORECASE)
_WORDS = ("true", "false")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_KEYS = ("top_p", "reasoning_effort", "response_format")  # fields with keys of their own


def remedy_of(status: int, words: str, role: Role) -> str:
    """Return which key of the configuration to write, or "" where none helps.

    Args:
        status: The HTTP status.
        words: What the endpoint said.
        role: Who asked; names the table.
    """
    if status not in _ASKED_WRONGLY:
        return ""
    found = _remedy(status, words, role)
    if found and role == "optimizer":
        found += ", or the same key of [scorer] where there is no [optimizer]"
    return found


def _remedy(status: int, words: str, role: Role) -> str:
    keys = {key: f"{role}.{key}" for key in ("dialect", "stream", "headers", "extra")}
    at = "algorithm" if role == "optimizer" else role
    keys["temperature"] = f"{at}.temperature"
    wanted = _SET.search(words)
    if wanted and "tokens" not in wanted[1]:
        return _wanted(wanted[1], wanted[2], keys["extra"], role)
    for pattern, said in _RULES:
        if re.search(pattern, words, re.IGNORECASE | re.DOTALL):
            return said.format(**keys)
    if status not in _ODD or _ELSEWHERE.search(words):
        return ""
    missing = _MISSING.search(words)
    if missing:
        return _wanted(missing[1], "VALUE", keys["extra"], role)
    return "{extra}, {headers} and {dialect} change what is sent".format(**keys)


def _wanted(name: str, value: str, extra: str, role: Role) -> str:
    """Return how a field is set to a value."""
    value = value.rstrip(".")
    if value.lower() in _WORDS:
        value = value.lower()
    elif not _NUMBER.fullmatch(value):
        value = f'"{value}"'
    if name in _KEYS:
        return f"set {role}.{name} = {value}"
    return f"set {extra} = {{ {name} = {value} }}"
