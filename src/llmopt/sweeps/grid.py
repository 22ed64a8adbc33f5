"""A sweep file -> cells: one configuration per choice of variant, task and seed.

A sweep is a base configuration and what changes. Axes whose values choose the data are *tasks*,
seeds are *repetitions*, everything else makes *variants*, which are compared with the first one.
All cells have the same budget.
"""

from __future__ import annotations

import itertools
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.algorithms.sampling import SAMPLING
from llmopt.config.reading import absolute, put, settings, tables
from llmopt.errors import ConfigError, nearest
from llmopt.recipes import recipe_or_file
from llmopt.sweeps.naming import cell_name, in_words, short, slug

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from llmopt.config.settings import Configuration

TASKS = (
    "problem.benchmark",
    "problem.data",
    "problem.data_dir",
    "problem.train",
    "problem.validation",
    "problem.test",
    "problem.input",
    "problem.target",
    "problem.function",
    "problem.arguments",
)
"""Keys that say which task it is: cells are compared where these are equal.

So does every key of the table ``problem.arguments`` that is not in :data:`SEEDS`.
"""

SEEDS = (
    "run.seed",
    "problem.split_seed",
    "problem.arguments.repetition",
    "problem.arguments.seed",
)
"""Keys whose values are repetitions of the same experiment."""

