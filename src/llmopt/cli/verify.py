"""``llmopt verify``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmopt.cli.gate_options import NOT_PASSED
from llmopt.cli.options import print_json, run_options
from llmopt.cli.stored_settings import stored_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.engine.verification import Discrepancy, Verification


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--manifest",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write hashes of the journal and the replies to a new file.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Compare with the hashes that --manifest has written.",
)
@run_options
def verify(
    run: str,
    *,
    manifest: Path | None,
    against: Path | None,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Derive a finished run again from its stored replies, and compare.

    No model is asked. Splits, selection, held-out scores, verdict and every figure of the result
    are computed again from configuration, data and replies; what is stored otherwise is listed,
    and the exit code is then 4. A function or program of your own is called again.
    """
    from llmopt.api import verify as verified
    from llmopt.engine.finished_run import Finished
    from llmopt.engine.verification import changed_since

    before = None if against is None else _read(against)
    if manifest is not None:
        _check_new(manifest)
    settings = stored_settings("verify", run, store, overrides, Finished.of)
    options = {**settings.options(), "name": run, "store": store, "progress": not quiet}
    found = verified(settings.built_problem(), **options)
    changed = [] if before is None else list(changed_since(before, found.manifest))
    if manifest is not None:
        manifest.write_text(json.dumps(found.manifest, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json({**found.to_dict(), "changed": [one.to_dict() for one in changed]})
    else:
        _say(found, changed, compared=before is not None)
    if not found.holds or changed:
        sys.exit(NOT_PASSED)


def _say(found: Verification, changed: Sequence[Discrepancy], *, compared: bool) -> None:
    """Print what came of it."""
    from llmopt.core.formatting import counted

    steps = found.records.get("step", 0)
    replies = counted(found.replies, "stored reply", "stored replies")
    about = f"{counted(steps, 'step')} from {replies}"
    if found.holds:
        click.echo(f"{found.run} holds: {about}, its choice, test and verdict follow again.")
    else:
        click.echo(f"{found.run} does not hold; derived again were {about}.")
        for one in found.differences:
            click.echo(f"  {one.run}, {one.where}: stored {one.stored}, derived {one.derived}")
    for one in changed:
        click.echo(f"  {one.run}, {one.where}: changed since the manifest was written")
    if compared and not changed:
        click.echo("Journal and replies are those of the manifest.")
    for why in found.unchecked:
        click.echo(f"Not derived: {why}")


def _read(path: Path) -> Any:
    """Read a manifest."""
    from llmopt.errors import DataError

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"a manifest is a JSON file, but got {error} for {path}") from error


def _check_new(path: Path) -> None:
    from llmopt.errors import ConfigError

    if path.exists():
        raise ConfigError(f"a manifest is a new file, but {path} exists; choose another name")
