"""No call that exists on Linux alone is needed to import llmopt, to search or to read a run.

Systems of other makers were not tried. What they lack is taken away here, in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import asyncio, dataclasses, importlib, os, pkgutil, signal, sys

# Libraries, which ask at their import what the system is.
import concurrent.futures, multiprocessing.connection, subprocess, tempfile, zipfile
import aiohttp.web, click, jinja2, numpy, platformdirs, pydantic, rich.console, rich.progress

for module in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "uvloop"):
    sys.modules[module] = None
for module, names in (
    (os, "sched_getaffinity sched_setaffinity setsid fork killpg getpgid getuid geteuid chown "
         "fchmod O_NOFOLLOW O_CLOEXEC O_DIRECTORY register_at_fork pidfd_open prlimit"),
    (signal, "SIGKILL SIGHUP SIGALRM SIGUSR1 pthread_sigmask setitimer"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)

def unknown(*_):
    raise NotImplementedError

asyncio.SelectorEventLoop.add_signal_handler = unknown

import llmopt

skipped = {"llmopt.__main__", "llmopt.testing.__main__"}
for found in pkgutil.walk_packages(llmopt.__path__, "llmopt."):
    if found.name not in skipped:
        importlib.import_module(found.name)

from llmopt.testing import scripted

def length(text):
    return float(len(text))

if __name__ == "__main__":
    result = llmopt.optimize(
        dataclasses.replace(scripted.problem(), scorer=scripted.model()),
        optimizer=scripted.model(), steps=2, store=sys.argv[1], name="run", progress=False,
    )
    assert result.test is not None
    assert "run" in [row.name for row in llmopt.runs(store=sys.argv[1])]
    threads = llmopt.FunctionProblem(length, describe="The longest text wins.", seeds=["a"])
    llmopt.optimize(
        threads, optimizer=scripted.model(), steps=1, store=sys.argv[1], name="length",
        progress=False,
    )
    print("ended well")
"""


def test_a_search_without_what_only_linux_has(tmp_path: Path) -> None:
    program = tmp_path / "elsewhere.py"
    program.write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "runs.sqlite")],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"LLMOPT_HOME": str(tmp_path)},
        check=False,
    )
    assert done.stdout.endswith("ended well\n"), done.stderr
