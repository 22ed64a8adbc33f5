"""Conformance suite for algorithms: what every method must do, whatever its parts.

Apply it to a method of your own, on every kind of problem that it is for::

    from llmopt.testing import algorithms

    @pytest.mark.parametrize("check", algorithms.CHECKS)
    async def test_my_method(check, tmp_path):
        await check(my_method(), scripted.problem(), tmp_path)

Each check raises AssertionError with what was broken.
"""

from __future__ import annotations

import inspect
import re
import sys
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from llmopt.api import prepare
from llmopt.core.demonstrations import shot_rules_of
from llmopt.core.part import Group
from llmopt.core.problem import Samplable
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome, digest
from llmopt.engine.journal import steps
from llmopt.errors import ConfigError, RefusedError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.bandits import UCB, SuccessiveRejects
from llmopt.parts.racing import Racing
from llmopt.parts.rate import Everything, Halving
from llmopt.parts.select import Best
from llmopt.store import open_store
from llmopt.testing import scripted
from llmopt.testing.orders import claimed_order
from llmopt.testing.outcomes import run_reads_again
from llmopt.testing.schedules import repeated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from llmopt.core.algorithm import Algorithm, Asked
    from llmopt.core.model import Model
    from llmopt.core.part import Rate, StepContext
    from llmopt.core.problem import Problem, SplitName
    from llmopt.core.values import Call, Item
    from llmopt.engine.journal import Step
    from llmopt.evidence.result import Result

    Check = Callable[[Algorithm, Problem, Path], Awaitable[None]]

STEPS = 4

RATES: tuple[Rate, ...] = (
    Everything(),
    Halving((2, 4)),
    Racing(share=0.5),
    UCB(k=1, budget=12, batch=2),
    SuccessiveRejects(k=1, budget=12),
)
"""Each kind of rate, so that most candidates are measured on a part of the items."""


