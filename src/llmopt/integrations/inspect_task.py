"""A task of Inspect AI as a problem, and what a run found back in the task.

The task's dataset, solver and first scorer are used as they are. Calls of the solver to its model
go through the run's own models, so budgets, stored replies and resuming hold within it. Tools and
sandboxes are not for this: use Inspect's own evaluation for tasks with them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from llmopt.core.values import Item
from llmopt.errors import ConfigError, MissingExtraError
from llmopt.problems.data.splits import split
from llmopt.problems.metrics.contract import Scored
from llmopt.problems.program.app_problem import INSTRUCTION
from llmopt.problems.program.program_problem import ProgramProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.problems.program.program_call import ProgramCall
    from llmopt.problems.program.program_row import ProgramRow

_SLOT = "{prompt}"  # as in Inspect's prompt templates


def inspect_problem(
    task: Any,
    /,
    *,
    instruction: str,
    scorer: object,
    sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5),
    split_seed: int = 0,
    **options: Any,
) -> ProgramProblem:
    """Return the problem of finding the instruction with which a task is solved best.

    Args:
        task: An ``inspect_ai.Task`` with a scorer; it is not changed.
        instruction: The starting instruction: a system message, or, where it holds ``{prompt}``, a
            template of the user's message.
        scorer: The model that solves the task, by name or as an object.
        sizes: Train, validation and test as shares or as counts of the task's samples.
        split_seed: Seed of that split.
        options: As for :meth:`~llmopt.ProgramProblem.from_splits`.

    Raises:
        ConfigError: The task has no scorer or needs a sandbox, or an option cannot be used.
        DataError: A split cannot be made.
        MissingExtraError: Inspect AI is not installed.
    """
    _inspect()
    if not task.scorer:
        raise ConfigError("a task must have a scorer, got none; set Task(scorer=…)")
    if task.sandbox is not None:
        raise ConfigError("a task must need no sandbox, but got one with it; use inspect eval")
    samples = {
        str(number if one.id is None else one.id): one for number, one in enumerate(task.dataset)
    }
    items = tuple(_item(name, sample) for name, sample in samples.items())
    return ProgramProblem.from_splits(
        TaskProgram(task, samples),
        split(items, sizes=sizes, seed=split_seed),
        parts={INSTRUCTION: instruction},
        metric=TaskScore(str(task.name)),
        scorer=scorer,
        **options,
    )


def instructed(task: Any, instruction: str) -> Any:
    """Return a copy of a task that is solved with an instruction, for ``inspect_ai.eval``.

    Args:
        task: The task that the problem was made of.
        instruction: Such as ``result.best.text``.
    """
    inspect_ai = _inspect()
    from copy import copy

    from inspect_ai.solver import prompt_template, system_message

    wanted = prompt_template if _SLOT in instruction else system_message
    # Braces are Inspect's slots.
    text = instruction.replace("{", "{{").replace("}", "}}").replace("{" + _SLOT + "}", _SLOT)
    return inspect_ai.task_with(copy(task), solver=[wanted(text), *_steps(task)])


@dataclass(frozen=True)
class TaskProgram:
    """A task as a program of one text.

    Attributes:
        task: The task.
        samples: Its samples by the ids of their rows.
    """

    task: Any = field(repr=False)
    samples: Mapping[str, Any] = field(repr=False)

    def __post_init__(self) -> None:
        # What messages and fingerprints name.
        object.__setattr__(self, "__qualname__", str(self.task.name))

    async def __call__(self, texts: Mapping[str, str], row: ProgramRow, call: ProgramCall) -> str:
        """Solve a row and score it; return both as JSON, which the metric reads."""
        from inspect_ai.scorer import Target, value_to_float

        sample = self.samples[row.id]
        state = _state(sample, row.id, texts[INSTRUCTION])
        model = _model(call, self.task.config)

        async def generate(state: Any, *_: Any, **config: Any) -> Any:
            state.output = await model.generate(state.messages, config=_merged(config))
            state.messages.append(state.output.message)
            return state

        for solver in _steps(self.task):
            state = await solver(state, generate)
            if state.completed:
                break
        score = await self.task.scorer[0](state, Target(sample.target))
        found = {
            "answer": score.answer or state.output.completion,
            "score": value_to_float()(score.value),
            "explanation": score.explanation or "",
        }
        return json.dumps(found, ensure_ascii=False)


@dataclass(frozen=True)
class TaskScore:
    """What the task's own scorer said of a row.

    Attributes:
        name: Name of the task.
    """

    name: str

    def __call__(self, output: str, item: Item) -> Scored:
        """Read the score."""
        found = json.loads(output)
        score = min(1.0, max(0.0, float(found["score"])))
        missed = "" if score == 1 else f"{found['explanation']}\nRight: {item.target}"
        return Scored(score, answer=str(found["answer"]), feedback=missed.strip())


def _item(name: str, sample: Any) -> Item:
    asked = sample.input
    text = asked if isinstance(asked, str) else "\n\n".join(one.text for one in asked)
    target = sample.target
    several = [target] if isinstance(target, str) else list(target)
    return Item(name, text, several[0], accepted=tuple(several[1:]))


def _steps(task: Any) -> list[Any]:
    """Return the solvers of a task, one after the other."""
    from inspect_ai.solver import generate

    solver = task.solver or generate()
    return list(solver) if isinstance(solver, list | tuple) else [solver]


def _state(sample: Any, name: str, instruction: str) -> Any:
    """Return the state in which a sample begins, with the instruction in its place."""
    from copy import deepcopy

    from inspect_ai.model import ChatMessageSystem, ChatMessageUser
    from inspect_ai.scorer import Target
    from inspect_ai.solver import TaskState

    asked = sample.input
    messages = [ChatMessageUser(content=asked)] if isinstance(asked, str) else deepcopy(asked)
    if _SLOT in instruction:
        last = next(one for one in reversed(messages) if one.role == "user")
        last.text = instruction.replace(_SLOT, last.text)
    elif instruction:
        messages.insert(0, ChatMessageSystem(content=instruction))
    return TaskState(
        model="llmopt/scorer",
        sample_id=name,
        epoch=1,
        input=deepcopy(asked),
        messages=messages,
        target=Target(sample.target),
        choices=sample.choices,
        metadata=dict(sample.metadata or {}),
    )


def _merged(config: Mapping[str, Any]) -> Any:
    from inspect_ai.model import GenerateConfig

    known = set(GenerateConfig.model_fields)
    return GenerateConfig(**{key: value for key, value in config.items() if key in known})


def _model(call: ProgramCall, config: Any) -> Any:
    """Return a model of Inspect's that asks the run's own scorer LLM."""
    from inspect_ai.model import Model

    api = _api()("scorer")
    api.call = call
    return Model(api, config)


@cache
def _api() -> Any:
    """Return the class of models that ask by `call`, registered with Inspect."""
    from inspect_ai.model import ModelAPI, ModelOutput, modelapi

    class CallApi(ModelAPI):  # type: ignore[misc] # Inspect is not typed here
        call: ProgramCall

        async def generate(self, input: Any, tools: Any, tool_choice: Any, config: Any) -> Any:  # noqa: A002 - Inspect's name
            del tools, tool_choice
            text = await self.call(
                [{"role": _role(one.role), "content": one.text} for one in input],
                temperature=config.temperature,
                max_tokens=config.max_tokens,
                stop=config.stop_seqs,
            )
            return ModelOutput.from_content("llmopt/scorer", text)

    return modelapi(name="llmopt")(CallApi)


def _role(role: str) -> str:
    return role if role in ("system", "assistant") else "user"


def _inspect() -> Any:
    try:
        import inspect_ai
    except ImportError as error:
        raise MissingExtraError("a task of Inspect AI", "inspect") from error
    return inspect_ai
