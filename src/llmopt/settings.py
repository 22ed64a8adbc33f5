"""The tables of a configuration, checked by pydantic, and what they build.

:class:`Settings` is also what the journal keeps of a run, with absolute paths, so that
``llmopt resume`` can build the same run again.
"""

from __future__ import annotations

import inspect
import math
from pathlib import Path  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

from llmopt.algorithms import ALGORITHMS, algorithm_named
from llmopt.errors import ConfigError, DataError
from llmopt.models.layers.budget import Limits, Price
from llmopt.models.layers.gate import Rates
from llmopt.models.registry import NamedModel
from llmopt.options import Control
from llmopt.problems.asking import Asking
from llmopt.problems.datasets import load
from llmopt.problems.filters import Filters
from llmopt.problems.guards import Invariants
from llmopt.problems.judge import Judge
from llmopt.problems.named import problem_named
from llmopt.problems.prompting import PromptProblem
from llmopt.problems.splits import Splits, mixed
from llmopt.problems.tasks import Paper  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.algorithm import Algorithm
    from llmopt.problem import Problem
    from llmopt.types import Role

S = TypeVar("S", bound=BaseModel)

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


class Table(BaseModel):
    """A table of a configuration: keys that are not declared are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ProblemTable(Table):
    """``[problem]``: the data, and how an instruction is used on it."""

    function: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)
    benchmark: str = ""
    data_dir: Path | None = None
    split: Paper = ""
    data: Path | None = None
    train: Path | None = None
    validation: Path | None = None
    test: Path | None = None
    input: str = "input"
    target: str = "target"
    task: str = ""
    instructions: list[str] = Field(default_factory=list)
    instructions_from: list[Path] = Field(default_factory=list)
    position: Literal["before_Q", "Q_begin", "Q_end", "A_begin", "steps"] | None = None
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
    copied_words: int = Field(default=8, ge=0)
    required: list[str] = Field(default_factory=list)
    forbidden: list[str] = Field(default_factory=list)
    placeholders: list[str] = Field(default_factory=list)
    max_words: int = Field(default=0, ge=0)
    max_instruction_tokens: int = Field(default=0, ge=0)
    language: str = ""

    def check_source(self) -> None:
        """Check that the data come from one place.

        Raises:
            ConfigError: They come from none or from two, or a key goes with another place.
        """
        if self.function:
            for key in sorted(self.model_fields_set - {"function", "arguments"}):
                raise ConfigError(
                    f"problem.function brings everything with it, but got problem.{key} too; "
                    "leave one out, or give the function what it needs in [problem.arguments]"
                )
            return
        if self.arguments:
            raise ConfigError("[problem.arguments] go with problem.function; set it too")
        named = {
            "problem.benchmark, one of the papers' tasks": self.benchmark,
            "problem.data, which is split": self.data,
            "problem.train, .validation and .test": self.train or self.validation or self.test,
        }
        found = [name for name, value in named.items() if value]
        if len(found) > 1:
            raise ConfigError(
                f"the data are either {', or '.join(found)}, but got both; leave one out"
            )
        if not (self.benchmark or self.data or self.train):
            raise ConfigError(
                "a problem needs data: set problem.data, or problem.train and .test, or "
                "problem.benchmark; or set problem.function"
            )
        if not self.benchmark and (self.data_dir or self.split):
            raise ConfigError("problem.data_dir and .split go with problem.benchmark; set it too")
        if self.split and "sizes" in self.model_fields_set:
            raise ConfigError(
                f"a split is a paper's or has problem.sizes, but got {self.split!r} and sizes; "
                "leave one out"
            )


class PriceTable(Table):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class ModelTable(Table):
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
    again: bool = False


class JudgeTable(ModelTable):
    """``[judge]``: the model that judges answers for the metric ``judge``, and how."""

    mode: Literal["absolute", "dynamic", "pairwise"] = "absolute"
    rubric_from: Path | None = None
    scale: tuple[int, int] = (1, 5)
    max_tokens: int = Field(default=512, ge=1)

    def built(self) -> Judge:
        """Return the metric, without its model.

        Raises:
            InputError: The rubric or the scale cannot be used.
        """
        rubric = _text(self.rubric_from) if self.rubric_from else ""
        return Judge(self.mode, rubric, self.scale, self.max_tokens)


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


class RunTable(Table):
    """``[run]``: how long to search, and how."""

    name: str | None = None
    seed: int = 0
    steps: int = Field(default=10, ge=0)
    patience: int = Field(default=0, ge=0)
    target: float | None = None
    validate_every: int = Field(default=0, ge=0)
    validation_patience: int = Field(default=0, ge=0)
    finalists: int = Field(default=10, ge=1)
    concurrency: int | None = Field(default=None, ge=1)
    tolerance: float = Field(default=0.02, ge=0, le=1)
    step_deadline: float | None = Field(default=None, gt=0)


class EvidenceTable(Table):
    """``[evidence]``: what the winner is compared with, and how sure a verdict is."""

    level: float = Field(default=0.95, gt=0.5, lt=1)
    controls: list[Control] = Field(default_factory=lambda: list(get_args(Control)))


class BudgetTable(Table):
    """``[budget]``: hard limits over both roles together."""

    calls: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    usd: float | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0)


class Settings(Table):
    """A whole configuration."""

    problem: ProblemTable
    scorer: ScorerTable | None = None
    optimizer: ModelTable | None = None
    judge: JudgeTable | None = None
    algorithm: AlgorithmTable = AlgorithmTable()
    run: RunTable = RunTable()
    evidence: EvidenceTable = EvidenceTable()
    budget: BudgetTable = BudgetTable()

    def built_problem(self) -> Problem:
        """Return the problem: the one that a function gives, or that of :meth:`built_prompts`.

        Raises:
            DataError: A file, a column or a row cannot be used.
            ConfigError: An option cannot be used.
        """
        table = self.problem
        if not table.function:
            return self.built_prompts()
        table.check_source()
        if self.judge:
            raise ConfigError(
                "a judge judges answers, but problem.function asks for none; leave [judge] out"
            )
        return problem_named(table.function, table.arguments)

    def built_prompts(self) -> PromptProblem:
        """Read the data and return the problem of finding an instruction.

        Raises:
            DataError: A file, a column or a row cannot be used.
            ConfigError: An option cannot be used, or the problem is not about instructions.
        """
        table, scorer = self.problem, self.scorer
        table.check_source()
        if table.function:
            raise ConfigError(
                f"this is for instructions, but the problem is the function {table.function!r}"
            )
        if scorer is None:
            raise ConfigError("the table 'scorer' is missing; its model follows the instructions")
        texts = [*table.instructions, *(_text(path) for path in table.instructions_from)]
        options: dict[str, Any] = {
            "instructions": texts or None,
            "task": table.task or None,
            "metric": self._metric(),
            "choices": table.choices,
            "position": table.position,
            "qa_frame": table.qa_frame,
            "prompt": _text(table.prompt_from) if table.prompt_from else "",
            "balanced": table.balanced,
            "asking": Asking(
                scorer.mode,
                scorer.temperature,
                scorer.max_tokens,
                tuple(scorer.stop),
                scorer.again,
            ),
            "filters": Filters(
                table.max_length, table.digits, table.last_full_stop, table.copied_words
            ),
            "invariants": Invariants(
                tuple(table.required),
                tuple(table.forbidden),
                tuple(table.placeholders),
                table.max_words,
                table.max_instruction_tokens,
                table.language,
            ),
            "scorer": scorer.named(),
            "judge": self.judge.named() if self.judge else None,
        }
        # What is not set is left to the problem, which may be a task with its own defaults.
        options = {key: value for key, value in options.items() if value is not None}
        if table.benchmark:
            return PromptProblem.from_task(
                table.benchmark,
                data_dir=table.data_dir,
                split=table.split,
                sizes=table.sizes,
                split_seed=table.split_seed,
                **options,
            )
        if table.data:
            return PromptProblem.from_file(
                table.data,
                input=table.input,
                target=table.target,
                sizes=table.sizes,
                split_seed=table.split_seed,
                **options,
            )
        parts = (table.train, table.validation, table.test)
        train, validation, test = (
            load(p, input=table.input, target=table.target) if p else () for p in parts
        )
        splits = Splits(mixed(train, table.split_seed), validation, test)
        return PromptProblem.from_splits(splits, **options)

    def _metric(self) -> str | Judge | None:
        """Return the metric; None: what suits the data."""
        named = self.problem.metric
        if (named == "judge") != (self.judge is not None):
            got = "the metric alone" if self.judge is None else f"the metric {named!r}"
            raise ConfigError(
                "a judge is the table [judge] together with problem.metric = 'judge', but got "
                f"{got}; write both or neither"
            )
        if self.judge:
            return self.judge.built()
        return None if named == "auto" else named

    def _alone(self) -> ModelTable | None:
        """Return the scorer's table where a function has no scorer LLM: it is the optimizer's."""
        return self.scorer if self.problem.function else None

    def models(self) -> dict[Role, ModelTable]:
        """Return the table of each role that is played.

        Raises:
            ConfigError: The method needs an optimizer LLM, and none is named.
        """
        tables: dict[Role, ModelTable] = {}
        if self.algorithm.built().needs_model:
            optimizer = self.optimizer or self.scorer
            if optimizer is None:
                raise ConfigError(
                    "the table 'optimizer' is missing; its model proposes the solutions, unless "
                    "the method needs none, such as algorithm.name = 'random-search'"
                )
            tables["optimizer"] = optimizer
        if self.scorer and not self.problem.function:
            tables["scorer"] = self.scorer
        return {**tables, "judge": self.judge} if self.judge else tables

    def options(self) -> dict[str, Any]:
        """Return everything else, as :func:`llmopt.optimize` takes it.

        Raises:
            InputError: A model or the algorithm cannot be used.
        """
        run, models = self.run, self.models()
        return {
            "algorithm": self.algorithm.built(),
            "optimizer": named.named() if (named := self.optimizer or self._alone()) else None,
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
            "validate_every": run.validate_every,
            "validation_patience": run.validation_patience,
            "seed": run.seed,
            "finalists": run.finalists,
            "concurrency": run.concurrency,
            "tolerance": run.tolerance,
            "step_deadline": run.step_deadline,
            "level": self.evidence.level,
            # A function has no empty instruction and nothing held out to compare on.
            "controls": () if self.problem.function else tuple(self.evidence.controls),
            "budget": Limits(**self.budget.model_dump()),
        }


def _check_option(option: str, value: Any, annotation: str) -> None:
    """Refuse a value that cannot be what a method's option is annotated as."""
    known = [part for part in annotation.split(" | ") if part != "None"]
    # Whatever is not in the table is a choice among words, which the parts check.
    what, fits = _OPTION_KINDS[known[0] if known[0] in _OPTION_KINDS else "str"]
    if not fits(value):
        raise ConfigError(f"the key 'algorithm.{option}' is {what}, but got {value!r}")


def _text(path: Path) -> str:
    """Return a prompt file's text without the line end that editors add."""
    try:
        return path.read_text(encoding="utf-8-sig").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"a prompt is a readable UTF-8 file, but got {path}: {why(error)}"
        ) from error


def why(error: OSError | UnicodeDecodeError) -> str:
    """Return what is wrong with a file, without its path."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