async def has_parts_of_their_kinds(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """Parts are called as their kinds are, and give what these give (llmopt.core.part)."""
    for kind in ("select", "reflect", "propose", "rate"):
        part = getattr(algorithm, kind)
        called = part if inspect.isfunction(part) else type(part).__call__
        _demand(inspect.iscoroutinefunction(called), f"{kind} is called with `async def __call__`")
    del folder
    outcomes = tuple(Outcome(item.id, 0.5) for item in problem.items("train"))
    starts = [Candidate(text) for text in problem.starts]
    trajectory = Trajectory().tell(Entry(c, Evaluation(outcomes, len(outcomes))) for c in starts)
    ctx = _context(problem, trajectory)
    survivors = algorithm.keep(ctx)
    _demand(_entries(survivors), f"keep gives a tuple of entries, and not {_kind(survivors)}")
    groups = await algorithm.select(replace(ctx, survivors=survivors))
    _demand(
        isinstance(groups, (tuple, list)) and groups and all(map(_is_group, groups)),
        "select gives groups, each with the entry that is edited and a tuple of those that are "
        f"shown, such as (Group(base=first, shown=(first, second)),), and not {_kind(groups)}",
    )


async def is_told_by_its_repr(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """What it prints is its whole configuration, the same in every process.

    A frozen dataclass does so, and a run goes by its fields; an object that prints its address
    does not.
    """
    del problem, folder
    found = re.search(r"[\w.<>]+ at 0x[0-9a-f]+", repr(algorithm), re.IGNORECASE)
    _demand(
        not found,
        "its parts print their options, so make each of them a frozen dataclass; but one prints "
        f"{found[0] if found else ''}",
    )


async def asks_purely(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """Asking twice gives the same, and leaves the caller's global random state alone (O21).

    Nor does it matter whether the trajectory was asked about while it grew. Calls at temperature 0
    may be those of another seed: equal ones have one answer.
    """
    trajectory = await _grown(algorithm, problem, folder)
    sampled: dict[int, set[str]] = {7: set(), 8: set()}
    before = repr(np.random.get_state())  # noqa: NPY002 - the global state is the point
    first = await _asked(algorithm, problem, trajectory, 7, sampled[7])
    again = await _asked(algorithm, problem, trajectory, 7)
    other = await _asked(algorithm, problem, trajectory, 8, sampled[8])
    anew = await _asked(algorithm, problem, _retold(trajectory), 7)
    after = repr(np.random.get_state())  # noqa: NPY002 - as above
    _demand(first == again, "asking twice with one seed gives the same")
    _demand(first == anew, "what was asked before changes nothing")
    if algorithm.needs_model:
        _demand(sampled[7].isdisjoint(sampled[8]), "another seed draws anew")
    else:
        _demand(first.candidates != other.candidates, "another seed draws anew")
    _demand(before == after, "the global random state is left alone")


async def proposes_candidates(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """Candidates are canonical, new, all different, and of known parents."""
    trajectory = await _grown(algorithm, problem, folder)
    asked = await _asked(algorithm, problem, trajectory, 7)
    _demand(asked.candidates, "the scripted model leads to some candidate")
    texts = [candidate.text for candidate in asked.candidates]
    _demand(len(set(texts)) == len(texts), "candidates of a step are all different")
    for candidate in asked.candidates:
        _demand(problem.parse(candidate.text) == candidate.text, "candidates are canonical")
        _demand(not trajectory.knows(candidate), "candidates are new")
        _demand(candidate.step == trajectory.steps, "candidates name their step")
        for parent in candidate.parents:
            trajectory.entry(parent)  # raises KeyError for an unknown parent


async def shows_training_items_only(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """No call to the optimizer LLM has anything of a validation or test item in it.

    Each of these items gets an input, a target and an answer that nothing else has. The best of
    every step is measured on validation, so there is something to be shown. Where nothing is held
    out, or no LLM is asked, there is nothing to check.
    """
    if not (algorithm.needs_model and any(problem.items(split) for split in _HELD)):
        return
    marked = _Marked(problem)
    calls: list[Call] = []

    def listen(call: Call) -> str:
        calls.append(call)
        return marked.answer(call)

    store = folder / "seen.sqlite"
    await _run(algorithm, marked, store, ScriptedModel(listen), **_curve(problem), **_ALONE)
    asked = [number for number, call in enumerate(calls) if call.role == "optimizer"]
    _demand(asked, "the optimizer LLM is asked")
    marks = set(marked.marks("validation"))
    known = {m for call in calls[: asked[-1]] for m in marks if m in call.text}
    _demand(known or not marks, "validation items are measured before the last question")
    for split in ("validation", "test"):
        for mark in marked.marks(split):
            shown = [number for number in asked if mark in calls[number].text]
            _demand(not shown, f"what only a {split} item has is not shown to the optimizer LLM")


async def asks_without_validation(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """What is asked and tried depends on no validation: there may be one at each step, or none."""
    if not problem.items("validation"):
        return
    marked, calls = _Marked(problem), dict[str, list[str]]()
    for name, more in (("none", {}), ("each", _curve(problem))):
        calls[name] = []

        def listen(call: Call, told: list[str] = calls[name]) -> str:
            if call.role == "optimizer":
                told.append(call.key(""))
            return marked.answer(call)

        store = folder / f"{name}.sqlite"
        await _run(algorithm, marked, store, ScriptedModel(listen), **more, **_ALONE)
    same = sorted(calls["none"]) == sorted(calls["each"])  # in what order depends on the store
    _demand(same, "the same is asked with validations and without")
    none, each = (_trajectory(folder / f"{name}.sqlite") for name in ("none", "each"))
    _demand(none == each, "the same is tried with validations and without")


async def resumes_exactly(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """Broken off at one third and two thirds of its work, a run ends as the unbroken one.

    Work is calls to models, and evaluations where these need no model. No call is paid twice, and
    each break really happened. The best of every step is measured on validation, where
    there is one.
    """
    whole, curve = _Life(problem), _curve(problem)
    expected = await _run(algorithm, whole.problem, folder / "whole.sqlite", whole.model, **curve)
    broken, life = folder / "broken.sqlite", _Life(problem)
    for share in (whole.done // 3, 2 * whole.done // 3):
        life.allowed = share
        try:
            await _run(algorithm, life.problem, broken, life.model, **curve)
        except RefusedError:
            continue
        _demand(False, "the run was broken off")
    life.allowed = 10 * whole.done
    resumed = await _run(algorithm, life.problem, broken, life.model, **curve)
    _demand(_outcome(resumed) == _outcome(expected), "the resumed run ends as the unbroken one")
    paid = life.paid
    _demand(len(paid) == len(set(paid)), "no call is paid twice")
    _demand(len(paid) == len(whole.paid), "as many calls are paid as by the unbroken run")
    _demand(
        _trajectory(broken) == _trajectory(folder / "whole.sqlite"),
        "the journals tell the same steps",
    )


async def is_steady_or_says_why(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """Without steps, a run that is broken off twice continues its schedule; or it is refused.

    Steps that were journaled before a break stay, no call is paid twice, and each step is what its
    request leads to from the trajectory that the journal names. A method that needs whole steps
    refuses before the first call.
    """
    life, store = _Life(problem), folder / "steady.sqlite"
    steady: dict[str, Any] = {"mode": "steady", "concurrency": 4, **_ALONE}
    try:
        divided, requests = algorithm.divided()
    except ConfigError:
        try:
            await _run(algorithm, life.problem, store, life.model, **steady)
        except ConfigError:
            _demand(not life.done, "a method that needs whole steps says so before the first call")
            return
        _demand(False, "a method that needs whole steps refuses to do without")
    whole = _Life(problem)
    await _run(algorithm, whole.problem, folder / "unbroken.sqlite", whole.model, **steady)
    found: list[Step] = []
    for share in (whole.done // 3, 2 * whole.done // 3, 10 * whole.done):
        life.allowed = share
        try:
            await _run(algorithm, life.problem, store, life.model, **steady)
        except RefusedError:
            _demand(share < whole.done, "the resumed run comes to its end")
        before, found = found, _trajectory(store)
        _demand(found[: len(before)] == before, "journaled steps stay as they are")
    _demand(len(life.paid) == len(set(life.paid)), "no call is paid twice")
    _demand(len(found) == len(_trajectory(folder / "unbroken.sqlite")), "as much is asked for")
    planned = requests * algorithm.steps(problem, STEPS)
    scorer = scripted.model() if _read(problem) else None
    again = await repeated(divided, problem, found, seed=3, steps=planned, scorer=scorer)
    _demand(again, "a step is what its request leads to, from the trajectory that it names")


async def buys_greedy_calls_once(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """A run makes no call at temperature 0 twice, whatever the numbers of the draws."""
    made: list[str] = []

    def listen(call: Call) -> str:
        if not call.temperature:
            made.append(replace(call, sample=0).key(""))
        return scripted.answer(call)

    await _run(algorithm, problem, folder / "greedy.sqlite", ScriptedModel(listen), **_ALONE)
    _demand(
        len(made) == len(set(made)),
        "a call at temperature 0 is made once, in all steps: give equal ones the same number, "
        "such as 0",
    )


async def names_its_replies(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """Every outcome names the stored replies that it was made of, which give it again."""
    store, model = folder / "named.sqlite", ScriptedModel(scripted.answer)
    await _run(algorithm, problem, store, model, **_curve(problem))
    kept = open_store(store)
    try:
        await run_reads_again(kept, "checked", problem, model.traits, asked=_read(problem))
    finally:
        kept.close()


async def survives_nonsense(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """An optimizer LLM that only talks nonsense leads to a run that ends and says no gain.

    Where solutions, or their demonstrations, can be drawn without it, a method may do so by itself.
    """
    if not algorithm.needs_model:
        return

    def nonsense(call: Call) -> str:
        return " \n" if call.role == "optimizer" else scripted.answer(call)

    store = folder / "nonsense.sqlite"
    result = await _run(algorithm, problem, store, ScriptedModel(nonsense), **_ALONE)
    if not isinstance(problem, Samplable) and shot_rules_of(problem) is None:
        _demand(result.best.step == 0, "a starting solution wins")
    _demand(sum(result.rejected.values()) > 0, "every refused text is counted with a reason")


async def goes_on_from_the_best_first(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """Survivors, and a list of the best, are in the order of the estimates that are shown.

    So they are where not all was measured on all items: in stages, and in a race.
    """
    for rate in (Halving((2, 4)), Racing(share=0.5)):
        inside = folder / type(rate).__name__
        inside.mkdir()
        trajectory = await _grown(replace(algorithm, rate=rate), problem, inside)
        ctx = _context(problem, trajectory)
        ctx = replace(ctx, survivors=algorithm.keep(ctx))
        survivors = [trajectory.estimate(entry) for entry in ctx.survivors]
        _demand(survivors == sorted(survivors)[::-1], "keep gives the highest estimate first")
        select = algorithm.select
        if not isinstance(select, Best) or select.order == "random":
            continue
        for group in await select(ctx):
            shown = [trajectory.estimate(entry) for entry in group.shown]
            claimed = sorted(shown, reverse=select.order == "descending")
            _demand(shown == claimed, f"the list shown is {select.order}, as it claims")


async def keeps_the_order_it_claims(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """A list that a meta-prompt says to run from the worst to the best does so, and the reverse.

    It does with whatever rate, so where not all was measured on all items, and where answers are
    lost. Scores are compared as they are shown, in the text that the optimizer LLM gets.
    """
    if not algorithm.needs_model:
        return
    legible = _legible(problem)
    few: dict[str, Any] = {"steps": 3, "finalists": 1, **_ALONE}
    for number, rate in enumerate((algorithm.rate, *(r for r in RATES if r != algorithm.rate))):
        calls: list[Call] = []

        def listen(call: Call, calls: list[Call] = calls) -> str:
            calls.append(call)
            return scripted.answer(call)

        store, model = folder / f"order-{number}.sqlite", ScriptedModel(listen)
        await _run(replace(algorithm, rate=rate), legible, store, model, **few)
        texts = [call.text for call in calls if call.role == "optimizer"]
        claims = [(text, claim) for text in texts if (claim := claimed_order(text))]
        for text, (order, end) in claims:
            listed = [float(score) for score in _LEGIBLE.findall(text[end:])]
            rule = f"a list that claims to be {order} is so, but with {rate!r} one shows {listed}"
            _demand(listed == sorted(listed, reverse=order == "descending"), rule)
        if not claims:
            return


async def edits_what_select_drew(algorithm: Algorithm, problem: Problem, folder: Path) -> None:
    """What `select` draws is what is edited, and not another survivor.

    Of the solutions tried, the worst is drawn, alone. What is then proposed goes on from it, and
    the first survivor is in no question that it is not in. Methods without an optimizer LLM step
    by rules of their own.
    """
    if not algorithm.needs_model:
        return
    trajectory = await _ranked(algorithm, problem, folder)
    (first, *_) = algorithm.keep(_context(problem, trajectory))
    others = [e for e in trajectory if e.candidate.step and e != first]
    if not others:
        return
    drawn = others[0]
    calls: list[Call] = []

    def listen(call: Call) -> str:
        calls.append(call)
        return scripted.answer(call)

    model = ScriptedModel(listen, identity="scripted/world")
    drawing = replace(algorithm, select=_Drawn(drawn))
    asked = await drawing.ask(problem, trajectory, model, 3, STEPS, scorer=model)
    for candidate in asked.candidates:
        _demand(
            candidate.parents[-1:] in ((), (drawn.candidate.id,)),
            "what is proposed has the solution that select drew as its last parent",
        )
    for call in calls:
        _demand(
            call.role != "optimizer" or first.text not in call.text or drawn.text in call.text,
            "the solution that is edited is the one that select drew, and not the first survivor",
        )


CHECKS: tuple[Check, ...] = (
    has_parts_of_their_kinds,
    is_told_by_its_repr,
    asks_purely,
    proposes_candidates,
    shows_training_items_only,
    asks_without_validation,
    resumes_exactly,
    is_steady_or_says_why,
    buys_greedy_calls_once,
    names_its_replies,
    survives_nonsense,
    goes_on_from_the_best_first,
    keeps_the_order_it_claims,
    edits_what_select_drew,
)
"""All checks; each takes an algorithm, a problem that it supports, and an empty folder."""

_ALONE: dict[str, Any] = {"controls": ()}
"""Options of a run without controls, where it is the method alone that a rule is about."""


async def _run(
    algorithm: Algorithm, problem: Problem, store: Path, model: ScriptedModel, **more: Any
) -> Result:
    options: dict[str, Any] = {"store": store, "name": "checked", "steps": STEPS, "seed": 3, **more}
    scored = _scored(problem, model)
    async with prepare(scored, algorithm=algorithm, optimizer=model, **options) as run:
        return await run.optimize()


def _curve(problem: Problem) -> dict[str, Any]:
    """Return the options of a run that measures each step's best on validation, if there is one."""
    return {"validate_every": 1} if problem.items("validation") else {}


class _Marked:
    """The problem with validation and test items of which nothing is found anywhere else."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._answers = {item.input: item.target for split in _HELD for item in self.items(split)}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problem, name)

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return the items; those that are held out with texts of their own."""
        if split not in _HELD:
            return self._problem.items(split)
        return tuple(
            replace(item, input=f"{item.input} {_mark('in', item)}", target=_mark("out", item))
            for item in self._problem.items(split)
        )

    def marks(self, split: SplitName) -> list[str]:
        """Return what only the items of a split have."""
        items = self._problem.items(split)
        return [_mark(kind, item) for kind in ("in", "out") for item in items]

    def answer(self, call: Call) -> str:
        """Answer as the scripted model does; now and then with what only the item has."""
        said = scripted.answer(call)
        target = next((t for i, t in self._answers.items() if i in call.text), "")
        return target if target and said == "yes" else said


_HELD: tuple[SplitName, ...] = ("validation", "test")


_LEGIBLE = re.compile(r"(?<!score of )zq([-+][\d.]+\d)")  # what has a score alone is in no list
_LOST = 8  # one answer in eight is


def _legible(problem: Problem) -> Problem:
    """Return a problem whose scores can be found in a meta-prompt; some of its answers are lost."""
    kind, several = type(problem), len(problem.items("train")) > 1

    def show(self: Any, score: float, buckets: int) -> str:
        del self, buckets
        return f"zq{score:+.6f}"

    def aim(self: Any, best: float, buckets: int) -> str:
        return kind.show(self, best, buckets)

    async def measure(self: Any, text: str, item: Item, scorer: Model | None) -> Outcome:
        luck = int(digest(f"{text} {item.id}")[:4], 16)
        if several and text not in self.starts and not luck % _LOST:
            return Outcome(item.id, None, weight=item.weight, reason="lost")
        return await kind.measure(self, text, item, scorer)

    return _below(problem, show=show, aim=aim, measure=measure)


def _below(problem: Problem, **methods: Any) -> Problem:
    """Return a problem of a class below the problem's own, so that it is still one of them."""
    kind = type(problem)
    made = copy(problem)
    below = type(kind.__name__, (kind,), {"__slots__": (), **methods})
    object.__setattr__(made, "__class__", below)
    return made


def _mark(kind: str, item: Item) -> str:
    return f"zq{digest(f'{kind} {item.id}')[:20]}"


class _Scored:
    """The problem with a scorer LLM put in, whatever kind of problem it is."""

    def __init__(self, problem: Problem, scorer: ScriptedModel) -> None:
        self._problem = problem
        self.scorer = scorer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problem, name)


def _scored(problem: Problem, scorer: ScriptedModel) -> Problem:
    """Return the problem with a scorer LLM, or as it is where nothing is read by one."""
    return _Scored(problem, scorer) if _read(problem) else problem


def _read(problem: Problem) -> bool:
    """Whether items have something for a scorer LLM to read."""
    return any(item.input for item in problem.items("train"))


class _Life:
    """A model and a problem that fail for good when they have done what they are allowed.

    Attributes:
        allowed: Calls and evaluations; an evaluation counts where it needs no model.
        done: How many there were.
        paid: Keys of the calls.
        model: Answers as the scripted model does.
        problem: The problem; its measuring counts where it needs no model.
    """

    def __init__(self, problem: Problem) -> None:
        self.allowed, self.done = sys.maxsize, 0
        self.paid: list[str] = []
        self.model = ScriptedModel(self._answer, identity="scripted/world")
        self.problem = problem if _read(problem) else self._counted(problem)

    def _one(self) -> None:
        if self.done >= self.allowed:
            raise RefusedError("switched off")
        self.done += 1

    def _answer(self, call: Call) -> str:
        self._one()
        self.paid.append(call.key("scripted/world"))
        return scripted.answer(call)

    def _counted(self, problem: Problem) -> Problem:
        """Return the problem with a measuring that counts."""
        count, kind = self._one, type(problem)

        async def measure(self: Any, text: str, item: Item, scorer: Model | None) -> Outcome:
            count()
            return await kind.measure(self, text, item, scorer)

        return _below(problem, measure=measure)


async def _asked(
    algorithm: Algorithm,
    problem: Problem,
    trajectory: Trajectory,
    seed: int,
    sampled: set[str] | None = None,
) -> Asked:
    """Ask once, with the scripted model in both roles.

    Args:
        algorithm: Which is asked.
        problem: What it is asked for.
        trajectory: What was tried.
        seed: Of the run.
        sampled: Where the optimizer LLM's calls above temperature 0 are noted; None: nowhere.
    """

    def listen(call: Call) -> str:
        if sampled is not None and call.role == "optimizer" and call.temperature:
            sampled.add(call.key(""))
        return scripted.answer(call)

    model = ScriptedModel(listen, identity="scripted/world")
    return await algorithm.ask(problem, trajectory, model, seed, STEPS, scorer=model)


@dataclass(frozen=True)
class _Drawn:
    """Draws one solution, to be edited and shown.

    Attributes:
        entry: The solution.
    """

    entry: Entry

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group."""
        del ctx
        return (Group(self.entry, (self.entry,)),)


async def _ranked(algorithm: Algorithm, problem: Problem, folder: Path) -> Trajectory:
    """Return the starts, and after them all that was tried in a few steps, as if in one.

    Each is better than the one before it, none is perfect, and none was gone on from.
    """
    grown = await _grown(algorithm, problem, folder)
    texts = [entry.text for entry in grown if entry.candidate.step]
    items = problem.items("train")

    def told(text: str, step: int, share: float) -> Entry:
        right = len(items) * share  # of a single item, a part
        scores = (min(1.0, max(0.0, right - at)) for at in range(len(items)))
        outcomes = tuple(
            Outcome(i.id, s, weight=i.weight) for i, s in zip(items, scores, strict=True)
        )
        return Entry(Candidate(text, step), Evaluation(outcomes, len(items)))

    shares = np.linspace(0.3, 0.9, len(texts))
    starts = [told(text, 0, 0.2) for text in problem.starts]
    tried = [told(text, 1, float(share)) for text, share in zip(texts, shares, strict=True)]
    return Trajectory().tell(starts).tell(tried)


_kept: list[tuple[Algorithm, Problem, Trajectory]] = []


async def _grown(algorithm: Algorithm, problem: Problem, folder: Path) -> Trajectory:
    """Return a trajectory of a few steps; the next check of the same method takes the same one."""
    for method, task, trajectory in _kept:
        if method is algorithm and task is problem:
            return trajectory
    model = scripted.model()
    options: dict[str, Any] = {"store": folder / "grown.sqlite", "name": "grown", "steps": STEPS}
    scored = _scored(problem, model)
    async with prepare(scored, algorithm=algorithm, optimizer=model, **options) as run:
        for _ in range(3):
            await run.step()
        _kept[:] = [*_kept[-3:], (algorithm, problem, run.trajectory)]
        return run.trajectory


def _context(problem: Problem, trajectory: Trajectory) -> StepContext:
    return scripted.context(trajectory, problem=problem, steps=STEPS, seed=3)


def _is_group(found: object) -> bool:
    return isinstance(found, Group) and _entries(found.shown)


def _entries(found: object) -> bool:
    return isinstance(found, tuple) and all(isinstance(one, Entry) for one in found)


def _kind(found: object) -> str:
    """Return the type of what was found, and of what is in it."""
    inner = f" of {_kind(found[0])}" if isinstance(found, (tuple, list)) and found else ""
    return f"{type(found).__name__}{inner}"


def _retold(trajectory: Trajectory) -> Trajectory:
    """Return an equal trajectory that nothing was asked about."""
    told = Trajectory()
    for step in range(trajectory.steps):
        made = [entry for entry in trajectory if entry.candidate.step == step]
        told = told.tell(made, trajectory.made_by(step))
    return told


def _outcome(result: Result) -> tuple[object, ...]:
    return (result.best, result.lines, result.test, result.verdict, result.rejected, result.usage)


def _trajectory(store: Path) -> list[Step]:
    kept = open_store(store)
    try:
        return list(steps(kept, "checked"))
    finally:
        kept.close()


def _demand(truth: object, rule: str) -> None:
    if not truth:
        raise AssertionError(f"a conforming algorithm keeps this rule: {rule}")
