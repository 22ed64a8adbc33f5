"""``llmopt init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmopt.cli.options import command_line, json_option, print_json, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.config.draft import DraftModels

_STARTED = "llmopt.toml"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Draft a configuration for this file."
)
@click.option("--input", "columns", multiple=True, metavar="COL", help="Its input, once or more.")
@click.option("--target", default="", metavar="COL", help="Its column of expected answers.")
@click.option("--scorer", default="", metavar="MODEL", help="The model that answers.")
@click.option("--optimizer", default="", metavar="MODEL", help="The model that proposes.")
@click.option("--base-url", default="", metavar="URL", help="Where the scorer's API begins.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of configurations instead.")
@json_option
def init(
    folder: Path,
    *,
    data: Path | None,
    columns: tuple[str, ...],
    target: str,
    scorer: str,
    optimizer: str,
    base_url: str,
    schema: bool,
    as_json: bool,
) -> None:
    """Write files to start from, into FOLDER or here.

    They are a commented configuration, a small data file and a prompt file. With --data, the file
    is looked at, and the one thing written is a configuration for it: its columns, its encoding,
    and a metric that suits its answers.
    """
    from llmopt.config.draft import DraftModels
    from llmopt.config.schema import schema_text
    from llmopt.errors import ConfigError
    from llmopt.recipes import starter

    if schema:
        write(schema_text(), end="")
        return
    if data is None and (columns or target or scorer or optimizer or base_url):
        raise ConfigError(
            "--input, --target, --scorer, --optimizer and --base-url go with --data, but got no "
            "--data; name the file"
        )
    _check_folder(folder)
    files: Mapping[str, bytes] = (
        starter()
        if data is None
        else _draft(folder, data, columns, target, DraftModels(scorer, optimizer, base_url))
    )
    taken = [name for name in files if (folder / name).exists()]
    if taken:
        raise ConfigError(
            f"llmopt init writes only new files, but {folder} has {', '.join(taken)}; "
            "choose another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ConfigError(
            f"llmopt init writes to a folder, but got {str(folder)!r}: {error.strerror}; "
            "choose another folder"
        ) from error
    if as_json:
        print_json({"wrote": [str(folder / name) for name in files]})
        return
    for name in files:
        click.echo(f"wrote {folder / name}")
    run = command_line(("run", str(folder / _STARTED)), None)
    if data is None:
        click.echo(f"Edit them, then: {run}")
        return
    click.echo(files[_STARTED].decode("utf-8"))
    click.echo(f"What it takes: {command_line(('check', str(folder / _STARTED)), None)}")
    click.echo(f"Start it with: {run}")


def _check_folder(folder: Path) -> None:
    """Refuse what is meant as a file: a folder of such a name would be a surprise.

    Raises:
        ConfigError: It is a file, or is no folder yet and is called like a configuration.
    """
    from llmopt.errors import ConfigError

    if folder.suffix == ".toml" and not folder.is_dir():
        advice = f"the configuration in it will be {_STARTED}"
    elif folder.is_file():
        advice = f"a configuration that fits it: llmopt init --data {folder}"
    else:
        return
    raise ConfigError(
        f"llmopt init writes to a folder, but got {str(folder)!r}, the name of a file; {advice}"
    )


def _draft(
    folder: Path, data: Path, columns: tuple[str, ...], target: str, models: DraftModels
) -> dict[str, bytes]:
    """Return a configuration for a data file, as a file."""
    from llmopt.config.draft import commented, drafted, relative
    from llmopt.config.reading import settings
    from llmopt.problems.data.survey import survey

    found = survey(data, columns, target)
    made = drafted(found, relative(data, folder), models)
    settings(made, str(folder / _STARTED), folder).built_problem()  # it can be used as it is
    return {_STARTED: commented(found, made).encode("utf-8")}
