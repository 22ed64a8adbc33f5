"""The matrix of a run has what each solution was answered on each training item."""

from __future__ import annotations

import base64
import gzip
import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt import open_store
from llmopt.history.cells import Matrix
from llmopt.history.document import record
from llmopt.history.run_history import told
from llmopt.testing import scripted
from llmopt.web.pages.matrix_cells import ROOM, cell_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.core.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a run on a closed set of answers."""
    path = tmp_path_factory.mktemp("cells") / "runs.sqlite"
    problem = replace(scripted.problem(60, (12, 8, 20)), scorer=scripted.model())
    llmopt.optimize(
        problem, name="words", optimizer=scripted.model(), steps=3, store=path, progress=False
    )
    with closing(open_store(path)) as kept:
        yield kept


def test_every_cell_says_what_was_answered_with_its_tokens(store: Store) -> None:
    found, one = Matrix(store, told(store, "words")), record(store, "words")
    assert found.items == one["matrix"]
    candidates = [c for step in one["steps"] for c in step["candidates"]]
    assert len(found) == len(candidates)
    for place, candidate in enumerate(candidates):
        row = found.row(place)
        assert len(row) == len(candidate["outcomes"])
        for cell, mark, item in zip(row, candidate["outcomes"], found.items, strict=False):
            assert cell
            answer, output, said, why, tokens, seconds = cell
            assert (answer == item["target"]) == (mark == "1")
            assert (output, said, why, seconds) == (None, "", "", None)
            assert tokens[0] > 0
    with pytest.raises(IndexError):
        found.row(len(candidates))


def test_a_report_carries_start_and_winner_first_and_no_more_than_there_is_room_for(
    store: Store,
) -> None:
    one = record(store, "words")
    made = cell_chunks(Matrix(store, told(store, "words")), one)
    ids = [c["id"] for step in one["steps"] for c in step["candidates"]]
    first = {ids[int(name.partition("-")[2])] for name in list(made)[:2]}
    assert first == {one["start"]["id"], one["best"]["id"]}
    assert sum(map(len, made.values())) <= ROOM
    unpacked: list[Any] = json.loads(gzip.decompress(base64.b64decode(made["cells-0"])))
    assert unpacked == Matrix(store, told(store, "words")).row(0)


def test_each_step_says_what_was_spent_until_its_end(store: Store) -> None:
    found = [step["spent"] for step in record(store, "words")["steps"]]
    calls = [sum(used["calls"] for used in spent["usage"].values()) for spent in found]
    assert calls == sorted(calls)
    assert calls[-1] <= sum(used.calls for used in store.spent("words").values())
    seconds = [spent["seconds"] for spent in found]
    assert seconds == sorted(seconds)


def test_the_answers_of_start_and_winner_are_counted_by_what_was_expected(store: Store) -> None:
    found = record(store, "words")["confusion"]
    assert (found["split"], found["answers"]) == ("test", ["no", "yes"])
    tested = told(store, "words").tested
    assert tested
    right = sum(outcome.score == 1 for outcome in tested.answers[0][2].outcomes)
    assert sum(found["winner"][n][n] for n in range(2)) == right
    assert sum(map(sum, found["winner"])) == len(tested.items)
