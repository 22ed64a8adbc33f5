"""What several commands share: options, and how things are written."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TextIO

    from rich.console import Console

    from llmopt.terminal.progress import Doing

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

# Among what the contexts of a command know:
_RESULTS = f"{__name__}.results"  # where a JSON document goes
_SILENT = f"{__name__}.silent"  # that no progress is wanted
_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2  # file descriptors

store_option = click.option(
    "--store",
    metavar="FILE|URL",
    help="Where runs are kept: a file, or postgresql://USER@HOST/DATABASE; default: in the user's "
    "data directory.",
)


def _for_machines(context: click.Context, _: click.Parameter, value: bool) -> bool:
    """Keep standard output for the document: what a user's own code prints goes elsewhere."""
    if value:
        context.meta[_RESULTS] = context.with_resource(_results_alone())
        context.with_resource(contextlib.redirect_stdout(sys.stderr))
    return value


@contextlib.contextmanager
def _results_alone() -> Iterator[TextIO]:
    """Let what other programs and libraries write to standard output go to standard error.

    Yields:
        Where the results go.
    """
    try:
        own = sys.stdout.fileno() == _STANDARD_OUTPUT
    except OSError:  # replaced in memory, as in tests
        own = False
    if not own:
        yield sys.stdout
        return
    sys.stdout.flush()
    saved = os.dup(_STANDARD_OUTPUT)
    os.dup2(_STANDARD_ERROR, _STANDARD_OUTPUT)
    try:
        with open(saved, "w", encoding=sys.stdout.encoding, closefd=False) as results:
            yield results
    finally:
        os.dup2(saved, _STANDARD_OUTPUT)
        os.close(saved)


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=_for_machines,
    help="Print one JSON document on standard output.",
)
set_option = click.option(
    "-o",
    "--option",
    "overrides",
    multiple=True,
    metavar="TABLE.KEY=VALUE",
    help="Change a value of the configuration, e.g. -o run.steps=5.",
)
data_dir_option = click.option(
    "--data-dir",
    metavar="FOLDER",
    help="Where a TASK's official files are; default: LLMOPT_DATA, or the Hugging Face hub.",
)


def _silenced(context: click.Context, _: click.Parameter, value: bool) -> bool:
    """Note that no progress is wanted, for what a command calls."""
    if value:
        context.meta[_SILENT] = True
    return value


_QUIET = "Show no progress."
quiet_option = click.option("-q", "--quiet", is_flag=True, callback=_silenced, help=_QUIET)


def _talking(context: click.Context, _: click.Parameter, value: bool) -> None:
    """Let the package's log be written while the command lasts."""
    if value:
        from llmopt.terminal.progress.log import logged

        context.with_resource(logged())


def with_common_options(command: click.Command) -> click.Command:
    """Add ``-q`` and ``-v`` where they are not there yet, to the commands of a group, too."""
    known = {parameter.name for parameter in command.params}
    if "quiet" not in known:
        command.params.append(
            click.Option(
                ["-q", "--quiet"],
                is_flag=True,
                expose_value=False,
                callback=_silenced,
                help=_QUIET,
            )
        )
    if "verbose" not in known:
        command.params.append(
            click.Option(
                ["-v", "--verbose"],
                is_flag=True,
                expose_value=False,
                callback=_talking,
                help="Log each step's result and the reason for each retry.",
            )
        )
    for part in command.commands.values() if isinstance(command, click.Group) else ():
        with_common_options(part)
    return command


def doing(words: str) -> Doing:
    """Return a context that says what the command is doing, if that takes long and it may."""
    from llmopt.terminal.progress import Doing

    return Doing(words, quiet=silenced())


def silenced() -> bool:
    """Return whether the command that is under way shall show no progress."""
    context = click.get_current_context(silent=True)
    return context is not None and _SILENT in context.meta


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every command that runs something."""
    for option in (quiet_option, json_option, store_option, set_option):
        command = option(command)
    return command


def console() -> Console:
    """Return the console for results, on standard output; wide where it is not a terminal."""
    from rich.console import Console

    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = 120
    return made


def write(text: str, end: str = "\n") -> None:
    """Print a text of unknown origin: exactly where it is piped, made visible on a terminal.

    Args:
        text: The text.
        end: What follows it where it is piped; a terminal always gets one line end.
    """
    from llmopt.core.text import visible

    context = click.get_current_context(silent=True)
    out: Any = context.meta.get(_RESULTS, sys.stdout) if context else sys.stdout
    if out.isatty():
        click.echo(visible(text if end else text.removesuffix("\n")), file=out)
        return
    out.flush()  # what was printed before comes first
    out.buffer.write(f"{text}{end}".encode("utf-8", "surrogatepass"))
    out.buffer.flush()


def print_json(data: Any) -> None:
    """Print one strict JSON document on standard output."""
    import json

    from llmopt.core.text import visible

    # Half a surrogate pair is no UTF-8, but has an escape in JSON, as have control characters.
    write(visible(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False)))


def command_line(
    words: Iterable[str],
    store: str | None,
    overrides: Iterable[str] = (),
    caps: Iterable[str] = (),
) -> str:
    """Return an ``llmopt`` command as a shell takes it.

    Args:
        words: The command and its arguments.
        store: Where runs are kept, or None for the usual place.
        overrides: Values of the configuration that are changed, as ``table.key=value``.
        caps: Keys of the budget whose values are left open, whatever `overrides` says of them.
    """
    from llmopt.store import shown_place

    line = ["llmopt", *words]
    larger = [f"budget.{cap}" for cap in caps]
    for override in overrides:
        if override.partition("=")[0].strip() not in larger:
            line += ["-o", override]
    # A URL's password is not repeated: the server's library finds it in PGPASSWORD or ~/.pgpass.
    said = shlex.join([*line, "--store", shown_place(store)] if store else line)
    return said + "".join(f" -o {key}=…" for key in larger)
