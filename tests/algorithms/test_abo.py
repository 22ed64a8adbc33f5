"""The requirements A1 to A10 of papers/abo.md, section 12, on ABO-style search (layer C: ours)."""

from __future__ import annotations

import os
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from llmopt.algorithms.abo import abo
from llmopt.algorithms.abo.rounds import (
    Accepted,
    Shares,
    blocked,
    state,
)
from llmopt.api import prepare
from llmopt.core.values import Item
from llmopt.engine.journal import steps as told_steps
from llmopt.errors import DataError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.preflight.estimate import ModelFacts, estimate
from llmopt.problems.data.splits import Splits
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.proposal_filter import Filters
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.algorithms.abo.rounds import AboRound
    from llmopt.core.values import Call, Role
    from llmopt.engine.run import Run
    from llmopt.evidence.result import Result
    from llmopt.preflight.workload import Phase, Workload

ROOT = Path(__file__).parents[2]
ROLES: tuple[Role, ...] = ("optimizer", "scorer")
WRITE, REWRITE = "Write a procedure", "is the first to go wrong"


def question(number: int) -> Item:
    return Item(str(number), f"Question {number}: odd?", "yes" if number % 2 else "no")


def problem(**options: Any) -> PromptProblem:
    """Return a task with 2 items in the pool, 10 work items and 10 dev items."""
    train = tuple(
        question(number)
        for number in (
            *range(1000, 1002),
            *range(20),
        )
    )
    return PromptProblem.from_splits(
        Splits(train, (), tuple(question(number) for number in range(100, 120))),
        **{
            "instructions": "Answer.",
            "task": "Say whether a number is odd.",
            "position": "steps",
            "filters": Filters(max_length=8000, copied_words=0),
            **options,
        },
    )


@dataclass
class World:
    """A scripted model in both roles: "level 7" in a step makes it right on 7 of 10 questions.

    Attributes:
        first: The first steps.
        rewritings: What rewriting gives, call after call; the last one for ever.
        blamed: What a diagnosis says.
        forgets: The step whose marker is left out where the answer is wrong.
        teaches: Whether demonstrations of these steps are right.
    """

    first: str = "Read it at level 5.\nLook at its last digit.\nAnswer."
    rewritings: list[str] = field(default_factory=lambda: ["Look closely."])
    blamed: str = "<STEP>2</STEP><EXPECTED>a digit</EXPECTED>"
    forgets: int = 0
    teaches: Any = lambda _steps: True
    calls: list[Call] = field(default_factory=list)

    def __call__(self, call: Call) -> str:
        self.calls.append(call)
        if call.role == "scorer":
            return self.scored(call.text)
        if WRITE in call.text:
            return f"<STEPS>\n{self.first}\n</STEPS>"
        if "<STEPS>" in call.text:
            left = self.rewritings
            return f"<STEPS>\n{left.pop(0) if len(left) > 1 else left[0]}\n</STEPS>"
        if "<EXPECTED>" in call.text:
            return self.blamed
        steps = re.findall(r"^\d+\. (.*)$", call.text, re.MULTILINE)
        number = int(re.findall(r"Question (\d+)", call.text)[-1])
        right = bool(number % 2) == bool(self.teaches(steps))
        return traced(len(steps), "yes" if right else "no")

    def scored(self, prompt: str) -> str:
        steps = re.findall(r"^\d+\. (.*)$", prompt, re.MULTILINE)
        level = sum(int(n) for n in re.findall(r"level (\d+)", "\n".join(steps)))
        number = int(re.findall(r"Question (\d+)", prompt)[-1])
        right = number % 10 < level
        answer = "yes" if bool(number % 2) == right else "no"
        return traced(len(steps), answer, 0 if right else self.forgets)

    def asked(self, words: str) -> list[Call]:
        return [call for call in self.calls if call.role == "optimizer" and words in call.text]

    @property
    def demonstrations(self) -> list[Call]:
        return self.asked("each of them once and in this order")


def traced(steps: int, answer: str, left_out: int = 0) -> str:
    lines = [f"Step {n}: done" for n in range(1, steps + 1) if n != left_out]
    return "\n".join([*lines, f"Answer: {answer}"])