_ARGUMENT = "problem.arguments."  # beginning of keys that are arguments of a problem's function
_KEYS = ("base", "budget", "grid", "name", "tasks", "variants")
_CAPS = ("calls", "tokens")
_NAME = 40  # characters of a sweep's name


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        name: Name of the run; it follows from the sweep's name and from what the cell changes.
        variant: What is compared, in words.
        task: On what, in words; empty where the sweep has one task.
        seed: Which repetition.
        settings: The whole configuration.
    """

    name: str
    variant: str
    task: str
    seed: str
    settings: Configuration

    @property
    def label(self) -> str:
        """Variant, task and seed in a few words."""
        return ", ".join(filter(None, (self.variant, self.task, f"seed {self.seed}")))

    @cached_property
    def source(self) -> dict[str, Any]:
        """The configuration as plain data, without defaults."""
        return self.settings.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True)
class Sweep:
    """A grid of runs.

    Attributes:
        name: Name of the sweep; names of cells begin with it.
        cells: The runs: for each task each seed, in it the variants one after the other.
    """

    name: str
    cells: tuple[Cell, ...]

    @property
    def calls(self) -> int | None:
        """What the budgets of its cells come to; None where one has none."""
        caps = [cell.settings.budget.calls for cell in self.cells]
        return None if None in caps else sum(cap for cap in caps if cap is not None)

    @property
    def variants(self) -> tuple[str, ...]:
        """What is compared; the first one is what the others are compared with."""
        return tuple(dict.fromkeys(cell.variant for cell in self.cells))


def read_sweep(path: Path, overrides: Sequence[str] = (), name: str | None = None) -> Sweep:
    """Read a sweep file.

    Args:
        path: A TOML file.
        overrides: ``table.key=value`` for all cells, or ``grid.table.key=[…]`` for an axis;
            relative paths in them start at the working directory.
        name: Name of the sweep; default: what the file says, or the file's own name.

    Raises:
        ConfigError: The file, a key or a value cannot be used; the message says which cell.
    """
    usual = "-".join(path.with_suffix("").parts[-2:] if _ships(path) else (path.stem,))
    return sweep_of(tables(path), str(path), path.parent, overrides, name=name, usual=usual)


def sweep_of(
    data: Mapping[str, Any],
    where: str,
    folder: Path,
    overrides: Sequence[str] = (),
    *,
    name: str | None = None,
    usual: str = "sweep",
) -> Sweep:
    """Validate plain data as a sweep; relative paths start at `folder`.

    Args:
        data: The tables of a sweep file.
        where: What error messages call it.
        folder: Where relative paths start.
        overrides: See :func:`read_sweep`.
        name: See :func:`read_sweep`.
        usual: The name where neither `name` nor the data say one.

    Raises:
        ConfigError: See :func:`read_sweep`.
    """
    for key in data:
        if key not in _KEYS:
            raise ConfigError(
                f"{where}: a key of a sweep is one of {', '.join(_KEYS)}, but got {key!r}"
                f"{nearest(key, _KEYS)}; what all cells share belongs into its base"
            )
    axes = _placed(_flat(_table(data, "grid", where)), folder)
    plain, changed = _parted(overrides)
    variants = _variants(data.get("variants", []), where, folder)
    alone = _alone(_table(data, "tasks", where), axes, variants, where, folder)
    axes |= changed
    _check_axes(axes, variants, where)
    _check_keys(axes, variants, plain, where)
    base = _base(data.get("base"), where, folder)
    for cap, value in _table(data, "budget", where).items():
        if cap not in _CAPS:
            raise ConfigError(
                f"{where}: the budget of a sweep's cells is equal for all and caps "
                f"{' or '.join(_CAPS)}, but got {cap!r}"
            )
        _set(base, f"budget.{cap}", value)
    _set(base, "evidence.controls", _controls(base, axes, variants))
    chosen = slug(name or data.get("name") or usual, _NAME)
    cells = tuple(_Grid(where, base, axes, variants, alone, plain).cells(chosen))
    if any(cell.settings.budget.seconds for cell in cells):
        raise ConfigError(
            f"{where}: budget.seconds is no equal budget, because cells share replies and those "
            f"take no time; take it out of the base and cap {' or '.join(_CAPS)}"
        )
    return Sweep(chosen, cells)


def _ships(path: Path) -> bool:
    """Return whether a file is one of ours, whose folder is part of its name."""
    from llmopt.recipes import FOLDER

    return path.parent.parent == FOLDER


def _table(data: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    found = data.get(key, {})
    if not isinstance(found, dict):
        raise ConfigError(f"{where}: the key {key!r} of a sweep is a table, but got {found!r}")
    return found


def _base(base: Any, where: str, folder: Path) -> dict[str, Any]:
    """Return the data of the base: a table, a file beside the sweep's, or a recipe."""
    if isinstance(base, dict):
        return deepcopy(absolute(base, folder))
    if not isinstance(base, str):
        raise ConfigError(
            f"{where}: the base of a sweep is a configuration file, a recipe or a table, "
            f"but got {base!r}"
        )
    beside = folder / base
    path = beside if beside.is_file() else recipe_or_file(base)
    return absolute(tables(path), path.parent)


def _controls(
    base: Mapping[str, Any], axes: Mapping[str, Any], variants: list[tuple[str, dict[str, Any]]]
) -> list[str]:
    """Return the controls of each cell.

    What a search is compared with in a sweep is another variant, such as sampling. A control in
    each cell uses up a part of its budget, so there is only the one that a base asks for by name,
    and none where a variant is that control.
    """
    evidence = base.get("evidence")
    asked = evidence.get("controls") if isinstance(evidence, dict) else None
    names = [*axes.get("algorithm.name", ()), *(c.get("algorithm.name") for _, c in variants)]
    wanted = isinstance(asked, list) and SAMPLING in asked and SAMPLING not in names
    return [SAMPLING] if wanted else []


