"""What is true of the SQLite store's file: whose it is, how it breaks, what a breach costs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmopt.core.values import (
    Call,
    Message,
    Reply,
    Usage,
)
from llmopt.errors import StoreError
from llmopt.store import default_path, open_store
from llmopt.store.sqlite.connection import APPLICATION, _open_to_read
from llmopt.store.sqlite.migrations import VERSION
from llmopt.store.sqlite.sqlite_store import SqliteStore
from llmopt.testing.stores import (
    MODEL,
    a_sample_is_kept,
    call_number,
    get_number,
    put_number,
    reply_number,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from llmopt.store import Store

ASSETS = Path(__file__).parent / "assets"
"""A sample store that each version has written; a released one never changes."""

LONG = 2000


def filled(path: Path, count: int = 40) -> Path:
    """Make a store with a run of that many replies and steps."""
    with closing(open_store(path)) as store:
        store.create("tickets", {"steps": count})

        async def put_all() -> None:
            await asyncio.gather(*(put_number(store, "tickets", n) for n in range(count)))

        asyncio.run(put_all())
        for number in range(count):
            store.append("tickets", "step", {"number": number, "best": number, "text": "x" * LONG})
        store.append("tickets", "status", {"status": "done"})
    return path


def read_all(store: Store, count: int = 40) -> int:
    """Read everything there is; return how many replies are found."""
    store.runs()
    store.config("tickets")
    list(store.records("tickets"))
    store.spent("tickets")
    store.seconds("tickets")
    keys = [call_number(number).key(MODEL) for number in range(count)]
    found = [store.exchange(key) for key in keys]
    read = asyncio.run(_read(store, keys))
    assert read == [pair and pair[1] for pair in found]
    return sum(pair is not None for pair in found)


async def _read(store: Store, keys: list[str]) -> list[Reply | None]:
    replies = store.replies("tickets")
    return [await replies.get(key) for key in keys]


def refused_untouched(path: Path, *words: str) -> None:
    """Opening the file is refused in these words, and leaves its bytes as they are."""
    before = path.read_bytes()
    with pytest.raises(StoreError) as refused:
        open_store(path)
    for word in (str(path), *words):
        assert word in str(refused.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_file_of_another_program_is_refused_and_left_alone(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "bookmarks.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.commit()
    refused_untouched(path, "another program's", "--store")
    assert list(tmp_path.iterdir()) == [path]


def test_the_marked_but_empty_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 7")
    refused_untouched(path, "another program's")


@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_another_version_is_refused_and_left_alone(tmp_path: Path, version: int) -> None:
    path = filled(tmp_path / "store.sqlite", 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    refused_untouched(path, f"got version {version}", "use the llmopt that wrote it")


@pytest.mark.parametrize("content", [b"name,label\n" * 99, b"\0" * 8192, b"SQLite format 3\0junk"])
def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tickets.csv"
    path.write_bytes(content)
    refused_untouched(path, "made by llmopt")


def schema(path: Path) -> list[tuple[str, ...]]:
    """Return the tables and indices of a file."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT tbl_name, name, type FROM sqlite_schema UNION "
            "SELECT t.name, c.name, c.type || c.\"notnull\" || ifnull(c.dflt_value, '-') || c.pk "
            "FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c ORDER BY 1, 2"
        ).fetchall()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return [("", str(version), ""), *rows]


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_store_of_any_version_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    """It holds what it held, and has the tables of a new one."""
    path = Path(shutil.copy(ASSETS / f"version-{version}.sqlite", tmp_path / "store.sqlite"))
    with closing(open_store(tmp_path / "new.sqlite")):
        pass
    assert (schema(path) == schema(tmp_path / "new.sqlite")) == (version == VERSION)
    a_sample_is_kept(partial(open_store, path))
    assert schema(path) == schema(tmp_path / "new.sqlite")


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_an_older_store_is_read_as_it_is_where_nothing_can_be_written(
    tmp_path: Path, version: int
) -> None:
    path = Path(shutil.copy(ASSETS / f"version-{version}.sqlite", tmp_path / "store.sqlite"))
    before = path.read_bytes()
    connection, _ = _open_to_read(path)
    with closing(connection):
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    assert path.read_bytes() == before


def test_runs_that_are_older_than_notes_of_uses_keep_what_they_may_use(tmp_path: Path) -> None:
    """Replies that were there when the file was brought up to date stay while its runs do."""
    path = Path(shutil.copy(ASSETS / "version-1.sqlite", tmp_path / "store.sqlite"))
    with closing(open_store(path)), closing(open_store(path)) as store:
        assert store.delete("payer").replies == 0
        assert store.collect().replies == 0
        store.create("new", {})
        asyncio.run(put_number(store, "new", 99))
        assert store.delete("new").replies == 1, "paid for since then"
        assert store.delete("user").replies == 1, "its own, now that no other run may use it"
        assert store.collect().replies == 3