async def search(
    folder: Path, world: World, steps: int = 3, task: PromptProblem | None = None, **options: Any
) -> tuple[Run, Result, tuple[AboRound, ...]]:
    """Return the run, its result, and its history."""
    model = ScriptedModel(world, identity="scripted/world")
    method = abo(**{"demo_pool": 2, "candidates": 2, "batch": 10, **options})
    made = task or problem(scorer=model)
    # One after the other, so that the rewritings come in their order.
    async with prepare(
        made,
        algorithm=method,
        optimizer=model,
        store=folder / "runs.sqlite",
        name="abo",
        steps=steps,
        seed=1,
        concurrency=1,
        controls=(),
    ) as run:
        result = await run.optimize()
        return run, result, cast("Accepted", method.keep).rounds(run.trajectory)


def scores(history: tuple[AboRound, ...]) -> list[list[float]]:
    return [[entry.score for entry in found.tried] for found in history]


# -- A1 ---------------------------------------------------------------------------------------


async def test_a1_the_shares_are_disjoint_and_nothing_held_out_is_reached(tmp_path: Path) -> None:
    """Demonstrations come from the pool, failures from the work items, scores from dev."""
    world = World(rewritings=["Look at level 1.", "Look at level 2."])
    run, _, _ = await search(tmp_path, world)
    shared = Shares(2)(run.problem.items("train"))
    pool, work, dev = ({item.input for item in part} for part in vars(shared).values())
    assert (len(pool), len(work), len(dev)) == (2, 10, 10)
    assert not pool & work | work & dev | pool & dev
    asked = {text for call in world.calls if call.role == "optimizer" for text in said(call)}
    assert asked <= pool | work
    assert asked & pool
    assert asked & work
    test = {item.input for item in run.problem.items("test")}
    seen = {e.candidate.id: {o.item for o in e.evaluation.outcomes} for e in run.trajectory}
    assert {frozenset(items) for items in seen.values()} == {frozenset(i.id for i in shared.dev)}
    assert not test & asked


def said(call: Call) -> list[str]:
    return re.findall(r"Question \d+: odd\?", call.text)


def test_a1_an_item_of_train_in_a_held_out_split_is_refused() -> None:
    items = tuple(question(number) for number in range(30))
    with pytest.raises(DataError):
        PromptProblem.from_splits(Splits(items, (), items[:4]), position="steps")


# -- A2 ---------------------------------------------------------------------------------------


async def test_a2_without_a_verified_demonstration_there_is_no_first_state(tmp_path: Path) -> None:
    """Ours: the round is refused with its reason and done again; the start wins."""
    world = World(teaches=lambda _steps: False)
    run, result, history = await search(tmp_path, world, steps=2)
    assert history == ()
    assert run.rejected == {"no demonstration could be verified": 2}
    assert result.best.step == 0
    assert len(world.demonstrations) == 10 + 8, "greedy calls are bought once"
    heats = [call.temperature for call in world.demonstrations[:10]]
    assert heats == [0.0] * 2 + [0.7] * 8, "a retry on the same question can differ"


async def test_a2_later_a_candidate_without_one_is_dropped(tmp_path: Path) -> None:
    world = World(
        rewritings=["Look badly.", "Look at level 2."],
        teaches=lambda steps: "Look badly." not in steps,
    )
    run, _, history = await search(tmp_path, world, steps=2)
    assert run.rejected == {"no demonstration could be verified": 1}
    assert scores(history) == [[0.5], [0.7]]
    assert "Look badly." not in "".join(entry.text for entry in run.trajectory)


async def test_a2_the_right_answer_is_not_shown_to_who_demonstrates(tmp_path: Path) -> None:
    world = World(first="Read it at level 5.")
    await search(tmp_path, world, steps=1, task=None)
    assert not any("yes" in call.text or "Right" in call.text for call in world.demonstrations)


# -- A3 ---------------------------------------------------------------------------------------


