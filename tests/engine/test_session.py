"""A session is a run's place in the store: how work ended, how long it took, what it cost."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from llmopt.core.values import Usage
from llmopt.engine.opening import opened
from llmopt.engine.options import SessionOptions
from llmopt.engine.roles import Models
from llmopt.engine.session import Session
from llmopt.errors import BudgetError, StoreError
from llmopt.models.middleware.budget import Price
from llmopt.store import open_store
from llmopt.testing import scripted
from llmopt.testing.models import chat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llmopt.core.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(tmp_path / "runs.sqlite")
    yield made
    made.close()


def created(store: Store, name: str) -> None:
    if all(info.name != name for info in store.runs()):
        store.create(name, {})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BudgetError("spent"), "budget"),
        (KeyboardInterrupt(), "interrupted"),
        (asyncio.CancelledError(), "interrupted"),
        (ValueError("odd"), "failed"),
    ],
    ids=str,
)
def test_the_journal_is_told_how_work_ended(
    store: Store, error: BaseException, status: str
) -> None:
    store.create("tried", {})
    with pytest.raises(type(error)), Session(store, "tried").under_way():
        raise error
    told = [record.data["status"] for record in store.records("tried") if record.kind == "status"]
    assert told == ["running", status]


def test_without_an_error_work_is_done_or_what_whoever_works_says(store: Store) -> None:
    store.create("tried", {})
    with Session(store, "tried").under_way():
        assert store.runs()[0].status != "done"
    assert store.runs()[0].status == "done"
    with Session(store, "tried").under_way() as ending:
        ending.status = "budget"
    assert store.runs()[0].status == "budget"


def test_time_is_counted_once(store: Store) -> None:
    """What was noted is in the store, and what was not is added to it."""
    store.create("tried", {})
    store.seconds("tried", 100)
    session = Session(store, "tried")
    with session.under_way():
        session.note_time()
    assert 100 < store.seconds("tried") < 110
    assert store.seconds("tried") <= session.seconds < 110


def test_no_second_is_counted_twice(store: Store) -> None:
    store.create("tried", {})
    begun = time.monotonic()
    session = Session(store, "tried")
    for _ in range(5):
        time.sleep(0.02)
        session.note_time()
    assert store.seconds("tried") <= time.monotonic() - begun


def test_what_has_no_price_makes_the_whole_unknown(store: Store) -> None:
    store.create("tried", {})
    session = Session(store, "tried", price_list=lambda: {"scorer": Price(1.0, 2.0)})
    assert session.usd() == 0
    session.traffic.remember(
        {"lost": {}, "doubled": {"scorer": asdict(Usage(1, 1_000_000, 1_000_000))}}
    )
    assert session.paid()["scorer"].calls == 1
    assert session.usd() == 3
    session.traffic.remember({"lost": {}, "doubled": {"optimizer": asdict(Usage(1, 1, 1))}})
    assert session.usd() is None


async def test_a_session_without_replies_leaves_nothing_unless_something_was_found(
    store: Store, tmp_path: Path
) -> None:
    options = SessionOptions(progress=False, store=tmp_path / "runs.sqlite")
    async with opened(options, None, name="empty", register=created):
        assert [info.name for info in store.runs()] == ["empty"]
    assert store.runs() == ()
    async with opened(
        options, None, name=None, base="kept", register=created, found=lambda *_: True
    ):
        pass
    assert [info.name for info in store.runs()] == ["kept"]


async def test_a_session_has_its_models_in_their_rings_and_counts_what_they_cost(
    tmp_path: Path,
) -> None:
    """The role that is not played is absent and costs nothing."""
    options = SessionOptions(progress=False, store=tmp_path / "runs.sqlite", concurrency=3)
    models = Models(options, scorer=scripted.model(), proposing=False, seed=7)
    async with opened(options, models, name="tried", register=created) as session:
        assert session.scorer is not None
        await session.scorer.complete(chat("Hello"))
        paid = {role: used.calls for role, used in session.paid().items()}
        assert paid == {"optimizer": 0, "scorer": 1, "judge": 0, "embedder": 0}
        assert session.seed == 7
        assert session.traffic.slots == 3
        with pytest.raises(StoreError):  # it is this session's while the context lasts
            async with opened(options, models, name="tried", register=created):
                pass


@pytest.mark.parametrize("under_way", [False, True])
async def test_an_error_of_the_store_says_whether_work_was_under_way(
    tmp_path: Path, *, under_way: bool
) -> None:
    """Then what was paid is stored, and the run can be resumed."""

    def refused(store: Store, name: str) -> None:
        created(store, name)
        if not under_way:
            raise StoreError("full")

    options = SessionOptions(progress=False, store=tmp_path / "runs.sqlite")
    with pytest.raises(StoreError) as caught:
        async with opened(options, None, name="tried", register=refused):
            raise StoreError("full")
    assert caught.value.under_way == under_way
