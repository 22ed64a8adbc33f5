"""Builds the problem of a program's texts from the table ``[problem]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.config.tables import PartTable, text_of
from llmopt.core.imports import imported
from llmopt.errors import ConfigError
from llmopt.problems.data.columns import load
from llmopt.problems.data.objects import hub_rows
from llmopt.problems.data.splits import Splits, mixed
from llmopt.problems.program.app_problem import INSTRUCTION, AppProblem
from llmopt.problems.program.program_problem import ProgramColumns, ProgramProblem
from llmopt.problems.program.program_run import takes
from llmopt.problems.prompt.constraints import Invariants
from llmopt.problems.tasks import load_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.config.tables import ProblemTable, ScorerTable

_ARGUMENTS = 3  # of a program: its texts, a row, and what calls the scorer LLM
_OF_A_TASK = ("task", "metric", "choices")  # what a benchmark brings


def program_problem(
    table: ProblemTable, texts: list[str], options: Mapping[str, Any], scorer: ScorerTable | None
) -> ProgramProblem:
    """Read the data and return the problem.

    Args:
        table: The table.
        texts: Starting texts of a program with one part; none: they are in the table's `parts`.
        options: What prompts and programs take alike.
        scorer: The table of the scorer LLM; None: the program has a client of its own.

    Raises:
        DataError: A file, a column or a row cannot be used.
        ConfigError: An option cannot be used.
    """
    program = imported(table.program, "a program")
    made = {key: value for key, value in options.items() if value is not None}
    made["timeout"] = table.timeout
    if callable(program) and not takes(program, _ARGUMENTS):
        return _with_data(AppProblem, program, table, {**made, **_of_an_app(table, texts, scorer)})
    declared = {name: _text_of(name, part) for name, part in table.parts.items()}
    made |= {
        "parts": [{INSTRUCTION: text} for text in texts] if texts else declared,
        "invariants": _demands(table),
        "calls": table.calls,
        "scorer": scorer.named() if scorer else None,
    }
    return _with_data(ProgramProblem, program, table, made)


def _of_an_app(table: ProblemTable, texts: list[str], scorer: ScorerTable | None) -> dict[str, Any]:
    """Return what an app takes of its own: its instructions.

    Raises:
        ConfigError: There are several parts, or a scorer LLM, which nothing would ask.
    """
    if scorer is not None or table.calls:
        got = "the table [scorer]" if scorer is not None else "problem.calls"
        raise ConfigError(
            f"an app of (instruction, row) has a client of its own, but got {got}; leave it out "
            "(the model that proposes is [optimizer]), or write a program of (texts, row, call)"
        )
    if not texts and len(table.parts) != 1:
        raise ConfigError(
            f"an app of (instruction, row) has one text, but got {len(table.parts)} parts; write "
            "a program of (texts, row, call)"
        )
    given = texts or [_text_of(name, part) for name, part in table.parts.items()]
    (demanded,) = _demands(table).values()
    return {"instruction": given, "invariants": demanded}


def demands_of(table: ProblemTable | PartTable) -> Invariants:
    """Return what a table demands of every text."""
    return Invariants(
        tuple(table.required),
        tuple(table.forbidden),
        tuple(table.placeholders),
        table.max_words,
        table.max_instruction_tokens,
        table.language,
    )


def _demands(table: ProblemTable) -> dict[str, Invariants]:
    """Return what is demanded of each part: what its table says, and otherwise the problem's."""
    usual = demands_of(table)
    names = table.parts or {INSTRUCTION: ""}
    own = {name: part for name, part in table.parts.items() if isinstance(part, PartTable)}
    return {name: _over(usual, own[name]) if name in own else usual for name in names}


def _over(usual: Invariants, part: PartTable) -> Invariants:
    """Return the demands with those that the table of a part sets in place of the problem's."""
    said = demands_of(part)
    fields = Invariants.__dataclass_fields__
    return Invariants(
        **{name: getattr(said if name in part.model_fields_set else usual, name) for name in fields}
    )


def _text_of(name: str, part: str | PartTable) -> str:
    """Return the starting text of a part.

    Raises:
        ConfigError: Its table has two.
        DataError: Its file cannot be read.
    """
    if isinstance(part, str):
        return part
    if part.text and part.text_from:
        raise ConfigError(
            f"the part {name!r} has either text or text_from, but got both; leave one out"
        )
    return text_of(part.text_from) if part.text_from else part.text


def _with_data(
    kind: type[ProgramProblem], program: Any, table: ProblemTable, options: dict[str, Any]
) -> ProgramProblem:
    """Return the problem with the data of the table, wherever they come from."""
    columns: dict[str, Any] = {**table.columns, "metric_fields": tuple(table.metric_fields)}
    split: dict[str, Any] = {
        "sizes": table.sizes,
        "split_seed": table.split_seed,
        "vault": table.vault,
    }
    if table.benchmark:
        task = load_task(table.benchmark, table.data_dir, table.closing)
        splits = task.splits(
            table.split, sizes=table.sizes, seed=table.split_seed, vault=table.vault
        )
        own = {key: one for key, one in task.options(table.split).items() if key in _OF_A_TASK}
        return kind.from_splits(program, splits, **{**own, **options})
    if table.dataset:
        rows = hub_rows(table.dataset, table.dataset_config, table.dataset_split)
        return kind.from_rows(program, rows, **columns, **split, **options)
    if table.data:
        return kind.from_file(
            program, table.data, encoding=table.encoding, **columns, **split, **options
        )
    files = (table.train, table.validation, table.test)
    found = ProgramColumns(
        table.input, table.target, tuple(table.fields), tuple(table.metric_fields)
    )
    loaded = {**table.columns, "fields": found.all}
    train, validation, test = (
        load(path, encoding=table.encoding, **loaded) if path else () for path in files
    )
    splits = Splits(mixed(train, table.split_seed), validation, test)
    return kind.from_splits(program, splits, **found.options, **options)