async def test_a3_a_missing_marker_is_located_without_a_call(tmp_path: Path) -> None:
    world = World(forgets=2)
    _, _, history = await search(tmp_path, world, steps=2)
    assert world.asked("<EXPECTED>") == []
    assert len(world.asked(REWRITE)) == 2
    assert all("Step 2 is the first to go wrong in 5 of 5" in c.text for c in world.asked(REWRITE))
    assert [found.blamed for found in history] == [None, 2]


# -- A4: the vote itself is tested in tests/parts/test_behaviour.py ----------------------------


async def test_a4_the_step_that_most_failures_blame_is_rewritten(tmp_path: Path) -> None:
    world = World(blamed="<STEP>3</STEP>")
    _, _, history = await search(tmp_path, world, steps=2)
    assert [found.blamed for found in history] == [None, 3]
    kept = ("Read it at level 5.", "Look at its last digit.")
    assert {state(entry)[:2] for entry in history[1].tried} == {kept}


# -- A5 ---------------------------------------------------------------------------------------


async def test_a5_dev_does_not_fall(tmp_path: Path) -> None:
    """What is worse is not accepted, blocks its step, and leaves a reason."""
    world = World(
        rewritings=["Read level 3.", "Read level 4.", "never used"], blamed="<STEP>1</STEP>"
    )
    run, result, history = await search(tmp_path, world)
    assert scores(history) == [[0.5], [0.3, 0.4]]
    assert [found.accepted for found in history] == [True, False]
    assert run.algorithm.keep(scripted.context(run.trajectory)) == (history[0].best,)
    assert blocked(run.trajectory, history[0].best) == {1}
    assert run.rejected == {"no step to blame that is not blocked": 1}
    assert len(world.asked("<EXPECTED>")) == 5, "diagnosed in both rounds, by the same replies"
    assert len(world.asked(REWRITE)) == 2, "rewritten in one"
    assert result.best.text == history[0].best.text or result.best.step == 0


# -- A6 ---------------------------------------------------------------------------------------


async def test_a6_a_diagnosis_out_of_range_is_asked_for_once_more_and_discarded(
    tmp_path: Path,
) -> None:
    world = World(first="Read it at level 9.\nb\nc\nAnswer.", blamed="<STEP>9</STEP>")
    run, _, history = await search(tmp_path, world, steps=2)
    calls = world.asked("<EXPECTED>")
    assert len(calls) == 2, "one failure, twice"
    assert calls[0].text == calls[1].text
    assert calls[0].sample != calls[1].sample, "the second is not the stored reply to the first"
    assert world.asked(REWRITE) == []
    assert run.rejected == {"no step to blame that is not blocked": 1}
    assert len(history) == 1


# -- A7 ---------------------------------------------------------------------------------------


async def test_a7_the_ablation_has_no_demonstration_and_asks_for_none(tmp_path: Path) -> None:
    """All else is equal: the same steps, batches and dev items."""
    arms = {}
    for use_demo in (True, False):
        world = World(rewritings=["Look at level 1.", "Look at level 2."])
        folder = tmp_path / str(use_demo)
        folder.mkdir()
        given = "Read it at level 5.\nLook at its last digit.\nAnswer."
        _, _, history = await search(folder, world, use_demo=use_demo, initial_steps=given)
        arms[use_demo] = (world, history)
    with_demo, without = arms[True], arms[False]
    assert without[0].demonstrations == []
    assert len(with_demo[0].demonstrations) > 0
    texts = [entry.text for found in without[1] for entry in found.tried]
    assert not any("Question" in text or "Step 1: done" in text for text in texts)
    assert all("Do exactly what the steps say" in text for text in texts)
    assert [[state(e) for e in r.tried] for r in with_demo[1]] == [
        [state(e) for e in r.tried] for r in without[1]
    ]
    assert with_demo[0].asked(WRITE) == without[0].asked(WRITE) == []
    diagnosed = [[c.text for c in arm[0].asked("<EXPECTED>")] for arm in (with_demo, without)]
    assert diagnosed[0] == diagnosed[1]


# -- A8 ---------------------------------------------------------------------------------------


