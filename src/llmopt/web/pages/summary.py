"""The parts of a run's page that need no script: verdict, solution, tables, reproduction.

Here is decided what is said; how it looks is the template's.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from llmopt.core.formatting import clock, counted, ordinal, p_value, spent
from llmopt.errors import DISTRIBUTION
from llmopt.evidence.differences import on_correction
from llmopt.evidence.gain import Gain
from llmopt.evidence.looks import PriorLooks
from llmopt.evidence.optimism import on_optimism
from llmopt.evidence.scores import Score
from llmopt.evidence.words import SIGNS
from llmopt.history.readable_solution import ReadablePart, SolutionReader
from llmopt.statistics import Interval
from llmopt.web.pages.confusion_table import confusion_section
from llmopt.web.pages.front_plot import front_section
from llmopt.web.pages.plots import across, around_zero
from llmopt.web.pages.reproduce import again
from llmopt.web.pages.score_text import (
    FIXED,
    amount,
    points,
    shown_in,
)
from llmopt.web.pages.setup import cost_sentences, setup_groups, total_cost, usage_rows
from llmopt.web.pages.standing_words import standing_words
from llmopt.web.pages.timings import timings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from llmopt.core.presentation import Presentation

_SIGNS = {
    word: {"kind": kind, "mark": mark, "word": f"{word.capitalize()}."}
    for word, (kind, mark) in SIGNS.items()
}
_SPLITS = ("train", "validation", "test")
_CLOSE = 1e-8  # relative; what is nearer than this to the optimum is the optimum


def summary(record: Mapping[str, Any], cut: int | None) -> dict[str, Any]:
    """Return what the template shows.

    Args:
        record: The document of a run or a sweep.
        cut: Where long texts of the page's data were cut, or None.
    """
    run = record["kind"] == "run"
    parts = _parts(record)
    made = {
        "title": f"{record['run']} · llmopt",
        "eyebrow": _eyebrow(record),
        "verdict": _sentences(_said(record) if run else _swept(record)),
        "sign": _sign(record) if run else None,
        "facts": list(_facts(record) if run else _sweep_facts(record)),
        "standing": standing_words(record),
        "notes": list(_notes(record, cut)),
        "texts": _texts(record) if run else [],
        "titles": {
            "solution": _title(record),
            "evidence": "Evidence" if not record.get("function") else "Values",
        },
        **(
            _evidence(record)
            if run
            else {"lines": [], "comparisons": [], "gain": [], "remarks": []}
        ),
        "timings": timings_of(record.get("conclusion")),
        "front": front_section(record, shown_in(record)) if run else None,
        "confusion": confusion_section(record) if run else None,
        "parts": parts,
        "usage": usage_rows(record) if run else [],
        "usage_caption": "What the models were sent and what they wrote, by role",
        "costs": list(cost_sentences(record)) if run else [],
        "setup": list(setup_groups(record)),
        "again": again(record),
        "footer": f"Made by llmopt {version(DISTRIBUTION)} from the run's own journal.",
    }
    head = [("solution", made["titles"]["solution"]), ("evidence", made["titles"]["evidence"])]
    shown = [
        pair for pair, there in zip(head, (made["texts"], made["lines"]), strict=True) if there
    ]
    shown += [("timings", made["timings"]["title"])] if made["timings"] else []
    shown += [("front", "Front")] if made["front"] else []
    shown += [("confusion", "Answers given")] if made["confusion"] else []
    shown += [(part["id"], part["title"]) for part in parts]
    shown += [("cost", "Cost")] if made["usage"] else []
    shown += [("setup", "Set-up"), ("again", "Reproduce")]
    return made | {"sections": [{"id": key, "title": title} for key, title in shown]}


# -- the head ---------------------------------------------------------------------------------


def _eyebrow(record: Mapping[str, Any]) -> str:
    what = "run" if record["kind"] == "run" else "sweep"
    method = f" · {record['algorithm']}" if record.get("algorithm") else ""
    day = record["created"][:16].replace("T", " ")
    state = "" if record["status"] == "done" else f" · {record['status']}"
    tags = "".join(f" · {tag}" for tag in record["tags"])
    return f"llmopt {what}{method} · {day} UTC{state}{tags}"


def _sentences(text: str) -> list[str]:
    """Return the first sentence, and the others together."""
    return re.split(r"(?<=[.!?]) ", text, maxsplit=1)


def _said(record: Mapping[str, Any]) -> str:
    """Return the verdict; where nothing is held out, what was reached comes first."""
    scores = [line["train"] for line in record["lines"][:2]]
    if not record["function"] or not all(scores) or not scores[1:]:
        return str(record["verdict"])
    start, best = (score["mean"] for score in scores)
    partly = Score.plain(scores[1]).mark
    aim, shown = record["optimum"], shown_in(record)
    reached = f"From {amount(start, shown)} at the start to {amount(best, shown)}{partly}"
    if aim is not None:
        off = abs(best - aim)
        near = off <= _CLOSE * max(1.0, abs(aim))
        reached += ", the best there is" if near else f"; {amount(aim, shown)} is the best"
    return f"{reached}. {record['verdict']}"


def _swept(record: Mapping[str, Any]) -> str:
    """Say what a sweep found, in a sentence, and how many searches it is made of."""
    cells = record["cells"]
    variants = list(dict.fromkeys(cell["variant"] for cell in cells))
    made = f"{counted(len(variants), 'variant')} in {counted(len(cells), 'search', 'searches')}."
    if record["lines"]:
        reached: dict[str, tuple[int, int]] = {}
        for line in record["lines"]:
            if line["variant"] not in variants:  # a plain control, which is no search
                continue
            solved, all_of = reached.get(line["variant"], (0, 0))
            reached[line["variant"]] = (solved + (line["solved"] or 0), all_of + line["cells"])
        if all(line["solved"] is not None for line in record["lines"]):
            said = "; ".join(f"{name} {n} of {m}" for name, (n, m) in reached.items())
            return f"Searches that found the optimum: {said}. {made}"
    rows = [row for row in record["rows"] if row["task"] == "all"]
    if rows[1:]:
        words: dict[str, list[str]] = {}
        for row in rows[1:]:
            words.setdefault(row["words"], []).append(row["variant"])
        said = "; ".join(f"{word}: {', '.join(names)}" for word, names in words.items())
        return f"Against {rows[0]['variant']}, {said}. {made}"
    return made


def _sign(record: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the sign of the verdict against the start, or None where nothing was tested."""
    found = next((v for v in record["comparisons"] if v["against"] == "start"), None)
    return _SIGNS[found["word"]] if found else None


