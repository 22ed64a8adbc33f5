"""``llmopt tasks``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from llmopt.cli.options import console, json_option, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.problems.tasks import TaskInfo


@click.command()
@click.option(
    "--data-dir",
    metavar="FOLDER",
    help="Count the items of the official files in this folder; default: LLMOPT_DATA.",
)
@json_option
def tasks(*, data_dir: str | None, as_json: bool) -> None:
    """List the papers' benchmarks, for llmopt run TASK."""
    from llmopt.problems.tasks import DATA, TASKS, data_folder

    folder = data_folder(data_dir)
    rows: list[dict[str, Any]] = [
        {
            "task": entry.name,
            "kind": entry.kind,
            "splits": list(entry.papers),
            "items": _items(entry, folder),
            "what": entry.what,
        }
        for entry in TASKS.values()
    ]
    if as_json:
        print_json(rows)
        return
    out = console()
    width = max(len(row["task"]) for row in rows)
    for row in rows:
        items = "–" if row["items"] is None else row["items"]  # noqa: RUF001 - as in other tables
        papers = ", ".join(row["splits"])
        line = f"{row['task']:{width}}  {row['kind']:8}  {items:>6}  {papers}"
        out.print(line.rstrip(), markup=False, soft_wrap=True)
    columns = "name, kind of answer, number of items, papers' splits"
    count = "" if folder else f"; items are counted with --data-dir FOLDER, or where {DATA} is set"
    out.print(f"\n{len(rows)} tasks: {columns}{count}", markup=False, soft_wrap=True)


def _items(entry: TaskInfo, folder: Path | None) -> int | None:
    """Return the number of items, or None where the files are not there."""
    from llmopt.problems.tasks import load_task

    if folder is None or not all((folder / file.path).is_file() for file in entry.files):
        return None
    return len(load_task(entry.name, folder).items)
