"""``llmopt faster`` and ``[problem.code]``: from a program and its tests to a proven faster one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmopt.errors import ConfigError
from llmopt.problems.code.sandbox import interpreter
from llmopt.problems.code.supervised import supervised
from llmopt.store import open_store
from llmopt.web.pages.timings import timings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Shell

SLOW = """\
numbers = [int(word) for word in input().split()]
seen = []
for number in numbers:
    if number not in seen:
        seen.append(number)
print(len(seen))
"""

MODEL = '''
FAST = """
print(len(set(map(int, input().split()))))
"""
WRONG = "print(len(input().split()))\\n"


def answer(call):
    return (f"```python\\n{FAST}```", f"<INS>\\n{WRONG}</INS>", "No idea.")[call.sample % 3]
'''


@pytest.fixture
def project(shell: Shell) -> Shell:
    """A slow program with its tests, where programs can run at all."""
    try:
        supervised("auto", interpreter(packages=False))
    except ConfigError as error:
        pytest.skip(str(error))
    shell.write("slow.py", SLOW)
    shell.write("proposer.py", MODEL)
    (shell.folder / "tests").mkdir()
    for at, size in enumerate((6000, 5800, 5600, 5400)):
        numbers = " ".join(str(number * 7919 % 5000) for number in range(size))
        shell.write(f"tests/{at}.in", numbers)
    return shell


def test_a_faster_program_is_found_proven_and_written(project: Shell) -> None:
    said = project.llmopt(
        *("faster", "slow.py", "--tests", "tests", "--optimizer", "scripted/proposer:answer"),
        *("--steps", "1", "--output", "fast.py", "--json", "-q", "--name", "first"),
    )
    assert said.code == 0
    result = said.data
    assert result["verdict"].startswith("The winner is faster: ")
    assert "set(map(int" in result["best"]["text"]
    assert result["comparisons"][0]["word"] == "better"
    assert result["conclusion"]["sandbox"] in ("bubblewrap", "namespaces")
    assert result["conclusion"]["failed"] == 0
    assert len(result["conclusion"]["pairs"]) == 2
    assert (project.folder / "fast.py").read_text() == result["best"]["text"]
    assert project.llmopt("export", "first").out == result["best"]["text"]
    report = project.llmopt("report", "first", "-o", "page.html")
    assert report.code == 0, report.err
    page = (project.folder / "page.html").read_text(encoding="utf-8")
    assert 'id="timings"' in page
    assert page.count('class="pair"') == sum(
        len(pairs["original"]) for pairs in result["conclusion"]["pairs"].values()
    )
    assert "Programs ran in the sandbox" in page


def test_nothing_is_written_where_nothing_is_faster(project: Shell) -> None:
    project.write("proposer.py", MODEL.replace("call.sample % 3", "1"))
    said = project.llmopt(
        *("faster", "slow.py", "--tests", "tests", "--optimizer", "scripted/proposer:answer"),
        *("--steps", "1", "--output", "fast.py", "-q"),
    )
    assert said.code == 0
    assert "No gain" in said.out
    assert "Nothing was written to fast.py" in said.err
    assert not (project.folder / "fast.py").exists()


def test_a_configuration_is_checked(project: Shell) -> None:
    project.write(
        "faster.toml",
        '[problem.code]\nprogram = "slow.py"\ntests = "tests"\n'
        '[optimizer]\nmodel = "scripted/proposer:answer"\n',
    )
    said = project.llmopt("check", "faster.toml")
    assert said.code == 0
    assert "the first start has 1.00" in said.out
    wrong = project.llmopt("check", "faster.toml", "-o", "problem.code.limits.wall=0")
    assert wrong.code == 2
    assert "problem.code.limits.wall" in wrong.err
    both = project.llmopt("check", "faster.toml", "-o", "problem.metric=exact")
    assert "[problem.code] brings everything with it" in both.err


SCORED = """
def score(given, got):
    with open("log.txt", "a") as file:
        file.write(got)
    return float(got.split()[1])
"""

SCORES = """
from llmopt.core.values import digest


def answer(call):
    later = "import time; time.sleep(3)\\n" if call.text.count("improvement") > 3 else ""
    return f"{later}print(input(), {2 + int(digest(call.key('x'))[:4], 16)})\\n"
"""

RUN = """
[problem.code]
program = "scored.py"
tests = "tests"
goal = "score"
score = "scores:score"

[optimizer]
model = "scripted/proposer:answer"

[algorithm]
samples = 2

[run]
steps = 2
name = "killed"
"""


def test_a_killed_run_leaves_nobody_and_runs_nothing_again(project: Shell) -> None:
    """Killed in its second step; what the first one measured is not run again."""
    for name, text in (
        ("scored.py", "print(input(), 1)\n"),
        ("scores.py", SCORED),
        ("proposer.py", SCORES),
        ("run.toml", RUN),
    ):
        project.write(name, text)
    for at in range(4):
        project.write(f"tests/{at}.in", f"t{at}")
    log, store = project.folder / "log.txt", project.folder / "runs.sqlite"
    line = [sys.executable, "-m", "llmopt", "run", "run.toml", "--store", str(store), "-q"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(line, env=environment) as process:
        _until(lambda: _steps(store) >= 2 and bool(_programs(str(process.pid))))
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = log.read_text().splitlines()
    searched = {row for row in before if row.startswith("t0 ") and not row.endswith(" 1")}
    assert len(searched) == 2
    _until(lambda: not _supervisors(str(project.folder)))
    resumed = subprocess.run(
        [*line[:3], "resume", "killed", "--store", str(store), "-q"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert resumed.returncode == 0, resumed.stderr
    after = log.read_text().splitlines()[len(before) :]
    assert not searched & set(after)


def _steps(store: Path) -> int:
    if not store.exists():
        return 0
    with closing(open_store(str(store))) as kept:
        if not any(info.name == "killed" for info in kept.runs()):
            return 0
        return sum(record.kind == "step" for record in kept.records("killed"))


def _supervisors(folder: str) -> list[str]:
    """Return the processes that run programs for a process in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_text()
            if "code.supervisor" in words and str((path / "cwd").readlink()) == folder:
                found.append(path.name)
        except OSError:
            continue
    return found


def _programs(parent: str) -> list[str]:
    """Return the processes below the supervisor of a process."""
    found: list[str] = []
    for path in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in path.read_text().split():
            below = Path(f"/proc/{child}/task/{child}/children")
            found += below.read_text().split() if below.exists() else []
    return found


def _until(happens: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until something is true; the limit is for a machine that hangs."""
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_page_without_timings_has_no_such_part() -> None:
    assert timings_of(None) == {}
    assert timings_of({"kind": "code"}) == {}


def test_check_says_what_a_search_is_based_on(project: Shell) -> None:
    project.write("tests/bad.in", "x\n")
    project.write(
        "faster.toml",
        """
[problem.code]
program = "slow.py"
tests = "tests"
inputs = 6
[optimizer]
model = "scripted/proposer:answer"
""",
    )
    said = project.llmopt("check", "faster.toml", "--json")
    assert said.code == 0
    found = {one["check"]: one["detail"] for one in said.data["checks"]}
    assert found["tests"] == (
        "4 tests: 1 train, 1 validation, 2 test; what the program says is expected in 4; "
        "the optimizer LLM writes up to 6 more, in 4 calls at most"
    )
    assert found["sandbox"] in ("bubblewrap", "namespaces")
    assert found["aim"].startswith("time: processor time")
    assert found["instructions"].startswith(("counted beside time", "not counted: "))
    assert (
        "The test bad is left out: the program rejects it (exit code 1)." in said.data["cautions"]
    )
