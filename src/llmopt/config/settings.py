"""The tables of a configuration, checked by pydantic, and what they build.

:class:`Configuration` is also what the journal keeps of a run, with absolute paths, so that
``llmopt resume`` can build the same run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, field_validator

from llmopt.config.program_table import demands_of, program_problem
from llmopt.config.tables import (
    AlgorithmTable,
    BudgetTable,
    EvidenceTable,
    JudgeTable,
    ModelTable,
    ProblemTable,
    RunTable,
    ScorerTable,
    Table,
    algorithm_table,
    start_of,
    text_of,
)
from llmopt.errors import ConfigError
from llmopt.models.middleware.budget import Limits
from llmopt.models.middleware.concurrency import Rates
from llmopt.problems.data.columns import load
from llmopt.problems.data.objects import hub_rows
from llmopt.problems.data.splits import Splits, mixed
from llmopt.problems.loading import problem_named
from llmopt.problems.prompt.few_shot import FewShot
from llmopt.problems.prompt.layout import named_slots
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.proposal_filter import Filters

if TYPE_CHECKING:
    from llmopt.core.problem import Problem
    from llmopt.core.values import Role
    from llmopt.problems.metrics.judge import Judge
    from llmopt.problems.program.program_problem import ProgramProblem

S = TypeVar("S", bound=BaseModel)


class Configuration(Table):
    """A whole configuration."""

    problem: ProblemTable
    scorer: ScorerTable | None = None
    optimizer: ModelTable | None = None
    judge: JudgeTable | None = None
    algorithm: AlgorithmTable = AlgorithmTable()
    run: RunTable = RunTable()
    evidence: EvidenceTable = EvidenceTable()
    budget: BudgetTable = BudgetTable()

    @field_validator(
        "algorithm", mode="before", json_schema_input_type=AlgorithmTable | str | list[str]
    )
    @classmethod
    def _with_table(cls, value: Any) -> Any:
        return algorithm_table(value)

    def built_problem(self) -> Problem:
        """Return the problem: a function's, a program's, or that of :meth:`built_prompts`.

        Raises:
            DataError: A file, a column or a row cannot be used.
            ConfigError: An option cannot be used.
        """
        table = self.problem
        if table.program:
            return self.built_program()
        if table.scored_by_model:
            return self.built_prompts()
        table.check_source()
        if self.judge:
            where = "problem.code" if table.code else "problem.function"
            raise ConfigError(
                f"a judge judges answers, but {where} asks for none; leave [judge] out"
            )
        if table.code:
            return table.code.built()
        return problem_named(table.function, table.arguments)

    def built_prompts(self) -> PromptProblem:
        """Read the data and return the problem of finding an instruction.

        Raises:
            DataError: A file, a column or a row cannot be used.
            ConfigError: An option cannot be used, or the problem is not about instructions.
        """
        table, scorer = self.problem, self.scorer
        table.check_source()
        if table.program or not table.scored_by_model:
            what = f"the program {table.program!r}" if table.program else "a program"
            what = f"the function {table.function!r}" if table.function else what
            raise ConfigError(f"this is for instructions, but the problem is {what}")
        if scorer is None:
            raise ConfigError("the table 'scorer' is missing; its model follows the instructions")
        self._check_aim()
        options = self._prompt_options(scorer)
        if table.benchmark:
            return PromptProblem.from_task(
                table.benchmark,
                data_dir=table.data_dir,
                closing=table.closing,
                split=table.split,
                sizes=table.sizes,
                split_seed=table.split_seed,
                vault=table.vault,
                **options,
            )
        if table.dataset:
            rows = hub_rows(table.dataset, table.dataset_config, table.dataset_split)
            return PromptProblem.from_rows(
                rows,
                **table.columns,
                sizes=table.sizes,
                split_seed=table.split_seed,
                vault=table.vault,
                **options,
            )
        if table.data:
            return PromptProblem.from_file(
                table.data,
                encoding=table.encoding,
                **table.columns,
                sizes=table.sizes,
                split_seed=table.split_seed,
                vault=table.vault,
                **options,
            )
        parts, slots = (table.train, table.validation, table.test), named_slots(options["prompt"])
        train, validation, test = (
            load(p, encoding=table.encoding, optional=slots, **table.columns) if p else ()
            for p in parts
        )
        splits = Splits(mixed(train, table.split_seed), validation, test)
        return PromptProblem.from_splits(splits, **options)

    def built_program(self) -> ProgramProblem:
        """Read the data and return the problem of finding a program's texts.

        Raises:
            DataError: A file, a column or a row cannot be used.
            ConfigError: An option cannot be used.
        """
        self.problem.check_source()
        self._check_aim()
        return program_problem(self.problem, self.texts(), self._scored_options(), self.scorer)

    def _check_aim(self) -> None:
        aim = self.run.target
        if aim is not None and not 0 <= aim <= 1:
            raise ConfigError(
                f"run.target is a score from 0 to 1, but got {aim:g}; 0.95 means 95 %"
            )

    def texts(self) -> list[str]:
        """Return the starting instructions that are written, or named as files."""
        table = self.problem
        return [*table.instructions, *(start_of(path) for path in table.instructions_from)]

    def _prompt_options(self, scorer: ScorerTable) -> dict[str, Any]:
        """Return what a problem of instructions takes beside its data, as far as it is set.

        What is not set is left to the problem, which may be a task with its own defaults.
        """
        table = self.problem
        options: dict[str, Any] = {
            **self._scored_options(),
            "instructions": self.texts() or None,
            "position": table.position,
            "qa_frame": table.qa_frame,
            "prompt": text_of(table.prompt_from) if table.prompt_from else "",
            "invariants": demands_of(table),
            "demonstrations": FewShot(
                table.demonstrations, table.demonstration_tokens, table.demonstration_answers
            ),
            "fixed_demonstrations": table.fixed_demonstrations,
            "scorer": scorer.named(),
        }
        return {key: value for key, value in options.items() if value is not None}

    def _scored_options(self) -> dict[str, Any]:
        """Return what prompts and programs have in common, except their data, where it is set."""
        table, scorer = self.problem, self.scorer
        options: dict[str, Any] = {
            "task": table.task or None,
            "metric": self._metric(),
            "choices": table.choices,
            "balanced": table.balanced,
            "asking": scorer.asking() if scorer else None,
            "filters": Filters(
                # The default follows the start; a number that the user wrote does not.
                table.max_length if "max_length" in table.model_fields_set else Filters.max_length,
                table.digits,
                table.last_full_stop,
                table.copied_words,
                table.variables,
                table.quotes,
            ),
            "judge": self.judge.named() if self.judge else None,
        }
        return {key: value for key, value in options.items() if value is not None}

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
        return None if self.problem.scored_by_model else self.scorer

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
        if self.scorer and self.problem.scored_by_model:
            tables["scorer"] = self.scorer
        return {**tables, "judge": self.judge} if self.judge else tables

    def options(self) -> dict[str, Any]:
        """Return everything else but the name of the run, as :func:`llmopt.optimize` takes it.

        Raises:
            InputError: A model or the algorithm cannot be used.
        """
        models = self.models()
        options = {**dict(self.run), **dict(self.evidence)}
        del options["name"]
        # A function has no empty instruction and nothing held out to compare on.
        options["controls"] = tuple(self.evidence.controls) if self.problem.scored_by_model else ()
        return {
            **options,
            "algorithm": self.algorithm.built(),
            "optimizer": named.named() if (named := self.optimizer or self._alone()) else None,
            "prices": {role: table.price.price() for role, table in models.items() if table.price},
            "rates": {
                role: Rates(table.requests_per_minute, table.tokens_per_minute)
                for role, table in models.items()
            },
            "budget": Limits(**self.budget.model_dump()),
        }
