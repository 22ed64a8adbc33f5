"""What is optimized, as the rest of the house sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from llmopt.model import Model
    from llmopt.types import Item, Outcome

SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Description:
    """How a problem presents itself to an optimizer LLM.

    Attributes:
        task: What the solutions are for, in the user's words; one or two sentences.
        noun: What one solution is called: "instruction", "input".
        where: Where a solution stands in the scorer's prompt ("at the start of the question");
            empty where solutions are not instructions.
        measure: What the score is called: "accuracy", "value".
        higher_is_better: Direction of the scores *as shown*; inside, higher is always better.
        labels: The answers the task knows, where it has a closed set of them.
    """

    task: str
    noun: str = "instruction"
    where: str = ""
    measure: str = "accuracy"
    higher_is_better: bool = True
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A training example as a meta-prompt shows it.

    Attributes:
        question: The item's input alone.
        input: The scorer's prompt with a placeholder where the instruction goes.
        output: The expected answer.
    """

    question: str
    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a proposed text is not a candidate: a short phrase that can be counted."""

    reason: str


@runtime_checkable
class Problem(Protocol):
    """Anything whose solutions are text and can be scored.

    Problems are immutable: equal questions get equal answers, so that a run can be resumed.
    """

    @property
    def description(self) -> Description:
        """How the problem presents itself to an optimizer LLM."""
        ...

    @property
    def fingerprint(self) -> dict[str, str]:
        """Everything that decides scores, by name; a run resumes only if it is unchanged."""
        ...

    @property
    def scorer(self) -> object:
        """The scorer LLM, by name or as a model; None where the problem needs none."""
        ...

    @property
    def starts(self) -> tuple[str, ...]:
        """The starting solutions as canonical texts; at least one, and all different."""
        ...

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return what candidates are measured on; train is never empty, the others may be."""
        ...

    def parse(self, text: str) -> str | Refusal:
        """Turn a proposed text into its canonical form, or refuse it with a reason."""
        ...

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return a training item as a meta-prompt shows it."""
        ...

    def show(self, score: float, buckets: int) -> str:
        """Return a score as a meta-prompt shows it: the one place where scores are rounded.

        Args:
            score: A score as it is inside (higher is better).
            buckets: How many steps the shown range has, where the problem has a range.
        """
        ...

    def scale(self, buckets: int) -> str:
        """Return the highest score shown, or an empty text where scores have no range."""
        ...

    def aim(self, best: float, buckets: int) -> str:
        """Return, as shown, the better score that a continued list asks for next."""
        ...

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Measure a candidate on one item.

        Raises:
            ModelError: The scorer LLM could not answer; never turned into a score here.
        """
        ...
