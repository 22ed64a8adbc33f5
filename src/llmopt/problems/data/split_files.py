"""Data files as splits; one that many problems use is read once by a process."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from llmopt.problems.data.columns import items_of
from llmopt.problems.data.files import records
from llmopt.problems.data.splits import Splits, split

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.problems.data.columns import RowColumns

_KEPT = 4  # data sets in memory: cells of a sweep differ in few of them


def split_file(
    path: Path,
    columns: RowColumns,
    *,
    encoding: str,
    sizes: tuple[int | float, int | float, int | float],
    seed: int,
    vault: float,
) -> Splits:
    """Return the rows of a file in splits.

    A file that has not changed since is not read again: the cells of a sweep use the same rows.

    Args:
        path: As for :func:`~llmopt.problems.data.columns.load`.
        columns: Which of its columns are used.
        encoding: Of a text file that is not UTF-8; empty: UTF-8.
        sizes: See :func:`~llmopt.problems.data.splits.split`.
        seed: As above.
        vault: As above.

    Raises:
        DataError: The file, a column, a row or a size cannot be used.
        MissingExtraError: The format needs a library that is not installed.
    """
    try:
        content = sha256(path.expanduser().read_bytes()).hexdigest()
    except OSError:
        content = ""  # reading the rows raises what is wrong
    given = columns.input
    hashable = replace(
        columns,
        input=given if isinstance(given, str) else tuple(given),
        fields=tuple(columns.fields),
        optional=tuple(columns.optional),
    )
    source = path, encoding, content
    return _split(source, hashable, seed, vault, *sizes)


@lru_cache(maxsize=_KEPT, typed=True)  # sizes of 1 and 1.0 differ
def _split(
    source: tuple[Path, str, str],
    columns: RowColumns,
    seed: int,
    vault: float,
    *sizes: float,
) -> Splits:
    path, encoding, _ = source  # the content decides whether this is done again
    items = items_of(records(path, encoding), str(path.expanduser()), columns)
    return split(items, sizes=sizes, seed=seed, vault=vault)  # type: ignore[arg-type]  # it checks
