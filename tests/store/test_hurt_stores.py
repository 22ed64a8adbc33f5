"""Stores that are removed, damaged, locked away or shared with others, and who may read them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import llmopt
from llmopt.engine.journal import steps
from llmopt.errors import StoreError
from llmopt.history.document import record
from llmopt.history.run_history import told
from llmopt.store import open_store
from llmopt.store.sqlite.connection import failure
from llmopt.store.sqlite.lock import claim_of
from llmopt.store.sqlite.sqlite_store import SqliteStore
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llmopt.engine.progress import Progress
    from llmopt.evidence.result import Result

pytestmark = pytest.mark.skipif(os.name == "nt", reason="files have other permissions there")


@pytest.fixture(autouse=True)
def usual_mask() -> Iterator[None]:
    """What programs usually make, everybody can read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def searched(
    path: Path, progress: Callable[[Progress], None] | None = None, record: str | None = None
) -> Result:
    model = scripted.model()
    return llmopt.optimize(
        replace(scripted.problem(), scorer=model),
        name="a",
        optimizer=model,
        steps=3,
        store=path,
        progress=progress or False,
        record=record and path.with_name(record),
    )


def hurt(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(sql, values)


# -- for one's own eyes -----------------------------------------------------------------------


def test_nobody_else_reads_what_a_run_writes(tmp_path: Path) -> None:
    """The store, the files beside it, and a recording; while it runs and afterwards."""
    path = tmp_path / "new" / "deeper" / "store.sqlite"
    seen: dict[Path, int] = {}

    def look(_: object) -> None:
        for found in (tmp_path / "new").rglob("*"):
            seen[found] = stat.S_IMODE(found.stat().st_mode)

    path.parent.parent.mkdir(0o700)
    path.parent.mkdir(0o700)
    searched(path, look, "recording.jsonl")
    look(None)
    names = {found.name for found in seen}
    assert {"store.sqlite", "store.sqlite-wal", "store.sqlite-claims", "recording.jsonl"} <= names
    for found, mode in seen.items():
        assert mode == (0o700 if found.is_dir() or found.suffix == "" else 0o600), found


def test_folders_of_a_store_are_made_for_one_user(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "one" / "two" / "store.sqlite")):
        for folder in ("one", "one/two"):
            assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", ["symbolic", "dangling", "hard"])
def test_the_ledger_writes_through_no_link(tmp_path: Path, kind: str) -> None:
    """Somebody who can write beside a store does not get its user's files emptied."""
    precious = tmp_path / "precious.txt"
    precious.write_text("Years of work.")
    path = tmp_path / "store.sqlite"
    with closing(SqliteStore(path)) as store:
        store.create("a", {})
        ledger = claim_of(path, "a").with_suffix(".ledger")
        ledger.parent.mkdir(exist_ok=True)
        if kind == "hard":
            ledger.hardlink_to(precious)
        else:
            ledger.symlink_to(precious if kind == "symbolic" else tmp_path / "none")
        with pytest.raises(StoreError, match="small file"), store.counters("a"):
            pass
    assert precious.read_text() == "Years of work."
    assert not (tmp_path / "none").exists()


