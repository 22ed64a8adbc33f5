"""Demonstrations are read as numbered pairs, compared one by one, and escaped wherever shown."""

from __future__ import annotations

import base64
import gzip
import json
import re
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import HOSTILE, NASTY

from llmopt import open_store, optimize
from llmopt.algorithms.capo import capo
from llmopt.cli import main
from llmopt.core.demonstrations import Shot
from llmopt.core.values import Item
from llmopt.history.compare import compared_runs
from llmopt.history.document import record
from llmopt.history.readable_solution import (
    ShownPair,
    SolutionReader,
    changed_line,
    changed_pairs,
)
from llmopt.problems.prompt.few_shot import PARTS, joined
from llmopt.testing import scripted
from llmopt.web.pages.payload import chunks
from llmopt.web.pages.run_page import page
from llmopt.web.pages.site_pages import comparison

if TYPE_CHECKING:
    from pathlib import Path

ROWS = {str(n): Item(str(n), f"Question {n}?", "yes" if n % 2 else "no") for n in range(6)}
READER = SolutionReader(PARTS, ROWS)
NAMES = st.lists(st.sampled_from("abcdef"), unique=True)


def pairs(names: str | list[str]) -> tuple[ShownPair, ...]:
    return tuple(ShownPair(name, name.upper(), "yes") for name in names)


def told(old: str, new: str) -> dict[str, str]:
    return {one.pair.id: one.change for one in changed_pairs(pairs(old), pairs(new))}


def test_demonstrations_are_numbered_pairs_with_reasoning_left_out() -> None:
    text = joined("Answer.", [Shot("1"), Shot("4", "Even, so not odd.\nThe answer is no")])
    assert READER.text(text) == (
        "=== instruction ===\nAnswer.\n\n=== demonstrations ===\n"
        "1. [1] Question 1?\n   -> yes\n"
        "2. [4] Question 4?\n   -> no (with the model's reasoning, 8 words)"
    )
    assert READER.line(text) == "Answer. [2 demonstrations: 1, 4]"
    assert READER.read(text)[1].pairs == (
        ShownPair("1", "Question 1?", "yes"),
        ShownPair("4", "Question 4?", "no", "Even, so not odd.\nThe answer is no"),
    )


@pytest.mark.parametrize("text", ["Answer.", "", HOSTILE, "=== instruction ===\nonly this"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert READER.text(text) == READER.line(text) == text
    assert SolutionReader().text(text) == text
    assert READER.changes(text, joined("Answer.")) == ()


def test_rows_that_are_not_kept_are_named() -> None:
    text = joined("Answer.", [Shot("99", "no")])
    assert "1. [99] (the row is not kept)\n   -> no" in READER.text(text)


def test_each_demonstration_is_added_removed_moved_or_answered_otherwise() -> None:
    assert told("abc", "abc") == dict.fromkeys("abc", "same")
    assert told("ab", "acb") == {"a": "same", "c": "added", "b": "same"}
    assert told("abc", "ac") == {"a": "same", "c": "same", "b": "removed"}
    assert list(told("abc", "cab").values()).count("moved") == 1
    old, new = pairs("a"), (replace(pairs("a")[0], reasoning="because"),)
    assert [one.change for one in changed_pairs(old, new)] == ["other answer"]
    (moved,) = [one for one in changed_pairs(pairs("abc"), pairs("cab")) if one.change == "moved"]
    assert changed_line(moved) == "1. (moved from 3) [c] C -> yes"


@given(NAMES, NAMES)
def test_changes_make_the_new_list_out_of_the_old_one(old: list[str], new: list[str]) -> None:
    found = changed_pairs(pairs(old), pairs(new))
    assert [one.pair.id for one in found if one.after] == new
    assert {one.pair.id for one in found if one.before} == set(old)
    assert {one.pair.id for one in found if one.change == "removed"} == set(old) - set(new)
    assert {one.pair.id for one in found if one.change == "added"} == set(new) - set(old)
    stayed = [one.before for one in found if one.change == "same"]
    assert stayed == sorted(stayed)


def test_parts_are_compared_one_by_one() -> None:
    old, new = joined("Answer.", [Shot("1")]), joined("Answer.", [Shot("1"), Shot("2")])
    instruction, shots = READER.changes(old, new)
    assert instruction.unchanged
    assert shots.pairs is not None
    assert [one.change for one in shots.pairs] == ["same", "added"]


@pytest.fixture(scope="module")
def hostile_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two searches over hostile rows, whose winners show demonstrations."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    clean = scripted.few_shot()
    items = clean.splits
    train = tuple(
        replace(item, input=f"{NASTY[n % len(NASTY)]} {item.input}".replace("\ud800", ""))
        for n, item in enumerate(items.train)
    )
    for seed in (0, 1):
        optimize(
            replace(clean, splits=replace(items, train=train), scorer=scripted.model()),
            algorithm=capo(),
            optimizer=scripted.model(),
            steps=3,
            seed=seed,
            controls=(),
            name=f"odd{seed}",
            store=folder / "runs.db",
            progress=False,
        )
    return folder


def unpacked(text: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


def test_the_page_has_pairs_and_no_markup_of_theirs(hostile_runs: Path) -> None:
    with closing(open_store(hostile_runs / "runs.db")) as store:
        found = record(store, "odd0")
        compared = comparison(compared_runs(store, ["odd0", "odd1"]), alone=True)
    assert found["part_kinds"] == ["instruction", "demonstrations"]
    assert found["shown_rows"]
    html = page(found)
    assert '<ol class="shots">' in html
    solution = html[html.index('id="solution"') : html.index('id="evidence"')]
    for shown in (solution, compared):
        assert "<img" not in shown
        assert "onload=&#34;" in shown or "<svg onload" not in shown
        assert "\u202e" not in shown
        assert "\x1b" not in shown
        assert '{"id":' not in shown.replace("&#34;", '"')
    assert "window.hacked='script'</script>" not in html
    assert re.search("added|removed|moved|unchanged", compared)
    core = unpacked(chunks(found)[0]["core"])
    assert len(core["pieces"]) == len(core["candidates"])
    assert not any('{"id"' in candidate[2] for candidate in core["candidates"])


def test_the_terminal_shows_pairs_and_obeys_none_of_them(
    hostile_runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(hostile_runs / "runs.db")
    for words in (
        ["show", "odd0"],
        ["show", "odd0", "--front"],
        ["show", "odd0", "--step", "2"],
        ["compare", "odd0", "odd1"],
    ):
        main([*words, "--store", store], standalone_mode=False)
        said = capsys.readouterr().out
        shown = said[said.index("CANDIDATE") :] if "--step" in words else said
        assert '{"id"' not in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "demonstrations" in said
