"""``llmopt plot``."""

from __future__ import annotations

from pathlib import Path

import click

from llmopt.cli.options import json_option, print_json, store_option


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--what",
    type=click.Choice(["history", "items", "lineage", "front", "seeds", "differences"]),
    default="history",
    show_default=True,
    help="Scores by step; solutions by item; what was edited into what; score over length. Of a "
    "sweep: scores by step; the winners of all seeds; differences to the first variant.",
)
@click.option(
    "--by",
    type=click.Choice(["step", "calls"]),
    default="step",
    show_default=True,
    help="What the history of a sweep is drawn over.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The file, .svg or .png; default: RUN-WHAT.svg. An existing file is overwritten.",
)
@store_option
@json_option
def plot(
    run: str, *, what: str, by: str, output: Path | None, store: str | None, as_json: bool
) -> None:
    """Draw a run or a sweep as a picture for a paper or a slide: SVG, or PNG with the extra png.

    No model is called.
    """
    from llmopt.core.private_files import write_private
    from llmopt.errors import ConfigError, DataError
    from llmopt.history.document import record
    from llmopt.store import open_store
    from llmopt.web.pages.pictures import picture

    path = output or Path(f"{run}-{what}.svg")
    if path.suffix.lower() not in (".svg", ".png"):
        raise ConfigError(
            f"a picture is a file that ends in .svg or .png, but got {path}; name another with -o"
        )
    kept = open_store(store, new=store is None)
    try:
        made = picture(record(kept, run), what, by)
    finally:
        kept.close()
    data = _png(made) if path.suffix.lower() == ".png" else made.encode("utf-8")
    try:
        write_private(path, data)
    except OSError as error:
        raise DataError(
            f"a picture goes to a file that can be written, but got {path}: {error.strerror}; "
            "name another one with -o"
        ) from error
    if as_json:
        print_json({"picture": str(path), "what": what, "bytes": len(data)})
    else:
        click.echo(f"{path} ({len(data) / 1000:,.0f} kB)")


def _png(svg: str) -> bytes:
    """Return the picture as PNG, at twice its size.

    Raises:
        MissingExtraError: The library for it is not installed.
    """
    from llmopt.errors import MissingExtraError

    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise MissingExtraError("a picture as PNG", "png") from error
    return bytes(svg_to_bytes(svg_string=svg, zoom=2))
