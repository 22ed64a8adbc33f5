"""Replies of real models, recorded by ``benchmarks/proposals.py``, are read as they were then.

Each line has the reply, and the instruction that was read from it where that was usable. What is
read must not change unnoticed when templates, marks or filters change.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms import algorithm_named
from llmopt.core.metaprompt import MetaPrompt
from llmopt.core.problem import Refusal

if TYPE_CHECKING:
    from types import ModuleType

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.jsonl"))
LAST = {"evoprompt-ga", "evoprompt-de", "drpo"}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_there_are_recordings() -> None:
    assert RECORDINGS


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recorded_replies_are_read_as_they_were(path: Path, problems: ModuleType) -> None:
    """Every usable instruction is read again, to the letter."""
    built = {}
    for line in lines(path):
        task = line["task"]
        if task not in built:
            built[task] = problems.problem(task, data_dir=None, scorer=None, rows=(20, 4, 4))
        read = MetaPrompt(line["family"], last=line["method"] in LAST).read(line["reply"])
        found = read if isinstance(read, Refusal) else built[task].parse(read)
        if line["text"] is not None:
            assert found == line["text"]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_nearly_every_recorded_reply_has_a_solution(path: Path) -> None:
    """Of each method, 95 in 100 replies hold a marked text, and nearly as many a usable one."""
    asked: Counter[str] = Counter()
    read: Counter[str] = Counter()
    for line in lines(path):
        meta = MetaPrompt(line["family"], last=line["method"] in LAST)
        asked[line["method"]] += 1
        read[line["method"]] += not isinstance(meta.read(line["reply"]), Refusal)
    assert all(algorithm_named(method) for method in asked)
    assert {method for method in asked if read[method] < 0.95 * asked[method]} == set()
