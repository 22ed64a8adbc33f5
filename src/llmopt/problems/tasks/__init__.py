"""The papers' tasks by name: GSM8K, BIG-Bench Hard, MMLU, MultiArith, AQuA, WSC and WebNLG.

Data are read from a folder with the official files, or else fetched from the Hugging Face hub.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from llmopt.core.values import Item
from llmopt.errors import ConfigError, DataError, nearest
from llmopt.problems.tasks import aqua, bbh, gsm8k, hub, mmlu, multiarith, webnlg, wsc
from llmopt.problems.tasks.lettered import Closing, closed_by
from llmopt.problems.tasks.task import Origin, Paper, Start, Task, TaskInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DATA", "TASKS", "Origin", "Paper", "Start", "Task", "TaskInfo", "entry_named"]
__all__ += ["data_folder", "load_task"]

DATA = "LLMOPT_DATA"
"""Environment variable that names the data folder."""

TASKS: Mapping[str, TaskInfo] = {
    entry.name: entry
    for family in (gsm8k, bbh, mmlu, multiarith, aqua, wsc, webnlg)
    for entry in family.ENTRIES
}
"""Every task by its name."""

_FOLDED = {name.casefold(): entry for name, entry in TASKS.items()}


def entry_named(name: str) -> TaskInfo:
    """Return what is known of a task; capital letters do not matter.

    Raises:
        ConfigError: There is no such task; the message names the nearest.
    """
    entry = _FOLDED.get(name.casefold())
    if entry is None:
        raise ConfigError(
            f"a task is one of those that llmopt tasks lists, but got {name!r}"
            f"{nearest(name.casefold(), _FOLDED)}"
        )
    return entry


def data_folder(folder: str | Path | None = None) -> Path | None:
    """Return the data folder: the given one, or that of the environment, or None for the hub.

    Raises:
        DataError: It is no folder.
    """
    chosen = folder or os.environ.get(DATA)
    if not chosen:
        return None
    path = Path(chosen).expanduser().resolve()
    if not path.is_dir():
        source = "" if folder else f" from {DATA}"
        raise DataError(
            f"a data folder is a folder with the tasks' official files, but got {str(path)!r}"
            f"{source}; name one with gsm8k, bbh, mmlu, multiarith, aqua, wsc or webnlg in it"
        )
    return path


def load_task(name: str, folder: str | Path | None = None, closing: Closing = "choose") -> Task:
    """Read a task.

    Args:
        name: Such as ``gsm8k``, ``bbh/object_counting``, ``mmlu/anatomy`` or ``mmlu/STEM``.
        folder: The data folder, which has the official files as ``gsm8k/train.jsonl``,
            ``bbh/<task>.json``, ``mmlu/test/<subject>_test.csv``,
            ``multiarith/MultiArith.json``, ``aqua/AQuA.json``, ``wsc/WSCollection.xml`` and
            ``webnlg/rdf-to-text-generation-test-data-with-refs-en.xml``.
            None takes the one that the environment variable ``LLMOPT_DATA`` names, or else the
            Hugging Face hub.
        closing: How the questions of MMLU, AQuA and WSC end, see
            :func:`~llmopt.problems.tasks.lettered.closed_by`.

    Raises:
        ConfigError: There is no such task, or no such closing.
        DataError: A file is missing or malformed; the message names the file, the line and
            where the data are to be had.
        MissingExtraError: The hub is needed, and the extra ``datasets`` is not installed.
    """
    entry = entry_named(name)
    home = data_folder(folder) or hub.obtain(entry)
    parts: dict[str, list[Item]] = {"train": [], "test": []}
    origins = []
    for file in entry.files:
        path = home / file.path
        if not path.is_file():
            raise DataError(
                f"the data of {entry.name!r} are in {file.path}, but there is no {str(path)!r}; "
                f"put it there from {entry.home}"
            )
        try:
            rows = list(entry.read(path))
        except DataError as error:
            raise DataError(f"{error}; the data are to be had from {entry.home}") from error
        parts[file.part] += (
            Item(f"{path.stem}-{n}", closed_by(row[0], closing), row[1], accepted=row[2:])
            for n, row in enumerate(rows)
        )
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        origins.append(Origin(file.path, digest, hub.origin_of(path)))
    return Task(entry, tuple(parts["train"]), tuple(parts["test"]), tuple(origins))
