"""``llmopt init``."""

from __future__ import annotations

from pathlib import Path

import click

from llmopt.cli.options import command_line, json_option, print_json


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@json_option
def init(folder: Path, *, as_json: bool) -> None:
    """Write files to start from, into FOLDER or here.

    They are a commented configuration, a small data file and a prompt file.
    """
    from llmopt.errors import ConfigError
    from llmopt.recipes import starter

    files = starter()
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
    click.echo(f"Edit them, then: {command_line(('run', str(folder / 'llmopt.toml')), None)}")
