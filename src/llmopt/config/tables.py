"""The tables of a configuration, checked by pydantic: an undeclared key is refused."""

from __future__ import annotations

import math
from pathlib import Path  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from llmopt.algorithms import ALGORITHMS, algorithm_named, signature_of, taking_turns
from llmopt.core.demonstrations import ShotAnswers  # noqa: TC001 - pydantic reads it
from llmopt.core.imports import imported
from llmopt.core.model import DEADLINE
from llmopt.engine.options import plain, rows_in
from llmopt.errors import ConfigError, DataError
from llmopt.models.middleware.budget import Price
from llmopt.models.providers.openai import check_storable, check_variable
from llmopt.models.providers.request_options import DialectName, RequestOptions
from llmopt.models.registry import NamedModel
from llmopt.problems.code.bench import CodeAim  # noqa: TC001 - pydantic reads it
from llmopt.problems.code.code_problem import CodeProblem
from llmopt.problems.code.output_comparison import Compare  # noqa: TC001 - as above
from llmopt.problems.code.sandbox import RunLimits, SandboxName
from llmopt.problems.metrics.judge import Criteria, Judge
from llmopt.problems.prompt.instructions import saved_instruction
from llmopt.problems.prompt.layout import Position  # noqa: TC001 - likewise
from llmopt.problems.prompt.proposal_filter import Quotes, Variables  # noqa: TC001 - as above
from llmopt.problems.prompt.scorer_call import AGAIN_TOKENS, Asking
from llmopt.problems.tasks import Paper  # noqa: TC001 - pydantic reads it
from llmopt.problems.tasks.lettered import Closing  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.algorithm import Algorithm


SEEDS = 1 << 32  # seeds of a split are below this

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


def _of_options(name: str, says: str) -> type[Table]:
    """Return the table of a configuration whose keys are those options of a run."""
    keys: dict[str, Any] = {}
    for row in rows_in(name):
        about = row.about
        bounds = Field(
            ge=about.least,
            le=about.most,
            gt=about.above,
            lt=about.below,
            description=plain(about.means),
        )
        default = list(row.default) if isinstance(row.default, tuple) else row.default
        keys[row.name] = (Annotated[about.written or row.kind, bounds], default)
    called = f"{name.capitalize()}Table"
    return create_model(called, __base__=Table, __module__=__name__, __doc__=says, **keys)


class PartTable(Table):
    """``[problem.parts.NAME]``: the starting text of a part, and what is demanded of it alone."""

    text: str = ""
    text_from: Path | None = None
    required: list[str] = Field(default_factory=list)
    forbidden: list[str] = Field(default_factory=list)
    placeholders: list[str] = Field(default_factory=list)
    max_words: int = Field(default=0, ge=0)
    max_instruction_tokens: int = Field(default=0, ge=0)
    language: str = ""


class LimitsTable(Table):
    """``[problem.code.limits]``: what one execution of a program may use."""

    wall: float = Field(default=RunLimits.wall, gt=0)
    cpu: float = Field(default=RunLimits.cpu, gt=0)
    memory: int = Field(default=RunLimits.memory, ge=1)
    processes: int = Field(default=RunLimits.processes, ge=1)
    output: int = Field(default=RunLimits.output, ge=1)
    scratch: int = Field(default=RunLimits.scratch, ge=1)


class CodeTable(Table):
    """``[problem.code]``: a program that is made better, and its tests."""

    program: Path
    tests: Path
    task: str = ""
    goal: CodeAim = "time"
    change: str = "program"
    function: str = ""
    compare: Compare = "lines"
    check: str = ""
    score: str = ""
    minimize: bool = False
    sandbox: SandboxName = "auto"
    inputs: int = Field(default=0, ge=0)
    limits: LimitsTable = LimitsTable()

    def built(self) -> CodeProblem:
        """Return the problem; its program runs once on each test.

        Raises:
            InputError: A file cannot be used, or the program does not pass its tests.
        """
        options = self.model_dump(exclude={"program", "tests", "limits", "check", "score"})
        for key in ("check", "score"):
            if name := getattr(self, key):
                options[key] = imported(name, f"the function problem.code.{key}")
        limits = RunLimits(**self.limits.model_dump())
        return CodeProblem.from_files(self.program, self.tests, limits=limits, **options)


