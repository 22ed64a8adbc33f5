"""``llmopt verify``: a finished run follows from its stored replies, or what does not is named."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shell

STORE = "runs.sqlite"


@pytest.fixture
def finished(shell: Shell) -> Shell:
    """A finished run with its control, and nothing that could answer a call."""
    assert shell.llmopt("run", "run.toml", "-q", "--store", STORE).code == 0
    return shell


def verified(shell: Shell, *words: str) -> Any:
    return shell.llmopt("verify", "run", "-q", "--store", STORE, *words)


def test_a_run_follows_from_its_replies_and_nothing_is_written(finished: Shell) -> None:
    before = (finished.folder / STORE).read_bytes()
    said = verified(finished)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("run holds: ")
    assert "Not derived: usage, time and price" in said.out
    found = verified(finished, "--json").data
    assert found["holds"] is True
    assert found["records"]["result"] == 2  # of the run, and of its control
    assert (finished.folder / STORE).read_bytes() == before


def test_a_changed_score_is_named_with_its_place(finished: Shell) -> None:
    changed = edited(finished.folder / STORE, "step", change_best)
    assert changed
    said = verified(finished)
    assert said.code == 4
    assert "run does not hold" in said.out
    assert "run, step 0: best: stored 0.25, derived 0." in said.out


def test_why_a_search_ended_is_derived_too(finished: Shell) -> None:
    edited(finished.folder / STORE, "result", lambda data: data.update(stopped="no more gain"))
    said = verified(finished)
    assert said.code == 4
    assert 'run, result: stopped: stored "no more gain", derived "steps done"' in said.out


def test_a_changed_reply_changes_what_follows(finished: Shell) -> None:
    with closing(sqlite3.connect(finished.folder / STORE)) as store, store:
        store.execute(
            """UPDATE replies SET reply = replace(replace(replace(reply, 'yes', '#'), 'no', 'yes'),
            '#', 'no') WHERE role = 'scorer'"""
        )
    assert verified(finished).code == 4


def test_a_lost_reply_is_said_where_it_is_needed(finished: Shell) -> None:
    with closing(sqlite3.connect(finished.folder / STORE)) as store, store:
        store.execute("DELETE FROM replies WHERE role = 'optimizer'")
    said = verified(finished)
    assert said.code == 4
    assert "the reply to this call is not stored" in said.out


def test_what_is_no_finished_search_is_refused(finished: Shell) -> None:
    with closing(sqlite3.connect(finished.folder / STORE)) as store, store:
        store.execute("UPDATE journal SET kind = 'other' WHERE run = 'run' AND kind = 'result'")
    said = verified(finished)
    assert said.code == 2
    assert "'run' has no result; resume it first" in said.err


def test_a_manifest_finds_what_was_changed_since(finished: Shell) -> None:
    assert verified(finished, "--manifest", "run.json").code == 0
    assert "exists; choose another name" in verified(finished, "--manifest", "run.json").err
    said = verified(finished, "--against", "run.json")
    assert (said.code, "are those of the manifest" in said.out) == (0, True)
    with closing(sqlite3.connect(finished.folder / STORE)) as store, store:
        store.execute("""UPDATE replies SET reply = replace(reply, '"text"', ' "text"')""")
        store.execute("UPDATE journal SET json = json_set(json, '$.note', 'x') WHERE kind='status'")
    said = verified(finished, "--against", "run.json")
    assert said.code == 4
    assert "(status): changed since the manifest was written" in said.out
    (finished.folder / "other.json").write_text('{"run": "other", "records": []}')
    assert "a manifest is" in verified(finished, "--against", "other.json").err


def edited(path: Path, kind: str, change: Any) -> str:
    """Change a record of a kind, and return what was changed."""
    with closing(sqlite3.connect(path)) as store, store:
        # The last one of its kind: an earlier one may be superseded.
        order = "ASC" if kind == "step" else "DESC"
        (seq, text), *_ = store.execute(
            f"SELECT seq, json FROM journal WHERE run = 'run' AND kind = ? ORDER BY seq {order}",
            (kind,),
        ).fetchall()
        data = json.loads(text)
        where = str(change(data))
        store.execute(
            "UPDATE journal SET json = ? WHERE run = 'run' AND seq = ?", (json.dumps(data), seq)
        )
    return where


def change_best(data: dict[str, Any]) -> str:
    """Change the best score so far."""
    data["best"] = 0.25
    return "best"