def _variants(given: Any, where: str, folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return label and changes of each named variant; one without a name if there is none."""
    if not isinstance(given, list) or not all(isinstance(v, dict) for v in given):
        raise ConfigError(f"{where}: variants are tables [[variants]], but got {given!r}")
    found = []
    for variant in given:
        changes = dict(variant)
        label = changes.pop("label", None)
        if not isinstance(label, str) or not label.strip():
            raise ConfigError(f"{where}: a variant has a label, but got {variant!r}; add one")
        found.append((label, _placed(_flat(changes), folder)))
    return found or [("", {})]


def _alone(
    tables_of: Mapping[str, Any],
    axes: Mapping[str, Any],
    variants: list[tuple[str, dict[str, Any]]],
    where: str,
    folder: Path,
) -> dict[str, dict[str, Any]]:
    """Return what holds for one task alone: value of a task axis -> changes.

    Args:
        tables_of: The tables ``[tasks.NAME]``.
        axes: Those of the file, which name the tasks.
        variants: Those of the file.
        where: What error messages call it.
        folder: Where relative paths start.
    """
    known = [
        short(value)
        for key, values in axes.items()
        if is_task(key) and isinstance(values, list)
        for value in values
    ]
    taken = {*axes, *(key for _, changes in variants for key in changes)}
    found: dict[str, dict[str, Any]] = {}
    for task in tables_of:
        if task not in known:
            raise ConfigError(
                f"{where}: a table of tasks is named as a task of the grid is, but got {task!r}"
                f"{nearest(task, known)}"
            )
        found[task] = _placed(_flat(_table(tables_of, task, where)), folder)
        for key in found[task]:
            if key in taken or is_task(key) or key in SEEDS or key.startswith("budget."):
                raise ConfigError(
                    f"{where}: a table of tasks sets what is no axis, in no variant and no budget, "
                    f"but got {key} in tasks.{task}; take it out"
                )
    return found


def _parted(overrides: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the options for all cells, and the axes that other options give."""
    plain = [option for option in overrides if not option.lstrip().startswith("grid.")]
    axes: dict[str, Any] = {}
    for option in overrides:
        if option in plain:
            continue
        made: dict[str, Any] = {}
        put(made, option)
        path = option.partition("=")[0].strip()
        for table in path.split("."):
            made = made[table]
        axes[path.removeprefix("grid.")] = made
    return plain, _placed(axes, Path.cwd())


def _check_axes(
    axes: dict[str, Any], variants: list[tuple[str, dict[str, Any]]], where: str
) -> None:
    """Refuse axes that are none, and variants that cannot be told apart."""
    for key, values in axes.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(
                f"{where}: an axis of a grid is a list of one value or more, but got "
                f"{key} = {values!r}"
            )
    labels = [label for label, _ in variants]
    if len(set(labels)) < len(labels):
        raise ConfigError(f"{where}: labels of variants differ, but got {', '.join(labels)}")


def _check_keys(
    axes: dict[str, Any],
    variants: list[tuple[str, dict[str, Any]]],
    overrides: Sequence[str],
    where: str,
) -> None:
    """Refuse keys that are said twice, and those that may not differ between cells."""
    named = {key for _, changes in variants for key in changes}
    for key in sorted(named):
        if is_task(key) or key in SEEDS:
            raise ConfigError(
                f"{where}: variants are compared on the same items and seeds, but one of them "
                f"changes {key}; make it an axis of the grid"
            )
    for key in (*axes, *named):
        if key.startswith("budget."):
            raise ConfigError(
                f"{where}: cells of a sweep have equal budgets, but {key} differs; "
                "set the table [budget] of the sweep"
            )
        if key in axes and key in named:
            raise ConfigError(f"{where}: {key} is an axis or in the variants, but got both")
    for option in overrides:
        key = option.partition("=")[0].strip()
        if any(key == other or key.startswith(f"{other}.") for other in (*axes, *named)):
            raise ConfigError(
                f"an option of a sweep changes what all cells share, but {key} differs between "
                f"them; change the axis with -o 'grid.{key}=[…]', or the file"
            )


@dataclass(frozen=True)
class _Grid:
    """A checked sweep file.

    Attributes:
        where: What error messages call it.
        base: The data of the base.
        axes: Key -> values.
        variants: Label and changes of each.
        alone: What holds for one task alone: value of a task axis -> changes.
        overrides: Options for all cells.
    """

    where: str
    base: dict[str, Any]
    axes: dict[str, list[Any]]
    variants: list[tuple[str, dict[str, Any]]]
    alone: dict[str, dict[str, Any]]
    overrides: Sequence[str]

    def cells(self, sweep: str) -> Iterator[Cell]:
        """Yield the cells: for each task each seed, in it the variants one after the other."""
        tasks = sorted((key for key in self.axes if is_task(key)), key=lambda key: key.count("."))
        outer = tasks + [key for key in self.axes if key in SEEDS]
        inner = [key for key in self.axes if key not in outer]
        names: set[str] = set()
        for block in self._choices(outer):
            alone: dict[str, Any] = {}
            for key in tasks:
                alone |= self.alone.get(short(block[key]), {})
            for label, changes in self.variants:
                for choice in self._choices(inner):
                    cell = self._cell(sweep, label, block | choice, alone | changes)
                    if cell.name in names:
                        raise ConfigError(f"{self.where}: cells differ, but got {cell.label} twice")
                    names.add(cell.name)
                    yield cell

    def _choices(self, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
        for values in itertools.product(*(self.axes[key] for key in keys)):
            yield dict(zip(keys, values, strict=True))

    def _cell(
        self, sweep: str, label: str, chosen: dict[str, Any], changes: dict[str, Any]
    ) -> Cell:
        """Return one cell; an axis of one value is not worth a word."""
        data = deepcopy(self.base)
        for key, value in (chosen | changes).items():
            _set(data, key, deepcopy(value))
        told = {key: value for key, value in chosen.items() if len(self.axes[key]) > 1}
        task = ", ".join(
            in_words(key, value) if key.startswith(_ARGUMENT) else short(value)
            for key, value in told.items()
            if is_task(key)
        )
        words = [
            in_words(key, value)
            for key, value in told.items()
            if not (is_task(key) or key in SEEDS)
        ]
        variant = ", ".join(filter(None, (label, *words)))
        shown = ", ".join(filter(None, (variant, task))) or "the only one"
        made = settings(data, f"{self.where}, cell {shown}", Path("/"), self.overrides)
        others = [str(told[key]) for key in SEEDS[1:] if key in told]
        seed = "/".join((str(made.run.seed), *others))
        name = cell_name(sweep, (label, chosen | changes), (variant, task, seed))
        return Cell(name, variant or made.algorithm.title, task, seed, _drawing_anew(made, chosen))


def _drawing_anew(made: Configuration, chosen: Mapping[str, Any]) -> Configuration:
    """Return settings with another seed for each repetition of a problem's data.

    Else random search, which does not look at them, would try the same in every repetition.
    """
    given = [chosen[key] for key in SEEDS if key.startswith(_ARGUMENT) and key in chosen]
    if "run.seed" in chosen or not all(isinstance(value, int) for value in given):
        return made
    run = made.run.model_copy(update={"seed": made.run.seed + sum(given)})
    return made.model_copy(update={"run": run})


def is_task(key: str) -> bool:
    """Return whether a key says which task it is."""
    return key in TASKS or (key.startswith(_ARGUMENT) and key not in SEEDS)


def _flat(data: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return ``table.key`` -> value, whether the tables are nested or the keys are quoted."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        path = f"{before}{key}"
        if isinstance(value, dict) and "." not in path:
            found |= _flat(value, f"{path}.")
        else:
            found[path] = value
    return found


def _placed(flat: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the same with paths made absolute, from a folder on."""
    made = {}
    for path, value in flat.items():
        table, _, key = path.partition(".")
        last = key.rpartition(".")[2]
        made[path] = absolute({table: {last: value}}, folder)[table][last] if key else value
    return made


def _set(data: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at ``table.key``, deeper where the path is longer."""
    *above, last = path.split(".")
    for table in above:
        data = data.setdefault(table, {})
        if not isinstance(data, dict):
            raise ConfigError(f"{table!r} in {path!r} is a table, but it is a value")
    data[last] = value