class ProblemTable(Table):
    """``[problem]``: the data, and how an instruction is used on it."""

    program: str = ""
    parts: dict[str, str | PartTable] = Field(default_factory=dict)
    part_order: list[str] = Field(default_factory=list)
    calls: int = Field(default=0, ge=0)
    timeout: float | None = Field(default=None, gt=0)
    metric_fields: list[str] = Field(default_factory=list)
    code: CodeTable | None = None

    function: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)
    benchmark: str = ""
    data_dir: Path | None = None
    split: Paper = ""
    closing: Closing = "choose"
    dataset: str = ""
    dataset_config: str = ""
    dataset_split: str = "train"
    data: Path | None = None
    train: Path | None = None
    validation: Path | None = None
    test: Path | None = None
    input: str | list[str] = "input"
    target: str = "target"
    id: str = ""
    weight: str = ""
    group: str = ""
    fields: list[str] = Field(default_factory=list)
    encoding: str = ""
    task: str = ""
    instructions: list[str] = Field(default_factory=list)
    instructions_from: list[Path] = Field(default_factory=list)
    position: Position | None = None
    qa_frame: bool | None = None
    prompt_from: Path | None = None
    metric: str = "auto"
    choices: list[str] = Field(default_factory=list)
    balanced: bool = False
    sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5)
    split_seed: int = Field(default=0, ge=0, lt=SEEDS)
    vault: int | float = 0
    max_length: int = Field(default=500, ge=1)
    digits: bool = True
    last_full_stop: bool = False
    copied_words: int = Field(default=8, ge=0)
    variables: Variables = "keep"
    quotes: Quotes = "strip"
    required: list[str] = Field(default_factory=list)
    forbidden: list[str] = Field(default_factory=list)
    placeholders: list[str] = Field(default_factory=list)
    max_words: int = Field(default=0, ge=0)
    max_instruction_tokens: int = Field(default=0, ge=0)
    language: str = ""
    demonstrations: int = Field(default=0, ge=0)
    demonstration_tokens: int = Field(default=2000, ge=0)
    demonstration_answers: ShotAnswers = "both"
    fixed_demonstrations: int = Field(default=0, ge=0)

    @property
    def scored_by_model(self) -> bool:
        """Whether a scorer LLM answers; a function or a program is measured without one."""
        return not (self.function or self.code)

    @property
    def columns(self) -> dict[str, Any]:
        """Which columns make an item, see :class:`~llmopt.problems.data.columns.RowColumns`."""
        return {
            "input": self.input,
            "target": self.target,
            "id": self.id,
            "weight": self.weight,
            "group": self.group,
            "fields": tuple(self.fields),
        }

    def check_source(self) -> None:
        """Check that the data come from one place.

        Raises:
            ConfigError: They come from none or from two, or a key goes with another place.
        """
        if self.code:
            for key in sorted(self.model_fields_set - {"code"}):
                raise ConfigError(
                    f"[problem.code] brings everything with it, but got problem.{key} too; leave "
                    "one out"
                )
            return
        if self.function:
            for key in sorted(self.model_fields_set - {"function", "arguments"}):
                raise ConfigError(
                    f"problem.function brings everything with it, but got problem.{key} too; "
                    "leave one out, or give the function what it needs in [problem.arguments]"
                )
            return
        if self.arguments:
            raise ConfigError("[problem.arguments] go with problem.function; set it too")
        self._check_program()
        named = {
            "problem.benchmark, one of the papers' tasks": self.benchmark,
            "problem.dataset, which is split": self.dataset,
            "problem.data, which is split": self.data,
            "problem.train, .validation and .test": self.train or self.validation or self.test,
        }
        found = [name for name, value in named.items() if value]
        if len(found) > 1:
            raise ConfigError(
                f"the data are either {', or '.join(found)}, but got both; leave one out"
            )
        if not (self.benchmark or self.dataset or self.data or self.train):
            raise ConfigError(
                "a problem needs data: set problem.data, or problem.train and .test, or "
                "problem.benchmark, or problem.dataset; or set problem.function"
            )
        self._check_company()

    @model_validator(mode="before")
    @classmethod
    def _in_order(cls, data: Any) -> Any:
        """Put the parts in their order, and note one that a store, which sorts keys, would lose."""
        parts, order = (data.get(key) for key in ("parts", "part_order"))
        if not isinstance(parts, dict) or not isinstance(order, list | None):
            return data
        names = list(dict.fromkeys((*(n for n in order or () if n in parts), *parts)))
        noted = {"part_order": names} if order or names != sorted(names) else {}
        return {**data, "parts": {name: parts[name] for name in names}, **noted}

    def _check_program(self) -> None:
        """Check that the keys of a program and those of a prompt are not mixed.

        Raises:
            ConfigError: They are.
        """
        with_program = ("parts", "part_order", "calls", "timeout", "metric_fields")
        with_prompt = ("position", "qa_frame", "prompt_from")
        for key in with_prompt if self.program else with_program:
            if key in self.model_fields_set:
                raise ConfigError(
                    f"a program makes its prompts itself, but got problem.{key}; leave it out"
                    if self.program
                    else f"problem.{key} goes with problem.program; set it too"
                )
        if not self.program:
            return
        texts = self.instructions or self.instructions_from
        if bool(self.parts) == bool(texts):
            raise ConfigError(
                "the texts of a program are either the table [problem.parts], or one part in "
                f"problem.instructions, but got {'both' if texts else 'neither'}; write one"
            )

    def _check_company(self) -> None:
        """Check that keys which belong to one kind of data are not given with another.

        Raises:
            ConfigError: One is.
        """
        if not self.dataset and {"dataset_config", "dataset_split"} & self.model_fields_set:
            raise ConfigError(
                "problem.dataset_config and .dataset_split go with problem.dataset; set it too"
            )
        if not self.benchmark and {"data_dir", "split", "closing"} & self.model_fields_set:
            raise ConfigError(
                "problem.data_dir, .split and .closing go with problem.benchmark; set it too"
            )
        if self.train and self.vault:
            raise ConfigError(
                "problem.vault is put aside of data that are then split, but got it with "
                "problem.train; name problem.data instead, or leave problem.vault out"
            )
        if self.benchmark and self.group:
            raise ConfigError(
                "problem.group is a column of data of your own, but got problem.benchmark too; "
                "leave one out"
            )
        if self.split and "sizes" in self.model_fields_set:
            raise ConfigError(
                f"a split is a paper's or has problem.sizes, but got {self.split!r} and sizes; "
                "leave one out"
            )


