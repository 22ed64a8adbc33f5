"""Results on the same held-out items are counted in the store, whoever has them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmopt.api import evaluate_async, optimize_async, result_of
from llmopt.core.values import Item, digest
from llmopt.engine.journal import TESTED
from llmopt.engine.look_journal import LOOK, looked, row_of
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.evidence.result import Result

ROWS = [{"input": f"Question {n}?", "target": "yes" if n % 2 else "no"} for n in range(40)]


def of_no_use(call: Call) -> str:
    """Play both roles where no instruction is better than another one."""
    if call.role == "optimizer":
        return scripted.answer(call)
    return "yes" if int(digest(call.text)[:8], 16) % 2 else "no"


def problem(**more: Any) -> PromptProblem:
    options = {"sizes": (12, 8, 20), "instructions": ["Answer."], "task": "Yes or no.", **more}
    return PromptProblem.from_rows(ROWS, **options)


async def ran(folder: Path, name: str, seed: int = 0, **more: Any) -> Result:
    model = ScriptedModel(of_no_use, identity="scripted/coin")
    options = {"steps": 2, "controls": (), "finalists": 3, "progress": False, **more}
    made = replace(options.pop("problem", problem()), scorer=model)
    return await optimize_async(
        made, name=name, seed=seed, store=folder / "runs.sqlite", optimizer=model, **options
    )


def kinds(folder: Path, run: str) -> list[str]:
    with closing(open_store(folder / "runs.sqlite")) as store:
        return [record.kind for record in store.records(run)]


async def test_twelve_searches_on_one_split_are_counted_and_held_to_stricter_levels(
    tmp_path: Path,
) -> None:
    """There is nothing to find, and none of them says that it found something."""
    counted: set[int] = set()
    for seed in range(12):
        result = await ran(tmp_path, f"run-{seed}", seed)
        if result.unchanged:
            assert result.looks is None
            continue
        assert result.looks is not None
        assert result.looks.own == 0
        assert result.looks.earlier in {len(counted), *counted}  # the same winner: the same look
        counted.add(result.looks.earlier)
        assert result.test is not None
        (versus,) = result.comparisons
        expected = min(1.0, result.looks.factor * result.test.difference.p_value)
        assert versus.corrected == expected
        assert versus.word == "not distinguishable"
        assert any("look" in note for note in result.notes) == (result.looks.earlier > 0)
    assert len(counted) > 5


async def test_what_is_done_again_is_no_further_look(tmp_path: Path) -> None:
    first = await ran(tmp_path, "first", 1)
    again = await ran(tmp_path, "first", 1)
    copied = await ran(tmp_path, "second", 1)
    assert not first.unchanged
    assert first.looks == again.looks == copied.looks
    assert first.comparisons == again.comparisons == copied.comparisons
    assert kinds(tmp_path, "first").count(LOOK) == 1
    assert kinds(tmp_path, "first").count(TESTED) == 2
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        assert result_of("first", store).looks == first.looks


async def test_a_resumed_run_with_another_winner_looks_again(tmp_path: Path) -> None:
    first = await ran(tmp_path, "tried", 1)
    more = await ran(tmp_path, "tried", 1, steps=8)
    assert more.best.text != first.best.text
    assert more.looks is not None
    assert (more.looks.earlier, more.looks.own, more.looks.factor) == (1, 1, 2)
    assert any("of this run: this is the second look" in note for note in more.notes)


async def test_another_split_of_the_same_rows_is_seen(tmp_path: Path) -> None:
    await ran(tmp_path, "first", 1)
    other = await ran(tmp_path, "other", 1, problem=problem(split_seed=1))
    assert other.looks is not None
    assert other.looks.earlier == 1
    assert 0 < other.looks.shared < other.looks.items == 20
    assert f"{other.looks.shared} of the 20 held-out items" in other.notes[-1]


async def test_other_rows_are_not_counted(tmp_path: Path) -> None:
    await ran(tmp_path, "first", 1)
    rows = [{**row, "input": f"Another {row['input']}"} for row in ROWS]
    elsewhere = PromptProblem.from_rows(rows, sizes=(12, 8, 20), instructions=["Answer."])
    other = await ran(tmp_path, "other", 3, problem=elsewhere)
    assert other.looks is not None
    assert other.looks.earlier == 0


async def test_an_evaluation_of_held_out_items_is_a_look(tmp_path: Path) -> None:
    model = ScriptedModel(of_no_use, identity="scripted/coin")
    options: dict[str, Any] = {"store": tmp_path / "runs.sqlite", "progress": False}
    made = replace(problem(), scorer=model)
    train = await evaluate_async(made, ["Answer.", "Think."], part="train", **options)
    assert train.looks is None
    first = await evaluate_async(made, ["Answer.", "Think."], **options)
    assert first.looks is not None
    assert first.looks.earlier == 0
    second = await evaluate_async(made, ["Answer.", "Think twice."], **options)
    assert "do not allow for that" in second.notes[-1]
    again = await evaluate_async(made, ["Answer.", "Think."], **options)
    assert again.looks == first.looks
    result = await ran(tmp_path, "run", 1)
    assert result.looks is not None
    assert result.looks.earlier == 2


async def test_the_control_of_a_run_belongs_to_its_look(tmp_path: Path) -> None:
    result = await ran(tmp_path, "run", 1, controls=("sampling",))
    assert LOOK not in kinds(tmp_path, "run-control")
    assert TESTED in kinds(tmp_path, "run-control")
    other = await ran(tmp_path, "other", 2)
    assert result.looks is not None
    assert other.looks is not None
    assert (result.looks.earlier, other.looks.earlier) == (0, 1)


async def test_runs_of_older_releases_are_counted_by_what_they_tested(tmp_path: Path) -> None:
    """They have no records of looks; a resumed one gets them."""
    await ran(tmp_path / "then", "old", 1)
    (tmp_path / "now").mkdir()
    with (
        closing(open_store(tmp_path / "then" / "runs.sqlite")) as then,
        closing(open_store(tmp_path / "now" / "runs.sqlite")) as now,
    ):
        now.create("old", then.config("old"))
        for record in list(then.records("old"))[1:]:
            if record.kind != LOOK:
                now.append("old", record.kind, record.data)
    other = await ran(tmp_path / "now", "new", 2)
    assert other.looks is not None
    assert other.looks.earlier == 1
    again = await ran(tmp_path / "now", "old", 1)
    assert again.looks is not None
    assert (again.looks.earlier, again.looks.own) == (1, 0)
    more = await ran(tmp_path / "now", "old", 1, steps=8)
    assert more.looks is not None
    assert (more.looks.earlier, more.looks.own) == (2, 1)


def test_rows_are_known_by_what_they_hold() -> None:
    assert row_of(Item("1", "A  question", "yes")) == row_of(Item("2", "a question", "Yes"))
    assert row_of(Item("1", "A question", "yes")) != row_of(Item("1", "A question", "no"))
    assert row_of(Item("1"), "one problem") != row_of(Item("1"), "another problem")
    assert row_of(Item("1"), "one problem") != row_of(Item("2"), "one problem")


def test_one_common_item_in_twenty_is_no_look(tmp_path: Path) -> None:
    items = [Item(str(n), f"Question {n}?", "yes") for n in range(60)]
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        for name in ("a", "b", "c"):
            store.create(name, {"identity": {}, "source": {}})
        assert looked(store, "a", items[:20], ("start", "one")).earlier == 0
        assert looked(store, "b", items[19:39], ("start", "two")).earlier == 0
        assert looked(store, "c", items[18:38], ("start", "three")).earlier == 2
