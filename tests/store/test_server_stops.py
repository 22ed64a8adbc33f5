"""A server that stops in the midst of a run: nothing is lost, and the run goes on."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmopt import optimize
from llmopt.errors import StoreError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.store import open_store
from llmopt.store.postgres.postgres_store import PostgresStore
from llmopt.testing.scripted import answer, problem
from llmopt.testing.stores import put_number
from llmopt.testing.temporary_postgres import PASSWORD, missing_postgres, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.testing.temporary_postgres import TemporaryPostgres

AWAY = 3.0  # seconds


@pytest.fixture
def server() -> Iterator[TemporaryPostgres]:
    """A server of the test's own, which it may stop."""
    if missing := missing_postgres():
        pytest.skip(missing)
    with running_postgres() as made:
        yield made


@pytest.mark.parametrize("at_once", [False, True], ids=["tidily", "as if its machine failed"])
def test_a_run_goes_on_when_the_server_is_back(
    server: TemporaryPostgres, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, at_once: bool
) -> None:
    """It ends as on a server that is always there, and no call is made twice."""
    made: list[str] = []
    away = threading.Event()

    def stop_and_start() -> None:
        server.stop(at_once=at_once)
        away.wait(AWAY)
        server.start()

    stopping = threading.Thread(target=stop_and_start)

    def said(call: Call) -> str:
        made.append(call.key(""))
        if len(made) == 100:
            stopping.start()
        return answer(call)

    def run(store: str, name: str) -> dict[str, object]:
        scorer = ScriptedModel(said, identity="scripted/world")
        found = optimize(
            replace(problem(), scorer=scorer), steps=2, store=store, name=name, progress=False
        ).to_dict()
        times = ("seconds", "stretch")
        return {key: value for key, value in found.items() if key not in times}

    with caplog.at_level(logging.WARNING, "llmopt.store"):
        found = run(server.database(), "run")
    stopping.join()
    paid = len(made)
    assert len(set(made)) == paid
    assert found == run(str(tmp_path / "store.sqlite"), "run")
    said_so = [record.getMessage() for record in caplog.records]
    assert any("cannot be reached" in text for text in said_so)
    assert any("is back; the run continues" in text for text in said_so)
    assert PASSWORD not in "".join(said_so)


def test_what_was_handed_in_while_the_server_was_away_is_stored_once(
    server: TemporaryPostgres,
) -> None:
    """Replies, records, time and counters: each is there, and none twice."""
    with closing(open_store(server.database())) as store:
        store.create("a", {})
        with store.claim("a"), store.counters("a") as counters:

            async def work() -> None:
                for number in range(40):
                    await put_number(store, "a", number)
                    await counters.add(0, 1)
                    await asyncio.to_thread(store.append, "a", "step", {"number": number})
                    await asyncio.to_thread(store.seconds, "a", 1.0)
                    if number in (10, 20, 30):
                        await asyncio.to_thread(server.stop, at_once=number == 20)
                        starting = threading.Thread(target=server.start)
                        starting.start()
                await asyncio.to_thread(starting.join)

            asyncio.run(work())
            assert counters.read()[0] == 40
        assert store.spent("a")["scorer"].calls == 40
        assert [r.data["number"] for r in store.records("a") if r.seq] == list(range(40))
        assert store.seconds("a") == 40.0


def test_connections_that_are_cut_again_and_again_cost_nothing(server: TemporaryPostgres) -> None:
    """The fate of a commit whose acknowledgement was lost is asked for, so it is not repeated."""
    url = server.database()
    ending = threading.Event()

    def cut() -> None:
        import psycopg

        with psycopg.connect(server.url(), autocommit=True) as connection:
            for _ in range(40):  # on a busy machine no commit is faster than the next cut
                if ending.wait(0.02):
                    return
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = %s AND pid <> pg_backend_pid()",
                    (url.rpartition("/")[2],),
                )

    with closing(open_store(url)) as store:
        store.create("a", {})
        cutting = threading.Thread(target=cut)
        cutting.start()
        try:
            for number in range(100):
                store.append("a", "step", {"number": number})
        finally:
            ending.set()
            cutting.join()
        assert [r.data["number"] for r in store.records("a") if r.seq] == list(range(100))


def test_a_run_that_another_process_took_meanwhile_is_written_by_that_one_alone(
    server: TemporaryPostgres,
) -> None:
    """The first holder lost its lock with the server, and the fence refuses its records."""
    import psycopg

    url = server.database()
    with closing(open_store(url)) as first, closing(open_store(url)) as second:
        first.create("a", {})
        with first.claim("a"):
            first.append("a", "step", {})
            with psycopg.connect(url, autocommit=True) as connection:
                # As a restart of the server does, but faster than the holder can come back.
                connection.execute("UPDATE llmopt.fences SET fence = fence + 1")
            with pytest.raises(StoreError, match="another one has taken it over"):
                first.append("a", "step", {})
        with second.claim("a"):
            second.append("a", "step", {})
        assert len(list(second.records("a"))) == 3


def test_a_server_that_stays_away_is_an_error_in_the_end(server: TemporaryPostgres) -> None:
    store = PostgresStore(server.database(), patience=0.5)
    try:
        store.create("a", {})
        server.stop()
        with pytest.raises(StoreError, match="on a server that can be reached") as error:
            store.append("a", "step", {})
        assert PASSWORD not in str(error.value)
        server.start()
        store.append("a", "step", {})
        assert len(list(store.records("a"))) == 2
    finally:
        store.close()