class PriceTable(Table):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)

    def price(self) -> Price:
        """Return it as the engine takes it."""
        return Price(self.input, self.output, self.cached, self.cache_write)


class ModelTable(Table):
    """``[optimizer]`` and the model part of ``[scorer]``."""

    model: str
    base_url: str | None = None
    key_variable: str | None = None
    completion: bool = False
    price: PriceTable | None = None
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    deadline: float = Field(default=DEADLINE, gt=0)
    extra: dict[str, Any] = Field(default_factory=dict)
    headers: dict[str, Any] = Field(default_factory=dict)
    stream: bool = False
    dialect: DialectName = "auto"
    top_p: float | None = Field(default=None, gt=0, le=1)
    reasoning_effort: str = ""
    response_format: str | dict[str, Any] = ""
    batch: bool = False

    def named(self) -> NamedModel:
        """Return what names the model.

        Raises:
            ConfigError: The base URL, a field or a header holds a secret, which would be stored, or
                the variable of the key is none.
        """
        check_variable(self.key_variable or "")
        if self.base_url:
            check_storable(self.base_url)
        request = RequestOptions(
            self.extra,
            self.headers,
            self.stream,
            self.dialect,
            self.top_p,
            self.reasoning_effort,
            self.response_format,
        )
        return NamedModel(
            self.model,
            self.base_url,
            self.key_variable,
            self.completion,
            self.deadline,
            None if request == RequestOptions() else request,
            self.batch,
        )


class ScorerTable(ModelTable):
    """``[scorer]``: the model that follows the instructions, and how it is asked."""

    mode: Literal["auto", "chat", "completion"] = "auto"
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=0, ge=0)
    stop: list[str] = Field(default_factory=list)
    again: bool = False
    again_tokens: int = Field(default=AGAIN_TOKENS, ge=1)
    again_answers: bool = False
    answer: Literal["text", "likelihood"] = "text"

    def asking(self) -> Asking:
        """Return how the scorer LLM is asked.

        Raises:
            ConfigError: These do not go together.
        """
        return Asking(
            self.mode,
            self.temperature,
            self.max_tokens,
            tuple(self.stop),
            self.again,
            self.answer,
            self.again_tokens,
            self.again_answers,
        )


