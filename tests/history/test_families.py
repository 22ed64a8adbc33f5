"""Cells are under their sweep and controls under their run, wherever these are in the list."""

from __future__ import annotations

from llmopt.core.presentation import ACCURACY
from llmopt.core.store import RunInfo
from llmopt.engine.header import Kind, RunHeader
from llmopt.history.families import families
from llmopt.history.listing import Listed


def listed(name: str, kind: Kind = "run", *, control: bool = False) -> Listed:
    info = RunInfo(name, "2026-01-01T00:00:00.000+00:00", "done", 3, 0.5)
    return Listed(info, RunHeader(kind, "opro", ACCURACY, "", control=control))


def names(*rows: Listed) -> list[tuple[int, str]]:
    return [(depth, row.name) for family in families(rows) for depth, row in family.each()]


def test_cells_and_controls_are_under_what_they_belong_to() -> None:
    found = names(
        listed("methods.opro-1-abc-control", control=True),
        listed("methods.opro-1-abc"),
        listed("words-control-2", control=True),
        listed("words"),
        listed("methods", "sweep"),
        listed("words-control", control=True),
    )
    assert found == [
        (0, "words"),
        (1, "words-control-2"),
        (1, "words-control"),
        (0, "methods"),
        (1, "methods.opro-1-abc"),
        (2, "methods.opro-1-abc-control"),
    ]


def test_what_was_measured_before_a_search_is_under_it() -> None:
    found = names(listed("words-headroom", control=True), listed("words"), listed("x-headroom"))
    assert found == [(0, "words"), (1, "words-headroom"), (0, "x-headroom")]


def test_what_belongs_to_nothing_in_the_list_is_listed_by_itself() -> None:
    found = names(listed("lost-control", control=True), listed("other.cell-1"), listed("a-control"))
    assert found == [(0, "lost-control"), (0, "other.cell-1"), (0, "a-control")]


def test_the_control_of_a_long_name_is_under_it() -> None:
    long = "r" * 64
    control = f"{'r' * 56}-control"
    assert names(listed(control, control=True), listed(long)) == [(0, long), (1, control)]
    assert families([listed(long), listed(control, control=True)])[0].size == 1
