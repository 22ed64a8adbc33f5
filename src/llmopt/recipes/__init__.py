"""Configurations that ship with the package: runs, and sweeps of runs.

A recipe is a TOML file. Its first comment says what it is, where it comes from and what it needs,
as ``# What: …``, ``# Source: …`` and ``# Needs: …``; a line may go on in the next one.
"""

from __future__ import annotations

import json
import re
import textwrap
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from llmopt.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER = Path(__file__).parent
"""What is in it ships with the package and does not change, so it is read once."""

_STARTER = "starter"  # the folder that llmopt init copies, which is no recipe
_STARTED = "llmopt.toml"  # its configuration
_OTHERS = re.compile(r"^# the other options of \[(\w+)\]\n", re.MULTILINE)
_COLUMN, _WIDTH = 32, 66  # where its comments stand, and how long their lines are
_HEADER = re.compile(r"^# (What|Source|Needs): (.*(?:\n#   .*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """What a recipe says of itself.

    Attributes:
        name: Such as ``opro/gsm8k``.
        kind: What it describes: ``llmopt run`` or ``llmopt sweep`` takes it.
        what: What it does.
        source: Where it comes from.
        needs: What must be there.
    """

    name: str
    kind: Literal["run", "sweep"]
    what: str
    source: str
    needs: str


@cache
def described() -> tuple[Recipe, ...]:
    """Return what every recipe says of itself, by name."""
    return tuple(_described(path) for path in _files())


@cache
def recipes() -> tuple[str, ...]:
    """Return the names of the recipes that are runs."""
    return tuple(_name(path) for path in _files() if _kind(path) == "run")


@cache
def sweeps() -> tuple[str, ...]:
    """Return the names of the recipes that are sweeps."""
    return tuple(_name(path) for path in _files() if _kind(path) == "sweep")


def recipe_or_file(name: str) -> Path:
    """Return the configuration of a run that a user named: a file, or a recipe.

    Raises:
        ConfigError: There is neither.
    """
    return _found(name, "a configuration", recipes, sweeps, "sweep")


def sweep_or_file(name: str) -> Path:
    """Return the sweep that a user named: a file, or a recipe.

    Raises:
        ConfigError: There is neither.
    """
    return _found(name, "a sweep", sweeps, recipes, "run")


def starter() -> dict[str, bytes]:
    """Return the files that ``llmopt init`` writes, by name.

    In the configuration, every option of a run has its line.
    """
    kit = sorted(path for path in (FOLDER / _STARTER).iterdir() if path.suffix != ".py")
    files = {path.name: path.read_bytes() for path in kit}
    text = files[_STARTED].decode("utf-8")
    given = tomllib.loads(text)
    complete = _OTHERS.sub(lambda place: _commented(place[1], given[place[1]]), text)
    files[_STARTED] = complete.encode("utf-8")
    return files


def _commented(table: str, given: Mapping[str, Any]) -> str:
    """Return the options of a table that are not given, as comments with what they mean."""
    from llmopt.engine.options import plain, rows_in

    lines = []
    for row in (row for row in rows_in(table) if row.name not in given):
        value = row.about.example if row.default is None else row.default
        key = f"# {row.name} = {json.dumps(value)}"
        means = plain(row.about.means).partition(". ")[0].removesuffix(".")
        said = ("example: " if row.default is None else "") + means[0].lower() + means[1:]
        more = textwrap.wrap(said, _WIDTH)
        beside = f" # {more.pop(0)}" if len(key) < _COLUMN else ""
        lines.append(f"{key:<{_COLUMN - 1}}{beside}".rstrip())
        lines += [" " * _COLUMN + f"# {line}" for line in more]
    return "".join(f"{line}\n" for line in lines)


def _found(
    name: str,
    what: str,
    listed: Callable[[], tuple[str, ...]],
    others: Callable[[], tuple[str, ...]],
    command: str,
) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    known = listed()
    if name in known:
        return FOLDER / f"{name}.toml"
    if name in others():
        raise ConfigError(
            f"{what} is a TOML file or a recipe of its kind, but got {name!r}; "
            f"start that with: llmopt {command} {name}"
        )
    starter = "; llmopt init writes one to start from" if command == "sweep" else ""
    raise ConfigError(
        f"{what} is a TOML file or one of what llmopt recipes lists, but got {name!r}, which is "
        f"neither{nearest(name, known)}{starter}"
    )


def _files() -> list[Path]:
    files = (path for path in FOLDER.rglob("*.toml") if path.parent.name != _STARTER)
    return sorted(files, key=_name)


def _name(path: Path) -> str:
    return path.relative_to(FOLDER).with_suffix("").as_posix()


@cache
def _kind(path: Path) -> Literal["run", "sweep"]:
    return "sweep" if "base" in tomllib.loads(path.read_text(encoding="utf-8")) else "run"


def _described(path: Path) -> Recipe:
    found = dict(_HEADER.findall(path.read_text(encoding="utf-8")))
    what, source, needs = (
        " ".join(found[key].replace("\n#", " ").split()) for key in ("What", "Source", "Needs")
    )
    return Recipe(_name(path), _kind(path), what, source, needs)