class JudgeTable(ModelTable):
    """``[judge]``: the model that judges answers for the metric ``judge``, and how."""

    mode: Literal["absolute", "dynamic", "pairwise"] = "absolute"
    rubric_from: Path | None = None
    scale: tuple[int, int] = (1, 5)
    max_tokens: int = Field(default=512, ge=1)
    criteria: Criteria = "answer"

    def built(self) -> Judge:
        """Return the metric, without its model.

        Raises:
            InputError: The rubric or the scale cannot be used.
        """
        rubric = text_of(self.rubric_from) if self.rubric_from else ""
        return Judge(self.mode, rubric, self.scale, self.max_tokens, criteria=self.criteria)


class AlgorithmTable(BaseModel):
    """``[algorithm]``: the method by name, and any of its own options.

    Several names are methods that take turns, each with its options in a table of its name.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str | list[str] = "opro"
    template_from: Path | None = None
    patterns_from: Path | None = None

    @property
    def title(self) -> str:
        """The method's name, or those of the methods that take turns."""
        return self.name if isinstance(self.name, str) else " + ".join(self.name)

    def built(self) -> Algorithm:
        """Return the algorithm; it checks the ranges of its own options."""
        options = dict(self.__pydantic_extra__ or {})
        if not isinstance(self.name, str):
            return self._taking_turns(self.name, options)
        _check_options(self.name, options)
        if self.template_from:
            options["template"] = text_of(self.template_from)
        if self.patterns_from:
            options["patterns"] = text_of(self.patterns_from)
        return algorithm_named(self.name, options)

    def _taking_turns(self, names: list[str], options: dict[str, Any]) -> Algorithm:
        if self.template_from:
            raise ConfigError(
                "a template is of one method, but got algorithm.template_from with a list of "
                f"methods; write template into a table such as [algorithm.{names[0]}]"
            )
        own = {name: options.pop(name, {}) for name in dict.fromkeys(names)}
        for name, said in own.items():
            if not isinstance(said, dict):
                raise ConfigError(f"the key 'algorithm.{name}' is a table, but got {said!r}")
            _check_options(name, said, f"{name}.")
        return taking_turns(names, [own[name] for name in names], **options)


if TYPE_CHECKING:

    class OptionTable(Table):
        """A table whose keys are made from the options of a run."""

        def __getattr__(self, key: str) -> Any: ...

    class RunTable(OptionTable):
        """``[run]``: how long to search, and how."""

    class EvidenceTable(OptionTable):
        """``[evidence]``: what the winner is compared with, and how sure a verdict is."""

else:
    RunTable = _of_options("run", "``[run]``: how long to search, and how.")
    EvidenceTable = _of_options(
        "evidence", "``[evidence]``: what the winner is compared with, and how sure a verdict is."
    )


class BudgetTable(Table):
    """``[budget]``: hard limits over both roles together."""

    calls: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    usd: float | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0)


def algorithm_table(value: Any) -> Any:
    """Return a method, or several, that are written without a table, as one."""
    return {"name": value} if isinstance(value, str | list | tuple) else value


def _check_options(name: str, options: dict[str, Any], place: str = "") -> None:
    """Refuse values that cannot be what a method's options are annotated as."""
    for option, parameter in signature_of(name).parameters.items():
        if option in options:
            kind = parameter.annotation
            named = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
            if name in ALGORITHMS or named in _OPTION_KINDS:
                _check_option(place + option, options[option], named)


def _check_option(option: str, value: Any, annotation: str) -> None:
    """Refuse a value that cannot be what a method's option is annotated as."""
    known = [part for part in annotation.split(" | ") if part != "None"]
    # Whatever is not in the table is a choice among words, which the parts check.
    what, fits = _OPTION_KINDS[known[0] if known[0] in _OPTION_KINDS else "str"]
    if not fits(value):
        raise ConfigError(f"the key 'algorithm.{option}' is {what}, but got {value!r}")


def text_of(path: Path) -> str:
    """Return a prompt file's text without the line end that editors add."""
    try:
        return path.read_text(encoding="utf-8-sig").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"a prompt is a readable UTF-8 file, but got {path}: {why(error)}"
        ) from error


def start_of(path: Path) -> str:
    """Return the starting instruction in a file: its text, or what a JSON file has saved."""
    return saved_instruction(path) if path.suffix == ".json" else text_of(path)


def why(error: OSError | UnicodeDecodeError) -> str:
    """Return what is wrong with a file, without its path."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