def test_no_lock_is_made_behind_a_link(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store.sqlite-claims").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="a symbolic link"):
        open_store(path)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_run_is_claimed_once_by_whatever_name(tmp_path: Path, kind: str) -> None:
    """Two processes do not work on one run because one of them came by a link."""
    path, link = tmp_path / "store.sqlite", tmp_path / "other" / "link.sqlite"
    link.parent.mkdir()
    with closing(open_store(path)) as first:
        first.create("a", {})
        with first.claim("a"):
            if kind == "symbolic":
                link.symlink_to(path)
            else:
                link.hardlink_to(path)
            words = "one process at a time" if kind == "symbolic" else "has 2 .hard links"
            with (
                closing(open_store(link)) as second,
                pytest.raises(StoreError, match=words),
                second.claim("a"),
            ):
                pass


def test_the_ledger_has_its_room_on_the_disk(tmp_path: Path) -> None:
    """Where the disk is full, a process that writes to memory without room would be killed."""
    path = tmp_path / "store.sqlite"
    with closing(open_store(path)) as store, store.counters("a"):
        assert claim_of(path, "a").with_suffix(".ledger").stat().st_blocks > 0


# -- removed while in use ----------------------------------------------------------------------


@pytest.mark.parametrize("what", ["store", "log", "all", "replaced", "moved"])
def test_a_run_whose_store_is_removed_does_not_end_well(tmp_path: Path, what: str) -> None:
    path = tmp_path / "store.sqlite"

    def remove(progress: Progress) -> None:
        if progress.step != 2 or not path.exists():
            return
        log = path.with_name("store.sqlite-wal")
        if what in ("store", "all"):
            path.unlink()
        if what in ("log", "all"):
            log.unlink(missing_ok=True)
        if what == "moved":
            path.rename(tmp_path / "there.sqlite")
        if what == "replaced":
            shutil.copy(path, tmp_path / "copy.sqlite")
            (tmp_path / "copy.sqlite").replace(path)

    with pytest.raises(StoreError, match="stays in its place while it is used") as refused:
        searched(path, remove)
    assert refused.value.under_way


@pytest.mark.parametrize("what", ["folder", "file", "other"])
def test_a_run_whose_lock_is_removed_writes_no_more(tmp_path: Path, what: str) -> None:
    path = tmp_path / "store.sqlite"
    lock = claim_of(path, "a")
    done: list[int] = []

    def remove(progress: Progress) -> None:
        if progress.step != 2 or done:
            return
        done.append(len(list(steps(open_store(path), "a"))))
        if what == "folder":
            shutil.rmtree(lock.parent)
        else:
            lock.unlink()
        if what == "other":
            lock.touch()

    with pytest.raises(StoreError, match="a second process may work on the run"):
        searched(path, remove)
    with closing(open_store(path)) as store:
        assert [len(list(steps(store, "a")))] == done
    assert searched(path).steps == 3


def test_two_processes_do_not_write_one_journal(tmp_path: Path) -> None:
    """The one that held the run first is refused, whatever the second one does with it."""
    path = tmp_path / "store.sqlite"
    with closing(open_store(path)) as first, closing(open_store(path)) as second:
        first.create("a", {})
        with first.claim("a"):
            shutil.rmtree(claim_of(path, "a").parent)
            with second.claim("a"):
                second.append("a", "note", {"by": 2})
                with pytest.raises(StoreError, match="lock of run 'a' stays in its place"):
                    first.append("a", "note", {"by": 1})
                with pytest.raises(StoreError, match="lock of run 'a' stays in its place"):
                    first.discard("a")
                second.append("a", "note", {"by": 2})
        assert [r.data for r in first.records("a")][1:] == [{"by": 2}] * 2


# -- damaged -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a store with a run."""
    path = tmp_path_factory.mktemp("undamaged") / "store.sqlite"
    searched(path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, undamaged: bytes) -> Path:
    """A store with a run."""
    path = tmp_path / "store.sqlite"
    path.write_bytes(undamaged)
    return path


def readings(path: Path) -> list[Callable[[], object]]:
    """Every way to read a run."""
    store = open_store(path)
    return [
        lambda: list(steps(store, "a")),
        lambda: told(store, "a"),
        lambda: record(store, "a"),
        lambda: searched(path),
    ]


def kinds(path: Path) -> dict[str, int]:
    """Return a record of each kind."""
    with closing(open_store(path)) as store:
        return {record.kind: record.seq for record in store.records("a")}


@pytest.mark.parametrize("seq", [0, 1, 2, 3, 4, 5])
def test_a_missing_record_is_noticed_by_whoever_reads(path: Path, seq: int) -> None:
    hurt(path, "DELETE FROM journal WHERE run = 'a' AND seq = ?", seq)
    for read in readings(path):
        with pytest.raises(StoreError, match=f"but record {seq} is missing"):
            read()


@pytest.mark.parametrize("kind", ["step", "problem", "tested", "result", "config"])
@pytest.mark.parametrize(
    "data", ["{}", "[]", "null", "7", '"text"', "{", "", '{"step": 2, "entries": [{}]}', "[" * 9999]
)
def test_a_damaged_record_is_told_with_its_number(path: Path, kind: str, data: str) -> None:
    seq = kinds(path)[kind]
    hurt(path, "UPDATE journal SET json = ? WHERE run = 'a' AND seq = ?", data, seq)
    whole = readings(path)[1:3] if kind != "step" else readings(path)
    if kind == "config":  # which of its keys are missing, is said by whoever needs one
        whole = readings(path)[2:3]
    for read in whole:
        with pytest.raises(StoreError, match=r"record \d|first record") as refused:
            read()
        if kind != "config":
            assert f"record {seq} " in str(refused.value)


def test_steps_that_do_not_follow_each_other_are_damage(path: Path) -> None:
    """As when two processes have written one journal."""
    again = """INSERT INTO journal SELECT run, (SELECT max(seq) + 1 FROM journal), kind, best, json
        FROM journal WHERE kind = 'step' ORDER BY seq DESC LIMIT 1"""
    hurt(path, again)
    for read in readings(path):
        with pytest.raises(StoreError, match="step 3 where step 4 comes next"):
            read()


def test_a_step_that_others_should_precede_is_damage(path: Path) -> None:
    hurt(
        path,
        """UPDATE journal SET json = json_set(json, '$.step', 9) WHERE seq =
        (SELECT max(seq) FROM journal WHERE kind = 'step')""",
    )
    for read in readings(path):
        with pytest.raises(StoreError, match="step 9 where step 3 comes next"):
            read()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE runs SET created = x'00ff'",
        "UPDATE journal SET best = 'much' WHERE kind = 'step'",
        "UPDATE journal SET best = x'00' WHERE kind = 'step'",
        """UPDATE journal SET json = '{"status": 7}' WHERE kind = 'status'""",
        """UPDATE journal SET json = '{"status": "well"}' WHERE kind = 'status'""",
        """UPDATE journal SET json = '{"status": []}' WHERE kind = 'status'""",
        """UPDATE journal SET kind = 'label', json = '{"tags": [7]}' WHERE kind = 'result'""",
        """UPDATE journal SET kind = 'label', json = '{"note": {}}' WHERE kind = 'result'""",
    ],
)
def test_a_damaged_line_about_a_run_is_told(path: Path, sql: str) -> None:
    hurt(path, sql)
    with closing(open_store(path)) as store, pytest.raises(StoreError, match="is undamaged, but"):
        store.runs()


