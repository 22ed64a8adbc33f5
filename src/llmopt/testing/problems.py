"""Conformance suite for problems.

Apply it to a problem of your own::

    from llmopt.testing import problems

    @pytest.mark.parametrize("check", problems.CHECKS, ids=lambda check: check.__name__)
    async def test_my_problem(check):
        await check(my_problem())

Each check raises AssertionError with what was broken.
"""

from __future__ import annotations

import inspect
import itertools
import json
import math
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from llmopt.core.problem import (
    Refusal,
    SplitName,
    is_problem,
    presented,
)
from llmopt.core.text import MARKERS, one_line
from llmopt.core.values import Candidate, Outcome
from llmopt.engine.scoring import Scoring
from llmopt.errors import TransientError
from llmopt.models.middleware.stack import wrap
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.store import open_store
from llmopt.testing import scripted
from llmopt.testing import shown as readers
from llmopt.testing.outcomes import reads_again

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from llmopt.core.problem import Problem
    from llmopt.core.values import Call

    Check = Callable[[Problem], Awaitable[None]]

_SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
_BUCKETS = (20, 100)
_SCORES = (0.0, 0.125, 0.29, 1 / 3, 0.5, 0.999, 1.0)
_LONGEST_REASON = 200
_GROUPED = re.compile(r"(?<=\d),(?=\d{3})")  # what parts groups of digits
_NASTY = (
    "",
    " \t\r\n",
    '"quoted"',
    '“"twice"”',
    "**bold**",
    "nul \0 and escape \x1b[31m",
    "{input} {{ 7 * 7 }} {% raw %} %s \\",
    "ä 中文 🙂 e\u0301 \u202e \ufeff",
    "1, 2",
    "[1, 2]",
    "nan",
    "x" * 100_000,
)


async def describes_itself(problem: Problem) -> None:
    """A problem says what it is, and says the same again."""
    _demand(is_problem(problem), "it is a Problem")
    description = problem.description
    for field in ("task", "noun", "measure"):
        _demand(getattr(description, field).strip(), f"its description has a {field}")
    _demand(problem.description == description, "its description stays the same")


async def says_by_methods_what_it_can_do(problem: Problem) -> None:
    """What a problem can do beside that is told by methods, so asking for it computes nothing."""
    for name in ("controls", "optimum", "bounds", "spacing", "judged_by", "calls_each"):
        member = inspect.getattr_static(problem, name, None)
        _demand(member is None or callable(member), f"{name} is a method: `def {name}(self)`")


async def names_itself(problem: Problem) -> None:
    """The fingerprint is text by name, stays the same, and survives a journal."""
    fingerprint = problem.fingerprint
    _demand(fingerprint, "its fingerprint is not empty")
    _demand(
        all(isinstance(t, str) for t in (*fingerprint, *fingerprint.values())),
        "its fingerprint is text by name",
    )
    _demand(json.loads(json.dumps(fingerprint)) == fingerprint, "its fingerprint survives JSON")
    _demand(" at 0x" not in str(fingerprint), "its fingerprint holds no memory address")
    _demand(problem.fingerprint == fingerprint, "its fingerprint stays the same")


async def has_starts(problem: Problem) -> None:
    """There is something to start from; proposed again, it is the same candidate or none."""
    starts = problem.starts
    _demand(starts, "there is a starting solution")
    _demand(len(set(starts)) == len(starts), "starting solutions are all different")
    _demand(problem.starts == starts, "starting solutions stay the same")
    for start in starts:
        parsed = problem.parse(start)
        same = parsed == start or (not start and isinstance(parsed, Refusal))
        _demand(same, f"the starting solution {start!r} is canonical, but became {parsed!r}")


async def has_items(problem: Problem) -> None:
    """Items have different names and positive weights, and no input stands in two splits."""
    splits = {name: problem.items(name) for name in _SPLITS}
    _demand(splits["train"], "train is not empty")
    for name, items in splits.items():
        _demand(problem.items(name) == items, f"the items of {name} stay the same")
        _demand(all(item.weight > 0 for item in items), f"weights in {name} are above 0")
    ids = [item.id for items in splits.values() for item in items]
    _demand(len(set(ids)) == len(ids), "every item has its own id")
    for first, second in itertools.combinations(_SPLITS, 2):
        shared = {i.input for i in splits[first]} & {i.input for i in splits[second]}
        _demand(not shared, f"{first} and {second} share no input, but got {shared}")


async def parses_anything(problem: Problem) -> None:
    """Any text becomes a canonical one or is refused with a short reason, again and again."""
    for text in (*_NASTY, *problem.starts, *(f"  {start}\n" for start in problem.starts)):
        parsed = problem.parse(text)
        shown = repr(text[:40])
        _demand(problem.parse(text) == parsed, f"parsing {shown} twice gives the same")
        if isinstance(parsed, Refusal):
            fits = parsed.reason.isprintable() and 0 < len(parsed.reason) <= _LONGEST_REASON
            _demand(fits, f"the reason against {shown} is a short line, but got {parsed.reason!r}")
        else:
            _demand(parsed, f"{shown} does not become an empty text")
            _demand(problem.parse(parsed) == parsed, f"what {shown} became is canonical")


async def refuses_markers(problem: Problem) -> None:
    """No marker of a meta-prompt leaks into a candidate."""
    for marker, start in itertools.product(MARKERS, (*problem.starts, "text")):
        found = problem.parse(f"{start} {marker}")
        _demand(isinstance(found, Refusal), f"{marker} is refused, but became {found!r}")


