"""Takes the gain of a finished search apart, with its control where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.sampling import SAMPLING
from llmopt.evidence.differences import START
from llmopt.evidence.gain import Gain, HeldOutTexts, gain_of
from llmopt.parts.propose import Generate

if TYPE_CHECKING:
    from llmopt.core.algorithm import Algorithm
    from llmopt.core.trajectory import Trajectory
    from llmopt.core.values import Evaluation
    from llmopt.evidence.scores import Score
    from llmopt.evidence.verdict import Selection


def taken_apart(
    algorithm: Algorithm,
    search: Trajectory,
    choice: Selection,
    control: tuple[Trajectory, Evaluation | None] | None = None,
) -> Gain | None:
    """Return the parts of a gain; None where a method is shown no scores, or asks no LLM.

    Args:
        algorithm: The search's method.
        search: The finished search.
        choice: Its winner with everything measured on the way to it.
        control: The control's search, and its winner on test.
    """
    if algorithm.name == SAMPLING or not algorithm.needs_model:
        return None
    drawn, other = control or (None, None)
    same = choice.best.candidate.id == choice.start.candidate.id
    tested = choice.winner if same else dict(choice.others).get(START)
    finals = HeldOutTexts(
        start=tested,
        winner=choice.winner,
        control=other,
        luck=None if same else _luck(choice),
        chosen_on="validation" if choice.finalists else "train",
        level=choice.level,
        groups=choice.groups,
        shown=choice.shown,
    )
    return gain_of(
        search,
        drawn,
        finals,
        same_request=drawn is None or asks_alike(algorithm),
        together=isinstance(algorithm.propose, Generate) and algorithm.propose.vary == "together",
    )


def asks_alike(algorithm: Algorithm) -> bool:
    """Whether a method asks for solutions in the words of the control."""
    propose = algorithm.propose
    return isinstance(propose, Generate) and propose.wording == Generate().wording


def _luck(choice: Selection) -> tuple[Score, Score] | None:
    """Return the winner's score where it was chosen, and on test."""
    line = choice.lines[1]
    chosen = line.validation if choice.finalists else line.train
    return (chosen, line.test) if chosen and line.test else None
