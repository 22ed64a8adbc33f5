"""Every registered method keeps the rules of the conformance suite, in every family."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms import ALGORITHMS
from llmopt.core.part import Feedback
from llmopt.errors import ConfigError, MissingExtraError
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem, SplitName
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Call

# These keep every rule wherever they fit, the others where they are at home: with the first kind of
# problem that they are for, in their first family. Elsewhere other texts are written and read, and
# nothing else is different, so what is checked there are the rules on texts.
EVERYWHERE = ("gepa-chat", "opro-chat")
PROGRAMS = (*EVERYWHERE, "evoprompt-ga-chat", "gpo-chat", "protegi-chat")  # others read the same
ON_TEXTS = {
    algorithms.has_parts_of_their_kinds,
    algorithms.is_told_by_its_repr,
    algorithms.asks_purely,
    algorithms.proposes_candidates,
    algorithms.shows_training_items_only,
    algorithms.survives_nonsense,
    algorithms.keeps_the_order_it_claims,
    algorithms.edits_what_select_drew,
}
FAMILIES = ("chat", "brackets", "continuation")
PROBLEMS: dict[str, Problem] = {
    "prompt": scripted.problem(24, (9, 4, 8)),
    "program": scripted.program(24, (9, 4, 8)),
    "steps": scripted.stepwise(60, (24, 4, 12)),
    "demonstrations": scripted.few_shot(4, 28, (14, 4, 8)),
    "listing": scripted.listing(),
    "numbers": scripted.numbers(),
    "order": scripted.order(),
}


def made() -> Iterator[tuple[str, Algorithm]]:
    """Yield every registered method, once for each family where it has them."""
    for name, make in sorted(ALGORITHMS.items()):
        if "family" not in inspect.signature(make).parameters:
            yield name, make()
            continue
        for family in FAMILIES:
            yield f"{name}-{family}", make(family=family)


def fits(algorithm: Algorithm, problem: Problem) -> bool:
    try:
        algorithm.check(problem, scripted.model())
    except ConfigError:
        return False
    return True


def _writes(algorithm: Algorithm) -> bool:
    """Whether a method is for texts that are no programs, too."""
    others = ("prompt", "demonstrations", "numbers")
    return any(fits(algorithm, PROBLEMS[kind]) for kind in others)


def fitting() -> Iterator[Any]:
    """Yield every method with every kind of problem that it is for.

    A method for prompts is tried on other problems in its first family only, and on orders only
    one without a model, for the scripted one writes none.
    """
    for name, algorithm in made():
        other = name.endswith(FAMILIES[1:])
        for kind, problem in PROBLEMS.items():
            if other and kind != "prompt" and fits(algorithm, PROBLEMS["prompt"]):
                continue
            if kind == "program" and name not in PROGRAMS:
                continue
            if kind == "listing" and (not algorithm.needs_model or _writes(algorithm)):
                continue  # programs are for methods that take nothing else
            if kind == "order" and algorithm.needs_model:
                continue
            try:
                algorithm.check(problem, scripted.model())
            except MissingExtraError as error:
                skip = pytest.mark.skip(reason=str(error))
                yield pytest.param(algorithm, problem, id=f"{name}-{kind}", marks=skip)
            except ConfigError:
                continue
            else:
                yield pytest.param(algorithm, problem, id=f"{name}-{kind}")


def checked() -> Iterator[Any]:
    """Yield every method and problem with the rules that are checked there."""
    at_home: set[str] = set()
    for given in fitting():
        name = str(given.id).rpartition("-")[0]
        method = name.removesuffix("-chat")
        home = not method.endswith(FAMILIES) and method not in at_home
        at_home.add(method)
        for check in algorithms.CHECKS:
            if home or name in EVERYWHERE or check in ON_TEXTS:
                named = f"{given.id}-{check.__name__}"
                yield pytest.param(*given.values, check, id=named, marks=given.marks)


@pytest.mark.parametrize(("algorithm", "problem", "check"), list(checked()))
async def test_every_method_conforms(
    algorithm: Algorithm, problem: Problem, check: algorithms.Check, tmp_path: Path
) -> None:
    await check(algorithm, problem, tmp_path)


def test_every_method_is_for_some_problem() -> None:
    covered = {param.id.rpartition("-")[0] for param in fitting()}
    assert covered == {name for name, _ in made()}
    usual: tuple[Problem, ...] = (
        scripted.problem(),
        scripted.program(),
        scripted.stepwise(),
    )
    for name, algorithm in made():  # no method needs more rows than these tasks have
        for kind, larger in zip(("prompt", "program", "steps"), usual, strict=True):
            assert fits(algorithm, PROBLEMS[kind]) == fits(algorithm, larger), (name, kind)


@dataclass(frozen=True)
class Peek:
    """Show the optimizer LLM items of a split."""

    split: SplitName

    async def __call__(self, ctx: StepContext) -> Feedback:
        return Feedback(ctx.problem.items(self.split)[:2])


@pytest.mark.parametrize("split", ["validation", "test"])
async def test_who_peeks_at_what_is_held_out_is_caught(split: SplitName, tmp_path: Path) -> None:
    honest = ALGORITHMS["opro"](family="chat")
    problem = scripted.problem()
    peeking = replace(honest, reflect=Peek(split))
    with pytest.raises(AssertionError, match=f"only a {split} item has"):
        await algorithms.shows_training_items_only(peeking, problem, tmp_path / "peeking")
    trained = replace(honest, reflect=Peek("train"))
    await algorithms.shows_training_items_only(trained, problem, tmp_path / "honest")


@dataclass(frozen=True)
class Counting:
    """Show as many examples as there were scorer calls so far: also those on validation."""

    calls: list[int]

    async def __call__(self, ctx: StepContext) -> Feedback:
        return Feedback(ctx.problem.items("train")[: 1 + self.calls[0] % 7])


async def test_who_depends_on_validation_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [0]

    def answer(call: Call) -> str:
        calls[0] += call.role == "scorer"
        return plain(call)

    plain = scripted.answer
    monkeypatch.setattr(scripted, "answer", answer)
    counting = replace(ALGORITHMS["opro"](family="chat"), reflect=Counting(calls))
    with pytest.raises(AssertionError, match="asked with validations and without"):
        await algorithms.asks_without_validation(counting, scripted.problem(), tmp_path)


def by_claims(ctx: StepContext) -> tuple[Entry, ...]:
    """Keep those that were measured in full first, whatever they got."""
    return ctx.trajectory.best(len(ctx.trajectory))


async def test_who_takes_the_order_of_claims_for_that_of_worth_is_caught(tmp_path: Path) -> None:
    wrong = replace(ALGORITHMS["opro"](family="chat"), keep=by_claims)
    with pytest.raises(AssertionError, match="keep gives the highest estimate first"):
        await algorithms.goes_on_from_the_best_first(wrong, scripted.problem(), tmp_path)


@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("options", [{"stages": (3, 6)}, {"share": 0.5}], ids=["stages", "race"])
async def test_measuring_a_part_conforms(
    options: dict[str, Any], check: algorithms.Check, tmp_path: Path
) -> None:
    await check(ALGORITHMS["opro"](**options), scripted.problem(20, (8, 4, 8)), tmp_path)


async def test_who_buys_equal_greedy_calls_is_caught(tmp_path: Path) -> None:
    method = ALGORITHMS["opro"]
    with pytest.raises(AssertionError, match="a call at temperature 0 is made once"):
        await algorithms.buys_greedy_calls_once(
            method(family="chat", temperature=0.0, samples=2), scripted.problem(), tmp_path
        )
