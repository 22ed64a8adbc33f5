"""Steps as plain data: candidates with scores and lineage, and the calls made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.trajectory import Trajectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.core.store import Store
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Call
    from llmopt.engine.journal import Step

_DIGITS = 6  # after the point, of a score on one item


def calls_and_steps(
    store: Store, steps: Sequence[Step], trajectory: Trajectory, shown: Presentation
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Return the steps of a run, and the meta-prompts that their calls sent.

    A step is ``{"step", "candidates", "rejected", "calls", "best", "best_partial"}``; the best is
    that of all steps so far, and partial only while there is no full one; where several methods
    take turns, ``by`` names the one that made the step. A candidate has ``id``,
    ``text``, ``parents``, ``score``, ``measured``, ``planned``, ``words_changed``, ``outcomes``
    (see :func:`outcomes`) and ``made_by``: the position of the call in its step whose reply has
    the text in it, or None. A call has ``key``, ``prompt`` (a position in the meta-prompts; None:
    the store does not have it), ``reply``, ``reasoning``, ``finish`` and ``tokens`` in and out.

    Args:
        store: Where the replies are.
        steps: The steps as told.
        trajectory: All of them.
        shown: How the problem's scores are shown.
    """
    order = item_order(trajectory)
    prompts: dict[tuple[str, str], int] = {}
    made: list[dict[str, Any]] = []
    so_far = Trajectory()
    for step in steps:
        calls = [_call(store, key, prompts) for key in step.calls]
        said = [" ".join((call["reply"] or "").split()) for call in calls]
        so_far = so_far.tell(step.entries, step.by)
        best = next(iter(so_far.best(1)), None)
        made.append(
            {
                "step": step.number,
                "candidates": [
                    _candidate(entry, trajectory, said, order, shown) for entry in step.entries
                ],
                "rejected": [{"text": r.text, "reason": r.reason} for r in step.rejected],
                "calls": calls,
                "best": None if best is None else shown.facing(best.score),
                "best_partial": best is not None and best.evaluation.partial,
                **({"by": step.by} if step.by else {}),
            }
        )
    return made, [{"text": text, "how": how} for text, how in prompts]


def item_order(trajectory: Trajectory) -> dict[str, int]:
    """Return the position of each train item: in the order in which they were first measured."""
    order: dict[str, int] = {}
    for entry in trajectory:
        for outcome in entry.evaluation.outcomes:
            order.setdefault(outcome.item, len(order))
    return order


def outcomes(entry: Entry, order: dict[str, int], shown: Presentation) -> str | list[float | None]:
    """Return what a candidate got item by item, in short.

    A text where all scores are 0 or 1: one of ``1``, ``0``, ``-`` (unmeasured) for each item;
    otherwise a list of scores. Items at the end that were not tried are left out.
    """
    found: list[float | None] = [None] * len(order)
    for outcome in entry.evaluation.outcomes:
        found[order[outcome.item]] = shown.facing(outcome.score)
    while found and found[-1] is None:
        found.pop()
    if all(score in (None, 0, 1) for score in found):
        return "".join("-" if score is None else str(int(score)) for score in found)
    return [None if score is None else round(score, _DIGITS) for score in found]


def _candidate(
    entry: Entry,
    trajectory: Trajectory,
    said: list[str],
    order: dict[str, int],
    shown: Presentation,
) -> dict[str, Any]:
    evaluation = entry.evaluation
    text = " ".join(entry.text.split())
    made_by = next((n for n, reply in enumerate(said) if text and text in reply), None)
    reasons = sorted({o.reason for o in evaluation.outcomes if o.reason})
    return {
        "id": entry.candidate.id,
        "text": entry.text,
        "parents": list(entry.candidate.parents),
        "score": shown.facing(evaluation.score),
        "measured": evaluation.measured,
        "planned": evaluation.planned,
        "words_changed": trajectory.words_changed(entry.candidate),
        "made_by": made_by,
        "outcomes": outcomes(entry, order, shown) if len(order) > 1 else "",
        **({"unmeasured": reasons} if reasons else {}),
    }


def _call(store: Store, key: str, prompts: dict[tuple[str, str], int]) -> dict[str, Any]:
    kept = store.exchange(key)
    if kept is None:
        return {"key": key, "prompt": None, "reply": None, "reasoning": "", "finish": ""}
    call, reply = kept
    return {
        "key": key,
        "prompt": prompts.setdefault((call.text, _how(call)), len(prompts)),
        "reply": reply.text,
        "reasoning": reply.reasoning,
        "finish": reply.finish,
        "tokens": [reply.usage.input_tokens, reply.usage.output_tokens],
    }


def _how(call: Call) -> str:
    """Return how a call was sent, in words."""
    kind = "chat" if call.prompt is None else "raw completion"
    return f"{kind}, temperature {call.temperature:g}, at most {call.max_tokens} tokens"
