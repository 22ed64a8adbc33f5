"""TOML -> a run. An unknown key is an error that names the nearest known one.

Paths in a configuration are relative to the file that holds it, and those given on the command
line to the working directory. :class:`Settings` is also what the journal keeps of a run, with
absolute paths, so that ``llmopt resume`` can build the same run again.
"""

from __future__ import annotations

import inspect
import math
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmopt.algorithms import ALGORITHMS, algorithm_named
from llmopt.errors import ConfigError, DataError, nearest
from llmopt.models.layers.budget import Limits, Price
from llmopt.models.layers.gate import Rates
from llmopt.models.registry import NamedModel
from llmopt.problems.datasets import load
from llmopt.problems.prompting import Asking, Filters, PromptProblem
from llmopt.problems.splits import Splits, mixed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.algorithm import Algorithm


_SEEDS = 1 << 32  # seeds of a split are below this

_OPTION_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("a whole number", lambda value: type(value) is int),
    "float": ("a number", lambda value: type(value) in (int, float) and math.isfinite(value)),
    "bool": ("true or false", lambda value: type(value) is bool),
    "str": ("a text", lambda value: type(value) is str),
    "Sequence[int]": (
        "a list of whole numbers",
        lambda value: isinstance(value, list) and all(type(v) is int for v in value),
    ),
}
"""What a method's option may be, by its annotation."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ProblemTable(_Table):
    """``[problem]``: the data, and how an instruction is used on it."""

    data: Path | None = None
    train: Path | None = None
    validation: Path | None = None
    test: Path | None = None
    input: str = "input"
    target: str = "target"
    task: str = ""
    instructions: list[str] = Field(default_factory=list)
    instructions_from: list[Path] = Field(default_factory=list)
    position: Literal["before_Q", "Q_begin", "Q_end", "A_begin"] = "Q_begin"
    qa_frame: bool | None = None
    prompt_from: Path | None = None
    metric: str = "auto"
    choices: list[str] = Field(default_factory=list)
    balanced: bool = False
    sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5)
    split_seed: int = Field(default=0, ge=0, lt=_SEEDS)
    max_length: int = Field(default=500, ge=1)
    digits: bool = True
    last_full_stop: bool = False


class PriceTable(_Table):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class ModelTable(_Table):
    """``[optimizer]`` and the model part of ``[scorer]``."""

    model: str
    base_url: str | None = None
    key_variable: str | None = None
    completion: bool = False
    price: PriceTable | None = None
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)

    def named(self) -> NamedModel:
        """Return what names the model."""
        return NamedModel(self.model, self.base_url, self.key_variable, self.completion)


class ScorerTable(ModelTable):
    """``[scorer]``: the model that follows the instructions, and how it is asked."""

    mode: Literal["auto", "chat", "completion"] = "auto"
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=0, ge=0)
    stop: list[str] = Field(default_factory=list)


class AlgorithmTable(BaseModel):
    """``[algorithm]``: the method by name, and any of its own options beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = "opro"
    template_from: Path | None = None

    def built(self) -> Algorithm:
        """Return the algorithm; it checks the ranges of its own options."""
        options = dict(self.__pydantic_extra__ or {})
        if self.name in ALGORITHMS:
            for option, parameter in inspect.signature(ALGORITHMS[self.name]).parameters.items():
                if option in options:
                    _check_option(option, options[option], str(parameter.annotation))
        if self.template_from:
            options["template"] = _text(self.template_from)
        return algorithm_named(self.name, options)


class RunTable(_Table):
    """``[run]``: how long to search, and how."""

    name: str | None = None
    seed: int = 0
    steps: int = Field(default=10, ge=0)
    patience: int = Field(default=0, ge=0)
    target: float | None = None
    finalists: int = Field(default=10, ge=1)
    concurrency: int | None = Field(default=None, ge=1)
    tolerance: float = Field(default=0.02, ge=0, le=1)


