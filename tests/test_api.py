"""The front door: names and defaults in, nothing half-written where something is wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.core.model import Traits
from llmopt.errors import ConfigError, LlmoptError, UnknownNameError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.function import FunctionProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call, Reply
    from llmopt.engine.progress import Progress
    from llmopt.problems.prompt.prompt_problem import PromptProblem


def problem(scorer: object) -> PromptProblem:
    return replace(scripted.problem(), scorer=scorer)


def small(folder: Path, **more: Any) -> dict[str, Any]:
    return {"store": folder / "runs.sqlite", "steps": 1, "progress": False, "controls": (), **more}


def names(folder: Path) -> list[str]:
    store = llmopt.open_store(folder / "runs.sqlite")
    try:
        return sorted(info.name for info in store.runs())
    finally:
        store.close()


class Watched(ScriptedModel):
    """Knows how many calls are in flight, and whether it was closed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(scripted.answer, **options)
        self.now = self.most = self.closed = 0

    async def complete(self, call: Call) -> Reply:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            return await super().complete(call)
        finally:
            self.now -= 1

    async def close(self) -> None:
        self.closed += 1


def test_one_call_does_everything(tmp_path: Path) -> None:
    model = scripted.model()
    result = llmopt.optimize(problem(model), **small(tmp_path, algorithm="opro"))
    assert result.algorithm == "opro"
    assert result.best.text
    assert result.test is not None
    assert result.usage["optimizer"].calls == 8  # without an optimizer LLM the scorer LLM is it


async def test_the_same_works_where_a_loop_runs_already(tmp_path: Path) -> None:
    """As in a notebook."""
    model = scripted.model()
    inside = llmopt.optimize(problem(model), **small(tmp_path, name="inside"))
    awaited = await llmopt.optimize_async(problem(model), **small(tmp_path, name="awaited"))
    assert inside.best == awaited.best
    assert inside.verdict == awaited.verdict


