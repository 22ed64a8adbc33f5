"""Drawings of a sweep as SVG files: its variants by step, their winners, their differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.text import one_line
from llmopt.errors import ConfigError
from llmopt.web.pages.score_text import amount, points, shown_in
from llmopt.web.pages.svg_parts import Axis, svg, text, ticks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from llmopt.core.presentation import Presentation

SWEPT = ("history", "seeds", "differences")
"""What can be drawn of a sweep."""

_COLOURS = ("#1f5a96", "#a2381b", "#17694a", "#7a4b94", "#80610a")
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 2", "12 3")
_SHAPES = (
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0",
    "M-4,-4h8v8h-8z",
    "M0,-5l5,9h-10z",
    "M0,-5l5,5l-5,5l-5,-5z",
    "M-5,-4h10l-5,9z",
    "M-4,-1.4h2.6v-2.6h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6z",
    "M-4,-3l1,-1l3,3l3,-3l1,1l-3,3l3,3l-1,1l-3,-3l-3,3l-1,-1l3,-3z",
)
_WIDTH, _PANEL, _LEFT, _RIGHT = 760, 300, 66, 34
_ROW = 28  # for a variant
_LETTERS, _LETTER = 45, 7  # of a name, at most; the width of one
_WIDE = 50  # times: values apart by more are drawn on a logarithmic axis


def sweep_picture(record: Mapping[str, Any], what: str, by: str = "step") -> str:
    """Return a drawing of a sweep as the text of an SVG file.

    Args:
        record: The document of the sweep.
        what: ``history``: the best score so far on train, mean and standard deviation over the
            repetitions. ``seeds``: the winner of every repetition, their mean and its 95 %
            interval. ``differences``: each variant minus the first one, with intervals.
        by: What the history is drawn over: ``step`` or ``calls``.

    Raises:
        ConfigError: The sweep has nothing of the kind to draw.
    """
    shown = shown_in(record)
    variants = list(dict.fromkeys(cell["variant"] for cell in record["cells"]))
    if what == "history":
        rows = record["points"]
        known = by == "step" or all(p[by] for p in rows)
        _refuse_none(rows and known, record, "measured something" if known else f"made {by}")
        return _stacked([_curves(own, variants, shown, by, name) for name, own in _by_task(rows)])
    if what == "seeds":
        cells = [cell for cell in record["cells"] if cell["score"] is not None]
        _refuse_none(cells, record, "finished a search")
        means = {(m["task"], m["variant"]): m for m in record["means"]}
        return _stacked(
            [_seeds(own, variants, shown, means, name) for name, own in _by_task(cells)]
        )
    rows = [row for row in record["rows"] if row["difference"] is not None]
    _refuse_none(rows, record, "compared winners on held-out items")
    tasks = _by_task(rows)
    return _stacked(
        [_differences(own, variants, shown, name * (len(tasks) > 1)) for name, own in tasks]
    )


def _refuse_none(found: Any, record: Mapping[str, Any], need: str) -> None:
    if not found:
        raise ConfigError(
            f"such a picture is of a sweep that has {need}, but {record['run']!r} has not; choose "
            "another one with --what, or continue the sweep"
        )


def _by_task(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    tasks: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        tasks.setdefault(row["task"], []).append(row)
    return list(tasks.items())


def _stacked(panels: Sequence[tuple[float, str]]) -> str:
    """Return panels of given heights below one another."""
    parts, top = [], 0.0
    for height, inner in panels:
        parts.append(f'<g transform="translate(0,{top:g})">{inner}</g>')
        top += height
    return svg(_WIDTH, top, parts, "Variants of a sweep")


def _mark(variant: int, x: float, y: float) -> str:
    shape, colour = _SHAPES[variant % len(_SHAPES)], _COLOURS[variant % len(_COLOURS)]
    return f'<path d="{shape}" fill="{colour}" transform="translate({x:g},{y:g})"/>'


def _line(path: str, variant: int, *, dashed: bool = True) -> str:
    dash = _DASHES[variant % len(_DASHES)] if dashed else ""
    return (
        f'<path d="{path}" fill="none" stroke="{_COLOURS[variant % len(_COLOURS)]}" '
        f'stroke-width="2" stroke-dasharray="{dash}"/>'
    )


def _axis(values: Sequence[float], begin: float, end: float, *, wide: bool) -> Axis:
    low, high = min(values), max(values)
    return Axis(low, high, begin, end, log=wide and low > 0 and high / low > _WIDE)


def _curves(
    rows: Sequence[Mapping[str, Any]],
    variants: Sequence[str],
    shown: Presentation,
    by: str,
    task: str,
) -> tuple[float, str]:
    """Return the means of a task's variants over steps or calls, with bands of one deviation."""
    top = 32 + 18 * len(variants)
    bottom = top + _PANEL
    ends = [(p["mean"] - (p["sd"] or 0), p["mean"] + (p["sd"] or 0)) for p in rows]
    means = [p["mean"] for p in rows]
    log = not shown.shares and min(means) > 0 and max(means) / min(means) > _WIDE
    lows = means if log else [low for low, _ in ends]  # a logarithm may have no place below
    y = Axis(min(lows), max(high for _, high in ends), bottom, top + 14, log=log)
    last = max(1, *(p[by] for p in rows))
    x = Axis(0, last, _LEFT, _WIDTH - _RIGHT)
    parts = [text(0, 16, task)] if task else []
    parts += [
        f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>'
        + text(_LEFT - 8, at + 4, amount(value, shown), "end")
        for value, at in y.ticks()
    ]
    parts += [
        text(x(value), bottom + 20, f"{value:,.6g}", "middle")
        for value in ticks(0, last)
        if by != "step" or value == int(value)
    ]
    measure = "best score on train" if shown.shares else "best value"
    parts.append(text(0, top, measure + (" (logarithmic)" if log else "")))
    parts.append(text(_WIDTH - _RIGHT, bottom + 38, by, "end"))
    for number, variant in enumerate(variants):
        own = [(p, *end) for p, end in zip(rows, ends, strict=True) if p["variant"] == variant]
        at = 32 + 18 * number
        parts.append(_line(f"M{_LEFT},{at - 4}h40", number) + _mark(number, _LEFT + 20, at - 4))
        parts.append(text(_LEFT + 50, at, one_line(variant, 90)))
        if not own:
            continue
        upper = [f"{x(p[by])},{y(high)}" for p, _, high in own]
        lower = [f"{x(p[by])},{y(p['mean'] if log else low)}" for p, low, _ in reversed(own)]
        colour = _COLOURS[number % len(_COLOURS)]
        band = f"M{'L'.join([*upper, *lower])}Z"
        parts.append(f'<path d="{band}" fill="{colour}" fill-opacity="0.13"/>')
        parts.append(_line("M" + "L".join(f"{x(p[by])},{y(p['mean'])}" for p, *_ in own), number))
        parts += [_mark(number, x(p[by]), y(p["mean"])) for p, *_ in own]
    said = "Line: mean over the repetitions; band: one standard deviation."
    parts.append(text(_LEFT, bottom + 38, said))
    return bottom + 58, "".join(parts)


