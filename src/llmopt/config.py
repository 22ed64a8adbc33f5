"""TOML -> a run. An unknown key is an error that names the nearest known one.

Paths in a configuration are relative to the file that holds it. :class:`Settings` is also
what the journal keeps of a run, with absolute paths, so that ``llmopt resume`` can build the
same run again.
"""

from __future__ import annotations

import tomllib
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmopt.algorithms import algorithm_named
from llmopt.errors import ConfigError, DataError, nearest
from llmopt.models.layers.budget import Limits, Price
from llmopt.models.registry import NamedModel
from llmopt.problems.datasets import load
from llmopt.problems.prompting import Asking, Filters, PromptProblem
from llmopt.problems.splits import Splits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.algorithm import Algorithm


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    sizes: tuple[float, float, float] = (0.25, 0.25, 0.5)
    split_seed: int = 0
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
        """Return the algorithm; it checks its own options."""
        options = dict(self.__pydantic_extra__ or {})
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
        splits = (load(p, input=table.input, target=table.target) if p else () for p in parts)
        return PromptProblem.from_splits(Splits(*splits), **options)

    def options(self) -> dict[str, Any]:
        """Return everything else, as :func:`llmopt.optimize` takes it.

        Raises:
            InputError: A model or the algorithm cannot be used.
        """
        run = self.run
        return {
            "algorithm": self.algorithm.built(),
            "optimizer": self.optimizer.named() if self.optimizer else None,
            "prices": {
                role: Price(table.price.input, table.price.output)
                for role, table in (
                    ("optimizer", self.optimizer or self.scorer),
                    ("scorer", self.scorer),
                )
                if table.price
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
        overrides: ``table.key=value``; the value is TOML, or a text where it is not.

    Raises:
        ConfigError: The file, a key or a value cannot be used; the message says where.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"a configuration is a readable UTF-8 file, but got {path}: {error}"
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
    for override in overrides:
        _override(data, override)
    try:
        return Settings.model_validate(_absolute(data, folder))
    except ValidationError as error:
        lines = [_complaint(dict(detail)) for detail in error.errors(include_url=False)]
        raise ConfigError(f"{where}: " + "\n".join(lines)) from error


_PATHS = {
    "problem": ("data", "train", "validation", "test", "prompt_from", "instructions_from"),
    "algorithm": ("template_from",),
}


def _absolute(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the data with paths made absolute."""

    def full(value: Any) -> Any:
        if isinstance(value, list):
            return [full(v) for v in value]
        return str((folder / value).resolve()) if isinstance(value, str) else value

    made = {**data}
    for table, keys in _PATHS.items():
        if isinstance(data.get(table), dict):
            made[table] = {k: full(v) if k in keys else v for k, v in data[table].items()}
    return made


def _complaint(detail: dict[str, Any]) -> str:
    """Return one line about one broken rule, with the nearest known key for an unknown one."""
    path = [str(part) for part in detail["loc"]]
    key = ".".join(path)
    if detail["type"] == "extra_forbidden":
        known = _keys(path[:-1])
        return f"the key {key!r} is not known{nearest(path[-1], known)}; known: {', '.join(known)}"
    if detail["type"] == "missing":
        return f"the key {key!r} is missing"
    return f"the key {key!r} is not valid: {detail['msg']}, but got {detail['input']!r}"


def _keys(path: list[str]) -> list[str]:
    """Return the known keys of a table of the configuration."""
    model: Any = Settings
    for part in path:
        model = model.model_fields[part].annotation
    return sorted(model.model_fields)


def _override(data: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or "." not in key:
        raise ConfigError(f"an option is table.key=value, but got {override!r}")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *tables, last = key.strip().split(".")
    table = data
    for part in tables:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"the key {part!r} in {override!r} is a table, but got a value")
    table[last] = parsed


def _text(path: Path) -> str:
    """Return a prompt file's text without the line end that editors add."""
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"a prompt is a readable UTF-8 file, but got {path}: {error}") from error