def test_a_migration_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """As where it is killed: the next one that opens it does all of it."""
    path = Path(shutil.copy(ASSETS / "version-1.sqlite", tmp_path / "store.sqlite"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE uses (other TEXT)")
    before = schema(path)
    with pytest.raises(StoreError, match="uses"):
        open_store(path)
    assert schema(path) == before
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE uses")
    a_sample_is_kept(partial(open_store, path))


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf"), "lone \ud800"])
def test_what_a_step_has_beside_its_calls_hinders_no_deletion(
    tmp_path: Path, score: float | str
) -> None:
    """A problem of the user's own may give any number; its run is tidied like others."""
    with closing(open_store(filled(tmp_path / "store.sqlite", 2))) as store:
        store.create("other", {})
        key = call_number(1).key(MODEL)
        store.append("other", "step", {"calls": [key], "score": score, "said": "NaN, Infinity"})
        assert store.delete("tickets").replies == 1
        assert store.exchange(key)
        store.delete("other")
        assert store.collect().replies == 1


def test_a_file_gives_its_room_back(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.sqlite", 400)
    with closing(open_store(path)) as store:
        size = path.stat().st_size
        store.delete("tickets")
        freed = store.collect()
        assert path.stat().st_size == size - freed.disk
        assert freed.disk > size / 2


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    """It is what remains of a process that was killed while it made its store."""
    path = tmp_path / "store.sqlite"
    path.touch()
    with closing(open_store(path)) as store:
        store.create("a", {})
    with closing(sqlite3.connect(path)) as connection:
        marks = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version", "journal_mode")
        ]
    assert marks == [APPLICATION, VERSION, "wal"]


def test_a_store_that_was_not_switched_to_the_log_yet_is_completed(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with closing(open_store(path)) as store:
        assert read_all(store) == 40


def test_a_file_cut_short_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.sqlite")
    whole = path.read_bytes()
    for size in (len(whole) - 4096, len(whole) // 2, 5000, 4096, 120):
        path.write_bytes(whole[:size])
        refused_untouched(path)


def test_a_log_cut_short_loses_only_what_was_not_acknowledged(tmp_path: Path) -> None:
    """A commit torn by a loss of power is left out; those before it are all there."""
    path = tmp_path / "store.sqlite"
    store = open_store(path)
    store.create("tickets", {})
    for number in range(20):
        asyncio.run(put_number(store, "tickets", number))
    log = Path(f"{path}-wal").read_bytes()
    asyncio.run(put_number(store, "tickets", 20))
    torn = Path(f"{path}-wal").read_bytes()[: len(log) + 1000]
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(path.read_bytes())
    Path(f"{copy}-wal").write_bytes(torn)
    store.close()
    with closing(open_store(copy)) as opened:
        assert read_all(opened) == 20


@given(st.integers(0, 10**9), st.binary(min_size=1, max_size=200))
@settings(max_examples=200)
def test_a_damaged_file_gives_a_store_error_or_works(
    tmp_path_factory: pytest.TempPathFactory, place: int, junk: bytes
) -> None:
    """Whatever bytes are overwritten, nothing but a StoreError comes out."""
    path = tmp_path_factory.getbasetemp() / "whole.sqlite"
    if not path.exists():
        filled(path)
    content = bytearray(path.read_bytes())
    place %= len(content)
    content[place : place + len(junk)] = junk
    damaged = path.with_name("damaged.sqlite")
    damaged.write_bytes(content)
    for rest in ("-wal", "-shm"):  # of the example before, if it could not be closed in order
        Path(f"{damaged}{rest}").unlink(missing_ok=True)
    with suppress(StoreError), closing(open_store(damaged)) as store:
        read_all(store)


def test_a_run_whose_name_is_lost_is_told_as_damage(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.sqlite")
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("INSERT INTO runs (name, created) VALUES (NULL, '')")
    with (
        closing(open_store(path)) as store,
        pytest.raises(StoreError, match="a record that cannot be read"),
    ):
        store.runs()


def test_a_full_disk_is_told_to_everybody_and_loses_nothing_stored(tmp_path: Path) -> None:
    """Every reply of the commit that did not fit is refused; the store goes on with space."""
    path = filled(tmp_path / "store.sqlite")
    with closing(SqliteStore(path)) as store:
        writing = store._writer._connection
        (pages,) = writing.execute("PRAGMA page_count").fetchone()
        writing.execute(f"PRAGMA max_page_count = {pages}")

        async def put_many() -> list[BaseException | None]:
            puts = (put_number(store, "tickets", number) for number in range(1000, 1400))
            return await asyncio.gather(*puts, return_exceptions=True)

        refused = [error for error in asyncio.run(put_many()) if error is not None]
        assert len(refused) > 300
        for error in refused:
            assert isinstance(error, StoreError)
            assert "free space" in str(error)
        with pytest.raises(StoreError, match="free space"):
            store.append("tickets", "note", {"text": "x" * 100_000})
        assert read_all(store) == 40
        writing.execute("PRAGMA max_page_count = 1000000")
        assert asyncio.run(put_many()) == [None] * 400
    with closing(open_store(path)) as again:
        assert read_all(again, 1400) == 440


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are POSIX")
def test_a_disk_that_refuses_writes_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """The operating system refuses to let the file grow: a StoreError, no traceback of SQLite."""
    path = tmp_path / "store.sqlite"
    script = """
        import asyncio, resource, signal, sys
        from llmopt.errors import StoreError
        from llmopt.store import open_store
        from llmopt.testing.stores import put_number
        store = open_store(sys.argv[1])
        store.create("tickets", {})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        try:
            for number in range(10_000):
                asyncio.run(put_number(store, "tickets", number))
                print(number, flush=True)
        except StoreError as error:
            print(error, file=sys.stderr)
            sys.exit(7)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 7, ended.stderr
    assert str(path) in ended.stderr
    count = len(ended.stdout.split())
    assert count > 20
    with closing(open_store(path)) as store:
        assert read_all(store, count) == count


def test_a_store_that_cannot_be_written_is_still_read(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.sqlite")
    with closing(SqliteStore(path)) as store:
        store._writer._connection.execute("PRAGMA query_only = 1")
        with pytest.raises(StoreError, match="is writable"):
            store.append("tickets", "note", {})
        with pytest.raises(StoreError, match="is writable"):
            asyncio.run(put_number(store, "tickets", 99))
        assert read_all(store) == 40


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="needs a user for whom folders can be closed: not root",
)
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        for path in (tmp_path / "store.sqlite", tmp_path / "new" / "store.sqlite"):
            with pytest.raises(StoreError, match=r"store\.sqlite"):
                open_store(path)
    finally:
        tmp_path.chmod(0o700)


def test_a_path_below_a_file_or_a_folder_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="the folder of the store"):
        open_store(tmp_path / "file" / "store.sqlite")
    with pytest.raises(StoreError, match="add a file name"):
        open_store(tmp_path)


def test_a_claim_that_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.sqlite")
    with closing(open_store(path)) as store:
        with store.claim("tickets"):
            pass
        for lock in Path(f"{path}-claims").iterdir():
            lock.write_bytes(b"no lock of ours" * 100)
        with pytest.raises(StoreError, match="remove the file"), store.claim("tickets"):
            pass
        store.append("tickets", "status", {"status": "running"})
        with pytest.raises(StoreError, match="remove the file"):
            store.runs()


def test_one_refused_write_does_not_harm_those_of_its_commit(tmp_path: Path) -> None:
    """A taken name, met in the same commit as other writes, is the taker's matter alone."""
    with closing(open_store(tmp_path / "store.sqlite")) as store:
        store.create("tickets", {})

        async def together() -> list[BaseException | None]:
            return await asyncio.gather(
                *(put_number(store, "tickets", number) for number in range(20)),
                asyncio.to_thread(store.create, "tickets", {}),
                asyncio.to_thread(store.append, "unknown", "note", {}),
                return_exceptions=True,
            )

        *puts, taken, unknown = asyncio.run(together())
        assert puts == [None] * 20
        assert isinstance(taken, StoreError)
        assert isinstance(unknown, StoreError)
        assert read_all(store) == 20


def test_a_busy_event_loop_does_not_starve_the_writer(tmp_path: Path) -> None:
    """Something else of the same program may keep the loop busy all the time."""
    with closing(open_store(tmp_path / "store.sqlite")) as store:
        store.create("tickets", {})

        async def under_load() -> bool:
            puts = [asyncio.ensure_future(put_number(store, "tickets", n)) for n in range(64)]
            for _ in range(10_000):
                sum(range(10_000))
                await asyncio.sleep(0)
                if all(put.done() for put in puts):
                    return True
            await asyncio.gather(*puts)
            return False

        assert asyncio.run(under_load()), "all turns were over before anything was stored"
        assert read_all(store, 64) == 64


def test_data_that_is_no_json_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "store.sqlite")) as store:
        store.create("tickets", {})
        with pytest.raises(TypeError):
            store.append("tickets", "note", {"path": tmp_path})
        assert len(list(store.records("tickets"))) == 1


texts = st.text(st.characters(), max_size=30)
replies = st.builds(
    Reply,
    texts,
    st.builds(Usage, st.just(1), st.integers(0, 2**62), st.integers(0, 2**62), st.booleans()),
    texts,
    texts,
)
calls = st.one_of(
    st.builds(
        Call,
        st.sampled_from(["optimizer", "scorer"]),
        st.lists(st.builds(Message, st.just("user"), texts), min_size=1).map(tuple),
        stop=st.lists(texts, max_size=3).map(tuple),
        temperature=st.floats(0, 2),
        sample=st.integers(0, 9),
    ),
    st.builds(Call, st.just("scorer"), prompt=texts),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(calls, replies, st.dictionaries(texts, json_values, max_size=3), texts)
def test_everything_comes_back_equal(
    tmp_path_factory: pytest.TempPathFactory,
    call: Call,
    reply: Reply,
    data: dict[str, object],
    model: str,
) -> None:
    """Any text, lone surrogates and control characters included, survives the file."""
    with closing(open_store(tmp_path_factory.getbasetemp() / "any.sqlite")) as store:
        run = store.new_name("any")
        store.create(run, data)
        store.append(run, "note", data)
        asyncio.run(store.replies(run).put(call.key(model + run), model, call, reply))
    with closing(open_store(tmp_path_factory.getbasetemp() / "any.sqlite")) as store:
        assert store.config(run) == data
        assert [record.data for record in store.records(run)] == [data, data]
        assert store.exchange(call.key(model + run)) == (call, reply)


def test_replies_of_many_rows_take_several_statements(tmp_path: Path) -> None:
    """More replies than one statement holds can share a commit."""
    with closing(open_store(tmp_path / "store.sqlite")) as store:
        store.create("tickets", {})

        async def put_all() -> None:
            await asyncio.gather(*(put_number(store, "tickets", n) for n in range(3500)))

        asyncio.run(put_all())
        assert read_all(store, 3500) == 3500


def test_a_store_is_named_by_path_url_or_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("LLMOPT_HOME", "~/llmopt")
    files = {
        None: tmp_path / "home" / "llmopt" / "llmopt.sqlite",
        "a.sqlite": tmp_path / "a.sqlite",
        "~/b.sqlite": tmp_path / "home" / "b.sqlite",
        "sqlite:///c/d.sqlite": tmp_path / "c" / "d.sqlite",
        f"sqlite:///{tmp_path}/e.sqlite": tmp_path / "e.sqlite",
    }
    for where, path in files.items():
        with closing(open_store(where)) as store:
            store.create("here", {})
        with closing(open_store(path)) as store:
            assert store.config("here") == {}
    monkeypatch.delenv("LLMOPT_HOME")
    assert default_path().name == "llmopt.sqlite"


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite://host/a", "mysql://u:pa55@h/d"]
)
def test_another_url_is_refused_without_repeating_its_password(url: str) -> None:
    with pytest.raises(StoreError, match="sqlite:///PATH") as refused:
        open_store(url)
    assert "pa55" not in str(refused.value)


def test_a_reply_given_under_a_stored_key_is_the_stored_one(tmp_path: Path) -> None:
    """What was read once is read for ever: a second reply does not replace the first."""
    with closing(open_store(tmp_path / "store.sqlite")) as store:
        store.create("tickets", {})
        asyncio.run(put_number(store, "tickets", 1))
        key = call_number(1).key(MODEL)
        asyncio.run(store.replies("tickets").put(key, MODEL, call_number(1), Reply("other")))
        assert asyncio.run(get_number(store, "tickets", 1)) == reply_number(1)


async def test_a_reply_that_cannot_be_stored_costs_no_other(tmp_path: Path) -> None:
    """Those of its commit are stored, and only who gave it hears of it."""
    odd = Reply("said", Usage(1, 1 << 63, 1))
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        store.create("tickets", {})
        replies = store.replies("tickets")
        call = call_number(99)
        puts: list[Coroutine[Any, Any, bool | None]] = [
            put_number(store, "tickets", number) for number in range(20)
        ]
        puts.insert(7, replies.put(call.key(MODEL), MODEL, call, odd))
        results = await asyncio.gather(*puts, return_exceptions=True)
        assert [n for n, result in enumerate(results) if isinstance(result, Exception)] == [7]
        assert isinstance(results[7], StoreError)
        for n in range(20):
            assert await replies.get(call_number(n).key(MODEL))
        assert await replies.get(call.key(MODEL)) is None
