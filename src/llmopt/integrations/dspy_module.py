"""The instructions of a ``dspy.Module`` as a problem, and what a run found back in the module.

DSPy 3.4 or newer. The module's calls go through the run's own models, so budgets, stored replies
and resuming hold within it; DSPy's own cache is not used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmopt.core.solution import split_parts
from llmopt.core.values import Item
from llmopt.errors import ConfigError, MissingExtraError
from llmopt.problems.data.splits import Splits, split
from llmopt.problems.metrics.contract import Scored
from llmopt.problems.program.program_problem import ProgramProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from llmopt.problems.program.program_call import ProgramCall
    from llmopt.problems.program.program_row import ProgramRow


def dspy_problem(
    module: Any,
    examples: Sequence[Any],
    *,
    metric: Callable[..., Any],
    scorer: object,
    validation: Sequence[Any] = (),
    test: Sequence[Any] = (),
    sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5),
    split_seed: int = 0,
    **options: Any,
) -> ProgramProblem:
    """Return the problem of finding the instructions of a module's predictors.

    Each predictor is a part, by its name in ``module.named_predictors()``.

    Args:
        module: The program, a ``dspy.Module`` or ``dspy.Predict``; it is copied, never changed.
        examples: Of the kind ``dspy.Example``, with inputs set; all of them, which are then split,
            or those for training if others are given.
        metric: As DSPy's: ``metric(example, prediction, trace)`` gives a number from 0 to 1, a
            boolean, or a ``dspy.Prediction`` with ``score`` and ``feedback``.
        scorer: The model that the module asks, by name or as an object.
        validation: Examples that the winner is chosen on.
        test: Examples that it is tested on.
        sizes: Train, validation and test as shares or as counts, where neither is given.
        split_seed: Seed of that split.
        options: As for :meth:`~llmopt.ProgramProblem.from_splits`.

    Raises:
        ConfigError: The module has no predictor, or an option cannot be used.
        DataError: An example has no inputs, or a split cannot be made.
        MissingExtraError: DSPy 3.4 or newer is not installed.
    """
    _dspy()
    texts = instructions_of(module)
    if not texts:
        raise ConfigError(
            "a module must have one predictor or more, got none; give a dspy.Module with a "
            "dspy.Predict or dspy.ChainOfThought in it"
        )
    known = dict(enumerate((*examples, *validation, *test)))
    items = [_item(number, example) for number, example in known.items()]
    if validation or test:
        ends = len(examples), len(examples) + len(validation)
        splits = Splits(
            tuple(items[: ends[0]]), tuple(items[ends[0] : ends[1]]), tuple(items[ends[1] :])
        )
    else:
        splits = split(tuple(items), sizes=sizes, seed=split_seed)
    by_id = {str(number): example for number, example in known.items()}
    return ProgramProblem.from_splits(
        ModuleProgram(module, by_id),
        splits,
        parts=texts,
        metric=ExampleMetric(metric, by_id),
        scorer=scorer,
        **options,
    )


def loaded(module: Any, solution: str) -> Any:
    """Return a copy of a module with the instructions of a solution; ``save`` writes it.

    Args:
        module: The module that the problem was made of.
        solution: Such as ``result.best.text``.

    Raises:
        DataError: The solution has other parts than the module.
    """
    return _with(module, split_parts(solution, list(instructions_of(module))))


def instructions_of(module: Any) -> dict[str, str]:
    """Return the instruction of each predictor of a module by its name."""
    return {name: one.signature.instructions for name, one in module.named_predictors()}


@dataclass(frozen=True)
class ModuleProgram:
    """A module as a program of several texts.

    Attributes:
        module: The module.
        examples: The examples by the ids of their rows.
    """

    module: Any = field(repr=False)
    examples: Mapping[str, Any] = field(repr=False)

    def __post_init__(self) -> None:
        # What messages and fingerprints name.
        object.__setattr__(self, "__qualname__", type(self.module).__qualname__)

    def __call__(self, texts: Mapping[str, str], row: ProgramRow, call: ProgramCall) -> str:
        """Run the module on a row, and return its prediction as JSON.

        Where DSPy cannot read a reply, that is what is wrong, as JSON text.
        """
        dspy = _dspy()
        from dspy.utils.exceptions import AdapterParseError

        changed = _with(self.module, texts)
        for name, predictor in changed.named_predictors():
            predictor.lm = _lm(call, name)
        # Whatever else asks a model, too, and in threads of its own.
        with dspy.context(lm=_lm(call, ""), disable_history=True):
            try:
                prediction = changed(**self.examples[row.id].inputs())
            except AdapterParseError as error:
                return json.dumps(f"DSPy cannot read the reply: {error}", ensure_ascii=False)
        return json.dumps(dict(prediction), ensure_ascii=False, default=str)


@dataclass(frozen=True)
class ExampleMetric:
    """DSPy's kind of metric as one of a program's outputs.

    Attributes:
        metric: ``metric(example, prediction, trace)``.
        examples: The examples by the ids of their rows.
    """

    metric: Callable[..., Any] = field(repr=False)
    examples: Mapping[str, Any] = field(repr=False)

    def __post_init__(self) -> None:
        named = getattr(self.metric, "__qualname__", type(self.metric).__qualname__)
        object.__setattr__(self, "__qualname__", named)

    def __call__(self, output: str, item: Item) -> Scored:
        """Score the prediction on a row."""
        read = json.loads(output)
        if isinstance(read, str):
            return Scored(0.0, answer=None, feedback=read)
        prediction = _dspy().Prediction(**read)
        found = self.metric(self.examples[item.id], prediction, None)
        score = getattr(found, "score", found)
        return Scored(float(score), feedback=str(getattr(found, "feedback", None) or ""))


@dataclass(frozen=True)
class CallEngine:
    """What a ``dspy.LM`` asks: the ``call`` of a run of the program.

    Attributes:
        call: The call.
        name: The predictor that asks; empty: none.
    """

    call: ProgramCall = field(repr=False)
    name: str

    def complete(self, request: Any) -> Any:
        """Answer a request of DSPy's, through the run's own models."""
        from dspy import lm15

        config = request.config
        system = [] if request.system is None else [("system", request.system)]
        turns = [*system, *((one.role, one.parts) for one in request.messages)]
        text = self.call(
            [{"role": _role(role), "content": _text(parts)} for role, parts in turns],
            name=self.name,
            temperature=config.temperature,
            max_tokens=config.max_tokens,
            stop=tuple(config.stop) or None,
        )
        said = lm15.Message("assistant", (lm15.TextPart(text or " "),))
        return lm15.Response(None, "llmopt", said, "stop", lm15.Usage())


def _lm(call: ProgramCall, name: str) -> Any:
    return _dspy().LM("llmopt/scorer", engine=CallEngine(call, name), cache=False, num_retries=0)


def _role(role: str) -> str:
    return role if role in ("system", "user", "assistant") else "system"


def _text(parts: Any) -> str:
    """Return a turn as text.

    Raises:
        ConfigError: It is an image or something else that is no text.
    """
    if isinstance(parts, str):
        return parts
    texts = [getattr(part, "text", None) for part in parts]
    if None in texts:
        raise ConfigError("a module's calls must be text, got another kind of part; leave it out")
    return "".join(str(text) for text in texts)


def _with(module: Any, texts: Mapping[str, str]) -> Any:
    changed = module.deepcopy()
    for name, predictor in changed.named_predictors():
        predictor.signature = predictor.signature.with_instructions(texts[name])
    return changed


def _item(number: int, example: Any) -> Item:
    return Item(str(number), _plain(example.inputs()), _plain(example.labels()))


def _plain(fields: Iterable[Any]) -> str:
    """Return fields as text: the only one as it is, several as lines."""
    named = dict(fields.items())  # type: ignore[attr-defined] # of the kind dspy.Example
    if len(named) == 1:
        return str(next(iter(named.values())))
    return "\n".join(f"{name}: {value}" for name, value in named.items())


def _dspy() -> Any:
    """Return DSPy.

    Raises:
        MissingExtraError: It is not installed, or too old.
    """
    try:
        import dspy
        from dspy import lm15  # noqa: F401 - older versions have none
    except ImportError as error:
        raise MissingExtraError("a module of DSPy 3.4 or newer", "dspy") from error
    return dspy
