"""The costs and the set-up on a run's page."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from llmopt.core.formatting import cached_part, counted
from llmopt.core.values import Usage
from llmopt.errors import DISTRIBUTION
from llmopt.models.middleware.budget import Price

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DATA = ("problem train", "problem validation", "problem test")


def usage_rows(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what each role has used, and with several roles a last row with the sums."""
    used = record["usage"]
    rows = []
    known: list[float | None] = []
    for role, use in used.items():
        if not use["calls"]:
            continue
        usd = cost(record["prices"].get(role), use)
        known.append(usd)
        about = "about " if use["estimated"] else ""
        rows.append(
            {
                "role": f"{role} LLM",
                "model": record["identity"].get(role)
                or record["identity"].get(f"problem {role}")
                or "",
                "calls": f"{use['calls']:,}",
                "input": f"{about}{use['input_tokens']:,}"
                + cached_part(use.get("cached_tokens", 0)),
                "output": f"{about}{use['output_tokens']:,}",
                "usd": "not known" if usd is None else f"{usd:,.4f}",
            }
        )
    if len(rows) > 1:
        total = sum(usd for usd in known if usd is not None)
        whole = f"{total:,.4f}" if None not in known else "not known"
        sums = [
            sum(use[key] for use in used.values())
            for key in ("calls", "input_tokens", "output_tokens")
        ]
        calls, given, made = (f"{number:,}" for number in sums)
        rows.append(
            {"role": "together", "model": "", "calls": calls, "input": given, "output": made}
            | {"usd": whole}
        )
    return rows


def cost(price: Mapping[str, Any] | None, used: Mapping[str, Any]) -> float | None:
    """Return what was used in US dollars, or None where the price is not known."""
    if price is None:
        return None
    told = {key: usd for key, usd in price.items() if key != "by"}
    return Price(**told).paid(Usage(**used))


def total_cost(record: Mapping[str, Any]) -> float | None:
    """Return what all roles have used in US dollars, or None where a price is not known."""
    used = {role: use for role, use in record["usage"].items() if use["calls"]}
    prices = record.get("prices", {})
    known = [cost(prices.get(role), use) for role, use in used.items()]
    return sum(usd for usd in known if usd is not None) if None not in known else None


def cost_sentences(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what else is to be known about the costs."""
    if any(price and price["by"] == "list" for price in record["prices"].values()):
        yield (
            "Dollars are by list prices as they were known where this page was made; discounts "
            "are not in them."
        )
    stretch = record.get("stretch") or {}
    if stretch.get("hits"):
        yield f"Stored replies, free: {counted(stretch['hits'], 'reply', 'replies')}."
    if stretch.get("retries"):
        yield f"Retried: {counted(stretch['retries'], 'call')}."
    if stretch.get("lost"):
        lost = counted(stretch["lost"], "call")
        yield f"Sent, no response: {lost}, which may have been billed."


def setup_groups(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield title and rows, of key and value, of everything that makes the run this run."""
    identity = record["identity"]
    data = [(key, value) for key, value in identity.items() if key in _DATA]
    plain = [(key, value) for key, value in identity.items() if key not in _DATA]
    config = [
        (
            f"{table}.{key}",
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
        )
        for table, values in record["config"].items()
        for key, value in values.items()
    ]
    if config:
        yield {"title": "Configuration", "rows": config}
    if plain:
        yield {"title": "What makes the run this run", "rows": plain}
    if data:
        named = [
            (f"{key.removeprefix('problem ')} items, SHA-256 (its first digits)", value)
            for key, value in data
        ]
        yield {"title": "Data", "rows": named}
    versions = [(name, number) for name, number in record["versions"].items()]
    versions.append(("page made by llmopt", version(DISTRIBUTION)))
    yield {"title": "Versions", "rows": versions}
