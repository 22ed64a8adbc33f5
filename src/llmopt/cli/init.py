"""``llmopt init``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
def init(folder: Path) -> None:
    """Write a commented configuration, a small data file and a prompt file to start from."""
    from llmopt.errors import ConfigError
    from llmopt.recipes import FOLDER

    kit = FOLDER / "starter"
    names = sorted(path.name for path in kit.iterdir() if path.suffix != ".py")
    taken = [name for name in names if (folder / name).exists()]
    if taken:
        raise ConfigError(
            f"llmopt init writes only new files, but {folder} has {', '.join(taken)}; "
            "choose another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_bytes((kit / name).read_bytes())
    except OSError as error:
        raise ConfigError(f"llmopt init writes to {folder}, but got: {error}") from error
    for name in names:
        click.echo(f"wrote {folder / name}")
    click.echo(f"Edit them, then: llmopt run {folder / 'llmopt.toml'}")