def _facts(record: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    test, shown = record["test"], shown_in(record)
    if test:
        start, best = (_marked(test[end], shown) for end in ("start", "best"))
        yield {"name": "held-out score", "value": f"{start} → {best}", "more": "start → winner"}
        found = test["difference"]
        low, high = (points(found["interval"][end], shown) for end in ("low", "high"))
        said = points(found["mean"], shown)
        unit = " points" if shown.shares else ""
        level = f"{100 * record['level']:g} % interval {low} to {high}"
        yield {"name": "difference", "value": said + unit, "more": level}
    elif record["lines"]:
        ends = [line["train"] for line in record["lines"][:2] if line["train"]]
        name = "value" if record["function"] else "score on train"
        reached = " → ".join(_marked(score, shown) for score in ends)
        yield {"name": name, "value": reached, "more": "start → best"}
    done = max(0, len(record["steps"]) - 1)
    tried = sum(len(step["candidates"]) for step in record["steps"])
    yield {"name": "search", "value": counted(done, "step"), "more": counted(tried, "solution")}
    calls = sum(used["calls"] for used in record["usage"].values())
    if calls:
        more = f"{sum(map(_tokens, record['usage'].values())):,} tokens"
        yield {"name": "models", "value": counted(calls, "call"), "more": more}
    if usd := total_cost(record):
        yield {"name": "cost", "value": spent("usd", usd), "more": ""}
    yield {"name": "time", "value": clock(record["seconds"]), "more": ""}


def _sweep_facts(record: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    cells = record["cells"]
    for name, key in (("variants", "variant"), ("tasks", "task"), ("repetitions", "seed")):
        many = len({cell[key] for cell in cells})
        yield {"name": name, "value": f"{many:,}", "more": ""}
    for role in ("optimizer", "scorer"):
        if model := record["identity"].get(role):
            yield {"name": f"{role} LLM", "value": model, "more": "of all searches"}
    calls = sum(cell["calls"] for cell in cells)
    if calls:
        yield {"name": "calls used", "value": f"{calls:,}", "more": "by all searches"}


def _notes(record: Mapping[str, Any], cut: int | None) -> Iterator[str]:
    for note in record["notes"] if record["kind"] == "run" else ():
        yield f"Note: {note}"
    for lack in record.get("missing") or ():
        yield f"Not on this page: {lack}"
    if cut is not None:
        yield (
            f"Not on this page: what is longer than {cut:,} characters in meta-prompts, replies "
            f"and answers; llmopt show {record['run']} --step N prints all of it."
        )


# -- the solution and the evidence ------------------------------------------------------------


def _title(record: Mapping[str, Any]) -> str:
    return f"The {record['noun']}" if record["kind"] == "run" else ""


def _texts(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    start, best = record["start"], record["best"]
    if start is None:
        return []
    reader = SolutionReader.documented(record)
    before, after = reader.read(start["text"]), reader.read(best["text"])
    if start["text"] == best["text"]:
        caption = "Start, and still the best"
        if any(part.pairs is not None for part in before):
            return [_box("both", f"{part.name}: {caption.lower()}", part) for part in before]
        return [{"name": "both", "caption": caption, "text": start["text"]}]
    won = "After: the winner" if record["finished"] else "The best on train so far"
    if before and after:
        pairs = zip(before, after, strict=True)
        return [box for one, other in pairs for box in _boxes(won, one, other)]
    return [
        {"name": "start", "caption": "Before: the start", "text": start["text"]},
        {"name": "best", "caption": won, "text": best["text"]},
    ]


def _box(name: str, caption: str, part: ReadablePart) -> dict[str, Any]:
    return {"name": name, **text_box(caption, part)}


def text_box(caption: str, part: ReadablePart) -> dict[str, Any]:
    """Return what the template shows of a part of a solution."""
    pairs = {} if part.pairs is None else {"pairs": part.pairs}
    return {"caption": caption, "text": part.text, **pairs}


def _boxes(won: str, start: ReadablePart, best: ReadablePart) -> Iterator[dict[str, Any]]:
    """Yield a part before and after, or once where it is the same."""
    if start == best:
        yield _box("both", f"{start.name}: unchanged", start)
        return
    yield _box("start", f"{start.name}. Before: the start", start)
    yield _box("best", f"{start.name}. {won}", best)


def _evidence(record: Mapping[str, Any]) -> dict[str, Any]:
    shown, level = shown_in(record), 100 * record["level"]
    same = bool(record["start"]) and record["start"] == record["best"]
    lines = [line for line in record["lines"] if not (same and line["label"] == "best")]
    columns = [split for split in _SPLITS if any(line[split] for line in lines)]
    tests = [line["test"] for line in lines]
    plotted = shown.shares and any(tests)
    won = "winner" if record["finished"] else "best so far"
    rows = [
        {
            "label": won if line["label"] == "best" else line["label"],
            "winner": line["label"] == "best",
            "cells": [_cell(line[split], shown) for split in columns],
            "plot": across(line["test"]) if plotted and line["test"] else "",
        }
        for line in lines
    ]
    found = record["comparisons"]
    reach = max(
        (abs(v["difference"]["interval"][e]) for v in found for e in ("low", "high")), default=0
    )
    names = {"test": "held out (test)"}
    caption = "Value of each solution"
    if not record["function"]:
        caption = f"Scores with {level:g} % intervals and the number of items"
    return {
        "lines": rows,
        "columns": [
            names.get(split, split) if not record["function"] else "value" for split in columns
        ],
        "plotted": "held out, 0 to 100 %" if plotted else "",
        "scores_caption": caption,
        "comparisons": [_versus(v, reach, shown) for v in found],
        "difference": "points" if shown.shares else "difference",
        "comparisons_caption": (
            f"The winner against the others on the same held-out items, {level:g} % intervals"
            + (f"; {on_correction(_tests(found))}" if found[1:] else "")
        ),
        "gain": _parts_of_gain(record, shown),
        "gain_caption": f"Where the gain comes from, {level:g} % intervals",
        "remarks": list(_remarks(record, same=same)),
    }


def _tests(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int | None]]:
    """Return whom the winner was compared with, the word, and what its p-value is corrected for."""
    return [(v["against"], v["word"], v.get("family")) for v in found]


def _gain(record: Mapping[str, Any]) -> Gain:
    found = Gain.plain(record["gain"]) if record.get("gain") else Gain()
    return found if found.telling else Gain()


def _parts_of_gain(record: Mapping[str, Any], shown: Presentation) -> list[dict[str, str]]:
    """Return the parts of the gain that could be measured; none where they tell nothing."""
    found = _gain(record)
    return [
        {
            "name": part.name,
            "points": points(part.mean, shown),
            "interval": f"{points(part.interval.low, shown)} to "
            f"{points(part.interval.high, shown)}",
            "word": part.word,
        }
        for part in found.parts
    ]


def _cell(score: Mapping[str, Any] | None, shown: Presentation) -> dict[str, str] | None:
    if score is None:
        return None
    low, high = (amount(score["interval"][end], shown) for end in ("low", "high"))
    found = Score.plain(score)
    spread = f"{low} to {high}, n\u00a0=\u00a0{found.items}" if found.planned > 1 else ""
    return {"mean": amount(score["mean"], shown), "interval": spread}


def _marked(score: Mapping[str, Any], shown: Presentation) -> str:
    """Return a score without its items, marked where it is partial."""
    return amount(score["mean"], shown) + Score.plain(score).mark


def _versus(found: Mapping[str, Any], reach: float, shown: Presentation) -> dict[str, Any]:
    difference = found["difference"]
    low, high = (points(difference["interval"][end], shown) for end in ("low", "high"))
    return {
        "against": found["against"],
        "points": points(difference["mean"], shown),
        "interval": f"{low} to {high}",
        "p": "-" if found["word"] == "not tested" else p_value(found["corrected"], blank=FIXED),
        "won": difference["wins"],
        "lost": difference["losses"],
        "word": found["word"],
        "sign": _SIGNS[found["word"]],
        "plot": around_zero(difference, reach),
    }


def _remarks(record: Mapping[str, Any], *, same: bool) -> Iterator[str]:
    if read := _gain(record).sentence(record["level"]):
        yield read
    own = record.get("conclusion")  # it says itself what it rests on
    yield from own.get("remarks", ()) if own else ()
    if record["test"] and not same and not own:
        found = record["test"]["difference"]
        several = record["comparisons"][1:]
        older = several and any(v.get("family") is None for v in record["comparisons"])
        looks = (record.get("looks") or {}).get("earlier")
        alone = " before correction" if older or looks else ""
        alone += " for earlier looks" if looks else ""
        p = p_value(found["p_value"], blank=FIXED)
        yield (
            f"Winner against start on {found['n']:,} held-out items: p {p}"
            f"{alone} ({found['method']}); {found['wins']:,} won, {found['losses']:,} lost, "
            f"{found['ties']:,} alike."
        )
    if record["finalists"] and not same:
        tried = sum(len(step["candidates"]) for step in record["steps"])
        yield (
            f"The winner was picked from {tried:,} solutions, {record['finalists']} of them "
            f"compared on validation too{_looks(record.get('looks'))}."
        )
    if record["optimism"] is not None and not same:
        between = record.get("optimism_interval")
        interval = Interval(**between) if between else None
        yield on_optimism(record["optimism"], interval, record["level"], shown_in(record))
    if record.get("confirmation"):
        yield record["confirmation"]
    if record["stopped"]:
        yield f"Why the search ended: {record['stopped']}."


def _looks(found: Mapping[str, Any] | None) -> str:
    """Say which look at the held-out items it was, as it was counted then."""
    if found is None:  # of an older release, or nothing was compared
        return ""
    looks = PriorLooks.plain(found)
    if looks.earlier:
        return f"; it was the {ordinal(looks.number)} look at the held-out items"
    return "; the held-out items were looked at once, at the end"


# -- the parts that the script draws ------------------------------------------------------------


def _parts(record: Mapping[str, Any]) -> list[dict[str, str]]:
    if record["kind"] != "run":
        return [
            {"id": "table", "title": "The table", "about": ""},
            {"id": "seeds", "title": "Every search", "about": _SEEDS},
            {"id": "convergence", "title": "Best so far", "about": _SPREAD},
            {"id": "cells", "title": "The searches", "about": _CELLS},
        ]
    function = record["function"]
    found = [
        {
            "id": "search",
            "title": "Value by step" if function else "Score by step",
            "about": "Each point is one solution. Point at one, or go through them with the "
            "arrow keys.",
        }
    ]
    if record["figure"]:
        titles = {"plane": "The way through the plane", "tour": "The best tour"}
        found.append({"id": "figure", "title": titles[record["figure"]["kind"]], "about": ""})
    if len(record.get("matrix", ())) > 1:
        found.append({"id": "matrix", "title": "Solutions by item", "about": _MATRIX})
    if record["items"]:
        found.append({"id": "items", "title": "Items fixed and broken", "about": _ITEMS})
    if any(c["parents"] for step in record["steps"] for c in step["candidates"]):
        found.append({"id": "lineage", "title": "Lineage", "about": _LINEAGE})
    found.append({"id": "trajectory", "title": "Trajectory", "about": _TRAJECTORY})
    if any(step["calls"] for step in record["steps"]):
        about = "What the optimizer LLM was asked in each step, and what it replied."
        found.append({"id": "steps", "title": "Meta-prompts and replies", "about": about})
    if any(step["rejected"] for step in record["steps"]):
        about = "Texts that were proposed and did not become candidates, by reason."
        found.append({"id": "refused", "title": "Refused", "about": about})
    if any((step.get("spent") or {}).get("usage") for step in record["steps"]):
        about = "What each role had used by the end of each step, from the beginning on."
        found.append({"id": "spending", "title": "Cost over time", "about": about})
    return found


_SPREAD = (
    "Mean over the repetitions of each method, with one standard deviation to both sides, or "
    "upwards alone where the axis is logarithmic; a search that ended keeps its best."
)
_SEEDS = (
    "A mark is the winner of one search, a bar the mean over the repetitions; of three or more, a "
    "line is its 95 % interval (Student's t)."
)
_CELLS = (
    "Each is a run of its own; its name links to the page next to this one that llmopt report "
    "makes of it."
)
_ITEMS = "Where the winner answers otherwise than the start, and where both are wrong."
_MATRIX = (
    "What each solution got on each training item. Choose a cell to read the input, the expected "
    "answer and what was answered."
)
_LINEAGE = "Which solution was edited into which, from left to right by step."
_TRAJECTORY = (
    "Everything that was tried. Open a row for its lineage, the words that changed, and the "
    "meta-prompt that it came from."
)


def _tokens(used: Mapping[str, Any]) -> int:
    return int(used["input_tokens"] + used["output_tokens"])
