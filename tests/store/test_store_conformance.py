"""Stores keep the contract of every store: the one that ships, and one of another kind."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from log_store import LogStore

from llmopt import optimize
from llmopt.errors import RefusedError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.store import open_store
from llmopt.testing.scripted import answer, problem
from llmopt.testing.stores import CHECKS, Check, a_sample_is_kept, write_sample

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.store import Store


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_sqlite_store_is_a_store(check: Check, tmp_path: Path) -> None:
    """See the check's own docstring."""
    check(partial(open_store, tmp_path / "new folder" / "störe #1.sqlite"))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_postgresql_store_is_a_store(check: Check, database: str) -> None:
    """See the check's own docstring."""
    check(partial(open_store, database))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_log_of_lines_is_a_store(check: Check, tmp_path: Path) -> None:
    """The contract asks for nothing that SQLite alone can do."""
    check(partial(LogStore, tmp_path / "store"))


def test_a_log_of_lines_is_read_by_later_versions(tmp_path: Path) -> None:
    opener = partial(LogStore, tmp_path / "store")
    with closing(opener()) as store:
        write_sample(store)
    a_sample_is_kept(opener)


def run(store: Store, most: int = 10**9) -> tuple[Any, list[str]]:
    """Run until so many calls are made; return the result without times, and their keys."""
    made: list[str] = []

    def said(call: Call) -> str:
        if len(made) == most:
            raise RefusedError("the key is used up")
        made.append(call.key(""))
        return answer(call)

    scorer = ScriptedModel(said, identity="scripted/world")
    try:
        result = optimize(
            replace(problem(), scorer=scorer), steps=2, store=store, name="run", progress=False
        ).to_dict()
    except RefusedError:
        return None, made
    times = ("seconds", "stretch", "usage")
    return {key: value for key, value in result.items() if key not in times}, made


def test_a_run_on_another_store_ends_as_on_sqlite_and_pays_for_nothing_twice(
    tmp_path: Path,
) -> None:
    """Replies are found by another thread there, while equal calls are made at the same time."""
    with closing(open_store(tmp_path / "store.sqlite")) as store:
        wanted, calls = run(store)
    with closing(LogStore(tmp_path / "log")) as store:
        _, before = run(store, most=len(calls) // 2)
        found, after = run(store)
    assert found == wanted
    assert sorted(before + after) == sorted(calls)
    assert len(set(calls)) == len(calls)