def _room(variants: Sequence[str]) -> float:
    """Return the width of the names of variants at the left."""
    return 40 + _LETTER * min(_LETTERS, max(map(len, variants)))


def _rows_of(variants: Sequence[str], task: str) -> tuple[list[str], list[float], float]:
    """Return names of variants at the left, where their rows are, and where the last one ends."""
    top = 28 if task else 8
    places = [top + _ROW * (n + 0.5) for n in range(len(variants))]
    parts = [text(0, 16, task)] if task else []
    parts += [
        text(_room(variants) - 20, y + 4, one_line(name, _LETTERS), "end")
        for name, y in zip(variants, places, strict=True)
    ]
    return parts, places, top + _ROW * len(variants)


def _below(x: Axis, bottom: float, top: float, words: Sequence[str], said: str) -> list[str]:
    """Return lines up from the marks of an axis, their words, and a line on what is drawn."""
    return [
        f'<line class="rule" x1="{at}" x2="{at}" y1="{top}" y2="{bottom}"/>'
        + text(at, bottom + 18, word, "middle")
        for (_, at), word in zip(x.ticks(), words, strict=True)
    ] + [text(_WIDTH - _RIGHT, bottom + 40, said, "end")]


def _seeds(
    cells: Sequence[Mapping[str, Any]],
    variants: Sequence[str],
    shown: Presentation,
    means: Mapping[tuple[str, str], Mapping[str, Any]],
    task: str,
) -> tuple[float, str]:
    """Return the winner of every repetition as a mark, with the means of the variants."""
    parts, places, bottom = _rows_of(variants, task)
    own = [means.get((task, variant)) for variant in variants]
    ends = [m[end] for m in own if m for end in ("low", "high") if m[end] is not None]
    values = [cell["score"] for cell in cells]
    wide = not shown.shares
    if wide and min(ends, default=1.0) <= 0:  # an interval may reach below what can be drawn
        wide = False
    x = _axis([*values, *ends], _room(variants), _WIDTH - _RIGHT, wide=wide)
    words = [amount(value, shown) for value, _ in x.ticks()]
    said = "Marks: the winner of each repetition; bar: their mean"
    said += ", with its 95 % interval as a line." if ends else "."
    parts = _below(x, bottom, places[0] - _ROW / 2, words, said) + parts
    for number, (variant, y, mean) in enumerate(zip(variants, places, own, strict=True)):
        if mean and mean["low"] is not None:
            path = f"M{x(mean['low'])},{y:g}H{x(mean['high'])}"
            parts.append(_line(path, number, dashed=False))
        if mean:
            parts.append(_line(f"M{x(mean['mean'])},{y - 10:g}v20", number, dashed=False))
        parts += [_mark(number, x(c["score"]), y) for c in cells if c["variant"] == variant]
    return bottom + 58, "".join(parts)


def _differences(
    rows: Sequence[Mapping[str, Any]], variants: Sequence[str], shown: Presentation, task: str
) -> tuple[float, str]:
    """Return the difference of each variant to the first one, with its interval."""
    others = [v for v in variants if any(row["variant"] == v for row in rows)]
    parts, places, bottom = _rows_of(others, task)
    ends = [row[end] for row in rows for end in ("difference_low", "difference_high")]
    x = _axis([0.0, *ends], _room(others), _WIDTH - _RIGHT, wide=False)
    words = [points(value, shown) for value, _ in x.ticks()]
    said = f"Minus {one_line(variants[0], 40)}, with 95 % intervals: to the right is better."
    parts = _below(x, bottom, places[0] - _ROW / 2, words, said) + parts
    parts.append(f'<line class="whisker" x1="{x(0)}" x2="{x(0)}" y1="4" y2="{bottom}"/>')
    for variant, y in zip(others, places, strict=True):
        row, number = next(r for r in rows if r["variant"] == variant), variants.index(variant)
        path = f"M{x(row['difference_low'])},{y:g}H{x(row['difference_high'])}"
        parts.append(_line(path, number, dashed=False) + _mark(number, x(row["difference"]), y))
    return bottom + 58, "".join(parts)
