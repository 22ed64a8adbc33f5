"""A sweep's table as Markdown and LaTeX: the figures of the document, names as they are."""

from __future__ import annotations

from typing import Any

from llmopt.terminal.sweep_markup import FORMATS, grid_of

NASTY = r"50% of $x_1$ & {all} | \input{/etc/passwd} <b>"


def row(variant: str, task: str, mean: float, words: str = "better") -> dict[str, Any]:
    difference = None if variant == "first" else 0.1
    return {
        "variant": variant,
        "task": task,
        "mean": mean,
        "spread": 0.02,
        "words": words,
        "difference": difference,
        "difference_low": 0.05,
        "difference_high": 0.2,
        "adjusted": 0.01,
        "won": 3,
        "lost": 1,
        "calls": 1234.0,
    }


def swept(*rows: dict[str, Any]) -> dict[str, Any]:
    measure = {"higher_is_better": True, "shares": True, "decimals": None}
    return {"measure": measure, "rows": list(rows), "lines": []}


def test_several_tasks_make_a_matrix_of_methods_by_tasks() -> None:
    tasks = ("all", "mail", "news")
    made = [
        row(name, task, 0.5 + n / 10) for name in ("first", "other") for n, task in enumerate(tasks)
    ]
    found = grid_of(swept(*made))
    assert found.heads == ("method", "mail", "news", "all")
    assert found.rows == (
        ("first", "60.0 ± 2.0", "70.0 ± 2.0", "50.0 ± 2.0"),
        ("other", "60.0 ± 2.0*", "70.0 ± 2.0*", "50.0 ± 2.0*"),
    )
    assert "better" in found.notes[0]


def test_a_single_task_has_its_test() -> None:
    found = grid_of(swept(row("first", "all", 0.5), row("other", "all", 0.6)))
    assert found.rows[1][2:] == ("+10.0", "+5.0 to +20.0", "0.0100", "3", "1", "1,234")


def test_hostile_names_are_typeset_as_they_are() -> None:
    found = grid_of(swept(row("first", "all", 0.5), row(NASTY, "all", 0.6)))
    latex, markdown = (FORMATS[name](found) for name in ("latex", "markdown"))
    assert r"50\% of \$x\_1\$ \& \{all\}" in latex
    assert r"\textbackslash{}input\{/etc/passwd\}" in latex
    assert all(line.count("|") - line.count(r"\|") == 9 for line in markdown.splitlines()[:4])
    assert "<b>" not in markdown.replace(r"\<", "")
