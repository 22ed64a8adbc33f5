"""A run's document tells what the journal holds, and nothing that the run does not support."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt import open_store
from llmopt.api import prepare
from llmopt.core.model import Traits
from llmopt.core.values import Call, Reply
from llmopt.engine.blocking import wait
from llmopt.errors import StoreError
from llmopt.history.document import record
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.metrics.judge import Judge
from llmopt.problems.numeric.regression import linear_regression
from llmopt.problems.prompt.scorer_call import Asking
from llmopt.problems.tours.tour_problem import tsp
from llmopt.testing import scripted
from llmopt.web.pages.run_page import page

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Role
    from llmopt.problems.prompt.prompt_problem import PromptProblem


def problem() -> PromptProblem:
    return replace(scripted.problem(120, (30, 30, 60)), scorer=scripted.model())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a finished run of instructions, one of numbers and one of tours."""
    path = tmp_path_factory.mktemp("runs") / "runs.sqlite"
    shared: dict[str, Any] = {"store": path, "progress": False}
    model = scripted.model()
    llmopt.optimize(problem(), name="words", optimizer=model, steps=4, validate_every=2, **shared)
    llmopt.optimize(linear_regression(), name="line", algorithm="cma-es", steps=6, **shared)
    llmopt.optimize(tsp(8), name="tour", algorithm="two-opt", steps=4, **shared)
    llmopt.evaluate(problem(), ["Answer."], **shared)
    return path


def told(store: Path, run: str) -> dict[str, Any]:
    with closing(open_store(store)) as kept:
        return record(kept, run)


def test_a_document_is_plain_json_with_the_number_of_its_form(store: Path) -> None:
    for run in ("words", "line", "tour"):
        one = told(store, run)
        assert json.loads(json.dumps(one, allow_nan=False)) == one
        assert (one["schema"], one["kind"], one["run"]) == (1, "run", run)


def test_every_candidate_has_its_call_and_its_parents(store: Path) -> None:
    one = told(store, "words")
    seen: set[str] = set()
    for step in one["steps"]:
        for candidate in step["candidates"]:
            assert set(candidate["parents"]) <= seen
            assert len(candidate["outcomes"]) == candidate["planned"] == 30
            assert candidate["score"] == pytest.approx(candidate["outcomes"].count("1") / 30)
            if step["step"]:
                call = step["calls"][candidate["made_by"]]
                assert candidate["text"] in call["reply"]
                assert candidate["parents"]
                assert "INS" in one["prompts"][call["prompt"]]["text"]
        seen |= {candidate["id"] for candidate in step["candidates"]}
    # The draws of a step share one meta-prompt.
    assert len(one["prompts"]) == 4


def test_items_add_up_to_the_held_out_comparison(store: Path) -> None:
    one = told(store, "words")
    difference, test = one["test"]["difference"], one["items"]["test"]
    assert (test["fixed"], test["broken"]) == (difference["wins"], difference["losses"])
    assert sum(test[k] for k in ("fixed", "broken", "both_right", "both_wrong")) == 60
    rows = test["rows"]
    assert len(rows) == 60 - test["both_right"]
    for row in rows:
        right = row["target"]
        assert row["input"].startswith("Question number")
        assert (row["before"]["output"] == right) == (row["kind"] == "broken")
        assert (row["after"]["output"] == right) == (row["kind"] == "fixed")
    assert one["items"]["train"]["rows"][0]["input"]
    assert one["missing"] == []


def test_a_run_of_an_older_version_says_what_was_not_recorded(store: Path, tmp_path: Path) -> None:
    """Nothing is guessed: neither the inputs of training items nor what was answered."""
    with closing(open_store(store)) as kept, closing(open_store(tmp_path / "old.sqlite")) as old:
        old.create("old", kept.config("words"))
        for entry in kept.records("words"):
            data = json.loads(json.dumps(entry.data))
            for measured in (*data.get("entries", ()), *data.get("answers", ())):
                measured["outcomes"] = [outcome[:5] for outcome in measured["outcomes"]]
            if entry.kind not in ("config", "problem"):
                old.append("old", entry.kind, data)
        one = record(old, "old")
    assert one["items"]["test"]["rows"][0]["input"]  # the journal has the held-out items
    assert one["items"]["train"]["rows"][0]["input"] == ""
    assert one["items"]["test"]["rows"][0]["before"]["output"] is None
    assert [lack for lack in one["missing"] if "version of llmopt that made this run" in lack]
    assert one["lines"] == told(store, "words")["lines"]


def test_values_are_in_the_direction_of_the_problem(store: Path) -> None:
    one = told(store, "line")
    scores = [c["score"] for step in one["steps"] for c in step["candidates"]]
    assert all(score > 0 for score in scores)
    assert one["measure"] == {
        "name": "value",
        "higher_is_better": False,
        "shares": False,
        "decimals": None,
    }
    assert one["steps"][-1]["best"] == min(scores)
    assert one["lines"][1]["train"]["mean"] == pytest.approx(min(scores))
    assert one["optimum"] == one["figure"]["optimum"] <= min(scores)
    assert one["items"] == {}


