"""The data of the tasks from the Hugging Face hub, as the official files, in the cache folder.

Nothing here is imported or asked unless a task is wanted and no data folder is named. A file that
was fetched once is used from then on, without the network; beside it stands the data set and the
revision that it came from.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from llmopt.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from llmopt.problems.tasks.task import File, TaskInfo


def cache_folder() -> Path:
    """Return the data folder that the hub's files go to."""
    return platformdirs.user_cache_path("llmopt") / "tasks"


def obtain(entry: TaskInfo) -> Path:
    """Return a data folder that has the task's files, fetched where they are not there yet.

    Raises:
        MissingExtraError: Something is to be fetched and the library is not installed.
        DataError: The hub cannot be reached or has other data than expected.
    """
    folder = cache_folder()
    for file in entry.files:
        if not (folder / file.path).is_file():
            _fetch(entry, file, folder)
    return folder


def origin_of(path: Path) -> str:
    """Return ``<data set>@<revision>`` of a fetched file, or an empty text of any other."""
    note = _note(path)
    return note.read_text(encoding="utf-8").strip() if note.is_file() else ""


def _fetch(entry: TaskInfo, file: File, folder: Path) -> None:
    try:
        import datasets
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError(
            f"fetching the task {entry.name!r} (no data folder is named)", "datasets"
        ) from error
    try:
        revision = huggingface_hub.HfApi().dataset_info(file.repo).sha
        rows: Any = datasets.load_dataset(
            file.repo, file.subset or None, split=file.rows, revision=revision
        )
        text = entry.write(rows)
    except Exception as error:  # the two libraries raise each other's, and their HTTP client's
        raise DataError(
            f"the data of {entry.name!r} are fetched from {file.repo!r} on the Hugging Face hub, "
            f"but that failed: {type(error).__name__}; name a data folder instead "
            f"(--data-dir, problem.data_dir or LLMOPT_DATA) with {file.path}, "
            f"to be had from {entry.home}"
        ) from error
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    # The note comes first: a data file is never there without it.
    _replace(_note(path), f"{file.repo}@{revision}\n")
    _replace(path, text)


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.origin")


def _replace(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
        part = Path(folder) / path.name
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
