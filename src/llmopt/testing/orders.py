"""What a meta-prompt says of the order of its list, and the scores that it shows.

The words are those of the templates that ship; a test renders each of them. A template of your own
is recognized where it says the same in one of these ways.
"""

from __future__ import annotations

import re
from typing import Literal

Claimed = Literal["ascending", "descending"]

_WORST, _BEST = "(?:worst|weakest|lowest)", "(?:best|strongest|highest)"


def _claims(first: str, last: str) -> re.Pattern[str]:
    """Return what finds the claim that a list begins with one end and closes with the other."""
    return re.compile(
        rf"\bfrom (?:the )?{first} to (?:the )?{last}\b|\b{first}(?: one)? \w+s first\b"
    )


_CLAIMS: dict[Claimed, re.Pattern[str]] = {
    "ascending": _claims(_WORST, _BEST),
    "descending": _claims(_BEST, _WORST),
}


def claimed_order(prompt: str) -> tuple[Claimed, int] | None:
    """Return the order that a meta-prompt claims, and where its claim ends; None: it claims none.

    ``ascending`` is from the worst to the best, whatever the direction of the scores.
    """
    for order, claim in _CLAIMS.items():
        if found := claim.search(prompt):
            return order, found.end()
    return None