async def test_a8_the_same_seed_gives_the_same_history(tmp_path: Path) -> None:
    """Whatever the caller's generators are, and they stay as they were."""
    journals = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        random.seed(number)
        np.random.seed(number)  # noqa: NPY002 - the global state is the point
        before = repr((random.getstate(), np.random.get_state()))  # noqa: NPY002 - as above
        model = scripted.model()
        task = PromptProblem.from_splits(
            scripted.stepwise().splits,
            position="steps",
            instructions="Answer.",
            task="Answer.",
            filters=Filters(max_length=4000, copied_words=0),
            scorer=model,
        )
        async with prepare(
            task,
            algorithm=abo(),
            optimizer=model,
            store=folder / "s",
            name="abo",
            steps=5,
            seed=7,
            controls=(),
        ) as run:
            await run.optimize()
            journals.append(list(told_steps(run.store, "abo")))
        assert repr((random.getstate(), np.random.get_state())) == before  # noqa: NPY002 - as above
    assert journals[0] == journals[1]
    assert len(journals[0]) == 6


# -- A9 ---------------------------------------------------------------------------------------


async def test_a9_the_non_elitist_mode_still_returns_the_best_state(tmp_path: Path) -> None:
    world = World(
        first="Read it at level 6.\nLook.\nAnswer.",
        rewritings=["Read level 8.", "Read level 7."],
        blamed="<STEP>1</STEP>",
    )
    run, result, history = await search(tmp_path, world, accept="always", candidates=1)
    assert scores(history) == [[0.6], [0.8], [0.7]]
    assert [found.accepted for found in history] == [True] * 3
    assert run.algorithm.keep(scripted.context(run.trajectory))[0].score == 0.7
    assert result.best.text == history[1].best.text


# -- A10 --------------------------------------------------------------------------------------


def test_a10_whoever_names_abo_says_which_layer_it_is() -> None:
    """In documents and code, it is ABO-style, or the paragraph names the layer or the file."""
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.md")]
    files += [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]
    for path in files:
        text = path.read_text(encoding="utf-8")
        for paragraph in re.split(r"\n\s*\n|^#.*$", text, flags=re.MULTILINE):
            bare = re.sub(r"ABO-style|papers/abo\.md|published\s+ABO", "", paragraph)
            assert not re.search(r"\bABO\b", bare) or re.search(r"layer", bare, re.IGNORECASE), (
                f"{path.name}: {paragraph}"
            )
    for name in (
        "__init__.py",
        "rewrite.py",
        "demonstrate.py",
        "diagnose.py",
        "rounds.py",
        "traces.py",
    ):
        assert (
            "ours"
            in (ROOT / "src" / "llmopt" / "algorithms" / "abo" / name)
            .read_text(encoding="utf-8")
            .lower()
        )


# -- the rest ---------------------------------------------------------------------------------


async def test_a_perfect_state_costs_no_further_call(tmp_path: Path) -> None:
    world = World(first="Read it at level 10.\nAnswer.")
    run, _, _ = await search(tmp_path, world, steps=3)
    assert world.asked("<EXPECTED>") == world.asked(REWRITE) == []
    assert run.rejected == {"nothing is left to improve on dev": 2}


async def test_the_steps_of_the_users_own_are_where_the_search_begins(tmp_path: Path) -> None:
    world = World()
    _, _, history = await search(
        tmp_path, world, steps=1, initial_steps="\n1. Read at level 4.\n2. Answer.\n"
    )
    assert [state(found.best) for found in history] == [("Read at level 4.", "Answer.")]
    assert world.asked(WRITE) == []


@pytest.mark.parametrize(
    ("rewriting", "reason"),
    [
        ("a\nb\nc", "more than 2 lines for a step"),
        ("a\nb", "more than 3 steps"),
        ("a\n\nb", "an empty step"),
        ("Write Step 2: a", "a marker inside a step"),
        ("Look at its last digit.", "steps already tried"),
        ("Write <INS>.", "leaked marker <INS>"),
    ],
)
async def test_a_rewriting_that_breaks_a_rule_is_dropped_with_a_reason(
    rewriting: str, reason: str, tmp_path: Path
) -> None:
    world = World(rewritings=[rewriting])
    run, _, history = await search(tmp_path, world, steps=2, max_steps=3, candidates=1)
    assert run.rejected == {reason: 1}
    assert len(history) == 1
    assert len(world.demonstrations) == 1, "nothing is paid for what is dropped"


