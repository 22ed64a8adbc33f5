"""An evaluation as Markdown, for the summary of a CI job and for a comment on a pull request.

Instructions, inputs and answers come from people and models: every sign of theirs that Markdown,
HTML or a host's mentions could read is written as a character reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.formatting import p_value
from llmopt.core.text import one_line
from llmopt.evidence.gate import broken, examined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.evidence.comparison import Comparison, Differing, ScoredInstruction
    from llmopt.evidence.gate import GateResult

_ITEMS = 50  # shown of each instruction; hosts cut off long comments
_TEXT, _CELL = 600, 200  # characters of an instruction, and of a cell


def markdown_summary(found: Comparison, gate: GateResult | None) -> str:
    """Return the gate, the table, the instructions, and the items that became worse.

    Args:
        found: The evaluation.
        gate: What the gate said of it; None: no gate was asked for.
    """
    parts = [_head(gate), _plain(found.verdict), "", *_table(found), ""]
    parts += [f"- **[{n}]** {_code(row.text, _TEXT)}" for n, row in enumerate(found.rows, 1)]
    parts += ["", *(f"> {_plain(note)}" for note in found.notes)]
    for number, _ in examined(found):
        parts += _broken(found, number)
    cost = "" if found.usd is None else f" {found.usd:.4f} US dollars."
    part = "items" if found.part == "all" else f"{found.part} items"
    parts += ["", f"{found.items:,} {part}, kept as {_code(found.run, _CELL)}.{cost}"]
    return "\n".join(parts) + "\n"


def _head(gate: GateResult | None) -> str:
    if gate is None:
        return "### Evaluation\n"
    lines = [f"### Gate: {'passed' if gate.passed else 'failed'}", ""]
    lines += [
        f"- {'passed' if c.passed else '**failed**'}: [{c.instruction}] must be "
        f"{_plain(c.condition)}; found: {_plain(c.found)}"
        for c in gate.checks
    ]
    return "\n".join([*lines, ""])


def _table(found: Comparison) -> Iterator[str]:
    names = ["", "score", "95 % interval", "measured"]
    several = len(found.rows) > 1
    if several:
        names += ["against [1]", "95 % interval", "won:lost", "p"]
    yield _row(names)
    yield _row(["---"] * len(names))
    for number, row in enumerate(found.rows, 1):
        yield _row([f"**[{number}]**", *_cells(row, found)][: len(names)])


def _cells(row: ScoredInstruction, found: Comparison) -> list[str]:
    shown, score, difference = found.shown, row.score, row.difference
    measured = f"{row.measured:,}/{row.planned:,}"
    if score is None:
        cells = ["-", "-", measured]
    else:
        low, high = score.interval.low, score.interval.high
        ends = f"{shown.number(low)} to {shown.number(high)}"
        cells = [shown.amount(score.mean), ends, measured]
    if difference is None:
        return [*cells, "", "", "", ""]
    low, high = difference.interval.low, difference.interval.high
    return [
        *cells,
        f"{shown.number(difference.mean, signed=True)} ({row.word})",
        f"{shown.number(low, signed=True)} to {shown.number(high, signed=True)}",
        f"{difference.wins}:{difference.losses}",
        p_value(row.p_value),
    ]


def _broken(found: Comparison, number: int) -> Iterator[str]:
    items = broken(found, number)
    if not items:
        return
    many = f"{len(items)} item{'s' if len(items) > 1 else ''}"
    of = "" if len(items) <= _ITEMS else f" (the first {_ITEMS} of them)"
    yield f"\n<details><summary>{many} worse with [{number}] than with [1]{of}</summary>\n"
    yield _row(["item", "input", "expected", "answer of [1]", f"answer of [{number}]"])
    yield _row(["---"] * 5)
    for item in items[:_ITEMS]:
        yield _row([_code(item.item, _CELL), *_texts(item, number)])
    yield "\n</details>"


def _texts(item: Differing, number: int) -> Iterator[str]:
    for text in (item.input, item.target, item.answers[0], item.answers[number - 1]):
        yield "(none)" if text is None else _code(text, _CELL)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str, width: int) -> str:
    """Return a text of unknown origin on one line, to be read by nobody but people."""
    line = one_line(text, width)
    return f"<code>{_plain(line)}</code>" if line else "(empty)"


def _plain(text: str) -> str:
    """Return a text without any sign that Markdown, HTML or a mention is made of."""
    keep = " ,.;:()%+-"
    said = one_line(text, len(text) + 1)
    safe = (c if c.isalnum() or c in keep or not c.isascii() else f"&#{ord(c)};" for c in said)
    # An address would become a link, and a line could begin a list.
    return "".join(safe).replace("://", "&#58;&#47;&#47;").replace("www.", "www&#46;")
