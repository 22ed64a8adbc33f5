"""A vault is opened once: by a finished run, for its winner."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.api import evaluate_async, optimize_async
from llmopt.engine.confirm import confirmed
from llmopt.engine.journal import ProblemRecord
from llmopt.engine.vaults import CONFIRMED, OPENED, confirmation_of
from llmopt.errors import BudgetError, ConfigError, RefusedError, StoreError
from llmopt.evidence.confirmation import Confirmation
from llmopt.models.middleware.budget import Limits
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.scorer_call import Asking
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.evidence.result import Result

ROWS = [{"input": f"Question {n}?", "target": "yes" if n % 2 else "no"} for n in range(80)]


def problem(model: ScriptedModel | None = None, **more: Any) -> PromptProblem:
    options = {"sizes": (12, 8, 20), "instructions": ["Answer."], "vault": 30, **more}
    made = PromptProblem.from_rows(ROWS, **options)
    return replace(made, scorer=model or scripted.model())


async def ran(folder: Path, name: str = "run", **more: Any) -> Result:
    options = {"steps": 3, "seed": 3, "controls": (), "progress": False, **more}
    made = options.pop("problem", None) or problem()
    return await optimize_async(
        made, name=name, store=folder / "runs.sqlite", optimizer=scripted.model(), **options
    )


async def opened(
    folder: Path, run: str = "run", made: PromptProblem | None = None, **more: Any
) -> Confirmation:
    options: dict[str, Any] = {"store": folder / "runs.sqlite", "progress": False, **more}
    return await confirmed(made or problem(), run, **options)


def kinds(folder: Path, run: str = "run") -> list[str]:
    with closing(open_store(folder / "runs.sqlite")) as store:
        return [record.kind for record in store.records(run)]


async def test_winner_and_start_are_measured_on_the_vault_and_compared(tmp_path: Path) -> None:
    result = await ran(tmp_path)
    told: list[tuple[int, int]] = []
    model = scripted.model()
    found = await opened(tmp_path, made=problem(model), cost=lambda *cost: told.append(cost))
    assert told == [(60, 30)]
    assert model.calls == 60
    assert (found.winner, found.start) == (result.best.text, result.start.text)
    assert found.difference is not None
    assert found.difference.n == found.items == 30
    assert found.corrected == found.difference.p_value
    assert found.looks.earlier == 0
    assert found.word == "better"
    assert found.confirmed
    assert found.verdict.startswith("Confirmed: the winner is better than the start on 30 vault")
    assert found.notes == ()
    assert kinds(tmp_path)[-3:] == [OPENED, "look", CONFIRMED]
    assert Confirmation.plain(found.to_dict()) == found


async def test_it_answers_each_item_as_often_as_the_run_did(tmp_path: Path) -> None:
    warm: dict[str, Any] = {"asking": Asking(temperature=1.0)}
    await ran(tmp_path, problem=problem(**warm), samples=3)
    told: list[tuple[int, int]] = []
    model = scripted.model()
    made = problem(model, **warm)
    found = await opened(tmp_path, made=made, cost=lambda *cost: told.append(cost))
    assert told == [(180, 30)]
    assert model.calls == 180
    assert found.difference is not None
    assert found.difference.n == found.items == 30


async def test_done_again_it_says_the_same_and_asks_nothing(tmp_path: Path) -> None:
    await ran(tmp_path)
    first = await opened(tmp_path)
    model = scripted.model()
    assert await opened(tmp_path, made=problem(model)) == first
    assert model.calls == 0
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        assert confirmation_of(store, "run") == first


async def test_no_other_run_opens_it(tmp_path: Path) -> None:
    """Whatever its split seed is: the rows of the vault are the same."""
    await ran(tmp_path)
    other = problem(split_seed=4)
    await ran(tmp_path, "other", problem=other, seed=5)
    await opened(tmp_path)
    with pytest.raises(ConfigError, match=r"'run' has opened this one: Confirmed: the winner is"):
        await opened(tmp_path, "other", other)
    assert OPENED not in kinds(tmp_path, "other")


async def test_a_later_winner_of_the_run_does_not_open_it_again(tmp_path: Path) -> None:
    first = await ran(tmp_path)
    await opened(tmp_path)
    more = await ran(tmp_path, steps=12)
    assert more.best.text != first.best.text
    with pytest.raises(ConfigError, match="for another winner than it has now: Confirmed"):
        await opened(tmp_path)


async def test_half_open_it_is_finished_by_the_same_run_alone(tmp_path: Path) -> None:
    await ran(tmp_path)
    await ran(tmp_path, "other", seed=5)

    calls = 0

    def answer(call: Call) -> str:
        nonlocal calls
        calls += 1
        if calls > 25:
            raise RefusedError("the key is no longer known")
        return scripted.answer(call)

    dying = ScriptedModel(answer, identity=scripted.model().identity)
    with pytest.raises(RefusedError):
        await opened(tmp_path, made=problem(dying), concurrency=1)
    assert kinds(tmp_path)[-1] == OPENED
    with pytest.raises(ConfigError, match="finish that with llmopt confirm run"):
        await opened(tmp_path, "other")
    model = scripted.model()
    found = await opened(tmp_path, made=problem(model))
    assert found.confirmed
    assert 60 - 25 <= model.calls < 60
    assert kinds(tmp_path).count(OPENED) == 1


async def test_a_budget_that_does_not_pay_for_it_opens_nothing(tmp_path: Path) -> None:
    await ran(tmp_path)
    model = scripted.model()
    with pytest.raises(BudgetError, match="which takes 60 calls"):
        await opened(tmp_path, made=problem(model), budget=Limits(calls=200))
    assert model.calls == 0
    assert OPENED not in kinds(tmp_path)


async def test_what_cannot_be_confirmed_is_refused_before_anything_is_paid(tmp_path: Path) -> None:
    model = scripted.model()
    with pytest.raises(StoreError, match="'nothing'"):
        await opened(tmp_path, "nothing", problem(model))
    plain = problem(model, vault=0)
    await ran(tmp_path, "plain", problem=plain)
    with pytest.raises(ConfigError, match="has none; begin a new run with"):
        await opened(tmp_path, "plain", plain)
    await ran(tmp_path, "idle", problem=problem(model), steps=0)
    paid = model.calls
    with pytest.raises(ConfigError, match="nothing to confirm; the vault stays closed"):
        await opened(tmp_path, "idle", problem(model))
    assert model.calls == paid
    await ran(tmp_path)
    with pytest.raises(ConfigError, match=r"'run' problem .* changed"):
        await opened(tmp_path, made=problem(model, vault=28))
    evaluation = await evaluate_async(
        plain, ["Answer."], store=tmp_path / "runs.sqlite", progress=False, part="train"
    )
    with pytest.raises(ConfigError, match=r"of another kind \(evaluation\)"):
        await opened(tmp_path, evaluation.run, problem(model))


async def test_a_run_that_has_not_come_to_its_end_is_refused(tmp_path: Path) -> None:
    made = problem()
    await ran(tmp_path, problem=made)
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        store.create("begun", store.config("run"))
    with pytest.raises(ConfigError, match="continue with: llmopt resume begun"):
        await opened(tmp_path, "begun", made)


async def test_rows_that_another_run_has_used_are_named(tmp_path: Path) -> None:
    await ran(tmp_path)
    await ran(tmp_path, "careless", problem=problem(vault=0, sizes=(12, 8, 60)), seed=4)
    found = await opened(tmp_path)
    assert "30 of 30 vault items are in the data of other runs" in found.notes[0]
    # Most of them were in the other run's test part.
    assert found.looks.earlier == 1


def test_the_vault_is_in_no_split_and_in_no_record() -> None:
    made = problem()
    inside = {item.input for item in made.vault()}
    assert len(inside) == 30
    record = ProblemRecord.of(made)
    outside = {item.input for items in record.items.values() for item in items}
    assert len(outside) == 40
    assert not inside & outside
    assert "vault" in made.fingerprint
