"""A sweep's table as Markdown, LaTeX or plain text: methods by tasks, as papers print it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.formatting import p_value
from llmopt.core.presentation import Presentation
from llmopt.core.text import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ALL = "all"
"""The column of all tasks together."""

_MARKS = {"better": "*", "worse": "†"}
_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "*": r"$^*$",
    "<": r"$<$",
    ">": r"$>$",
}
_LONGEST = 60  # characters of a name


@dataclass(frozen=True)
class SweepGrid:
    """A table of texts.

    Attributes:
        heads: Of its columns; the first one is of the names.
        rows: One text for each column.
        notes: What is below it, in sentences.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    def markdown(self) -> str:
        """Return it as a table of GitHub's Markdown."""
        align = ["---", *["---:"] * (len(self.heads) - 1)]
        lines = [_piped(self.heads), f"| {' | '.join(align)} |", *map(_piped, self.rows)]
        return "\n".join([*lines, "", *map(_marked, self.notes)]) + "\n"

    def latex(self) -> str:
        """Return it as a tabular with the rules of the package booktabs."""
        rows = [" & ".join(map(_typeset, row)) + r" \\" for row in (self.heads, *self.rows)]
        return (
            "\n".join(
                [
                    r"% needs \usepackage{booktabs}",
                    rf"\begin{{tabular}}{{l{'r' * (len(self.heads) - 1)}}}",
                    r"\toprule",
                    rows[0],
                    r"\midrule",
                    *rows[1:],
                    r"\bottomrule",
                    r"\end{tabular}",
                    *(f"% {note}" for note in self.notes),
                ]
            )
            + "\n"
        )

    def plain(self) -> str:
        """Return it as lines of columns."""
        table = [self.heads, *self.rows]
        widths = [max(len(row[n]) for row in table) for n in range(len(self.heads))]
        lines = [
            "  ".join(
                text.ljust(width) if not n else text.rjust(width)
                for n, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        return "\n".join([*lines, "", *self.notes]) + "\n"


FORMATS: dict[str, Callable[[SweepGrid], str]] = {
    "text": SweepGrid.plain,
    "markdown": SweepGrid.markdown,
    "latex": SweepGrid.latex,
}
"""How a table is written, by name."""


def grid_of(document: Mapping[str, Any]) -> SweepGrid:
    """Return the table of a sweep.

    Where winners are compared on held-out items, the columns are the tasks and all of them
    together, with the mean over the repetitions and its standard deviation; with a single task
    they are its figures. Where searches converge, the columns are what they reached.

    Args:
        document: What :func:`llmopt.history.document.record` gives of a sweep.
    """
    measure = document["measure"]
    shown = Presentation(
        higher_is_better=measure["higher_is_better"],
        unit="share" if measure["shares"] else "value",
        decimals=measure.get("decimals"),
    )
    rows = document["rows"]
    if not rows:
        return _converged(document["lines"], shown)
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    if len(tasks) == 1:
        return _single(rows, shown)
    by = {(row["variant"], row["task"]): row for row in rows}
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    ordered = [task for task in tasks if task != ALL] + [task for task in tasks if task == ALL]
    made = tuple(
        (_named(variant), *(_mean(by.get((variant, task)), shown) for task in ordered))
        for variant in variants
    )
    note = (
        f"Means over the repetitions ± standard deviation; * better and † worse than "
        f"{_named(variants[0])} (p < 0.05, Holm)."
    )
    return SweepGrid(("method", *map(_named, ordered)), made, (note,))


def _mean(row: Mapping[str, Any] | None, shown: Presentation) -> str:
    if row is None:
        return "-"
    spread = "" if row["spread"] is None else f" ± {shown.number(row['spread'])}"
    mark = "" if row["difference"] is None else _MARKS.get(row["words"], "")
    return f"{shown.number(shown.facing(row['mean']))}{spread}{mark}"


def _single(rows: Sequence[Mapping[str, Any]], shown: Presentation) -> SweepGrid:
    heads = ("method", "test", "difference", "95 % interval", "p (Holm)", "won", "lost", "calls")
    made = []
    for row in rows:
        compared = row["difference"] is not None
        ends = [row["difference_low"], row["difference_high"]] if compared else []
        low_high = " to ".join(shown.number(end, signed=True) for end in ends)
        made.append(
            (
                _named(row["variant"]),
                _mean({**row, "difference": None}, shown),
                shown.number(row["difference"], signed=True) if compared else "-",
                low_high or "-",
                "-" if row["adjusted"] is None else p_value(row["adjusted"]),
                str(row["won"]) if compared else "-",
                str(row["lost"]) if compared else "-",
                f"{row['calls']:,.0f}",
            )
        )
    note = f"Means over the repetitions ± standard deviation; against {_named(rows[0]['variant'])}."
    return SweepGrid(heads, tuple(made), (note,))


def _converged(lines: Sequence[Mapping[str, Any]], shown: Presentation) -> SweepGrid:
    heads = ("method", "task", "searches", "reached the optimum", "steps to it", "best")

    def rows() -> Iterator[tuple[str, ...]]:
        for line in lines:
            steps = "-" if line["steps"] is None else f"{line['steps']:.1f}"
            if line["steps"] is not None and line["steps_sd"] is not None:
                steps += f" ± {line['steps_sd']:.1f}"
            yield (
                _named(line["variant"]),
                _named(line["task"]) or "-",
                str(line["cells"]),
                "-" if line["solved"] is None else f"{line['solved']} of {line['cells']}",
                steps,
                "-" if line["best"] is None else shown.number(shown.facing(line["best"])),
            )

    note = "Steps: mean over the searches that reached the optimum ± standard deviation."
    return SweepGrid(heads, tuple(rows()), (note,))


def _named(text: str) -> str:
    return visible(one_line(text, _LONGEST))


def _piped(row: Sequence[str]) -> str:
    return f"| {' | '.join(map(_marked, row))} |"


def _marked(text: str) -> str:
    return re.sub(r"([\\|<>*_`\[\]])", r"\\\1", text)


def _typeset(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)