async def shows_scores_in_order(problem: Problem) -> None:
    """A better score is never shown as a worse one, and the aim is no worse than the best."""
    sign = 1 if problem.description.higher_is_better else -1
    for buckets in _BUCKETS:
        shown = [sign * float(problem.show(score, buckets)) for score in _SCORES]
        _demand(shown == sorted(shown), f"scores are shown in their order, but got {shown}")
        scale = problem.scale(buckets)
        _demand(not scale or shown[-1] == float(scale), f"a full score is shown as {scale}")
        for score, value in zip(_SCORES, shown, strict=True):
            aim = sign * float(problem.aim(score, buckets))
            _demand(aim >= value, f"the aim beside {value} is no worse, but got {aim}")
            _demand(not scale or aim <= float(scale), f"the aim stays within {scale}")


async def shows_exemplars(problem: Problem) -> None:
    """An exemplar shows the item, with the placeholder where a solution goes."""
    for item in problem.items("train"):
        exemplar = problem.exemplar(item, "<INS>")
        if item.target:
            _demand(exemplar.output == item.target, "an exemplar shows the target")
            _demand("<INS>" in exemplar.input, "an exemplar shows the placeholder")
        _demand(exemplar.question == item.input, "an exemplar shows the question")


async def measures(problem: Problem) -> None:
    """Measuring gives the item's outcome: a finite score, or none with a reason; twice the same."""
    for text, item in itertools.product(problem.starts[:2], problem.items("train")[:4]):
        outcome = await problem.measure(text, item, scripted.model())
        _demand(isinstance(outcome, Outcome), "measuring gives an outcome")
        _demand((outcome.item, outcome.weight) == (item.id, item.weight), "it is the item's own")
        if outcome.score is None:
            _demand(outcome.reason, "an unmeasured item has a reason")
        else:
            _demand(math.isfinite(outcome.score), "a score is finite")
            _demand(not outcome.reason, "a measured item needs no reason")
        again = await problem.measure(text, item, scripted.model())
        _demand(again == outcome, "measuring twice gives the same")


async def names_its_replies(problem: Problem) -> None:
    """Every outcome names the stored replies that it was made of, which give it again."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "replies.sqlite")
        try:
            store.create("named", {})
            model = wrap(scripted.model(), replies=store.replies("named"))
            items = problem.items("train")[:4]
            jobs = [(text, item) for text in problem.starts[:2] for item in items]
            scoring = Scoring(problem, model, 2, 1.0, lambda _: None)
            outcomes = await scoring.measure([(Candidate(text), item) for text, item in jobs])
            await model.close()
            for job, outcome in zip(jobs, outcomes, strict=True):
                await reads_again(store, problem, model.traits, job, outcome)
        finally:
            store.close()


async def passes_failures_on(problem: Problem) -> None:
    """A call that failed is never a score; a problem without a scorer LLM makes no call."""

    def busy(call: Call) -> str:
        raise TransientError(f"busy with {len(call.text)} characters")

    model = ScriptedModel(busy)
    try:
        await problem.measure(problem.starts[0], problem.items("train")[0], model)
    except TransientError:
        return
    _demand(model.calls == 0, "a failed call goes through as an error")


async def is_shown_in_its_own_direction_and_unit(problem: Problem) -> None:
    """Every reader shows scores as the description says: in its direction, as shares or values."""
    description, unit = problem.description, presented(problem).unit
    _demand(unit in ("share", "value"), f"a unit is share or value, but got {unit!r}")
    with tempfile.TemporaryDirectory() as folder:
        scores, said = await readers.started(problem, Path(folder))
    if scores is None:
        return  # nothing could be measured, so nothing is shown
    if unit == "share":
        _demand(all(0 <= score <= 1 for score in scores), f"shares are 0 to 1, but got {scores}")
    sign = 1 if description.higher_is_better else -1
    start, best = (sign * score for score in scores)
    for one in said:
        strange = [n for n in one.numbers if n is None or not _either(n, start, best)]
        _demand(not strange, f"{one.reader} says {start:g} or {best:g}, but got {strange}")
        score = best if one.score is None else sign * one.score
        rule = f"{one.reader} shows {score:g} as a {unit}"
        text = _GROUPED.sub("", one.text).replace("\u00a0", " ")
        _demand(
            not text or _holds(text, score, unit, description.decimals),
            f"{rule}, but got {one_line(text)}",
        )


CHECKS: tuple[Check, ...] = (
    describes_itself,
    says_by_methods_what_it_can_do,
    names_itself,
    has_starts,
    has_items,
    parses_anything,
    refuses_markers,
    shows_scores_in_order,
    shows_exemplars,
    measures,
    names_its_replies,
    passes_failures_on,
    is_shown_in_its_own_direction_and_unit,
)
"""All checks; each takes a problem whose function or metric is a pure one."""


def _either(number: float, *known: float) -> bool:
    return any(math.isclose(number, one, rel_tol=1e-9, abs_tol=1e-9) for one in known)


def _holds(text: str, score: float, unit: str, decimals: int | None) -> bool:
    """Return whether a text shows a score, of the problem's own direction, in its unit."""
    per_cent = re.escape(f"{100 * score:.1f}")
    if unit == "share":
        number = re.escape(f"{100 * score:.{1 if decimals is None else decimals}f}")
        return bool(re.search(rf"(?<![\d.-]){number}(?![\d.])", text)) and "%" in text
    usual = (f"{score:.6g}", f"{score:.0f}") if decimals is None else (f"{score:.{decimals}f}",)
    numbers = "|".join(map(re.escape, usual))
    found = re.search(rf"(?<![\d.-])(?:{numbers})(?![\d.])(?! %)", text)
    return bool(found) and not re.search(rf"(?<![\d.]){per_cent} %", text)


def _demand(truth: object, rule: str) -> None:
    if not truth:
        raise AssertionError(f"a conforming problem keeps this rule: {rule}")