def test_a_plane_holds_the_function_and_every_point(store: Path) -> None:
    made = linear_regression()
    figure = told(store, "line")["figure"]
    steps = told(store, "line")["steps"]
    for candidate in (c for step in steps for c in step["candidates"]):
        x, y = figure["points"][candidate["id"]]
        assert candidate["text"] == made.encode((x, y))
        assert figure["low"][0] < x < figure["high"][0]
        assert figure["low"][1] < y < figure["high"][1]
    corner = made.function(made.encode((0, 0)))
    assert isinstance(corner, float)
    assert len(figure["values"]) == len(figure["values"][0])


def test_a_tour_stands_beside_the_shortest(store: Path) -> None:
    one = told(store, "tour")
    figure = one["figure"]
    assert sorted(figure["optimal"]) == list(range(8))
    assert figure["length"] <= one["lines"][1]["train"]["mean"] + 1e-9
    assert one["noun"] == "tour"


def test_an_unfinished_run_shows_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"

    async def begun() -> None:
        async with prepare(
            problem(), name="begun", optimizer=scripted.model(), store=path, steps=3
        ) as run:
            await run.step()
            await run.step()

    wait(begun())
    one = told(path, "begun")
    assert not one["finished"]
    assert one["verdict"].startswith("Not finished")
    assert [line["label"] for line in one["lines"]] == ["start", "best"]
    assert one["usage"]["scorer"]["calls"] > 0
    assert one["items"].keys() == {"train"}
    assert (one["algorithm"], one["status"]) == ("opro", "interrupted")
    assert one["versions"].keys() == {"llmopt", "python"}
    assert "The best on train so far" in page(one)


def test_a_run_that_has_measured_nothing_has_a_page(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "runs.sqlite")) as kept:
        kept.create("new", {"identity": {"scorer": "s", "optimizer": "o"}, "source": {}})
        one = record(kept, "new")
    assert (one["start"], one["best"], one["steps"], one["lines"]) == (None, None, [], [])
    assert "Not finished" in page(one)


@pytest.mark.parametrize("chat", [True, False])
def test_whole_answers_are_found_however_the_scorer_was_asked(tmp_path: Path, chat: bool) -> None:
    """As a chat or as a completion, with a second question, judged by another model."""
    model = ScriptedModel(
        scripted.answer, traits=Traits(chat=chat, completion=not chat), identity="scripted/world"
    )
    given = replace(problem(), scorer=model, asking=Asking(again=True))
    path = tmp_path / "runs.sqlite"
    shared: dict[str, Any] = {"optimizer": scripted.model(), "store": path, "progress": False}
    llmopt.optimize(given, name="twice", steps=1, **shared)
    row = told(path, "twice")["items"]["train"]["rows"][0]
    assert [part in ("yes", "no") for part in row["before"]["output"].split("\n\n")] == [True] * 2


def test_whole_answers_are_found_where_a_model_judges(tmp_path: Path) -> None:
    def rated(call: Call) -> str:
        code = call.text.rpartition("Verdict ")[2].partition(":")[0]
        return f"Verdict {code}: {1 + len(call.text) % 5}"

    judge = ScriptedModel(rated, identity="scripted/judge")
    made = replace(problem(), metric=Judge(), judge=judge)
    path = tmp_path / "runs.sqlite"
    model = scripted.model()
    llmopt.optimize(made, name="judged", optimizer=model, store=path, steps=1, progress=False)
    one = told(path, "judged")
    assert one["items"]["train"]["rows"]
    for row in one["items"]["train"]["rows"]:
        assert row["before"]["output"] in ("yes", "no")
    assert one["prices"]["judge"] == {"input": 0.0, "output": 0.0, "by": "runs here"}


TABLE = """
class Usage:
    def __init__(self, input_tokens, output_tokens, **cache): ...

class Priced:
    input_price, output_price = 0.002, 0.008

def calc_price(usage, name, *, provider_api_url):
    if (name, provider_api_url) != ("gpt-4o", "https://api.openai.com/v1"):
        raise LookupError(name)
    return Priced()
"""


async def test_prices_are_the_user_s_or_listed_or_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "genai_prices.py").write_text(TABLE, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "genai_prices", raising=False)
    identity = {"optimizer": "openai/gpt-4o@https://api.openai.com/v1", "scorer": "own/m@http://x"}
    source = {"judge": {"price": {"input": 1.5, "output": 2.5}}}
    roles: tuple[Role, ...] = ("optimizer", "scorer", "judge")
    with closing(open_store(tmp_path / "runs.sqlite")) as kept:
        kept.create("paid", {"identity": identity, "source": source})
        for role in roles:
            call = Call(role, prompt="?")
            await kept.replies("paid").put(call.key(role), role, call, Reply("!"))
        prices = record(kept, "paid")["prices"]
    assert prices["optimizer"] == {"input": 2.0, "output": 8.0, "by": "list"}
    assert prices["scorer"] is None
    with closing(open_store(tmp_path / "runs.sqlite")) as kept:
        one_model = {"scorer": {"price": {"input": 1.0, "output": 2.0}}}
        kept.create("one", {"identity": identity, "source": one_model})
        await kept.replies("one").put("k", "m", Call("optimizer", prompt="?"), Reply("!"))
        assert record(kept, "one")["prices"]["optimizer"]["by"] == "configuration"
    assert prices["judge"] == {"input": 1.5, "output": 2.5, "by": "configuration"}
    sys.modules.pop("genai_prices", None)


def test_an_unknown_run_is_refused_with_the_nearest_name(store: Path) -> None:
    with pytest.raises(StoreError, match="did you mean 'words'"):
        told(store, "word")