@pytest.mark.parametrize("column", ["call", "reply"])
@pytest.mark.parametrize("name", ["text", "finish", "usage", "messages", "stop"])
@pytest.mark.parametrize("value", ["7", "null", "[7]", "[[]]", '[{"role": 1}]'])
def test_a_damaged_reply_is_told(path: Path, column: str, name: str, value: str) -> None:
    hurt(path, f"UPDATE replies SET {column} = json_set({column}, '$.{name}', json(?))", value)
    with closing(sqlite3.connect(path)) as raw:
        [(key,)] = raw.execute("SELECT key FROM replies LIMIT 1")
    with (
        closing(open_store(path)) as store,
        pytest.raises(StoreError, match="record that cannot be"),
    ):
        store.exchange(key)


ENDLESS = """
    CREATE VIEW runs AS WITH RECURSIVE endless (name, created, seconds) AS
    (SELECT 'a', '2026', 0.0 UNION ALL SELECT name, created, seconds FROM endless)
    SELECT * FROM endless
"""


@pytest.mark.parametrize(
    "sql",
    [
        ENDLESS,
        "CREATE TRIGGER t AFTER INSERT ON journal BEGIN DELETE FROM journal; END",
        "CREATE VIRTUAL TABLE v USING fts5 (x)",
    ],
)
def test_a_store_that_runs_something_is_not_used(path: Path, sql: str) -> None:
    """A file of somebody else's is data: it neither takes for ever nor changes what is written."""
    if sql == ENDLESS:
        hurt(path, "ALTER TABLE runs RENAME TO other")
    hurt(path, sql)
    with pytest.raises(StoreError, match="which holds what SQLite would run"):
        open_store(path)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE])
