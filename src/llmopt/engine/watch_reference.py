"""What a prompt in production is compared with: held-out answers of a run, or first ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.values import Item, digest
from llmopt.engine.header import RunHeader
from llmopt.engine.journal import TESTED, HeldOut, understood
from llmopt.engine.look_journal import measuring
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.problem import Problem
    from llmopt.core.store import Store


@dataclass(frozen=True)
class WatchReference:
    """What is watched and compared with.

    Attributes:
        text: The prompt in use.
        items: The rows that it is compared on.
        scores: What it got on them, None for a row that stayed unmeasured; None: it is measured
            on the first day.
    """

    text: str
    items: tuple[Item, ...]
    scores: Sequence[float | None] | None

    @property
    def watched(self) -> dict[str, Any]:
        """What tells this watch from others that measure in the same way."""
        rows = digest("\n".join(sorted(f"{i.id}\t{i.input}\t{i.target}" for i in self.items)))
        return {
            "text": self.text,
            "rows": rows,
            "scores": list(self.scores) if self.scores is not None else None,
        }


def reference_of(
    store: Store, run: str | None, problem: Problem, identity: Mapping[str, str]
) -> WatchReference:
    """Return what is watched: the winner of a run, or the start of a problem.

    Args:
        store: Where the run is kept.
        run: Its name, or None.
        problem: The problem.
        identity: How the problem and its scorer LLM measure now.

    Raises:
        ConfigError: The run has no held-out answers, or measured in another way; there are no
            test items; or rows count differently.
        StoreError: There is no such run.
    """
    if run is None:
        items = tuple(problem.items("test"))
        found = WatchReference(problem.starts[0], items, None)
    else:
        held = _held_out(store, run)
        _check_measuring(store, run, identity)
        _, text, evaluation = held.answers[0]
        outcomes = {outcome.item: outcome.score for outcome in evaluation.outcomes}
        scores = [outcomes.get(item.id) for item in held.items]
        found = WatchReference(text, held.items, scores)
    if not found.items:
        raise ConfigError(
            "a watch compares with scores on test items, but the problem has no such items; give "
            "problem.sizes a third part"
        )
    if len({item.weight for item in found.items}) > 1:
        raise ConfigError(
            "a watch is of rows that count the same, but these have different weights; watch "
            "without problem.balanced and problem.weight"
        )
    return found


def _held_out(store: Store, run: str) -> HeldOut:
    """Return what the test items said at the end of a run."""
    kind = RunHeader.of(store.config(run)).kind
    if kind != "run":
        raise ConfigError(f"a watch is of the winner of a run, but {run!r} is of the kind {kind}")
    found = None
    for _, record in store.of_kind(TESTED, (run,)):
        found = understood(run, record, HeldOut.unpacked)
    if found is None:
        raise ConfigError(
            f"a watch compares with what a winner got on test items, but {run!r} has no such "
            f"answers; continue it with llmopt resume {run}, or begin one with test items"
        )
    return found


def _check_measuring(store: Store, run: str, identity: Mapping[str, str]) -> None:
    """Refuse a way to measure that is not the run's."""
    before, now = measuring(store.config(run)["identity"]), measuring(identity)
    before.pop("samples", None)
    changed = sorted(key for key in before | now if before.get(key) != now.get(key))
    if changed:
        raise ConfigError(
            f"a watch measures as the run did, but of {run!r} {', '.join(changed)} changed; "
            "restore the configuration that it was begun with"
        )
