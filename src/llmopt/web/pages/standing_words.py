"""What a running run does, as the words of its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.formatting import about, spent
from llmopt.web.pages.setup import total_cost

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTS = 100  # of a bar
_HIGH = 0.8  # share of a cap from which it is marked


def standing_words(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return phase, share of the steps, time left and what is spent; None: it is not running."""
    found = record.get("standing")
    if not found:
        return None
    amounts = list(found["spent"])
    usd = total_cost(record)
    if usd and not any(amount["of"] == "usd" for amount in amounts):
        amounts.append({"of": "usd", "used": usd, "cap": None})
    return {
        "phase": found["phase"],
        "steps": found["steps"],
        "done": min(found["step"], found["steps"] or 0),
        "width": round(_PARTS * min(1, found["step"] / found["steps"])) if found["steps"] else 0,
        "left": f"{about(found['left'])} left for the steps" if found["left"] else "",
        "spent": [
            {
                "words": spent(amount["of"], amount["used"], amount["cap"], " of "),
                "high": bool(amount["cap"]) and amount["used"] >= _HIGH * amount["cap"],
            }
            for amount in amounts
        ],
    }
