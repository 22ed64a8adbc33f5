"""The front of a run on its page: a drawing of scores over prompt lengths, and a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmopt.core.text import one_line
from llmopt.evidence.front import Front
from llmopt.history.readable_solution import SolutionReader
from llmopt.web.pages.score_text import amount, points
from llmopt.web.pages.svg_parts import Axis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from llmopt.core.presentation import Presentation
    from llmopt.evidence.front import AnswerCost, FrontMember

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 24, 26, 44
_SHOWN = 160  # characters of a text in the table
_THOUSAND = 1_000


def front_section(record: Mapping[str, Any], shown: Presentation) -> dict[str, Any] | None:
    """Return what the template shows of a run's front; None where there is nothing to choose."""
    if record["kind"] != "run" or not record.get("front"):
        return None
    front = Front.plain(record["front"])
    if len(front.members) < 2:  # noqa: PLR2004 - one solution is no front
        return None
    priced = any(member.cost and member.cost.usd for member in front.members)
    names = list(dict.fromkeys(name for member in front.members for name in member.aims))
    heads = [f"score on {front.split}", "minus the winner", "prompt tokens", "tokens of an answer"]
    heads += ["US dollars of 1,000 answers"] if priced else []
    line = SolutionReader.documented(record).line
    rows = [
        _row(replace(member, text=line(member.text)), front, shown, names, priced=priced)
        for member in front.members
    ]
    return {
        "plot": drawn(front, shown),
        "heads": heads + names,
        "rows": rows,
        "caption": f"Solutions measured on {front.split}, {100 * front.level:g} % intervals",
        "remarks": list(front.notes()),
    }


def _row(
    member: FrontMember,
    front: Front,
    shown: Presentation,
    names: Sequence[str],
    *,
    priced: bool,
) -> dict[str, Any]:
    score = member.score
    low, high = (amount(end, shown) for end in (score.interval.low, score.interval.high))
    gap = member.difference
    cells = [(amount(score.mean, shown), f"{low} to {high}")]
    if gap is None:
        cells.append(("-", ""))
    else:
        ends = (points(end, shown) for end in (gap.interval.low, gap.interval.high))
        cells.append((points(gap.mean, shown), " to ".join(ends)))
    cells += [(f"{member.prompt_tokens:,}", ""), _tokens(member.cost)]
    if priced:
        usd = member.cost.usd if member.cost else None
        cells.append(("-" if usd is None else f"{_THOUSAND * usd:.4g}", ""))
    cells += [(f"{member.aims[n]:.4g}" if n in member.aims else "-", "") for n in names]
    return {
        "name": one_line(member.text, _SHOWN) or "(empty)",
        "winner": member.candidate == front.winner,
        "front": member.front,
        "cells": cells,
    }


def _tokens(cost: AnswerCost | None) -> tuple[str, str]:
    if cost is None:
        return "-", ""
    about = "about " if cost.estimated else ""
    return (
        f"{about}{cost.tokens:,.0f}",
        f"{cost.input_tokens:,.0f} in, {cost.output_tokens:,.0f} out",
    )


def drawn(front: Front, shown: Presentation) -> Markup:
    """Return scores with their intervals over the lengths of prompts, better ones higher."""
    from markupsafe import Markup, escape

    lengths = [member.prompt_tokens for member in front.members]
    ends = [end for m in front.members for end in (m.score.interval.low, m.score.interval.high)]
    across = Axis(0, max(lengths) or 1, _LEFT, _WIDTH - _RIGHT)
    low, high = min(ends), max(ends)
    flipped = not shown.higher_is_better
    down, up = (_TOP, _HEIGHT - _BOTTOM) if flipped else (_HEIGHT - _BOTTOM, _TOP)
    upwards = Axis(low, high if high > low else low + 1, down, up)
    parts = [
        f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text class="tick" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">'
        f"{escape(amount(value, shown))}</text>"
        for value, y in upwards.ticks()
    ]
    parts += [
        f'<text class="tick" x="{x}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">'
        f"{value:,.0f}</text>"
        for value, x in across.ticks()
    ]
    best = sorted((m for m in front.members if m.front), key=lambda m: m.prompt_tokens)
    line = " ".join(f"{across(m.prompt_tokens)},{upwards(m.score.mean)}" for m in best)
    parts.append(f'<polyline class="best-line" points="{line}"/>')
    for member in reversed(front.members):
        x, y = across(member.prompt_tokens), upwards(member.score.mean)
        ends_y = [upwards(end) for end in (member.score.interval.low, member.score.interval.high)]
        kind = "winner" if member.candidate == front.winner else "leads" if member.front else ""
        parts.append(
            f'<line class="rule whisker" x1="{x}" x2="{x}" y1="{ends_y[0]}" y2="{ends_y[1]}"/>'
            f'<circle class="point {kind}" cx="{x}" cy="{y}" r="5"/>'
        )
    title = escape(f"Score on {front.split} over the tokens of the prompt")
    return Markup(  # noqa: S704 - of numbers and escaped texts
        f'<svg class="front" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">'
        f"{''.join(parts)}"
        f'<text class="axis" x="0" y="12">{escape(front.split)}</text>'
        f'<text class="axis" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">'
        "prompt tokens</text></svg>"
    )
