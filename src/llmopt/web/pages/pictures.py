"""Drawings of a run as SVG files of their own, for papers and slides: light, without a script."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from llmopt.errors import ConfigError
from llmopt.evidence.front import Front
from llmopt.web.pages.front_plot import drawn
from llmopt.web.pages.score_text import amount, shown_in
from llmopt.web.pages.svg_parts import svg, text, ticks
from llmopt.web.pages.sweep_pictures import SWEPT, sweep_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.presentation import Presentation

PICTURES = ("history", "items", "lineage", "front")
"""What can be drawn of a run; :data:`SWEPT` of a sweep."""

_WIDTH, _HEIGHT = 760, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 90, 24, 46
_MOST_ROWS = 240  # solutions in the picture of items
_ROW, _COLUMN = 24, 84  # of the tree


def picture(record: Mapping[str, Any], what: str, by: str = "step") -> str:
    """Return a drawing of a run or a sweep as the text of an SVG file.

    Args:
        record: Its document.
        what: One of :data:`PICTURES`, or of :data:`SWEPT` for a sweep.
        by: What a sweep's history is drawn over: ``step`` or ``calls``.

    Raises:
        ConfigError: It has nothing of the kind to draw.
    """
    kind, name = record["kind"], record["run"]
    of = {"run": PICTURES, "sweep": SWEPT}.get(kind)
    if of is None:
        raise ConfigError(
            f"a picture is of a run or a sweep, but {name!r} is of the kind {kind}; "
            f"llmopt report {name} draws it"
        )
    if what not in of:
        raise ConfigError(
            f"a picture of a {kind} is one of {', '.join(of)}, but got {what} for {name!r}; "
            "choose another with --what"
        )
    if by != "step" and (kind, what) != ("sweep", "history"):
        raise ConfigError(
            f"--by is for the history of a sweep, but got {by} for {what} of {name!r}; leave it out"
        )
    if kind == "sweep":
        return sweep_picture(record, what, by)
    candidates = [c | {"step": s["step"]} for s in record["steps"] for c in s["candidates"]]
    if not any(c["score"] is not None for c in candidates):
        raise ConfigError(
            f"a picture is of a run that has measured something, but {record['run']!r} has not; "
            f"continue with: llmopt resume {record['run']}"
        )
    if what == "front":
        return _front(record)
    draw = {"history": _history, "items": _items, "lineage": _lineage}[what]
    return draw(record, candidates, shown_in(record))


def _front(record: Mapping[str, Any]) -> str:
    if not record.get("front"):
        raise ConfigError(
            f"a front is of a finished run of instructions, but {record['run']!r} has none; "
            "llmopt plot --what history draws its scores"
        )
    made = str(drawn(Front.plain(record["front"]), shown_in(record)))
    inner = made[made.index(">") + 1 : made.rindex("</svg>")]
    return svg(640, 300, [inner], "Front")


def _history(
    record: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]], shown: Presentation
) -> str:
    known = [c for c in candidates if c["score"] is not None]
    tests = [line for line in record["lines"] if line["test"] and line["label"] in _ENDS]
    values = [c["score"] for c in known]
    values += [line["test"]["interval"][end] for line in tests for end in ("low", "high")]
    values += [point["validation"]["mean"] for point in record["curve"] if point["validation"]]
    steps = max(1, *(c["step"] for c in known))
    pitch: float = (_WIDTH - _RIGHT - _LEFT) / (steps + 0.8)

    def x(step: float) -> float:
        return round(_LEFT + pitch * (step + 0.4), 1)

    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0

    def y(value: float) -> float:
        share = float(value - low) / span
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP - 8), 1)

    parts = [
        f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(v)}" y2="{y(v)}"/>'
        + text(_LEFT - 8, y(v) + 4, amount(v, shown), "end")
        for v in ticks(low, low + span)
    ]
    parts += [
        text(x(step), _HEIGHT - _BOTTOM + 20, f"{step:g}", "middle")
        for step in ticks(0, steps)
        if step == int(step)
    ]
    parts.append(text(_WIDTH - _RIGHT, _HEIGHT - 8, "step", "end"))
    parts.append(text(0, 13, "value" if record["function"] else "score"))
    parts += _points(known, pitch, x, y, record)
    for point in record["curve"]:
        if point["validation"]:
            at = f"{x(point['step'])},{round(y(point['validation']['mean']) - 6, 1)}"
            parts.append(f'<path class="validation" d="M{at}l6,6l-6,6l-6,-6z"/>')
    for n, line in enumerate(tests):
        edge, test = _WIDTH - _RIGHT + 14 + 12 * n, line["test"]
        ends = test["interval"]
        name = "winner" if line["label"] == "best" else "start"
        parts.append(
            f'<line class="held" x1="{edge}" x2="{edge}" y1="{y(ends["low"])}" '
            f'y2="{y(ends["high"])}"/>' + text(_WIDTH - _RIGHT + 34, y(test["mean"]) + 4, name)
        )
    return svg(_WIDTH, _HEIGHT, parts, "Score of every solution by step")


_ENDS = ("start", "best")


def _points(
    known: Sequence[Mapping[str, Any]], pitch: float, x: Any, y: Any, record: Mapping[str, Any]
) -> list[str]:
    """Return the solutions as points, those of a step next to each other, and the best so far."""
    winner = (record["best"] or {}).get("id")
    up = 1 if record["measure"]["higher_is_better"] else -1
    by_step: dict[int, list[str]] = {}
    for c in known:
        by_step.setdefault(c["step"], []).append(c["id"])
    best = -math.inf
    line: list[str] = []
    points: list[str] = []
    for c in known:
        mates = by_step[c["step"]]
        gap = min(8.0, 0.8 * pitch / len(mates))
        cx = round(x(c["step"]) + gap * (mates.index(c["id"]) - (len(mates) - 1) / 2), 1)
        cy = y(c["score"])
        leads = c["measured"] == c["planned"] and up * c["score"] > best
        if leads:
            best = up * c["score"]
            line.append(f"M{cx},{cy}" if not line else f"H{cx}V{cy}")
        kind = "winner" if c["id"] == winner else "leads" if leads else ""
        radius = 6 if kind == "winner" else 4.5 if leads else 3.5
        points.append(f'<circle class="point {kind}" cx="{cx}" cy="{cy}" r="{radius}"/>')
    stairs = f'<path class="best-line" d="{"".join(line)}H{_WIDTH - _RIGHT}"/>' if line else ""
    return [stairs, *points]


def _items(
    record: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]], shown: Presentation
) -> str:
    rows = [c for c in candidates if c["outcomes"]]
    if not rows:
        raise ConfigError(
            f"a picture of items is of a run on several items, but {record['run']!r} has one; "
            "llmopt plot --what history draws its values"
        )
    if len(rows) > _MOST_ROWS:  # those that are spread evenly over the search
        rows = [rows[n * len(rows) // _MOST_ROWS] for n in range(_MOST_ROWS)]
    items = max(len(c["outcomes"]) for c in rows)
    size = max(2.0, min(12.0, 900 / items))
    parts = []
    for n, c in enumerate(rows):
        top = 22 + n * size
        if n % max(1, round(24 / size)) == 0:
            said = (
                f"step {c['step']}: {amount(c['score'], shown)}" if c["score"] is not None else ""
            )
            parts.append(text(128, top + 9, said, "end"))
        for kind, begin, end in _runs(c["outcomes"], record):
            parts.append(
                f'<rect class="{kind}" x="{136 + begin * size:.1f}" y="{top:.1f}" '
                f'width="{(end - begin) * size:.1f}" height="{size:.1f}"/>'
            )
    title = f"{len(rows)} solutions (rows, as tried) on {items} training items (columns)"
    parts.append(text(16, 14, f"{title}: green right, red wrong, ochre between"))
    return svg(max(136 + items * size + 16, 700), 36 + len(rows) * size, parts, "Solutions by item")


def _runs(outcomes: Any, record: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Return stretches of items of one kind; without those that were not tried."""
    scores = [None if o in ("-", None) else float(o) for o in outcomes]
    known = [score for score in scores if score is not None]
    low, high = (0.0, 1.0) if record["measure"]["shares"] else (min(known), max(known))
    if not record["measure"]["higher_is_better"]:
        low, high = high, low
    kinds = [
        "" if s is None else "right" if s == high else "wrong" if s == low else "between"
        for s in scores
    ]
    found: list[tuple[str, int, int]] = []
    for n, kind in enumerate(kinds):
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1], n + 1)
        else:
            found.append((kind, n, n + 1))
    return [run for run in found if run[0]]


