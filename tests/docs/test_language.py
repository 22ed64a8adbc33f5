"""Words and idioms that CONTRIBUTING.md advises against become fewer, never more.

The counts are in ``language.json``. With ``LLMOPT_REWRITE_DOCS=1`` (``make docs``) those that fell
are lowered; none is ever raised but by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from documents import DOCUMENTS, REWRITE, ROOT

COUNTS = Path(__file__).with_name("language.json")
ADVICE = {
    r"anew": "again, or name the verb: overwritten, recomputed",
    r"(?:is|are|was|were) (?-i:none)": "say what happens when there are none",
    r"stands?": "is, means, represents",
    r"beside": "in addition to, next to",
    r"(?:go|goes|going|gone|went) on": "continue, proceed, build on",
    r"as far as": "where, if",
    r"told": "recorded, given, notified",
    r"asked (?:again|twice)": "retried, requested a second time",
    r"so many": "a number of, up to N",
    r"of ours": "our",
    r"what it takes": "cost, duration, requirements",
    r"whoever": "name who",
    r"mend(?:s|ed|ing)?": "fix, repair",
    r"c[ao]mes? to nothing": "scored zero, had no effect",
    r"likewise": "the same for",
    r"rings?": "middleware",
    r"onions?": "stack",
    r"the house(?:'s)?": "llmopt, the package",
    r"hand(?:s|ed)? in": "pass",
    r"put together": "built, combined",
    r"by way of": "through",
    r"gone through": "simulated, processed",
    r"in vain": "without success",
}


def texts() -> dict[str, str]:
    """Return the package and the documents: what people read."""
    package = ROOT / "src" / "llmopt"
    code = [p for ending in ("py", "js", "html") for p in package.rglob(f"*.{ending}")]
    found = {str(p.relative_to(ROOT)): p.read_text("utf-8") for p in (*code, *DOCUMENTS)}
    name = "CONTRIBUTING.md"  # whose page on style names them
    found[name] = re.sub(r"^## Style$.*?(?=^## )", "", found[name], flags=re.MULTILINE | re.DOTALL)
    return found


@pytest.mark.parametrize("idiom", ADVICE)
def test_an_idiom_becomes_rarer(idiom: str) -> None:
    pattern = re.compile(rf"\b{idiom}\b", re.IGNORECASE)
    places = {name: len(pattern.findall(" ".join(text.split()))) for name, text in texts().items()}
    allowed = json.loads(COUNTS.read_text(encoding="utf-8"))
    count, most = sum(places.values()), allowed[idiom]
    if REWRITE:
        lowered = allowed | {idiom: min(count, most)}
        COUNTS.write_text(json.dumps(lowered, indent=2) + "\n", encoding="utf-8")
    worst = sorted(places, key=lambda name: -places[name])[:10]
    assert count <= most, f"write instead: {ADVICE[idiom]}; most of them are in {worst}"


def test_the_counts_are_those_of_the_idioms() -> None:
    assert json.loads(COUNTS.read_text(encoding="utf-8")).keys() == ADVICE.keys()