async def test_an_error_comes_through_a_running_loop_as_itself(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'opro'"):
        llmopt.optimize(problem(scripted.model()), **small(tmp_path, algorithm="opru"))


def test_runs_without_a_name_get_new_ones_of_their_method(tmp_path: Path) -> None:
    for algorithm in ("opro", "opro", "ape"):
        llmopt.optimize(problem(scripted.model()), **small(tmp_path, algorithm=algorithm))
    assert names(tmp_path) == ["ape", "opro", "opro-2"]


def test_an_algorithm_comes_as_a_name_or_as_an_object(tmp_path: Path) -> None:
    runs = [
        llmopt.optimize(problem(scripted.model()), **small(tmp_path, algorithm=algorithm))
        for algorithm in ("opro", llmopt.opro(), "llmopt.algorithms.opro:opro")
    ]
    assert len({run.best for run in runs}) == 1


def test_what_the_caller_made_stays_open(tmp_path: Path) -> None:
    model, store = Watched(), llmopt.open_store(tmp_path / "runs.sqlite")
    llmopt.optimize(problem(model), **small(tmp_path, store=store, name="kept"))
    assert model.closed == 0
    assert [info.name for info in store.runs()] == ["kept"]
    store.close()


def test_the_store_is_the_users_own_where_none_is_named(tmp_path: Path) -> None:
    llmopt.optimize(problem(scripted.model()), **{**small(tmp_path, name="home"), "store": None})
    store = llmopt.open_store()
    assert [info.name for info in store.runs()] == ["home"]
    store.close()


@pytest.mark.parametrize("concurrency", [1, 3])
def test_never_more_calls_are_in_flight_than_allowed(tmp_path: Path, concurrency: int) -> None:
    model = Watched()
    llmopt.optimize(problem(model), **small(tmp_path, concurrency=concurrency))
    assert model.most == concurrency


def test_by_default_as_many_are_in_flight_as_the_scorer_likes(tmp_path: Path) -> None:
    scorer = Watched(traits=Traits(slots=5))
    llmopt.optimize(problem(scorer), **small(tmp_path, optimizer=scripted.model()))
    assert scorer.most == 5


def test_both_roles_share_one_budget(tmp_path: Path) -> None:
    optimizer, scorer = scripted.model(), scripted.model()
    result = llmopt.optimize(
        problem(scorer),
        **small(tmp_path, optimizer=optimizer, steps=9, budget=llmopt.Budget(calls=250)),
    )
    assert result.out_of_budget
    assert optimizer.calls > 0
    assert optimizer.calls + scorer.calls <= 250


def test_a_listener_is_told_of_the_progress_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    phases: list[str] = []

    def listen(progress: Progress) -> None:
        phases.append(progress.phase)

    llmopt.optimize(problem(scripted.model()), **small(tmp_path, progress=listen))
    assert phases[0] == "starts"
    assert phases[-1] == "done"
    assert capfd.readouterr() == ("", "")


async def test_a_run_can_be_done_step_by_step(tmp_path: Path) -> None:
    async with llmopt.prepare(problem(scripted.model()), **small(tmp_path, steps=2)) as run:
        while not run.why_stop():
            await run.step()
        stepwise = list(run.trajectory)
        result = await run.optimize()
    assert len(stepwise) == result.candidates
    assert result.steps == 2


NO_CHATS = Traits(chat=False, completion=True, family="chat")
WRONG: list[tuple[dict[str, Any], type[LlmoptError], str]] = [
    ({"algorithm": "opru"}, UnknownNameError, "did you mean 'opro'"),
    ({"algorithm": "os:getcwd"}, ConfigError, "returns an Algorithm"),
    ({"algorithm": "no.such.module:x"}, ConfigError, "cannot be imported"),
    ({"optimizer": "nobody/nothing"}, LlmoptError, "nobody"),
    ({"optimizer": ScriptedModel(scripted.answer, traits=NO_CHATS)}, ConfigError, "chat model"),
    ({"name": "No Such Name"}, LlmoptError, "No Such Name"),
    ({"steps": -1}, ConfigError, "steps are 0 or more"),
    ({"patience": -1}, ConfigError, "patience is 0"),
    ({"concurrency": 0}, ConfigError, "concurrency is 1 or more"),
    ({"tolerance": 1.5}, ConfigError, "tolerance is"),
    ({"finalists": 0}, ConfigError, "finalists are 1 or more"),
]


@pytest.mark.parametrize(("wrong", "error", "match"), WRONG, ids=lambda w: str(w)[:30])
def test_what_cannot_be_used_is_refused_before_anything_is_paid_or_written(
    tmp_path: Path, wrong: dict[str, Any], error: type[LlmoptError], match: str
) -> None:
    model = scripted.model()
    with pytest.raises(error, match=match) as caught:
        llmopt.optimize(problem(model), **small(tmp_path, **wrong))
    assert caught.value.exit_code == 2
    assert model.calls == 0
    assert names(tmp_path) == []


def test_a_run_needs_an_optimizer(tmp_path: Path) -> None:
    function = FunctionProblem(len, "Write much.", ["a"])
    with pytest.raises(ConfigError, match=r"optimizer LLM.*optimizer=…"):
        llmopt.optimize(function, **small(tmp_path))
    assert names(tmp_path) == []


def test_a_prompt_needs_a_scorer(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scorer=…"):
        llmopt.optimize(problem(None), **small(tmp_path, optimizer=scripted.model()))
    assert names(tmp_path) == []


def test_an_unknown_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="stepps"):
        llmopt.optimize(problem(scripted.model()), **small(tmp_path, stepps=3))


class Elsewhere:
    """A model of the user's own, whose price nobody knows."""

    identity, traits = "elsewhere", Traits()

    async def complete(self, call: Call) -> Reply:
        raise AssertionError(call)

    async def close(self) -> None:
        """Do nothing."""


def test_a_limit_in_dollars_needs_a_price_that_is_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="price"):
        llmopt.optimize(problem(Elsewhere()), **small(tmp_path, budget=llmopt.Budget(usd=1)))
    assert names(tmp_path) == []


def test_a_model_in_this_process_is_free_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    """A cent is enough for a free model, and for nothing where its price is a dollar a token."""
    cent = {"budget": llmopt.Budget(usd=0.01)}
    free = llmopt.optimize(problem(scripted.model()), **small(tmp_path, **cent))
    assert not free.out_of_budget
    dear = llmopt.Price(1e6, 1e6)
    stated = {**cent, "prices": {"optimizer": dear, "scorer": dear}}
    with pytest.raises(llmopt.LlmoptError, match=r"but got \$0\.01"):
        llmopt.optimize(problem(scripted.model()), **small(tmp_path / "dear", **stated))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("algoritm", "no option 'algoritm'; did you mean 'algorithm'"),
        ("scorer", r"no option 'scorer'; it is given to the problem: PromptProblem\("),
    ],
)
def test_an_option_that_a_run_has_not_is_named(tmp_path: Path, option: str, said: str) -> None:
    given = {**small(tmp_path), option: "x"}
    with pytest.raises(TypeError, match=said):
        llmopt.optimize(problem(scripted.model()), **given)
