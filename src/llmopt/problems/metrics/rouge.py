"""ROUGE-L: how much of its references an output says in their order; GPO's metric of WebNLG."""

from __future__ import annotations

from itertools import chain, product
from typing import TYPE_CHECKING

from llmopt.errors import DataError
from llmopt.problems.answers.thoughts import spoken
from llmopt.problems.metrics.contract import Metric, Scored, kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.values import Item


class RougeL(Metric):
    """The mean, over all accepted answers, of the F measure of ROUGE-L.

    Words are separated by blanks and compared as written. Sentences end at full stops. Shared words
    are those of the longest common subsequence of any sentence of the output and any of the
    reference, each counted once. With s shared words, m different ones in the output and n in
    the reference, F is 2 s / (m + n). This is how the package ``rouge`` counts, which GPO uses.
    """

    name = "rouge-l"
    help = (
        "how many words it shares with the accepted answers in their order (ROUGE-L), in the mean"
    )
    kind = "text"

    def expected(self, item: Item) -> tuple[Item, ...]:
        """Return the item itself: the score is a mean over its accepted answers."""
        return (item,)

    def check(self, item: Item) -> None:
        """Check that no accepted answer is blank; see :meth:`Metric.check`."""
        if not all(map(_sentences, (item.target, *item.accepted))):
            raise DataError(
                f"a target is a text for the metric rouge-l, but row {item.id} has a blank one; "
                "correct it or choose another metric"
            )

    def __call__(self, output: str, item: Item) -> Scored:
        """Score the output against every accepted answer."""
        said, references = spoken(output).strip(), (item.target, *item.accepted)
        return Scored(sum(rouge_l(said, one) for one in references) / len(references), kept(said))

    @property
    def measure(self) -> str:
        """What the score is, in the words of a meta-prompt."""
        return "similarity to the right answers (ROUGE-L)"

    def __repr__(self) -> str:
        """Return its whole configuration."""
        return "RougeL()"


def rouge_l(output: str, reference: str) -> float:
    """Return the F measure of ROUGE-L of an output, 0 to 1; 0 where one of the two is blank."""
    said, wanted = _sentences(output), _sentences(reference)
    shared = {word for one, other in product(wanted, said) for word in _in_order(one, other)}
    words = len(set(chain(*said))) + len(set(chain(*wanted)))
    return 2 * len(shared) / words if shared else 0.0


def _sentences(text: str) -> list[list[str]]:
    return [words for sentence in text.split(".") if (words := sentence.split())]


def _in_order(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Return the longest common subsequence; of several, the one that `rouge` finds."""
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, word in enumerate(one, 1):
        for j, match in enumerate(other, 1):
            above, left = lengths[i - 1][j], lengths[i][j - 1]
            lengths[i][j] = lengths[i - 1][j - 1] + 1 if word == match else max(above, left)
    found, i, j = [], len(one), len(other)
    while i and j:
        if one[i - 1] == other[j - 1]:
            found.append(one[i - 1])
            i, j = i - 1, j - 1
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found
