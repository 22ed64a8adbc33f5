"""The command line: one file per command; what is heavy is imported by the command itself."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

from llmopt.cli.algorithms import algorithms
from llmopt.cli.check import check
from llmopt.cli.compare import compare
from llmopt.cli.confirm import confirm
from llmopt.cli.demo import demo
from llmopt.cli.evaluate import evaluate
from llmopt.cli.export import export
from llmopt.cli.faster import faster
from llmopt.cli.init import init
from llmopt.cli.judge_check import judge_check
from llmopt.cli.mcp import mcp
from llmopt.cli.models import models
from llmopt.cli.options import INTERRUPTED, with_common_options
from llmopt.cli.plot import plot
from llmopt.cli.recipes import recipes
from llmopt.cli.report import report
from llmopt.cli.resume import resume
from llmopt.cli.run import run
from llmopt.cli.runs import gc, runs
from llmopt.cli.show import show
from llmopt.cli.sweep import sweep
from llmopt.cli.tasks import tasks
from llmopt.cli.verify import verify
from llmopt.cli.view import view
from llmopt.cli.watch import watch
from llmopt.errors import DISTRIBUTION, LlmoptError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class _Group(click.Group):
    """Turns the errors of the house into one message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        if isinstance(sys.stdout, TextIOWrapper):
            # A text that the terminal's or the pipe's encoding does not have is spelled out.
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            with _own_modules():
                return super().invoke(ctx)
        except LlmoptError as error:
            from llmopt.core.text import visible
            from llmopt.terminal.progress import say

            say(f"Error: {visible(str(error))}")
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            from llmopt.terminal.progress import say

            say("Interrupted.")
            sys.exit(INTERRUPTED)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            from llmopt.terminal.progress import say

            say(
                "Error: what is written needs room on the disk, but got: "
                f"{error.strerror}; make room, and give the command again"
            )
            # Python itself would fail at its end with what is still to be written.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(LlmoptError.exit_code)


@contextmanager
def _own_modules() -> Iterator[None]:
    """Let the user's modules find each other in the working directory, in child processes too.

    It is the last place looked in, so no file there takes the place of a library.
    """
    before = sys.path.copy()
    sys.path.append("")
    try:
        yield
    finally:
        sys.path[:] = before


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=DISTRIBUTION)
def main() -> None:
    """Language models as optimizers: better prompts, and proof that they are better.

    Exit codes: 0 done; 1 the run failed; 2 bad usage or input; 3 stopped by a budget
    (resumable); 4 a gate is not passed, a run does not verify, or a
    watched prompt has dropped; 130 interrupted (resumable).
    """


for command in (
    algorithms,
    check,
    compare,
    confirm,
    demo,
    evaluate,
    export,
    faster,
    gc,
    init,
    judge_check,
    mcp,
    models,
    plot,
    recipes,
    report,
    resume,
    run,
    runs,
    show,
    sweep,
    tasks,
    verify,
    view,
    watch,
):
    main.add_command(with_common_options(command))
