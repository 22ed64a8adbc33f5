"""What needs a process of its own: Ctrl-C, terminals, and what is imported."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from llmopt.store import open_store

if TYPE_CHECKING:
    from conftest import Shell
    from endpoint import Endpoint

HEAVY = {"numpy", "aiohttp", "pydantic", "rich", "jinja2", "xllamacpp", "sqlite3", "asyncio"}

SLOW = """
import os, time
from llmopt.testing.scripted import answer as plain

def answer(call):
    time.sleep(float(os.environ.get("DELAY", "0")))
    return plain(call)
"""


def environment(**changes: str) -> dict[str, str]:
    """Return this environment without what decides how a terminal is used."""
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR", "FORCE_COLOR")}
    return {**kept, "TERM": "xterm-256color", **changes}


def imported(*words: str) -> set[str]:
    """Return the top modules that a Python process imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *words], capture_output=True, text=True, check=True
    )
    names = re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)
    return {name.partition(".")[0] for name in names}


def test_importing_is_cheap() -> None:
    """Nothing heavy is imported by the package, or to show the help."""
    assert not imported("-c", "import llmopt") & (HEAVY | {"click"})
    assert not imported("-m", "llmopt", "--help") & HEAVY


@pytest.mark.usefixtures("shell")
@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise there")
@pytest.mark.parametrize(
    ("more", "code"), [((), 0), (("-o", "budget.calls=90"), 3)], ids=["done", "budget"]
)
def test_a_run_goes_on_when_nobody_reads_its_progress(more: tuple[str, ...], code: int) -> None:
    """As in ``llmopt run run.toml 2>&1 >result | true``; the exit code is as usual."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as broken:
        ended = subprocess.run(
            [sys.executable, "-m", "llmopt", "run", "run.toml", "--json", *more],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=broken,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == code
    assert json.loads(ended.stdout)["run"] == "run"


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT to send")
def test_ctrl_c_leaves_a_run_that_goes_on(shell: Shell) -> None:
    """Exit code 130, the command that resumes, and the end of the unbroken run."""
    shell.write("slow_model.py", SLOW)
    shell.configure(("llmopt.testing.scripted:answer", "slow_model:answer"))
    llmopt = [sys.executable, "-m", "llmopt"]
    broken = subprocess.Popen(
        [*llmopt, "run", "run.toml", "--json"],
        env=environment(DELAY="0.02"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert broken.stderr is not None
    for line in broken.stderr:
        if "step 1/2, measuring new solutions" in line:
            broken.send_signal(signal.SIGINT)
            break
    out, err = broken.communicate(timeout=30)
    assert (broken.returncode, out) == (130, "")
    assert "Continue with: llmopt resume run\n" in err
    assert "Traceback" not in err
    (row,) = shell.llmopt("runs", "--json").data
    assert (row["status"], row["steps"]) == ("interrupted", 0)
    assert "llmopt resume run\n" in shell.llmopt("show", "run").out
    resumed = shell.llmopt("resume", "run", "-q", "--json")
    other = ("--store", str(shell.folder / "other.sqlite"))
    unbroken = shell.llmopt("run", "run.toml", "-q", "--json", *other)
    whole = {**unbroken.data, "seconds": 0, "stretch": resumed.data["stretch"]}
    assert {**resumed.data, "seconds": 0} == whole


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT to send")
def test_ctrl_c_does_not_wait_for_a_model_that_hangs(shell: Shell, server: Endpoint) -> None:
    """What was answered is kept, and paid only once."""
    model = f'model = "openai/tiny"\nbase_url = "{server.url}"'
    shell.configure(('model = "scripted/llmopt.testing.scripted:answer"', model))
    server.stalls_after = 30  # the starts are 24 calls
    hanging = subprocess.Popen(
        [sys.executable, "-m", "llmopt", "run", "run.toml"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert hanging.stderr is not None
    for line in hanging.stderr:
        if "measuring new solutions" in line:
            break
    with closing(open_store()) as store:
        while sum(used.calls for used in store.spent("run").values()) < server.stalls_after:
            time.sleep(0.01)
    hanging.send_signal(signal.SIGINT)
    out, err = hanging.communicate(timeout=30)
    assert (hanging.returncode, out) == (130, "")
    assert "Continue with: llmopt resume run\n" in err
    assert "Traceback" not in err
    server.stalls_after = 1_000_000
    server.keys.clear()
    resumed = shell.llmopt("resume", "run", "-q", "--json")
    assert sum(used["calls"] for used in resumed.data["usage"].values()) == server.calls + 30


def on_terminal(*words: str, **changes: str) -> tuple[int, str]:
    """Run llmopt under a pseudo-terminal; return its exit code and all that it wrote."""
    import pty

    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "llmopt", *words],
        env=environment(COLUMNS="100", LINES="30", **changes),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    said = b""
    while True:
        try:
            found = os.read(controller, 65536)
        except OSError:  # how Linux says that nobody writes any more
            break
        if not found:
            break
        said += found
    os.close(controller)
    return process.wait(timeout=30), said.decode()


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_a_terminal_gets_a_live_view(shell: Shell) -> None:
    """What a model says cannot command it, and NO_COLOR is honoured."""
    shell.write(
        "loud_model.py",
        "import time\n"
        "from llmopt.testing.scripted import answer as plain\n"
        "def answer(call):\n"
        "    if call.role == 'optimizer':\n"
        "        time.sleep(0.3)\n"  # so that the view is drawn meanwhile
        "        words = 'Think [red]step[/red] [/] \\x1b[31mloud\\x1b[0m \\x07'\n"
        "        return f'<INS>{words} carefully {call.sample}</INS>'\n"
        "    return plain(call)\n",
    )
    shell.configure(("llmopt.testing.scripted:answer", "loud_model:answer"))
    code, said = on_terminal("run", "run.toml")
    assert code == 0
    assert "asking for new solutions" in said
    assert "  1 of 2" in said
    assert "Think [red]step[/red] [/] [31mloud [0m carefully" in said
    assert "[red]step[/red] [/] \\u001b[31mloud\\u001b[0m \\u0007" in said
    assert "\x1b[31mloud" not in said
    assert "\x07" not in said
    assert "\x1b[33m" in said  # the notes are yellow
    code, said = on_terminal("show", "run", "--step", "1")
    assert code == 0
    assert "\\u001b[31mloud\\u001b[0m" in said
    assert "\x1b[31m" not in said
    code, said = on_terminal("run", "run.toml", NO_COLOR="1")
    assert code == 0
    assert not re.search(r"\x1b\[[\d;]*\b[34]\d", said)


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
@pytest.mark.parametrize("changes", [{"CI": "true"}, {"TERM": "dumb"}])
def test_a_terminal_that_cannot_be_redrawn_gets_lines(
    shell: Shell, changes: dict[str, str]
) -> None:
    assert (shell.folder / "run.toml").exists()
    code, said = on_terminal("run", "run.toml", "-o", "run.steps=1", **changes)
    assert code == 0
    assert "[run] step 1/1, asking for new solutions" in said


def test_a_reader_may_go_away(shell: Shell) -> None:
    """A closed pipe, as of head, is no error to tell about."""
    shell.llmopt("run", "run.toml", "-q")
    llmopt = [sys.executable, "-m", "llmopt", "show", "run", "--step", "1"]
    process = subprocess.Popen(
        llmopt, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(timeout=30)


def test_any_locale_can_read_the_output(shell: Shell) -> None:
    """Texts reach a pipe as UTF-8, whatever the locale is."""
    shell.llmopt("run", "run.toml", "-q")
    done = subprocess.run(
        [sys.executable, "-m", "llmopt", "show", "run", "--json"],
        env=environment(PYTHONIOENCODING="ascii", LC_ALL="C"),
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout.decode("utf-8"))["run"] == "run"