def test_a_full_disk_is_told_as_one(tmp_path: Path, code: int) -> None:
    error = sqlite3.OperationalError("no room")
    error.sqlite_errorcode = code
    assert "free some space" in str(failure(tmp_path / "store.sqlite", error))


# -- read only ---------------------------------------------------------------------------------

READ = """
    import json, os, sys
    from contextlib import closing
    from pathlib import Path
    path, user = Path(sys.argv[1]), int(sys.argv[2])
    from llmopt.core.values import Candidate
    from llmopt.errors import StoreError
    from llmopt.history.document import record
    from llmopt.integrations.exported import standing
    from llmopt.store import open_store
    from llmopt.web.pages.run_page import page
    with closing(open_store(sys.argv[4])) as store:  # so that all is loaded
        page(record(store, "a")) and standing(store, "a") and store.runs()
    if user:
        os.setgid(user)
        os.setuid(user)
    before = sorted(os.listdir(path.parent))
    with closing(open_store(path, new=False)) as store:
        info = next(info for info in store.runs() if info.name == "a")
        assert info.status == sys.argv[3] and info.steps == 4, info
        assert record(store, "a")["best"] and page(record(store, "a"))
        assert standing(store, "a")
        for write in (
            lambda: store.append("a", "note", {}),
            lambda: store.create("b", {}),
            lambda: store.append("a", "status", {"status": "running"}),
        ):
            try:
                write()
            except StoreError as error:
                print(error)
            else:
                raise AssertionError
    assert sorted(os.listdir(path.parent)) == before
"""


@pytest.mark.parametrize("log", [False, True])
def test_what_cannot_be_written_can_be_read(tmp_path: Path, log: bool) -> None:
    """A store on a medium or in a folder for reading, also one that was killed while it wrote."""
    folder = Path(tempfile.mkdtemp())
    try:
        path = folder / "kept" / "store.sqlite"
        path.parent.mkdir()
        searched(path)
        if log:
            kept = open_store(path)
            kept.append("a", "status", {"status": "failed"})
            for rest in ("", "-wal", "-shm"):
                shutil.copy(f"{path}{rest}", folder / f"copy{rest}")
            kept.close()
            for rest in ("", "-wal", "-shm"):
                shutil.move(folder / f"copy{rest}", f"{path}{rest}")
        shutil.copy(path, tmp_path / "store.sqlite")
        for found in folder.rglob("*"):
            found.chmod(0o555 if found.is_dir() else 0o444)
        folder.chmod(0o555)
        user = "65534" if os.geteuid() == 0 else "0"
        status = "failed" if log else "done"
        line = [
            sys.executable,
            "-c",
            textwrap.dedent(READ),
            str(path),
            user,
            status,
            str(tmp_path / "store.sqlite"),
        ]
        ended = subprocess.run(line, capture_output=True, text=True, check=False, cwd="/")
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count("writ") >= 3, ended.stdout
    finally:
        for found in [folder, *folder.rglob("*")]:
            found.chmod(0o755)
        shutil.rmtree(folder)


# -- loss of power -----------------------------------------------------------------------------


def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """FULL, 2: the log is flushed with each commit; with less a loss of power takes the last."""
    for _ in range(2):  # a new store, and one that is there
        with closing(SqliteStore(tmp_path / "store.sqlite")) as store:
            writing = store._writer._connection
            assert writing.execute("PRAGMA synchronous").fetchone() == (2,)
            assert writing.execute("PRAGMA journal_mode").fetchone() == ("wal",)