class BudgetTable(_Table):
    """``[budget]``: hard limits over both roles together."""

    calls: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    usd: float | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0)


class Settings(_Table):
    """A whole configuration."""

    problem: ProblemTable
    scorer: ScorerTable
    optimizer: ModelTable | None = None
    algorithm: AlgorithmTable = AlgorithmTable()
    run: RunTable = RunTable()
    budget: BudgetTable = BudgetTable()

    def built_problem(self) -> PromptProblem:
        """Read the data and return the problem.

        Raises:
            DataError: A file, a column or a row cannot be used.
            ConfigError: An option cannot be used.
        """
        table = self.problem
        texts = [*table.instructions, *(_text(path) for path in table.instructions_from)]
        options: dict[str, Any] = {
            "instructions": texts or ["Let's solve the problem."],
            "task": table.task,
            "metric": table.metric,
            "choices": table.choices,
            "position": table.position,
            "qa_frame": table.qa_frame,
            "prompt": _text(table.prompt_from) if table.prompt_from else "",
            "balanced": table.balanced,
            "asking": Asking(
                self.scorer.mode,
                self.scorer.temperature,
                self.scorer.max_tokens,
                tuple(self.scorer.stop),
            ),
            "filters": Filters(table.max_length, table.digits, table.last_full_stop),
            "scorer": self.scorer.named(),
        }
        if table.data:
            if table.train or table.validation or table.test:
                raise ConfigError(
                    "the data are either problem.data, which is split, or problem.train, "
                    ".validation and .test, but got both; leave one out"
                )
            return PromptProblem.from_file(
                table.data,
                input=table.input,
                target=table.target,
                sizes=table.sizes,
                split_seed=table.split_seed,
                **options,
            )
        if not table.train:
            raise ConfigError("a problem needs data: set problem.data, or problem.train and .test")
        parts = (table.train, table.validation, table.test)
        train, validation, test = (
            load(p, input=table.input, target=table.target) if p else () for p in parts
        )
        splits = Splits(mixed(train, table.split_seed), validation, test)
        return PromptProblem.from_splits(splits, **options)

    def options(self) -> dict[str, Any]:
        """Return everything else, as :func:`llmopt.optimize` takes it.

        Raises:
            InputError: A model or the algorithm cannot be used.
        """
        run = self.run
        models = {"optimizer": self.optimizer or self.scorer, "scorer": self.scorer}
        return {
            "algorithm": self.algorithm.built(),
            "optimizer": self.optimizer.named() if self.optimizer else None,
            "prices": {
                role: Price(table.price.input, table.price.output)
                for role, table in models.items()
                if table.price
            },
            "rates": {
                role: Rates(table.requests_per_minute, table.tokens_per_minute)
                for role, table in models.items()
            },
            "steps": run.steps,
            "patience": run.patience,
            "target": run.target,
            "seed": run.seed,
            "finalists": run.finalists,
            "concurrency": run.concurrency,
            "tolerance": run.tolerance,
            "budget": Limits(**self.budget.model_dump()),
        }


def read(path: Path, overrides: Sequence[str] = ()) -> Settings:
    """Read a configuration file.

    Args:
        path: A TOML file.
        overrides: ``table.key=value``; the value is TOML, or a text where it is not. Paths in
            them are relative to the working directory.

    Raises:
        ConfigError: The file, a key or a value cannot be used; the message says where.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"a configuration is a readable UTF-8 file, but got {path}: {_why(error)}"
        ) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    return settings(data, str(path), path.parent, overrides)


def settings(
    data: dict[str, Any], where: str, folder: Path, overrides: Sequence[str] = ()
) -> Settings:
    """Validate plain data as a configuration; relative paths start at `folder`.

    Raises:
        ConfigError: Every key and value that breaks a rule, one per line.
    """
    made = _absolute(data, folder)
    for override in overrides:
        _override(made, override)
    try:
        return Settings.model_validate(made)
    except ValidationError as error:
        lines = [_complaint(dict(detail)) for detail in error.errors(include_url=False)]
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from error


def _check_option(option: str, value: Any, annotation: str) -> None:
    """Refuse a value that cannot be what a method's option is annotated as."""
    known = [part for part in annotation.split(" | ") if part != "None"]
    # Whatever is not in the table is a choice among words, which the parts check.
    what, fits = _OPTION_KINDS[known[0] if known[0] in _OPTION_KINDS else "str"]
    if not fits(value):
        raise ConfigError(f"the key 'algorithm.{option}' is {what}, but got {value!r}")


