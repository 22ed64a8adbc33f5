"""A disk that is full or read-only stops a run with a clear error, and costs nothing stored."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.api import optimize
from llmopt.errors import StoreError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.store.sqlite.sqlite_store import SqliteStore
from llmopt.testing.scripted import answer, problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llmopt.core.values import Call

SLOTS = 4
AHEAD = SLOTS // 4  # evaluations that wait for a slot, so that none stands empty
WHEN = 100  # the call during which the disk fails


def run(store: SqliteStore, called: Callable[[], None] = lambda: None) -> tuple[Any, list[str]]:
    """Run to the end; return the result without times and usage, and the keys of all calls.

    Usage tells the truth: what was paid and could not be stored is paid again.
    """
    made: list[str] = []

    def said(call: Call) -> str:
        made.append(call.key(""))
        called()
        return answer(call)

    model = ScriptedModel(said, identity="scripted/world")
    result = optimize(
        replace(problem(), scorer=model),
        steps=2,
        store=store,
        name="run",
        concurrency=SLOTS,
        progress=False,
    )
    used = ("seconds", "stretch", "usage")
    return {key: value for key, value in result.to_dict().items() if key not in used}, made


def stored(store: SqliteStore) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = store._rows("SELECT key, call, reply FROM replies ORDER BY key")
    return rows


def told(store: SqliteStore) -> list[dict[str, Any]]:
    return [record.data for record in store.records("run") if record.kind == "step"]


@pytest.mark.parametrize(
    ("broken", "mended", "message"),
    [
        ("max_page_count = 1", "max_page_count = 1000000", "free some space and try again"),
        ("query_only = 1", "query_only = 0", "change the permissions"),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_that_fails_in_the_middle_of_a_run(
    tmp_path: Path, broken: str, mended: str, message: str
) -> None:
    """The error says what to do; what was stored stays, and the run ends as the unbroken one."""
    with closing(SqliteStore(tmp_path / "whole.sqlite")) as store:
        unbroken, calls = run(store)
        journal, replies = told(store), stored(store)
    assert len(calls) == len(set(calls)) > 2 * WHEN
    made: list[None] = []
    with closing(SqliteStore(tmp_path / "broken.sqlite")) as store:
        disk = store._writer._connection

        def fail() -> None:
            made.append(None)
            if len(made) == WHEN:
                disk.execute(f"PRAGMA {broken}")

        with pytest.raises(StoreError, match=message) as stopped:
            run(store, fail)
        assert stopped.value.exit_code == 2
        kept = stored(store)
        disk.execute(f"PRAGMA {mended}")
    assert WHEN - SLOTS <= len(kept) < 2 * WHEN  # a full disk has room in the pages it began
    assert 0 <= len(made) - len(kept) <= SLOTS + AHEAD
    with closing(SqliteStore(tmp_path / "broken.sqlite")) as store:
        assert stored(store) == kept
        resumed, again = run(store)
        assert len(kept) + len(again) == len(calls)  # nothing stored was paid for again
        assert resumed == unbroken
        assert told(store) == journal
        assert stored(store) == replies


CONFIG = """
[problem]
data = "questions.csv"
task = "Answer with yes or no."
instructions = ["Answer."]
sizes = [12, 8, 20]

[scorer]
model = "scripted/llmopt.testing.scripted:answer"

[run]
steps = 2

[evidence]
controls = []
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are POSIX")
def test_the_command_line_says_that_the_disk_is_full(tmp_path: Path) -> None:
    """Exit code 2, a message and no traceback; the same command line then goes on."""
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    (tmp_path / "questions.csv").write_text("\n".join(["input,target", *rows, ""]))
    (tmp_path / "run.toml").write_text(CONFIG)
    script = """
        import resource, signal, sys
        from llmopt.cli import main
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
        main(["run", "run.toml", "--name", "run", "--store", "store.sqlite", "--quiet"])
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    hint, _, message = ended.stderr.partition("\n")
    go_on = "llmopt resume run --store store.sqlite"
    assert hint == f"The run is stored. Continue with: {go_on}"
    assert message.startswith("Error: the store ")
    assert "try again: what was stored is kept" in ended.stderr
    assert "Traceback" not in ended.stderr
    with closing(SqliteStore(tmp_path / "store.sqlite")) as store:
        kept = stored(store)
        (info,) = store.runs()
    assert info.status in ("failed", "interrupted")  # whether there was space to write it
    assert len(kept) > 10
    resume = [sys.executable, "-m", "llmopt", "resume", "run", "--store", "store.sqlite"]
    subprocess.run(resume, cwd=tmp_path, capture_output=True, check=True)
    with closing(SqliteStore(tmp_path / "store.sqlite")) as store:
        assert [info.status for info in store.runs()] == ["done"]
        assert set(kept) < set(stored(store))
