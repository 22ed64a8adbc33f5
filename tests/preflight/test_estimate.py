"""What a run will take is known before it begins: whole runs stay within their estimate."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

import llmopt
from llmopt.algorithms.ape import ape
from llmopt.algorithms.opro import opro
from llmopt.algorithms.sampling import sampling
from llmopt.core.values import Call, Role, digest
from llmopt.engine.controls import control_of, plain_controls
from llmopt.errors import BudgetError
from llmopt.models.middleware.budget import Limits, Price
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.racing import Racing
from llmopt.parts.rate import Everything
from llmopt.preflight.dry_run import first_step
from llmopt.preflight.estimate import (
    Estimate,
    ModelFacts,
    cost_of,
    estimate,
)
from llmopt.preflight.workload import Work
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.proposal_filter import Filters
from llmopt.problems.prompt.scorer_call import Asking
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.algorithm import Algorithm
    from llmopt.evidence.result import Result

ROLES: tuple[Role, ...] = ("optimizer", "scorer")
KNOWN: dict[Role, ModelFacts] = {role: ModelFacts(Price(1, 2)) for role in ROLES}


def problem(sizes: tuple[int, int, int] = (12, 8, 20), *, repeat: int = 1, **more: Any) -> Any:
    """Return a task; with `repeat`, every question stands in it so often."""
    rows = [
        {
            "input": f"Question number {n}?" + " Think of it." * (n % 7),
            "target": "yes" if n % 2 else "no",
        }
        for n in range(sum(sizes) // repeat)
        for _ in range(repeat)
    ]
    return PromptProblem.from_rows(
        rows,
        sizes=sizes,
        **{"instructions": ["Answer.", "Answer now."], "task": "Answer with yes or no.", **more},
    )


def estimated(task: PromptProblem, algorithm: Algorithm, **more: Any) -> Estimate:
    model = scripted.model()
    more = {"steps": 3, "known": KNOWN, **more}
    return asyncio.run(estimate(task, algorithm, model, model, **more))


def ran(
    folder: Path, task: PromptProblem, algorithm: Algorithm, answer: Any, **more: Any
) -> Result:
    model = ScriptedModel(answer, identity="scripted/estimated")
    more = {"steps": 3, "progress": False, "controls": (), **more}
    task = replace(task, scorer=model)
    return llmopt.optimize(task, algorithm=algorithm, store=folder / "runs", **more)


def long_and_new(call: Call) -> str:
    """Propose a new instruction of the greatest length at every draw; each is a good one."""
    if call.role == "scorer":
        return scripted.answer(call)
    words = f"Think carefully, step by step, and check twice {call.sample:x} "
    return f"<INS>{words.ljust(499, 'w')}.</INS>"


def stubborn(call: Call) -> str:
    """Never propose anything but the start."""
    return "<INS>Answer.</INS>" if call.role == "optimizer" else scripted.answer(call)


def moody(call: Call) -> str:
    """Answer at random, so that candidates drop out of a race at every stage."""
    if call.role == "optimizer":
        return scripted.answer(call)
    skill = int(digest(call.text.partition("\n")[0])[:2], 16) / 255
    return "yes" if int(digest(call.text)[:2], 16) / 255 < skill else "no"


RUNS: dict[str, tuple[Any, Algorithm, dict[str, Any]]] = {
    "opro": (problem(), opro(samples=4), {}),
    "opro, failing exemplars": (
        problem(),
        opro(samples=4, exemplars_by="accumulative_most_frequent"),
        {},
    ),
    "opro, one shown": (problem(), opro(samples=4, shown=1, exemplars=0, threshold=0.5), {}),
    "opro, brackets": (problem(), opro(samples=4, family="brackets"), {}),
    "opro, continuation": (problem(), opro(samples=4, family="continuation"), {}),
    "opro in stages": (problem((20, 8, 10)), opro(samples=8, stages=[4, 8], keep=0.3), {}),
    "opro racing": (problem((40, 8, 10)), replace(opro(), rate=Racing(k=2)), {}),
    "opro racing among many": (
        problem((40, 8, 10)),
        opro(samples=16, share=0.5),
        {"steps": 2, "finalists": 30},
    ),
    "opro racing fully": (problem((40, 8, 10)), replace(opro(), rate=Racing(share=1.0)), {}),
    "ape": (problem(), ape(), {"steps": 4}),
    "ape in stages": (problem((20, 0, 10)), ape(samples=3, stages=[5]), {}),
    "sampling": (problem(), sampling(samples=4), {}),
    "no validation": (problem((12, 0, 20)), opro(samples=4), {}),
    "many finalists": (problem(), opro(samples=4), {"finalists": 40}),
    "one finalist": (problem(), opro(samples=4), {"finalists": 1}),
    "patience": (problem(), opro(samples=4), {"steps": 6, "patience": 1}),
    "target": (problem(), opro(samples=4), {"steps": 6, "target": 0.5}),
    "no steps": (problem(), opro(), {"steps": 0}),
    "a curve at every step": (problem(), opro(samples=4), {"validate_every": 1}),
    "a curve at every step, one finalist": (
        problem(),
        opro(samples=4),
        {"validate_every": 1, "finalists": 1, "steps": 4},
    ),
    "a curve at every second step": (problem(), ape(), {"steps": 4, "validate_every": 2}),
    "a curve without steps": (problem(), opro(), {"steps": 0, "validate_every": 3}),
    "a curve and a race": (
        problem((40, 8, 10)),
        opro(samples=8, share=0.5),
        {"validate_every": 1, "finalists": 30},
    ),
    "patience on validation": (
        problem(),
        opro(samples=4),
        {"steps": 6, "validate_every": 2, "validation_patience": 1},
    ),
    "every question twice": (problem(repeat=2), opro(samples=4), {}),
    "classes balanced": (problem(balanced=True), opro(samples=4), {}),
    "asked twice": (problem(asking=Asking(again=True)), opro(samples=4), {}),
    "asked twice in stages": (
        problem((20, 8, 10), asking=Asking(mode="completion", max_tokens=30, again=True)),
        opro(samples=8, stages=[4, 8], keep=0.3),
        {},
    ),
    "asked twice, every question twice": (
        problem(repeat=2, asking=Asking(again=True)),
        opro(samples=4),
        {},
    ),
    "a long start": (
        problem(instructions=["Answer. " * 90, "Say it."], filters=Filters(max_length=40)),
        opro(samples=4),
        {},
    ),
}


@cache
def foretold(name: str) -> Estimate:
    """Return the estimate of a run without controls; it does not depend on the answers."""
    task, algorithm, more = RUNS[name]
    return estimated(task, algorithm, seed=1, **more)


def answered() -> list[Any]:
    """Return every run with the answers that take most and least, and others where they matter."""
    found = []
    for name, (_, algorithm, _) in RUNS.items():
        answers = [long_and_new, stubborn]
        answers += [scripted.answer] if name in ("opro", "ape", "sampling") else []
        answers += [] if isinstance(algorithm.rate, Everything) else [moody]
        found += [pytest.param(name, one, id=f"{name}-{one.__name__}") for one in answers]
    return found


@pytest.mark.parametrize(("name", "answer"), answered())
def test_what_a_run_takes_lies_within_its_estimate(tmp_path: Path, name: str, answer: Any) -> None:
    task, algorithm, more = RUNS[name]
    found = foretold(name)
    result = ran(tmp_path, task, algorithm, answer, seed=1, **more)
    for role in ROLES:
        low, high = found.least(role), found.most(role)
        used = result.usage.get(role, llmopt.core.values.Usage())
        assert low.calls <= used.calls <= high.calls, role
        assert low.input_tokens <= used.input_tokens <= high.input_tokens, role
        assert low.output_tokens <= used.output_tokens <= high.output_tokens, role
        usd = Price(1, 2).of(used.input_tokens, used.output_tokens)
        assert low.usd is not None
        assert high.usd is not None
        assert low.usd <= usd <= high.usd, role


CONTROLLED = ("opro", "opro in stages", "ape", "no validation", "patience", "no steps",
              "a curve at every step", "every question twice", "a long start")  # fmt: skip


@pytest.mark.parametrize("answer", [long_and_new, stubborn])
@pytest.mark.parametrize("name", CONTROLLED)
def test_the_controls_lie_within_the_estimate_too(tmp_path: Path, name: str, answer: Any) -> None:
    task, algorithm, more = RUNS[name]
    names = ("empty", "think", "sampling")
    plain = [text for _, text in plain_controls(task, names)]
    control = control_of(algorithm)
    found = estimated(task, algorithm, seed=1, plain=plain, control=control, **more)
    result = ran(tmp_path, task, algorithm, answer, seed=1, controls=names, **more)
    without = foretold(name)
    for role in ROLES:
        low, high = found.least(role), found.most(role)
        used = result.usage.get(role, llmopt.core.values.Usage())
        assert low.calls <= used.calls <= high.calls, role
        assert low.input_tokens <= used.input_tokens <= high.input_tokens, role
        assert without.least(role).calls <= low.calls
        assert without.steps_within(Limits(calls=200)) == found.steps_within(Limits(calls=200))


def test_the_bounds_are_reached_so_they_are_not_just_wide(tmp_path: Path) -> None:
    """All new and one clearly better: every call of the high bound; nothing new: of the low."""
    task, algorithm = problem(instructions=["Answer."]), opro(samples=4)
    found = estimated(task, algorithm)
    high = ran(tmp_path / "high", task, algorithm, long_and_new)
    low = ran(tmp_path / "low", task, algorithm, stubborn)
    assert {r: u.calls for r, u in high.usage.items()} == {r: found.most(r).calls for r in ROLES}
    assert {r: u.calls for r, u in low.usage.items()} == {r: found.least(r).calls for r in ROLES}


@pytest.mark.parametrize("calls", [100, 119, 250, 700])
def test_a_budget_of_calls_buys_the_steps_that_were_foretold(tmp_path: Path, calls: int) -> None:
    """All proposals are new, so the run does exactly the steps that the budget buys."""
    task, algorithm, more = problem(), opro(samples=4), {"steps": 8, "finalists": 3}
    limits = Limits(calls=calls)
    full, short = estimated(task, algorithm, **more).steps_within(limits)
    assert full == short
    result = ran(tmp_path, task, algorithm, long_and_new, budget=limits, **more)
    assert result.steps == full


@pytest.mark.parametrize("calls", [119, 124, 223, 260, 700])
def test_a_budget_buys_the_steps_that_were_foretold_with_a_curve(
    tmp_path: Path, calls: int
) -> None:
    task, algorithm = problem(), opro(samples=4)
    more = {"steps": 8, "finalists": 3, "validate_every": 2}
    limits = Limits(calls=calls)
    full, short = estimated(task, algorithm, **more).steps_within(limits)
    assert full == short
    result = ran(tmp_path, task, algorithm, long_and_new, budget=limits, **more)
    assert result.steps == full


@pytest.mark.parametrize("tokens", [10_000, 60_000, 200_000])
def test_a_budget_of_tokens_buys_no_fewer_steps_than_foretold(tmp_path: Path, tokens: int) -> None:
    task, algorithm, more = problem(), opro(samples=4), {"steps": 8, "finalists": 3}
    limits = Limits(tokens=tokens)
    full, short = estimated(task, algorithm, **more).steps_within(limits)
    assert full <= short
    for name, answer in (("long", long_and_new), ("usual", scripted.answer)):
        result = ran(tmp_path / name, task, algorithm, answer, budget=limits, **more)
        assert full <= result.steps
        if answer is long_and_new:
            assert result.steps <= short


@pytest.mark.parametrize("calls", [10, 40, 59])
def test_a_budget_that_gives_no_result_is_told(tmp_path: Path, calls: int) -> None:
    """24 calls measure the two starts, 36 more choose among them and test the winner."""
    limits = Limits(calls=calls)
    assert estimated(problem(), opro()).steps_within(limits) == (-1, -1)
    with pytest.raises(BudgetError):
        ran(tmp_path, problem(), opro(), scripted.answer, budget=limits)


def test_dollars_and_seconds_limit_what_a_budget_buys() -> None:
    known: dict[Role, ModelFacts] = {
        r: ModelFacts(Price(10, 10), slots=4, seconds=1.0) for r in ROLES
    }
    found = estimated(problem(), opro(samples=4), known=known)
    everything = Limits(usd=1000, seconds=1e6)
    assert found.steps_within(everything) == (3, 3)
    assert found.steps_within(Limits(usd=0.2))[0] < 3
    # The starts take 24 calls in 6 rounds, and 36 more calls at this pace are kept back.
    assert found.steps_within(Limits(seconds=14.9))[1] == -1
    assert found.steps_within(Limits(seconds=15.1))[1] == 0


@pytest.mark.parametrize("every", [0, 2])
def test_many_steps_are_estimated_by_the_last_that_are_gone_through(
    monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    task, algorithm, more = problem(), opro(samples=4, shown=2), {"validate_every": every}
    whole = estimated(task, algorithm, steps=12, **more)
    monkeypatch.setattr("llmopt.preflight.dry_run._STEPS", 6)
    short = estimated(task, algorithm, steps=12, **more)
    assert len(short.high.steps) == 12
    assert short.most("scorer").calls == whole.most("scorer").calls
    assert short.least("optimizer").calls == whole.least("optimizer").calls


def test_an_unknown_price_is_unknown_and_never_zero() -> None:
    known: dict[Role, ModelFacts] = {
        "optimizer": ModelFacts(None),
        "scorer": ModelFacts(Price(0, 0)),
    }
    found = estimated(problem(), opro(), known=known)
    assert found.most("optimizer").usd is None
    assert found.most("scorer").usd == 0
    assert (found.most("optimizer") + found.most("scorer")).usd is None


def test_time_is_unknown_until_a_model_was_asked() -> None:
    found = estimated(problem(), opro())
    assert found.least("scorer").seconds is None
    assert cost_of(Work(), KNOWN["scorer"], full=True).seconds == 0


def test_calls_side_by_side_save_time_only_where_the_model_is_elsewhere() -> None:
    work = Work(calls=100, size=1000, most=100)
    far = ModelFacts(slots=10).probed(2.0, size=100, tokens=None, generated=1)
    here = replace(far, alone=True)
    assert cost_of(work, far, full=True).seconds == 20
    assert cost_of(work, here, full=True).seconds == 200
    assert cost_of(work, here, full=False).seconds == 20


def test_caps_per_minute_take_their_time() -> None:
    work = Work(calls=100, size=1000, most=100)
    fast = ModelFacts(slots=100).probed(0.1, size=100, tokens=None, generated=1)
    assert cost_of(work, replace(fast, calls_a_minute=50), full=False).seconds == 120
    assert cost_of(work, replace(fast, tokens_a_minute=300), full=False).seconds == 60


def test_longer_answers_take_longer() -> None:
    slow = ModelFacts(slots=1).probed(2.0, size=100, tokens=25, generated=4)
    assert cost_of(Work(1, 100, 8), slow, full=True).seconds == 4
    assert cost_of(Work(1, 100, 2), slow, full=True).seconds == 2


def test_what_the_provider_counted_only_widens_the_bounds() -> None:
    usual = ModelFacts()
    assert usual.probed(1, size=400, tokens=100, generated=1).dense == usual.dense
    assert usual.probed(1, size=100, tokens=90, generated=1).dense == 0.9
    assert usual.probed(1, size=100, tokens=5, generated=1).sparse == 0.05
    assert usual.probed(1, size=100, tokens=None, generated=0).generated == 1


def test_the_first_meta_prompt_is_the_real_one_with_the_starts() -> None:
    task = problem()
    (call, *_), _ = asyncio.run(first_step(task, opro(), scripted.model(), seed=0, steps=3))
    assert call is not None
    assert all(start in call.text for start in task.starts)
    assert task.task in call.text
    assert call.max_tokens == 512
