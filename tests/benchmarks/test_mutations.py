"""The list of mutations still fits the package: it would otherwise test less and less."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
NAMED = (
    ("engine/run.py", "note_time"),
    ("engine/run.py", "evaluation.whole"),
    ("store/sqlite/connection.py", "synchronous"),
    ("models/providers/openai_wire.py", '"normal"'),
    ("statistics/intervals.py", "math.sqrt(n / (n - 1))"),
)


def test_every_snippet_occurs_once_and_its_replacement_can_be_parsed(mutations: ModuleType) -> None:
    for mutation in mutations.mutations():
        text = (ROOT / "src/llmopt" / mutation.path).read_text("utf-8")
        mutated = mutation.applied(text)
        assert mutated != text, mutation
        ast.parse(mutated)


def test_the_tests_that_have_to_notice_exist(mutations: ModuleType) -> None:
    for mutation in mutations.mutations():
        assert mutation.tests, mutation
        for test in mutation.tests:
            path, _, name = test.partition("::")
            assert f"def {name}" in (ROOT / "tests" / path).read_text("utf-8"), mutation


def test_there_are_more_than_a_hundred_all_different(mutations: ModuleType) -> None:
    listed = mutations.mutations()
    assert len(listed) >= 100
    counts = Counter((one.path, one.snippet, one.replacement) for one in listed)
    assert set(counts.values()) == {1}


@pytest.mark.parametrize(("path", "word"), NAMED)
def test_faults_that_once_went_unnoticed_are_in_the_list(
    mutations: ModuleType, path: str, word: str
) -> None:
    assert any(one.path == path and word in one.snippet for one in mutations.mutations())


def test_a_snippet_that_does_not_occur_once_is_refused(mutations: ModuleType) -> None:
    mutation = mutations.Mutation(1, "a.py", "x", "y", "nothing", ("test_a.py",))
    assert mutation.applied("a x b") == "a y b"
    for text in ("a b", "x x"):
        with pytest.raises(ValueError, match="must occur once"):
            mutation.applied(text)


def test_parts_are_all_of_the_list(mutations: ModuleType) -> None:
    parts = [one.number for at in "123" for one in mutations.chosen(f"{at}/3", "")]
    assert sorted(parts) == list(range(1, len(mutations.mutations()) + 1))


def test_mutations_can_be_named_by_their_places(mutations: ModuleType) -> None:
    assert [one.number for one in mutations.chosen("1/1", "", "7-9,3")] == [3, 7, 8, 9]
    assert [one.number for one in mutations.chosen("1/2", "", "7-9,3")] == [3, 7, 9]