async def test_a_reply_without_tags_is_asked_for_once_more(tmp_path: Path) -> None:
    world = World()
    silent: list[Call] = []

    def answer(call: Call) -> str:
        if WRITE in call.text:
            silent.append(call)
            return "I would read it."
        return world(call)

    model = ScriptedModel(answer, identity="scripted/silent")
    async with prepare(
        problem(scorer=model),
        algorithm=abo(demo_pool=2),
        optimizer=model,
        store=tmp_path / "s",
        name="abo",
        steps=1,
        controls=(),
    ) as run:
        await run.optimize()
        assert run.rejected == {"no steps between tags in the reply": 1}
    assert len({call.sample for call in silent}) == 2


async def test_every_optimizer_call_is_listed(tmp_path: Path) -> None:
    """Those of diagnoses, rewritings and demonstrations, also of what was refused."""
    world = World(rewritings=["Look at level 1.", "a\nb\nc"])
    await search(tmp_path, world)
    listed = [
        key
        for step in told_steps(open_store(tmp_path / "runs.sqlite"), "abo")
        for key in step.calls
    ]
    made = [call.key("scripted/world") for call in world.calls if call.role == "optimizer"]
    assert sorted(listed) == sorted(made)


def late(world: World, attempts: int) -> None:
    """Let a demonstration be right at the last attempt only."""
    tries = iter(range(10**6))
    world.teaches = lambda _steps: next(tries) % attempts == attempts - 1


@pytest.mark.parametrize("options", [{}, {"use_demo": False}], ids=["demonstration", "ablation"])
async def test_what_a_search_takes_lies_within_its_estimate(
    options: dict[str, Any], tmp_path: Path
) -> None:
    """Also where most rewritings pass and demonstrations are right at last."""
    rewritings = [f"Look {n} times at level 1." for n in range(8)]
    world = World("Read it at level 0.\nAnswer.", rewritings)
    late(world, 10)
    run, _, _ = await search(tmp_path, world, steps=4, **options)
    foretold = await estimate(
        cast("PromptProblem", run.problem),
        run.algorithm,
        run.session.optimizer,
        run.session.optimizer,
        known={role: ModelFacts() for role in ROLES},
        steps=4,
    )
    made = {role: sum(call.role == role for call in world.calls) for role in ROLES}
    for role in ROLES:
        low, high = (
            sum(p.of(role).calls for p in phases(end)) for end in (foretold.low, foretold.high)
        )
        assert low <= made[role] <= high, role


def phases(plan: Workload) -> list[Phase]:
    return [plan.starts, *plan.steps, plan.final]


@pytest.mark.parametrize("words", [WRITE, "<EXPECTED>", REWRITE, "each of them once"])
async def test_what_the_optimizer_llm_is_asked_is_the_reviewed_text(
    words: str, tmp_path: Path
) -> None:
    """The files beside this one; LLMOPT_GOLDEN=write writes them anew."""
    world = World(rewritings=["Look at level 1."])
    await search(tmp_path, world, steps=2, candidates=1)
    compare(f"abo-{NAMES[words]}", world.asked(words)[0].text)


@pytest.mark.parametrize("use_demo", [True, False])
async def test_the_scorers_prompt_is_the_reviewed_text(use_demo: bool, tmp_path: Path) -> None:
    world = World()
    await search(tmp_path, world, steps=1, use_demo=use_demo)
    asked = [c.text for c in world.calls if c.role == "scorer" and "Carry out" in c.text]
    compare(f"abo-target-{'demonstration' if use_demo else 'ablation'}", asked[0])


NAMES = {
    WRITE: "write",
    "<EXPECTED>": "diagnose",
    REWRITE: "rewrite",
    "each of them once": "demonstrate",
}


def compare(name: str, text: str) -> None:
    path = ROOT / "tests" / "golden" / "abo" / f"{name}.txt"
    if os.environ.get("LLMOPT_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8")
