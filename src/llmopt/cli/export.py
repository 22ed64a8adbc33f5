"""``llmopt export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmopt.cli.options import json_option, store_option, write

if TYPE_CHECKING:
    from llmopt.core.trajectory import Entry
    from llmopt.evidence.front import Prefer
    from llmopt.integrations.exported import Material, Standing


_HELP = (
    "text: the bare text; json: with the exact call around it; trajectory, items: CSV of all "
    "solutions; promptfoo, dspy, langchain, openai: as these load it."
)


@click.command()
@click.argument("run", metavar="RUN")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write into this file.")
@click.option("--rank", type=int, metavar="N", help="1: the winner; then the best on train.")
@click.option(
    "--prefer",
    type=click.Choice(["best", "short", "cheap"]),
    help="Of the front: the winner, the shortest, the cheapest.",
)
@click.option(
    "--within",
    type=float,
    metavar="POINTS",
    help="How far its score may be below the winner's; default: 1 point.",
)
@click.option("--start", is_flag=True, help="The starting solution.")
@click.option("--format", "form", default="text", show_default=True, metavar="NAME", help=_HELP)
@click.option("--to", "tracker", metavar="NAME", help="Log the run into mlflow or wandb instead.")
@click.option("--part", metavar="NAME", help="The text of one part, where there are several.")
@click.option("--prompt", is_flag=True, help="The exact full prompt as sent, for an input.")
@click.option("--input", "text", metavar="TEXT", help="That input; default: one of the run's.")
@store_option
@json_option
def export(
    run: str,
    *,
    output: Path | None,
    rank: int | None,
    prefer: Prefer | None,
    within: float | None,
    start: bool,
    form: str,
    tracker: str | None,
    part: str | None,
    prompt: bool,
    text: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Take the winning text out of a run, byte for byte.

    Nothing is added, not even a line end; only on a terminal control characters are spelled
    out. No model is called.
    """
    from llmopt.integrations.exported import export as exported
    from llmopt.integrations.exported import standing
    from llmopt.integrations.formats import FORMATS, TRACKERS
    from llmopt.store import open_store

    form = _form(form, as_json=as_json)
    _check(form, tracker, output, rank=rank, start=start, prompt=prompt or bool(part), text=text)
    _check_preference(prefer, within, other=start or rank is not None)
    kept = open_store(store, new=store is None)
    try:
        found = standing(kept, run)
        entry = (
            found.preferred(prefer, within)
            if prefer
            else found.start
            if start
            else _ranked(found, rank)
        )
        if prompt or FORMATS[form].needs_prompts:
            _check_prompts(found)
        made = exported(kept, found, entry, text)
        if tracker:
            click.echo(TRACKERS[tracker](made))
        elif prompt or part:
            _write(_part(made, part) if part else _prompt(made), output)
        else:
            _write(FORMATS[form].write(made), output)
    finally:
        kept.close()
    if prefer and entry.text != found.at(1).text:
        click.echo(
            "Note: this is not the winner. It was chosen by the scores that llmopt show --front "
            "prints, and has no held-out figures; llmopt evaluate tests it.",
            err=True,
        )
    own = found.prompts.own if found.prompts else {}
    if own.get("again") and FORMATS[form].one_call:
        click.echo(
            "Note: the scorer LLM was asked a second time, for the final answer alone; this "
            "format has the first call. The format json has both.",
            err=True,
        )
    if own.get("answer") == "likelihood" and (prompt or tracker or form != "text"):
        click.echo(
            "Note: answers were read from their likelihood, without generating text; where text "
            "is generated, scores differ.",
            err=True,
        )


def _form(form: str, *, as_json: bool) -> str:
    """Return the format that two options name; one may be left out."""
    from llmopt.errors import ConfigError

    if not as_json:
        return form
    given = click.get_current_context().get_parameter_source("form")
    if form != "json" and given is not click.core.ParameterSource.DEFAULT:
        raise ConfigError(
            f"an export has one format, but got --json and --format {form}; leave one out"
        )
    return "json"


