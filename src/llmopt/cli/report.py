"""``llmopt report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmopt.cli.options import json_option, print_json, store_option

if TYPE_CHECKING:
    from llmopt.core.store import Store


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The file; default: RUN.html. An existing file is overwritten.",
)
@store_option
@json_option
def report(run: str, *, output: Path | None, store: str | None, as_json: bool) -> None:
    """Make one HTML page of a run, a sweep or an evaluation, to read and to share.

    The page is a single file that loads nothing from anywhere. No model is called.
    """
    from llmopt.history.document import record
    from llmopt.store import open_store
    from llmopt.web.pages.evaluation_page import evaluation_page
    from llmopt.web.pages.run_page import page

    kept = open_store(store, new=store is None)
    try:
        found = record(kept, run)
        cells = _cells(kept, found)
    finally:
        kept.close()
    path = output or Path(f"{run}.html")
    html = evaluation_page(found) if found["kind"] == "evaluation" else page(found, cells=cells)
    write_page(path, html, as_json=as_json)


def _cells(kept: Store, found: dict[str, Any]) -> dict[str, str]:
    """Return the texts of a run's matrix; none where it has no items."""
    from llmopt.history.cells import Matrix
    from llmopt.history.run_history import told
    from llmopt.web.pages.matrix_cells import cell_chunks

    if found["kind"] != "run" or len(found["matrix"]) < 2:  # noqa: PLR2004 - a function has one
        return {}
    return cell_chunks(Matrix(kept, told(kept, found["run"])), found)


def write_page(path: Path, html: str, *, as_json: bool) -> None:
    """Write a page into a file, and say so.

    Raises:
        DataError: It cannot be written.
    """
    from llmopt.core.private_files import write_private
    from llmopt.errors import DataError

    data = html.encode("utf-8")
    try:
        write_private(path, data)
    except OSError as error:
        raise DataError(
            f"a page goes to a file that can be written, but got {path}: {error.strerror}; "
            "name another one with -o"
        ) from error
    if as_json:
        print_json({"page": str(path), "bytes": len(data)})
    else:
        click.echo(f"{path} ({len(data) / 1000:,.0f} kB): open it in a browser.")
