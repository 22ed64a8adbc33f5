"""The problems of the benchmarks can be built, and their own metric is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from llmopt.core.values import Item
from llmopt.errors import UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

OURS = ("reviews", "movies", "tickets", "orders")
PAPERS = ("hyperbaton", "navigate", "gsm8k")

TARGET = {"item": "garden chair", "quantity": 3, "city": "Leeds"}
NOWHERE = {**TARGET, "city": None}
RIGHT = json.dumps(TARGET)


def check(module: ModuleType, name: str, folder: Path | None) -> None:
    """Both instructions can stand in the problem, and its parts have the promised sizes."""
    task = module.PROBLEMS[name]
    built = module.problem(name, data_dir=folder, scorer=None)
    parts = [built.items(split) for split in ("train", "validation", "test")]
    assert tuple(map(len, parts)) == task.rows
    inputs = [item.input for part in parts for item in part]
    assert len(set(inputs)) == len(inputs)
    assert built.starts == (task.start,)
    assert built.parse(module.HAND[name]) == module.HAND[name]
    assert built.description.task == task.what
    assert built.balanced == task.balanced
    assert built.prompt.fill("Say it.", "this").startswith("Say it.\n")


@pytest.mark.parametrize("name", OURS)
def test_a_problem_with_data_of_ours_can_be_built(problems: ModuleType, name: str) -> None:
    check(problems, name, None)


@pytest.mark.parametrize("name", PAPERS)
def test_a_problem_of_a_paper_can_be_built(problems: ModuleType, official: Path, name: str) -> None:
    check(problems, name, official)


def test_every_problem_is_built_by_a_test(problems: ModuleType) -> None:
    assert set(problems.PROBLEMS) == {*OURS, *PAPERS}


def test_sizes_seed_and_start_can_be_chosen(problems: ModuleType) -> None:
    options = {"data_dir": None, "scorer": None, "rows": (10, 0, 20), "start": "Well?"}
    first = problems.problem("movies", split_seed=0, **options)
    other = problems.problem("movies", split_seed=1, **options)
    assert [len(first.items(split)) for split in ("train", "validation", "test")] == [10, 0, 20]
    assert first.starts == ("Well?",)
    assert first.items("train") != other.items("train")


def test_an_empty_start_is_a_start(problems: ModuleType) -> None:
    assert problems.problem("reviews", data_dir=None, scorer=None, start="").starts == ("",)


def test_an_unknown_problem_is_refused(problems: ModuleType) -> None:
    with pytest.raises(UnknownNameError, match="movies"):
        problems.problem("movie", data_dir=None, scorer=None)


@pytest.mark.parametrize(
    ("output", "target", "right"),
    [
        pytest.param(RIGHT, TARGET, 3, id="the target"),
        pytest.param(json.dumps(NOWHERE), NOWHERE, 3, id="null"),
        pytest.param(f"```json\n{json.dumps(TARGET, indent=2)}\n```", TARGET, 3, id="fence"),
        pytest.param(f"Sure! {RIGHT} Anything else?", TARGET, 3, id="words around it"),
        pytest.param(f"{{item}} is {RIGHT}", TARGET, 3, id="braces that are no JSON"),
        pytest.param(RIGHT.replace("garden", "Garden "), TARGET, 3, id="case and white space"),
        pytest.param(RIGHT.replace("quantity", "number"), TARGET, 2, id="wrong key"),
        pytest.param(RIGHT.replace("}", ', "note": 1}'), TARGET, 3, id="one more key"),
        pytest.param(RIGHT.replace("3", '"3"'), TARGET, 2, id="a number as text"),
        pytest.param(RIGHT.replace("3", "3.0"), TARGET, 2, id="a number with decimals"),
        pytest.param(RIGHT.replace("3", "true"), {**TARGET, "quantity": 1}, 2, id="true for 1"),
        pytest.param(RIGHT.replace("chair", "chairs"), TARGET, 2, id="plural"),
        pytest.param(RIGHT.replace('"Leeds"', "null"), TARGET, 2, id="null for a city"),
        pytest.param(RIGHT.replace('"Leeds"', '"null"'), NOWHERE, 2, id="null as text"),
        pytest.param(RIGHT.replace(', "city": "Leeds"', ""), NOWHERE, 2, id="no key for null"),
        pytest.param(f"{json.dumps(NOWHERE)} or {RIGHT}", TARGET, 2, id="the first one counts"),
        pytest.param("three garden chairs to Leeds", TARGET, 0, id="not JSON"),
        pytest.param(RIGHT[:-1], TARGET, 0, id="cut off"),
        pytest.param(f"[{RIGHT}]", TARGET, 3, id="in a list"),
        pytest.param('{"a":' * 5000, TARGET, 0, id="deep"),
        pytest.param("", TARGET, 0, id="empty"),
    ],
)
def test_the_share_of_right_fields(
    problems: ModuleType, output: str, target: dict[str, object], right: int
) -> None:
    item = Item("1", "three garden chairs to Leeds", json.dumps(target))
    assert problems.json_fields(output, item) == right / 3


def test_orders_are_scored_by_their_fields(problems: ModuleType) -> None:
    built = problems.problem("orders", data_dir=None, scorer=None)
    item = built.items("train")[0]
    assert built.metric(item.target, item).score == 1
    assert built.metric("no", item).score == 0
