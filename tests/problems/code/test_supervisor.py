"""The process that runs programs survives what they do, and what happens around it."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from llmopt.problems.code.sandbox import RunLimits, interpreter
from llmopt.problems.code.supervised import Supervised, SupervisorError
from llmopt.problems.guarded_process import descendants

LIMITS = RunLimits(wall=20.0, cpu=10.0, processes=64)
HELLO = "print('hello')\n"

FORKS = """\
import os
for _ in range(400):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
print("done")
"""

MESS = """\
import os
from pathlib import Path
here = Path(os.environ["HOME"])
(here / "locked" / "inner").mkdir(parents=True)
(here / "locked" / "inner" / "file").write_text("x")
(here / "locked" / "inner").chmod(0)
(here / "locked").chmod(0)
(here.parent / "link").symlink_to("/")
(here.parent / "link to itself").symlink_to("link to itself")
here.parent.chmod(0o500)
print("done")
"""


@pytest.fixture
def held() -> Supervised:
    """What runs programs without a sandbox, so that they can do most."""
    return Supervised("none", interpreter(packages=False))


def said(held: Supervised, program: str) -> str:
    return held.run("p.py", {"p.py": program}, b"", LIMITS).output.decode().strip()


def test_processes_that_end_while_they_are_listed_are_passed_over() -> None:
    """A folder of /proc may be gone between two looks at it."""
    busy = os.fork()
    if not busy:
        while True:
            child = os.fork()
            if not child:
                os._exit(0)
            os.waitpid(child, 0)
    try:
        seen = [len(descendants(os.getpid(), 30)) for _ in range(3000)]
    finally:
        os.kill(busy, signal.SIGKILL)
        os.waitpid(busy, 0)
    assert max(seen) >= 1


def test_a_program_that_starts_many_short_processes_runs(held: Supervised) -> None:
    assert [said(held, FORKS) for _ in range(3)] == ["done"] * 3


def test_what_a_program_leaves_in_its_folder_stops_no_further_one(held: Supervised) -> None:
    assert said(held, MESS) == "done"
    assert said(held, HELLO) == "hello"


class _Interrupted:
    """A connection on which the user interrupts the wait for an answer."""

    def __init__(self) -> None:
        self.closed = False

    def send(self, job: object) -> None:
        del job

    def recv(self) -> Any:
        raise KeyboardInterrupt

    def close(self) -> None:
        self.closed = True


class _Gone(_Interrupted):
    """A connection whose other end is gone."""

    def recv(self) -> Any:
        raise EOFError


@pytest.mark.parametrize(
    ("connection", "error"), [(_Interrupted(), KeyboardInterrupt), (_Gone(), SupervisorError)]
)
def test_after_a_lost_answer_the_next_job_gets_its_own(
    connection: _Interrupted, error: type[BaseException], held: Supervised
) -> None:
    held.__dict__["_connection"] = connection
    with pytest.raises(error):
        said(held, HELLO)
    assert connection.closed
    assert said(held, HELLO) == "hello"