def _lineage(
    record: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]], shown: Presentation
) -> str:
    winner = (record["best"] or {}).get("id")
    by_id = {c["id"]: c for c in candidates}
    edited = {c["id"]: c["parents"][-1] for c in candidates if c["parents"]}
    edited = {child: parent for child, parent in edited.items() if parent in by_id}
    kept = {c["id"] for c in candidates if c["id"] not in edited} | set(edited.values()) | {winner}
    nodes = [c for c in candidates if c["id"] in kept]
    children: dict[str, list[str]] = {}
    for c in nodes:
        if c["id"] in edited:
            children.setdefault(edited[c["id"]], []).append(c["id"])
    rows: dict[str, int] = {}
    stack = [c["id"] for c in reversed(nodes) if c["id"] not in edited]
    used = 0
    while stack:  # a first child continues the row of what it was made from
        name = stack.pop()
        parent = edited.get(name)
        if parent in rows and children[parent][0] == name:
            rows[name] = rows[parent]
        else:
            rows[name], used = used, used + 1
        stack.extend(reversed(children.get(name, [])))
    steps = sorted({c["step"] for c in nodes})
    place = {
        c["id"]: (20 + _COLUMN * steps.index(c["step"]), 44 + _ROW * rows[c["id"]]) for c in nodes
    }
    parts = [text(20 + _COLUMN * n, 14, f"step {s}") for n, s in enumerate(steps)]
    for child, parent in edited.items():
        if child in place and parent in place:
            (x0, y0), (x1, y1) = place[parent], place[child]
            curve = f"M{x0},{y0}C{x0 + 36},{y0} {x1 - 36},{y1} {x1},{y1}"
            parts.append(f'<path class="edited" d="{curve}"/>')
    for c in nodes:
        x, y = place[c["id"]]
        kind = "winner" if c["id"] == winner else "leads"
        said = "" if c["score"] is None else amount(c["score"], shown)
        parts.append(f'<circle class="point {kind}" cx="{x}" cy="{y}" r="5"/>')
        parts.append(text(x + 8, y - 4, said))
    return svg(20 + _COLUMN * len(steps) + 20, 64 + _ROW * used, parts, "Lineage")
