"""The page of an evaluation: verdict, instructions, scores, and the items on which they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.formatting import clock, counted, p_value, spent
from llmopt.core.presentation import Presentation
from llmopt.evidence.words import SIGNS, word_of
from llmopt.history.readable_solution import SolutionReader
from llmopt.statistics import Difference, Interval
from llmopt.web.pages.plots import across, around_zero
from llmopt.web.pages.score_text import FIXED, amount, points
from llmopt.web.pages.setup import setup_groups
from llmopt.web.pages.site_pages import made_page, worth_of
from llmopt.web.pages.summary import text_box

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHORT = 280  # characters of an input that are shown before it is opened


def evaluation_page(record: Mapping[str, Any], *, alone: bool = True) -> str:
    """Return the page of an evaluation.

    Args:
        record: What :func:`llmopt.history.document.record` gives.
        alone: Whether it is a file of its own, which links to nothing.
    """
    found = record["found"]
    shown = Presentation.plain(found["shown"]) if found else Presentation()
    several = bool(found) and len(found["rows"]) > 1
    return made_page(
        "evaluation.html",
        alone=alone,
        title=f"{record['run']} · llmopt",
        record=record,
        verdict=found["verdict"] if found else "Not finished: nothing is said yet.",
        facts=list(_facts(found)) if found else [],
        notes=found["notes"] if found else [],
        texts=list(_texts(found)) if found else [],
        rows=list(_rows(found, shown)) if found else [],
        several=several,
        shares=shown.shares,
        methods=sorted({r["difference"]["method"] for r in found["rows"] if r["difference"]})
        if found
        else [],
        items=record["items"],
        differing=found["differing"] if found else 0,
        worth=lambda score: worth_of(score, shown),
        read=lambda answer: "nothing readable" if answer is None else answer or "(empty)",
        short=_SHORT,
        counted=counted,
        setup=list(setup_groups(record)),
        command=record["command"],
    )


def _texts(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    reader = SolutionReader.compared(found)
    for number, row in enumerate(found["rows"], 1):
        parts = reader.read(row["text"])
        if not parts:
            yield {"caption": f"[{number}]", "text": row["text"]}
        for part in parts:
            yield text_box(f"[{number}] {part.name}", part)


def _facts(found: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    part = "items" if found["part"] == "all" else f"{found['part']} items"
    often = counted(found["samples"], "answer") + " to each" if found["samples"] > 1 else ""
    yield {"name": "measured on", "value": f"{found['items']:,} {part}", "more": often}
    if found["scorer"]:
        yield {"name": "answered by", "value": found["scorer"], "more": ""}
    calls = sum(used["calls"] for used in found["usage"].values())
    tokens = sum(u["input_tokens"] + u["output_tokens"] for u in found["usage"].values())
    if calls:
        yield {"name": "models", "value": counted(calls, "call"), "more": f"{tokens:,} tokens"}
    if found["usd"]:
        yield {"name": "cost", "value": spent("usd", found["usd"]), "more": ""}
    yield {"name": "time", "value": clock(found["seconds"]), "more": ""}


def _rows(found: Mapping[str, Any], shown: Presentation) -> Iterator[dict[str, Any]]:
    reach = max(
        (
            abs(row["difference"]["interval"][end])
            for row in found["rows"]
            if row["difference"]
            for end in ("low", "high")
        ),
        default=0.0,
    )
    for number, row in enumerate(found["rows"], 1):
        score = row["score"]
        made: dict[str, Any] = {
            "name": f"[{number}]",
            "measured": f"{row['measured']:,} of {row['planned']:,}",
            "score": "-",
            "interval": "",
            "plot": "",
            "versus": None,
        }
        if score:
            low, high = (amount(score["interval"][end], shown) for end in ("low", "high"))
            made |= {"score": amount(score["mean"], shown), "interval": f"{low} to {high}"}
            made["plot"] = across(score) if shown.shares else ""
        if row["difference"]:
            made["versus"] = _versus(row, reach, shown)
        yield made


def _versus(row: Mapping[str, Any], reach: float, shown: Presentation) -> dict[str, Any]:
    found = row["difference"]
    low, high = (points(found["interval"][end], shown) for end in ("low", "high"))
    deciding = found["p_value"] if row["corrected"] is None else row["corrected"]
    difference = Difference(**{**found, "interval": Interval(**found["interval"])})
    word = word_of(difference, deciding)
    kind, mark = SIGNS[word]
    return {
        "points": points(found["mean"], shown),
        "interval": f"{low} to {high}",
        "won": f"{found['wins']}:{found['losses']}",
        "p": p_value(deciding, blank=FIXED),
        "word": word,
        "kind": kind,
        "mark": mark,
        "plot": around_zero(found, reach),
    }
