"""Each command prints with ``--json`` what its published schema describes, and nothing else.

``Shell.llmopt`` holds every document against its schema, in the other tests of this folder too.
Here every command is called once.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from printed import FILES, check_document

from llmopt.errors import ConfigError
from llmopt.problems.code.sandbox import interpreter
from llmopt.problems.code.supervised import supervised

if TYPE_CHECKING:
    from conftest import Shell

MODEL = "scripted/llmopt.testing.scripted:answer"
SWEEP = """
base = "run.toml"

[grid]
"algorithm.order" = ["ascending", "descending"]
"run.seed" = [0, 1]
"""
JUDGE = """
import re

def answer(call):
    return re.search(r"Verdict [0-9a-f]{12}:(?= .$)", call.text)[0] + " 2"
"""
LINES = f"""
algorithms
algorithms opro
check run.toml
check run.toml --headroom -o budget.calls=300
check run.toml --offline
run run.toml -q
run run.toml -q --name second -o run.seed=3 -o run.validate_every=1
resume run -q
runs
runs --tree
runs tag second good
runs note second text
runs rename second other
compare run other
compare run other -o both.html
confirm run -q
evaluate --run run --instruction Answer. --min 0.1 -q
evaluate --run run --run other --cross -q
watch run -q
export run
plot run
report run
show run
show run --step 1
show run --front
verify run -q
sweep sweep.toml --list
sweep sweep.toml -q --cells 1/2
sweep sweep.toml -q
show sweep
judge-check rated.csv -q -o judge.model=scripted/judging:answer -o judge.mode=absolute
runs delete other --yes
gc
init new
models
models test {MODEL}
recipes
recipes opro/gsm8k
tasks
demo -q -o scorer.model={MODEL}
""".strip().splitlines()
ELSEWHERE = {"llmopt faster", "llmopt view"}  # in tests of their own, below


def test_every_command_is_called_here() -> None:
    called = {f"llmopt {' '.join(line.split()[:n])}" for line in LINES for n in (1, 2)}
    assert set(FILES) <= called | ELSEWHERE


def test_each_document_is_as_its_schema_says(shell: Shell) -> None:
    shell.configure(("sizes = [12, 8, 20]", "sizes = [10, 4, 12]\nvault = 14"))
    shell.write("sweep.toml", SWEEP)
    shell.write("judging.py", JUDGE)
    shell.write("rated.csv", "input,output,label\na,b,2\nq,c,1\n")
    for line in LINES:
        said = shell.llmopt(*line.split(), "--json")
        assert said.code in (0, 4), f"{line}: {said.err}"
        assert said.out, line
    for name in shell.runs():  # evaluations, controls and watches too
        assert shell.llmopt("show", name, "--json").out


def test_a_faster_program_is_a_result(shell: Shell) -> None:
    try:
        supervised("auto", interpreter(packages=False))
    except ConfigError as error:
        pytest.skip(str(error))
    shell.write("slow.py", "print(sorted(map(int, input().split()))[-1])\n")
    shell.write("proposing.py", "def answer(call):\n    return 'No idea.'\n")
    (shell.folder / "tests").mkdir()
    for at in range(4):
        shell.write(f"tests/{at}.in", f"{at} 2 1\n")
    words = ("faster", "slow.py", "--tests", "tests", "--steps", "1", "-q", "--json")
    assert shell.llmopt(*words, "--optimizer", "scripted/proposing:answer").out


def test_the_viewer_prints_an_address(shell: Shell) -> None:
    shell.llmopt("run", "run.toml", "-q")
    line = [sys.executable, "-m", "llmopt", "view", "--port", "0", "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as view:
        assert view.stdout
        text = ""
        while not text.endswith("}\n"):
            text += view.stdout.readline()
        view.send_signal(signal.SIGINT)
        view.communicate()
    check_document(("view",), json.loads(text))


def test_a_document_that_says_more_is_found() -> None:
    check_document(("gc",), {"replies": 0, "bytes": 0, "disk": 0})
    for wrong in ({"replies": 0}, {"replies": 0, "bytes": 0, "disk": 0, "new": 1}):
        with pytest.raises(AssertionError, match="gc"):
            check_document(("gc",), wrong)
