"""Answers out of a closed set: the texts whose likelihood is asked for, and what that is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.errors import ConfigError, RefusedError
from llmopt.problems.answers import pair_of, same_answer
from llmopt.problems.answers.mentions import BOOLEAN_PAIRS
from llmopt.problems.answers.options import parsed, read_options, with_target
from llmopt.problems.answers.reading import normalize
from llmopt.problems.metrics import Boolean, Choice, Options, Scored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.problems.metrics import Metric
    from llmopt.types import Item, Reply


@dataclass(frozen=True, slots=True)
class Closed:
    """The answers that an item can have.

    Attributes:
        answers: As they are recorded.
        texts: As the model is asked for them: a lettered option is its letter.
        right: Number of the expected one.
    """

    answers: tuple[str, ...]
    texts: tuple[str, ...]
    right: int

    def scored(self, reply: Reply) -> Scored:
        """Return the probability of the expected answer among all of them, and the likeliest one.

        Raises:
            RefusedError: The reply does not tell how likely each is.
        """
        logs = reply.likelihoods
        if len(logs) != len(self.texts):
            raise RefusedError(
                f"a reply tells how likely each of {len(self.texts)} answers is, but got "
                f'{len(logs)} likelihoods; set scorer.answer = "text", or take another model'
            )
        best = max(logs)
        shares = [math.exp(log - best) for log in logs]
        return Scored(shares[self.right] / sum(shares), self.answers[logs.index(best)])


def check_closed(metric: Metric) -> None:
    """Check that a metric knows all possible answers.

    Raises:
        ConfigError: It does not.
    """
    if not isinstance(metric, Boolean | Choice | Options):
        raise ConfigError(
            'scorer.answer = "likelihood" needs a metric whose answers are a closed set, which '
            f"choice, boolean and options have, but got {type(metric).__name__.lower()}; set "
            'problem.metric = "choice", or scorer.answer = "text"'
        )


def closed(metric: Metric, item: Item) -> Closed:
    """Return the answers that an item can have by a metric that :func:`check_closed` accepts.

    An item without a target, which is not scored, gets the first answer as the expected one.
    """
    if isinstance(metric, Boolean):
        pair = pair_of(item.target) or BOOLEAN_PAIRS[0]
        word = normalize(item.target)
        return Closed(pair, pair, pair.index(word) if word in pair else 0)
    assert isinstance(metric, Choice | Options)  # noqa: S101 - checked with the options
    if isinstance(metric, Choice):
        answers = metric.choices
    else:
        answers = with_target(read_options(item.input), item.target) or ()
    right = next(
        (n for n, a in enumerate(answers) if same_answer(a, item.target, "choice", answers)), 0
    )
    return Closed(answers, _asked(answers), right)


def _asked(answers: Sequence[str]) -> tuple[str, ...]:
    """Return the texts by which a model names answers: all their letters, or the answers."""
    letters = [option.letter for option in parsed(tuple(answers))]
    lettered = all(letters) and len(set(letters)) == len(letters)
    return tuple(letters) if lettered else tuple(answer.strip() for answer in answers)