def _check(
    form: str,
    tracker: str | None,
    output: Path | None,
    *,
    rank: int | None,
    start: bool,
    prompt: bool,
    text: str | None,
) -> None:
    """Refuse options that do not go together."""
    from llmopt.errors import ConfigError, UnknownNameError
    from llmopt.integrations.formats import FORMATS, TRACKERS

    if form not in FORMATS:
        raise UnknownNameError("a format", form, FORMATS)
    if tracker is not None and tracker not in TRACKERS:
        raise UnknownNameError("what a run is logged into", tracker, TRACKERS)
    if tracker and (output or prompt or form != "text"):
        raise ConfigError(
            f"a run is logged into {tracker} or written, but got both; leave --to or the others out"
        )
    if start and rank is not None:
        raise ConfigError("a solution is the start or has a rank, but got both; leave one out")
    if prompt and form != "text":
        raise ConfigError(
            f"a prompt is written as it is sent, but got the format {form!r}; leave one out: "
            "the call is in the format json too"
        )
    if text is not None and not (prompt or FORMATS[form].takes_input):
        takers = " or ".join(name for name, kind in FORMATS.items() if kind.takes_input)
        raise ConfigError(f"an input is for --prompt or --format {takers}, but got neither")


def _check_preference(prefer: Prefer | None, within: float | None, *, other: bool) -> None:
    """Refuse a preference for a solution that is named, and a limit without a preference."""
    from llmopt.errors import ConfigError

    if prefer and other:
        raise ConfigError(
            f"a solution is preferred or named, but got --prefer {prefer} and --start or --rank; "
            "leave one out"
        )
    if within is not None and not prefer:
        raise ConfigError(
            f"a limit goes with a preference, but got --within {within:g} alone; add --prefer "
            "short or --prefer cheap"
        )


def _ranked(found: Standing, rank: int | None) -> Entry:
    """Return the solution of a rank; by default the winner, if one was chosen."""
    from llmopt.errors import ConfigError

    if rank is None and found.result is None:
        raise ConfigError(
            f"the winner of a run is chosen at its end, but {found.run!r} is not finished; go on "
            f"with: llmopt resume {found.run}, or take the best on train so far with --rank 1"
        )
    return found.at(1 if rank is None else rank)


def _check_prompts(found: Standing) -> None:
    """Refuse a run that sends no prompts, or of which no data were kept."""
    from llmopt.errors import ConfigError

    if found.prompts is None:
        raise ConfigError(
            f"prompts and test cases are written for runs of instructions that keep their data, "
            f"but {found.run!r} searched for something else, or was made by an older version; "
            "take the format text"
        )


def _prompt(made: Material) -> str:
    """Return the prompt of the example as it is sent."""
    from llmopt.errors import ConfigError

    if made.export.example is None:
        raise ConfigError(
            f"a prompt is written in the form in which the run has sent it, but the store has no "
            f"call of {made.export.run!r} with this solution; take the format text"
        )
    return made.export.example.call.text


def _part(made: Material, part: str) -> str:
    """Return the text of one part."""
    from llmopt.errors import ConfigError, UnknownNameError

    if not made.export.parts:
        raise ConfigError(
            f"a part is one of several texts, but the solutions of {made.export.run!r} are one "
            "text; leave --part out"
        )
    if part not in made.export.parts:
        raise UnknownNameError("a part", part, made.export.parts)
    return made.export.parts[part]


def _write(text: str, output: Path | None) -> None:
    """Write exactly this text: to a file, or to standard output."""
    from llmopt.core.private_files import write_private
    from llmopt.errors import DataError

    if output is None:
        write(text, end="")
        return
    try:
        write_private(output, text.encode("utf-8", "surrogatepass"))
    except OSError as error:
        raise DataError(
            f"an export goes to a file that can be written, but got {output}: "
            f"{error.strerror}; choose another"
        ) from error
