"""The front has what nothing beats in every aim, and the chooser takes what it says it takes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmopt
from llmopt.core.presentation import ACCURACY, Presentation
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.evidence.front import AnswerCost, Front, FrontMember
from llmopt.evidence.result import Result
from llmopt.evidence.scores import Score
from llmopt.models.middleware.budget import Price
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.statistics import Interval
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROWS = [(f"Is {n} even?", "no" if n % 2 else "yes") for n in range(80)]


def member(name: str, score: float, tokens: int, cost: float | None = None, **more: Any) -> Any:
    found = Score(score, Interval(score - 0.1, score + 0.1), 20, 20)
    answer = None if cost is None else AnswerCost(100.0, 10.0, cost, estimated=False, items=20)
    return FrontMember(name, f"Text {name}.", 1, found, tokens, answer, **more)


def front(*members: FrontMember, winner: str = "a", shown: Presentation = ACCURACY) -> Front:
    return Front.of(members, winner, "validation", shown)


def names(found: Front) -> list[str]:
    return [one.candidate for one in found.members if one.front]


def test_what_is_beaten_in_every_aim_is_not_on_the_front() -> None:
    found = front(member("a", 0.9, 50), member("b", 0.8, 20), member("c", 0.7, 30))
    assert names(found) == ["a", "b"]
    assert [one.candidate for one in found.members] == ["a", "b", "c"]
    assert found.axes == ("score", "prompt tokens")


def test_the_cost_of_an_answer_is_an_aim_where_it_is_known_of_all() -> None:
    dear, cheap = member("a", 0.9, 20, 3e-4), member("b", 0.8, 30, 1e-4)
    assert names(front(dear, cheap)) == ["a", "b"]
    assert front(dear, cheap).axes == ("score", "prompt tokens", "usd")
    unknown = replace(cheap, cost=None)
    assert names(front(dear, unknown)) == ["a"], "unknown is not zero"
    free = [replace(one, cost=replace(one.cost, usd=0.0)) for one in (dear, cheap)]
    assert front(*free).cost == "tokens"


def test_costs_that_hardly_differ_are_equal() -> None:
    found = front(member("a", 0.9, 20, 1.000e-4), member("b", 0.8, 20, 0.995e-4))
    assert names(found) == ["a"]


def test_sub_scores_are_aims_and_lower_scores_can_be_better() -> None:
    aims = front(
        member("a", 0.9, 20, aims={"polite": 0.2}), member("b", 0.8, 30, aims={"polite": 0.7})
    )
    assert names(aims) == ["a", "b"]
    assert aims.axes[2:] == ("polite",)
    length = Presentation(higher_is_better=False)
    assert names(front(member("a", 3.0, 20), member("b", 4.0, 20), shown=length)) == ["a"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 5)), min_size=1))
def test_every_other_solution_is_beaten_by_one_of_the_front(
    points: Sequence[tuple[int, int, int]],
) -> None:
    members = [member(str(n), s / 5, t, float(c)) for n, (s, t, c) in enumerate(points)]
    found = front(*members, winner="0")
    on = [points[int(one.candidate)] for one in found.members if one.front]
    assert on

    def beats(x: tuple[int, int, int], y: tuple[int, int, int]) -> bool:
        return x != y and x[0] >= y[0] and x[1] <= y[1] and x[2] <= y[2]

    for one in found.members:
        point = points[int(one.candidate)]
        assert one.front == (not any(beats(other, point) for other in points))
        assert one.front or any(beats(other, point) for other in on)


def test_the_chooser_takes_the_shortest_or_cheapest_near_the_winner() -> None:
    found = front(
        member("a", 0.90, 50, 3e-4),
        member("b", 0.895, 30, 2e-4),
        member("c", 0.88, 20, 4e-4),
        member("d", 0.60, 2, 1e-4),
    )
    assert found.choose("best").candidate == "a"
    assert found.choose().candidate == "b"
    assert found.choose("short", 0).candidate == "a"
    assert found.choose("short", 2).candidate == "c"
    assert found.choose("cheap", 2).candidate == "b"
    assert found.choose("cheap", 100).candidate == "d"


def test_what_cannot_be_chosen_is_refused() -> None:
    found = front(member("a", 0.9, 50), member("b", 0.9, 40))
    with pytest.raises(ConfigError, match="prefer short"):
        found.choose("cheap")
    with pytest.raises(UnknownNameError, match="did you mean 'short'"):
        found.choose("shor")  # type: ignore[arg-type] # what a user may write
    with pytest.raises(ConfigError, match="within is 0 or more, but got -1"):
        found.choose("short", -1)


def test_values_have_no_points() -> None:
    found = front(member("a", 7.0, 50), member("b", 6.5, 40), shown=Presentation())
    assert found.choose("short").candidate == "a"
    assert found.choose("short", 0.5).candidate == "b"


def searched(folder: Path, **more: Any) -> Result:
    problem = llmopt.PromptProblem.from_rows(
        ROWS, instructions=["Say it."], scorer=ScriptedModel(scripted.answer), sizes=(30, 20, 30)
    )
    return llmopt.optimize(
        problem, steps=2, finalists=5, store=folder / "s.db", name="run", progress=False, **more
    )


def test_a_run_has_a_front_of_its_finalists(tmp_path: Path) -> None:
    result = searched(tmp_path, prices={"scorer": Price(1.0, 4.0)})
    found = result.front
    assert found is not None
    assert found.best.text == result.best.text
    assert (found.split, found.axes[-1]) == ("validation", "usd")
    assert 2 <= len(found.members) <= 6
    for one in found.members:
        assert one.score.n == 20
        assert (one.difference is None) == (one.candidate == found.winner)
        assert one.cost is not None
        assert one.cost.usd == pytest.approx(
            (one.cost.input_tokens + 4 * one.cost.output_tokens) / 1e6
        )
    assert Result.plain(json.loads(json.dumps(result.to_dict()))).front == found
    text = str(found)
    for part in ("(winner)", "US dollars of", "20 validation items", "llmopt evaluate"):
        assert part in text


def test_what_the_curve_measured_is_on_the_front_too(tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    few = searched(tmp_path / "few").front
    more = searched(tmp_path, validate_every=1).front
    assert few
    assert more
    assert {m.candidate for m in few.members} <= {m.candidate for m in more.members}


def test_without_validation_the_front_is_of_train(tmp_path: Path) -> None:
    problem = llmopt.PromptProblem.from_rows(
        ROWS, instructions=["Say it."], scorer=ScriptedModel(scripted.answer), sizes=(30, 0, 30)
    )
    found = llmopt.optimize(
        problem, steps=2, store=tmp_path / "s.db", name="run", progress=False
    ).front
    assert found
    assert found.split == "train"
    assert all(one.score.n == 30 for one in found.members)
    shortest = min(one.prompt_tokens for one in found.members)
    assert any(one.prompt_tokens == shortest and one.front for one in found.members)


def test_numbers_have_no_front(tmp_path: Path) -> None:
    found = llmopt.optimize(
        scripted.numbers(),
        algorithm=llmopt.random_search(),
        steps=2,
        store=tmp_path / "s.db",
        progress=False,
    )
    assert found.front is None