_PATHS = {
    "problem": ("data", "train", "validation", "test", "prompt_from", "instructions_from"),
    "algorithm": ("template_from",),
}


def _absolute(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a copy of the data with paths made absolute."""
    made = {**data}
    for table, values in data.items():
        if isinstance(values, dict):
            made[table] = {key: _full(table, key, value, folder) for key, value in values.items()}
    return made


def _full(table: str, key: str, value: Any, folder: Path) -> Any:
    """Return a value, with paths in it made absolute."""
    if isinstance(value, list):
        return [_full(table, key, v, folder) for v in value]
    if not isinstance(value, str):
        return value
    if key == "model" and value.startswith("replay/"):
        return "replay/" + _resolved(value.removeprefix("replay/"), folder)
    if key == "model" and value.startswith("local/") and value.endswith(".gguf"):
        return "local/" + _resolved(value.removeprefix("local/"), folder)
    return _resolved(value, folder) if key in _PATHS.get(table, ()) else value


def _resolved(path: str, folder: Path) -> str:
    return str((folder / Path(path).expanduser()).resolve())


def _complaint(detail: dict[str, Any]) -> str:
    """Return one line about one broken rule, with the nearest known key for an unknown one."""
    path = [str(part) for part in detail["loc"]]
    key = ".".join(path)
    if detail["type"] == "extra_forbidden":
        known = _keys(path[:-1])
        return f"the key {key!r} is not known{nearest(path[-1], known)}; known: {', '.join(known)}"
    if detail["type"] == "missing":
        what = "table" if len(path) == 1 else "key"
        return f"the {what} {key!r} is missing"
    rule = detail["msg"].removeprefix("Input should be ").partition(", unable to")[0]
    if detail["type"] in ("model_type", "model_attributes_type"):
        rule = "a table"
    return f"the key {key!r} is {rule}, but got {detail['input']!r}"


def _keys(path: list[str]) -> list[str]:
    """Return the known keys of a table of the configuration."""
    model: Any = Settings
    for part in path:
        annotation = model.model_fields[part].annotation
        # A table that may be left out is annotated as "table or None".
        model = next((a for a in get_args(annotation) if a is not type(None)), annotation)
    return sorted(model.model_fields)


def _override(data: dict[str, Any], override: str) -> None:
    """Put the value of ``table.key=value`` into the data."""
    path, equals, value = override.partition("=")
    *tables, last = path.strip().split(".")
    if not (equals and tables and all(tables) and last):
        raise ConfigError(
            f"an option is table.key=value, such as run.steps=5, but got {override!r}"
        )
    table = data
    for part in tables:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{part!r} in the option {override!r} is a table, but it is a value")
    table[last] = _full(tables[0], last, _value(value), Path.cwd())


def _value(text: str) -> Any:
    """Return a value as TOML reads it, or the text itself where it is no TOML."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["value"] if len(found) == 1 else text


def _text(path: Path) -> str:
    """Return a prompt file's text without the line end that editors add."""
    try:
        return path.read_text(encoding="utf-8-sig").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"a prompt is a readable UTF-8 file, but got {path}: {_why(error)}"
        ) from error


def _why(error: OSError | UnicodeDecodeError) -> str:
    """Return what is wrong with a file, without its path."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
