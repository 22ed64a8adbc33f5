"""What all tests share: a store of their own, no key of the user's, and nothing left behind."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from llmopt.testing.temporary_postgres import missing_postgres, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.testing.temporary_postgres import TemporaryPostgres

ROOMY = 4_000_000_000  # bytes
MEMORY = Path("/dev/shm")

# No test asserts a time, on a busy machine least of all.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Let commands hear Ctrl-C, and keep the files of tests in memory where there is plenty."""
    # What a shell starts in the background ignores Ctrl-C, and so does all that it starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Without bytecode, each of the hundreds of commands compiles the package again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # A store waits for its disk at every commit; here are thousands of stores.
    if config.option.basetemp is None and _roomy(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_finish() -> None:
    """Leave what was collected out of all searches for cyclic garbage: it is here to stay."""
    gc.freeze()


def _roomy(folder: Path) -> bool:
    """Whether much can be written to a folder, and programs in it can be run."""
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < ROOMY:
        return False
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


@pytest.fixture(autouse=True)
def _own_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the modules of a test's folder: another test may have some of the same names."""
    path, known = sys.path.copy(), set(sys.modules)
    yield
    sys.path[:] = path
    ours = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(ours):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def _own_home(_own_modules: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep runs of tests out of the user's store, and the user's keys out of tests."""
    monkeypatch.setenv("LLMOPT_HOME", str(tmp_path / "home"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[TemporaryPostgres]:
    """A PostgreSQL server for all tests of this process, where the machine has one."""
    if missing := missing_postgres():
        pytest.skip(missing)
    with running_postgres() as server:
        yield server


@pytest.fixture
def database(postgres: TemporaryPostgres) -> str:
    """The URL of an empty database."""
    return postgres.database()
