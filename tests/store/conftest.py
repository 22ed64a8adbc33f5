"""A PostgreSQL server for all tests of a process, where the machine has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmopt.testing.temporary_postgres import missing_postgres, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.testing.temporary_postgres import TemporaryPostgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[TemporaryPostgres]:
    if missing := missing_postgres():
        pytest.skip(missing)
    with running_postgres() as server:
        yield server


@pytest.fixture
def database(postgres: TemporaryPostgres) -> str:
    """The URL of an empty database."""
    return postgres.database()
