"""What a page carries for its script: plain data, compressed, within a size.

The browser takes each chunk apart only when a part of the page needs it.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

from llmopt.history.readable_solution import SolutionReader
from llmopt.web.pages.setup import cost

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOM = 1_700_000  # characters for all chunks together; a page stays below 2 MB
_CUTS = (None, 20_000, 5_000, 1_500, 400, 80, 0)  # characters kept of one long text, in turn
_HEAD = ("kind", "function", "noun", "measure", "finished", "curve", "figure", "start", "best")
_SWEPT = ("kind", "notes", "measure", "finished", "points", "rows", "lines", "cells", "means")


def chunks(record: Mapping[str, Any]) -> tuple[dict[str, str], int | None]:
    """Return the chunks of a page by name, and where long texts had to be cut; None: nowhere.

    Each is JSON, compressed by gzip, in base64. Texts of calls and answers are cut, shorter and
    shorter, until all fit.
    """
    if record["kind"] == "sweep":
        return {"core": packed({key: record[key] for key in _SWEPT})}, None
    fixed = {"core": packed(_core(record)), "outcomes": packed(_outcomes(record))}
    for cut in _CUTS:
        made = fixed | {
            "asked": packed(_asked(record, cut)),
            "items": packed(_items(record, cut)),
            "refused": packed(_refused(record, cut)),
            "train": packed(_train(record, cut)),
        }
        if sum(map(len, made.values())) <= _ROOM:
            break
    return made, cut


def packed(data: Any) -> str:
    """Return plain data as the text of one chunk; equal data give equal texts."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("ascii"), 9, mtime=0)).decode("ascii")


def _core(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every part needs: candidates by position, as short lists.

    A candidate is ``[step, id, text, score, measured, planned, words changed, position of its
    call in the step, positions of its parents, why it is unmeasured]``. Where solutions have
    demonstrations, the text has them as numbered pairs, and ``pieces`` holds for each candidate its
    parts: a name with a text, or with the pairs as ``[row, input, answer, reasoning]``.
    """
    reader = SolutionReader.documented(record)
    places: dict[str, int] = {}
    for step in record["steps"]:
        for candidate in step["candidates"]:
            places[candidate["id"]] = len(places)
    rows = [
        [
            step["step"],
            c["id"][:8],
            reader.text(c["text"]),
            c["score"],
            c["measured"],
            c["planned"],
            c["words_changed"],
            c["made_by"],
            [places[parent] for parent in c["parents"] if parent in places],
            "; ".join(c.get("unmeasured", ())),
        ]
        for step in record["steps"]
        for c in step["candidates"]
    ]
    head = {key: record[key] for key in _HEAD}
    for end in ("start", "best"):
        head[end] = places.get((record[end] or {}).get("id", ""))
    head["curve"] = [point | {"candidate": places[point["candidate"]]} for point in record["curve"]]
    if record["figure"] and "points" in record["figure"]:
        points = record["figure"]["points"]
        head["figure"] = record["figure"] | {"points": [points[key] for key in places]}
    tests = [
        {"label": line["label"], "test": line["test"]} for line in record["lines"] if line["test"]
    ]
    steps = [
        {
            "step": step["step"],
            "best": step["best"],
            "calls": len(step["calls"]),
            "refused": len(step["rejected"]),
            **({"by": step["by"]} if step.get("by") else {}),
            "spent": spent_by(step.get("spent"), record["prices"]),
        }
        for step in record["steps"]
    ]
    splits = {
        name: {key: value for key, value in split.items() if key != "rows"}
        for name, split in record["items"].items()
    }
    return (
        head
        | {"run": record["run"], "candidates": rows, "steps": steps, "tests": tests}
        | {"splits": splits}
        | ({"pieces": _pieces(record, reader)} if reader.shows_rows else {})
    )


def _pieces(record: Mapping[str, Any], reader: SolutionReader) -> list[Any]:
    """Return the parts of each candidate, with demonstrations as short lists."""
    return [
        [
            [
                part.name,
                part.text
                if part.pairs is None
                else [[p.id, p.input, p.answer, p.reasoning] for p in part.pairs],
            ]
            for part in reader.read(c["text"])
        ]
        for step in record["steps"]
        for c in step["candidates"]
    ]


def spent_by(spent: Mapping[str, Any] | None, prices: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what was spent up to the end of a step: seconds, and by role calls and US dollars.

    Dollars are None where a price is not known.
    """
    if spent is None:
        return None
    roles = {
        role: [used["calls"], cost(prices.get(role), used)] for role, used in spent["usage"].items()
    }
    return {"seconds": spent["seconds"], "roles": roles}


def _train(record: Mapping[str, Any], cut: int | None) -> list[list[str]]:
    """Return id, input and expected answer of each training item, in the order of the outcomes."""
    return [
        [item["id"], cut_text(item["input"], cut), cut_text(item["target"], cut)]
        for item in record.get("matrix", ())
    ]


def _outcomes(record: Mapping[str, Any]) -> list[Any]:
    return [c["outcomes"] for step in record["steps"] for c in step["candidates"]]


def _asked(record: Mapping[str, Any], cut: int | None) -> dict[str, Any]:
    """Return meta-prompts and replies; a line that many of them share is there once."""
    lines: dict[str, int] = {}

    def by_line(text: str) -> list[int]:
        return [lines.setdefault(line, len(lines)) for line in text.split("\n")]

    prompts = [
        {"how": p["how"], "lines": by_line(cut_text(p["text"], cut))} for p in record["prompts"]
    ]
    steps = [
        [
            [
                call["prompt"],
                cut_text(call["reply"] or "", cut),
                cut_text(call["reasoning"], cut),
                call["finish"],
                call.get("tokens"),
            ]
            for call in step["calls"]
        ]
        for step in record["steps"]
    ]
    return {"prompts": prompts, "steps": steps, "lines": list(lines)}


def _items(record: Mapping[str, Any], cut: int | None) -> dict[str, Any]:
    def side(found: Mapping[str, Any]) -> list[Any]:
        answer, output = found["answer"], found["output"]
        return [
            found["score"],
            None if answer is None else cut_text(answer, cut),
            None if output is None else cut_text(output, cut),
            *([cut_text(said, cut)] if (said := _said_of(found)) else []),
        ]

    return {
        name: [
            [
                row["id"],
                cut_text(row["input"], cut),
                cut_text(row["target"], cut),
                row["kind"],
                side(row["before"]),
                side(row["after"]),
            ]
            for row in split["rows"]
        ]
        for name, split in record["items"].items()
    }


def _said_of(side: Mapping[str, Any]) -> str:
    """Return the feedback on an answer and its sub-scores, as a text; empty: nothing was said."""
    aims = ", ".join(f"{name} {value:g}" for name, value in side.get("aims", {}).items())
    return "\n".join(filter(None, (side.get("feedback", ""), aims)))


def _refused(record: Mapping[str, Any], cut: int | None) -> list[list[Any]]:
    return [
        [step["step"], refused["reason"], cut_text(refused["text"], cut)]
        for step in record["steps"]
        for refused in step["rejected"]
    ]


def cut_text(text: str, most: int | None) -> str:
    """Return a text of at most so many characters, and how many were left out."""
    if most is None or len(text) <= most:
        return text
    return f"{text[:most]} […{len(text) - most:,} more characters]"
