"""The tables of a configuration, checked by pydantic, and what they build.

:class:`Configuration` is also what the journal keeps of a run, with absolute paths, so that
``llmopt resume`` can build the same run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

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
    start_of,
    text_of,
)
from llmopt.errors import ConfigError
from llmopt.models.middleware.budget import Limits, Price
from llmopt.models.middleware.concurrency import Rates
from llmopt.problems.data.columns import load
from llmopt.problems.data.objects import hub_rows
from llmopt.problems.data.splits import Splits, mixed
from llmopt.problems.loading import problem_named
from llmopt.problems.prompt.constraints import Invariants
from llmopt.problems.prompt.few_shot import FewShot
from llmopt.problems.prompt.layout import named_slots
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.proposal_filter import Filters
from llmopt.problems.prompt.scorer_call import Asking

if TYPE_CHECKING:
    from llmopt.core.problem import Problem
    from llmopt.core.values import Role
    from llmopt.problems.metrics.judge import Judge

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
        aim = self.run.target
        if aim is not None and not 0 <= aim <= 1:
            raise ConfigError(
                f"run.target is a score from 0 to 1, but got {aim:g}; 0.95 means 95 %"
            )
        options = self._prompt_options(scorer)
        if table.benchmark:
            return PromptProblem.from_task(
                table.benchmark,
                data_dir=table.data_dir,
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

    def _prompt_options(self, scorer: ScorerTable) -> dict[str, Any]:
        """Return what a problem of instructions takes beside its data, as far as it is set.

        What is not set is left to the problem, which may be a task with its own defaults.
        """
        table = self.problem
        texts = [*table.instructions, *(start_of(path) for path in table.instructions_from)]
        options: dict[str, Any] = {
            "instructions": texts or None,
            "task": table.task or None,
            "metric": self._metric(),
            "choices": table.choices,
            "position": table.position,
            "qa_frame": table.qa_frame,
            "prompt": text_of(table.prompt_from) if table.prompt_from else "",
            "balanced": table.balanced,
            "asking": Asking(
                scorer.mode,
                scorer.temperature,
                scorer.max_tokens,
                tuple(scorer.stop),
                scorer.again,
                scorer.answer,
            ),
            "filters": Filters(
                # The default follows the start; a number that the user wrote does not.
                table.max_length if "max_length" in table.model_fields_set else Filters.max_length,
                table.digits,
                table.last_full_stop,
                table.copied_words,
                table.variables,
            ),
            "invariants": Invariants(
                tuple(table.required),
                tuple(table.forbidden),
                tuple(table.placeholders),
                table.max_words,
                table.max_instruction_tokens,
                table.language,
            ),
            "demonstrations": FewShot(
                table.demonstrations, table.demonstration_tokens, table.demonstration_answers
            ),
            "scorer": scorer.named(),
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
        """Return everything else but the name of the run, as :func:`llmopt.optimize` takes it.

        Raises:
            InputError: A model or the algorithm cannot be used.
        """
        models = self.models()
        options = {**dict(self.run), **dict(self.evidence)}
        del options["name"]
        # A function has no empty instruction and nothing held out to compare on.
        options["controls"] = () if self.problem.function else tuple(self.evidence.controls)
        return {
            **options,
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
            "budget": Limits(**self.budget.model_dump()),
        }
