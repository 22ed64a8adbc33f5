"""A run's description of itself, from the first record of its journal, for all readers.

Runs of older releases have no header; what it would have said follows from their identity, here
and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from llmopt.core.encoding import named_in
from llmopt.core.presentation import Presentation
from llmopt.core.problem import parts_of, presented
from llmopt.core.solution import SolutionPart, split_parts
from llmopt.engine.journal import EVALUATION
from llmopt.errors import DataError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.core.problem import Problem

HEADER = "header"
"""Key of the configuration that holds what :func:`headed` gives."""

SWEEP = "sweep"
"""Key of the configuration that marks a stored run as a sweep, and kind of its document."""

_VERSION = 2
_NOUNS = {"prompt": "instruction", "points": "tour", "space": "point"}
_MEASURES = {"prompt": "accuracy", "points": "length"}

Kind = Literal["run", "evaluation", "sweep"]


@dataclass(frozen=True)
class RunHeader:
    """What a stored run says of itself.

    Attributes:
        kind: A search, an evaluation of given instructions, or a sweep.
        algorithm: Name of its method; ``evaluation`` or ``sweep`` where it is one.
        presentation: How its solutions and scores are shown.
        task: What the optimizer LLM is told that solutions are for; empty where it is not known.
        control: Whether it is the control that belongs to another run.
        parts: The parts of its solutions, where they have several.
    """

    kind: Kind
    algorithm: str
    presentation: Presentation
    task: str
    control: bool
    parts: tuple[SolutionPart, ...] = ()

    def split(self, text: str) -> dict[str, str]:
        """Return the text of each part of a solution by its name; empty for a single text."""
        names = [part.name for part in self.parts]
        try:
            return split_parts(text, names) if names else {}
        except DataError:  # such as a text that an evaluation was given
            return {}

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> RunHeader:
        """Read it from a stored configuration.

        Raises:
            StoreError: It is none.
        """
        try:
            return cls._of(config)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(
                "the first record of a run is its configuration as llmopt wrote it, but one "
                f"cannot be read ({error!r}); put a backup of the store in its place"
            ) from error

    @classmethod
    def _of(cls, config: Mapping[str, Any]) -> RunHeader:
        kind: Kind = "evaluation" if EVALUATION in config else "sweep" if SWEEP in config else "run"
        identity, said = config.get("identity") or {}, config.get(HEADER)
        if said is None:
            return _older(kind, identity)
        return cls(
            kind,
            identity.get("algorithm", "") if kind == "run" else kind,
            Presentation.plain(said["presentation"]),
            said["task"],
            said["control"],
            tuple(SolutionPart(name, kind) for name, kind in said.get("parts", ())),
        )


def headed(problem: Problem, *, control: bool = False) -> dict[str, Any]:
    """Return the header of a new run as plain data.

    Args:
        problem: What is optimized.
        control: Whether it is the control that belongs to another run.
    """
    parts = [[part.name, part.kind] for part in parts_of(problem)]
    return {
        **({"parts": parts} if len(parts) > 1 else {}),
        "version": _VERSION,
        "presentation": presented(problem).to_dict(),
        "task": problem.description.task,
        "control": control,
    }


def _older(kind: Kind, identity: Mapping[str, str]) -> RunHeader:
    """Return the header of a run that was begun before there were any."""
    algorithm = identity.get("algorithm", "")
    function = "problem function" in identity

    def first(known: Mapping[str, str], usual: str) -> str:
        return next((said for key, said in known.items() if f"problem {key}" in identity), usual)

    return RunHeader(
        kind,
        named_in(algorithm) if kind == "run" else kind,
        Presentation(
            noun=first(_NOUNS, "text"),
            measure=first(_MEASURES, "value"),
            higher_is_better=identity.get("problem minimize") != "True",
            unit="value" if function else "share",
        ),
        identity.get("problem task") or identity.get("problem describe") or "",
        "Within(" in algorithm,
    )
