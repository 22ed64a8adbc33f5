"""The SQLite store keeps the contract of every store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from llmopt.store import open_store
from llmopt.testing.stores import CHECKS, Check

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_sqlite_store_is_a_store(check: Check, tmp_path: Path) -> None:
    """See the check's own docstring."""
    check(partial(open_store, tmp_path / "new folder" / "störe #1.sqlite"))
