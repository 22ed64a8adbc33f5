"""SBLLM: which programs represent all, which patterns fit, and what the optimizer LLM is asked."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from llmopt.algorithms.sbllm import sbllm
from llmopt.algorithms.sbllm.material import VersionsAndPatterns
from llmopt.algorithms.sbllm.pattern_base import (
    SpeedPattern,
    bm25,
    changes,
    fitting,
    patterns_of,
    spread,
)
from llmopt.algorithms.sbllm.representatives import Representatives
from llmopt.core.model import Traits
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.failure_reports import clipped, failures
from llmopt.parts.program_structure import abstracted, loop_depth
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from llmopt.core.model import Family
    from llmopt.core.problem import Conclusion, Problem
    from llmopt.core.values import Call

GOLDEN = Path(__file__).parents[1] / "golden" / "sbllm"
ORIGINAL = """\
def total(numbers):
    found = []
    for one in numbers:
        found = found + [one]
    return found
"""
COPY = "def total(numbers):\n    return list(numbers)\n"
COPY_AGAIN = "def total(values):\n    # the same\n    return list(values)\n"
APPEND = ORIGINAL.replace("found = found + [one]", "found.append(one)")
WRONG = "def total(numbers):\n    return numbers[1:]\n"
WRONG_TOO = "def total(numbers):\n    return numbers[1:] + numbers\n"
BROKEN = "def total(numbers)\n"


@dataclass(frozen=True)
class WithTests:
    """The problem of the scripted world, in which a solution with a score below 0 is wrong."""

    inner: Problem = field(default_factory=scripted.listing)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def fits(self, evaluation: Evaluation) -> bool:
        return all((one.score or 0) >= 0 for one in evaluation.outcomes)

    def conclusion(self, text: str, level: float) -> Conclusion | None:
        del text, level
        return None


def entry(text: str, score: float, step: int = 1, parent: str = "", said: str = "") -> Entry:
    parents = (Candidate(parent).id,) if parent else ()
    outcome = Outcome("value", score, feedback=said)
    return Entry(Candidate(text, step, parents), Evaluation((outcome,), 1))


def past(*entries: Entry) -> Trajectory:
    told = Trajectory().tell([entry(ORIGINAL, 1.0, 0)])
    for step in range(1, max((one.candidate.step for one in entries), default=0) + 1):
        told = told.tell([one for one in entries if one.candidate.step == step])
    return told


def kept(trajectory: Trajectory, k: int = 3) -> list[str]:
    ctx = scripted.context(trajectory, problem=WithTests())
    return [one.text for one in Representatives(k)(ctx)]


def test_programs_of_equal_structure_are_represented_by_the_best() -> None:
    """Names, comments and constants do not count; built-in functions and order do."""
    assert abstracted(COPY) == abstracted(COPY_AGAIN) != abstracted(APPEND)
    assert abstracted("print(1)") == abstracted("print(22)") != abstracted("len(1)")
    assert abstracted("x = f'{a} b'") == abstracted("y = f'{c:.2f}'")
    assert abstracted(BROKEN) is None
    found = kept(past(entry(COPY, 2.0), entry(COPY_AGAIN, 2.5), entry(APPEND, 3.0)))
    assert found == [APPEND, COPY_AGAIN, ORIGINAL]


def test_a_fast_wrong_program_only_fills_a_place_that_is_left() -> None:
    told = [entry(WRONG, -0.1), entry(BROKEN, -1.0), entry(WRONG_TOO, -0.5), entry(COPY, 2.0)]
    assert kept(past(*told), 2) == [COPY, ORIGINAL]
    assert kept(past(*told), 3) == [COPY, ORIGINAL, WRONG_TOO]  # the broken one is like none


def test_features_of_a_program() -> None:
    assert loop_depth("for a in b:\n    [c for c in a for d in c]\n") == 3
    assert loop_depth("x = 1") == loop_depth(BROKEN) == 0


@pytest.mark.parametrize(("scores", "found"), [([2, 2, 2], [0, 0, 0]), ([1, 3, 2], [0, 1, 0.5])])
def test_equal_scores_value_no_pattern(scores: list[float], found: list[float]) -> None:
    assert spread(np.array(scores, dtype=float)).tolist() == found


def test_bm25_prefers_rare_tokens_and_short_documents() -> None:
    long, short, other = ["set", *"abcdef"], ["set", "a"], ["list", "a"]
    scores = bm25(["set"], [long, short, other])
    assert scores[1] > scores[0] > scores[2] == 0


def test_an_edit_is_what_it_takes_out_and_puts_in() -> None:
    out, new = changes("x = []\nx.append(1)\n", "y = []\ny.add(2)\n")
    assert (out, new) == (("append",), ("add",))
    assert changes(BROKEN, COPY) == ((), ())


JOINS = SpeedPattern("t = ''\nfor c in s:\n    t = t + c\n", "t = ''.join(s)\n")
LISTS = SpeedPattern(
    "f = []\nfor c in s:\n    f = f + [c]\n", "f = []\nfor c in s:\n    f.append(c)\n"
)
SETS = SpeedPattern("f = []\nprint(3 in f)\n", "f = set()\nprint(3 in f)\n")


def test_one_pattern_is_like_what_was_tried_and_one_is_not() -> None:
    base = [SETS, JOINS, LISTS]
    first, second = fitting(ORIGINAL, [APPEND], base, 2)
    assert first == LISTS
    assert second in (SETS, JOINS)
    assert fitting(ORIGINAL, [APPEND], base, 1) == (LISTS,)
    assert fitting(ORIGINAL, [APPEND], [LISTS], 2) == (LISTS,)
    assert fitting(BROKEN, [APPEND], base, 2) == fitting(ORIGINAL, [], [], 2) == ()
    assert len(fitting(ORIGINAL, [BROKEN], [JOINS, JOINS], 2)) == 2  # nothing tells them apart


def test_patterns_are_pairs_on_lines_and_unusable_ones_are_left_out() -> None:
    rows = [{"slow": "x = 1 + 1", "fast": "x = 2"}, {"src_v0": "a b", "src_v1": "c"}]
    rows.append({"query": "y = 1", "reference": "z = 3"})  # differs in names alone
    text = "\n\n".join(map(json.dumps, rows))
    assert patterns_of(text) == (SpeedPattern("x = 1 + 1", "x = 2"),)
    with pytest.raises(ConfigError, match="line 2 is"):
        sbllm(patterns=json.dumps(rows[0]) + "\n{}")


@pytest.mark.parametrize(
    "option", [{"shown": 0}, {"pattern_count": 3}, {"form": "words"}, {"clip": 0}]
)
def test_an_option_out_of_its_range_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="but got"):
        sbllm(**option)


def test_other_texts_than_programs_are_refused() -> None:
    with pytest.raises(ConfigError, match="compares programs"):
        sbllm().check(scripted.problem(), scripted.model())


def tried() -> Trajectory:
    """A step with a right and two wrong programs, and one that was better but is not shown."""
    said = "test 02: line 1: expected '1 2', got '2'\ninput: 1 2"
    return past(
        entry(APPEND, 1.5, 1, ORIGINAL),
        entry(COPY, 2.25, 2, APPEND),
        entry(WRONG, -0.5, 2, APPEND, said),
    )


@pytest.mark.parametrize("family", ["chat", "brackets", "continuation"])
async def test_the_meta_prompt_is_the_reviewed_one(family: Family) -> None:
    sent: list[str] = []

    def answer(call: Call) -> str:
        sent.append(call.text)
        return ""

    model = ScriptedModel(answer, traits=Traits(completion=True, family=family))
    pairs = "\n".join(json.dumps(vars(one)) for one in (JOINS, SETS))
    method = sbllm(family=family, patterns=pairs, shown=4, samples=1)
    await method.ask(WithTests(), tried(), model, 0, 5)
    await method.ask(WithTests(), past(), model, 0, 5)
    for name, text in zip((f"{family}-versions", f"{family}-first"), sent, strict=True):
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("LLMOPT_GOLDEN") == "write":
            path.write_text(text + "\n", encoding="utf-8")
        assert text + "\n" == path.read_text(encoding="utf-8")


async def said_of(part: VersionsAndPatterns, trajectory: Trajectory, k: int = 3) -> Any:
    ctx = scripted.context(trajectory, problem=WithTests())
    method = sbllm(shown=k)
    ctx = scripted.context(trajectory, problem=WithTests(), survivors=method.keep(ctx))
    (one,) = ctx.grouped(await method.select(ctx))
    return await part(one)


async def test_pairs_of_the_run_are_patterns_where_the_faster_one_is_not_shown() -> None:
    told = past(entry(APPEND, 1.5, 1, ORIGINAL), entry(COPY, 2.25, 2, APPEND))
    alone = (await said_of(VersionsAndPatterns(), told, 1)).text
    assert APPEND.rstrip() in alone.partition("Pattern 1, after")[2]
    assert "Pattern" not in (await said_of(VersionsAndPatterns(own=False), told, 1)).text
    assert "Pattern" not in (await said_of(VersionsAndPatterns(), told, 3)).text
    lines = (await said_of(VersionsAndPatterns(form="changes"), told, 1)).text
    assert "-         found = found + [one]\n+         found.append(one)" in lines


async def test_the_published_rule_ends_the_search() -> None:
    rule = VersionsAndPatterns(stop=True)
    reason = "the representative programs did not change"
    told = past(entry(COPY, 2.0, 1, ORIGINAL))
    assert not (await said_of(rule, told)).reason
    same = told.tell([entry(COPY_AGAIN, 1.5, 2, ORIGINAL)])
    assert (await said_of(rule, same)).reason == reason
    assert (await said_of(rule, told.tell([]))).reason == reason
    assert not (await said_of(VersionsAndPatterns(), same)).reason
    worse = past(entry(APPEND, 0.5, 1, ORIGINAL)).tell([])
    assert not (await said_of(rule, worse)).reason  # nothing better than the original yet
    model = scripted.model()
    asked = await sbllm(stop=True).ask(WithTests(), same, model, 0, 5)
    assert [one.reason for one in asked.rejected] == [reason]
    assert not asked.calls


def test_failed_tests_are_told_once_and_cut_in_the_middle() -> None:
    outcomes = tuple(
        Outcome(str(at), score, feedback=text)
        for at, (score, text) in enumerate(((-1.0, "a"), (-1.0, "a"), (0.0, "b"), (-1.0, "c" * 9)))
    )
    one = Entry(Candidate("x"), Evaluation(outcomes, 4))
    assert failures(one, 3, 4) == ("a", "cc [...] cc")
    assert failures(one, 1, 4) == ("a",)
    assert clipped("  abc ", 3) == "abc"


@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda c: c.__name__)
async def test_the_published_setting_conforms(check: algorithms.Check, tmp_path: Path) -> None:
    method = sbllm(stop=True, form="changes", patterns=json.dumps(vars(LISTS)))
    await check(method, scripted.listing(), tmp_path)
