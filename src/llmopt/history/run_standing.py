"""What a run is doing, from its journal: for those who look at it from another process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.engine.journal import SPENT, TESTED, VALIDATION
from llmopt.engine.look_journal import LOOK

if TYPE_CHECKING:
    from llmopt.core.store import Store

_KINDS = (SPENT, VALIDATION, LOOK, TESTED)


def standing_of(store: Store, run: str) -> dict[str, Any]:
    """Return the phase of a running run, its plan, what is spent, and about how long it will take.

    ``{"phase", "step", "steps", "spent", "left"}``: the phase in words; the step that is done and
    those that are planned, None where the run has not kept it; a list of ``{"of", "used", "cap"}``,
    where a cap may be None; the seconds that the other steps take at the mean pace so far, None
    where that is not known.

    Args:
        store: Where it is kept.
        run: Its name.
    """
    last, kind, step = None, "", -1
    for record in store.records(run):
        if record.kind in _KINDS:
            kind = record.kind
        if record.kind == SPENT:
            last, step = record.data, step + 1
    plan: dict[str, Any] = (last or {}).get("plan") or {}
    steps = plan.get("steps")
    used = store.spent(run).values()
    seconds = max(store.seconds(run), last["seconds"] if last else 0.0)
    amounts = {
        "calls": sum(one.calls for one in used),
        "tokens": sum(one.tokens for one in used),
        "seconds": seconds,
    }
    caps = plan.get("caps", {})
    left = None
    if last and steps and 0 < step < steps:
        left = last["seconds"] / (step + 1) * (steps - step)
    return {
        "phase": _phase(kind, step, steps),
        "step": max(step, 0),
        "steps": steps,
        "spent": [
            {"of": of, "used": amount, "cap": caps.get(of)}
            for of, amount in amounts.items()
            if amount or caps.get(of)
        ],
        "left": left,
    }


def _phase(kind: str, step: int, steps: int | None) -> str:
    if kind == TESTED:
        return "running the controls, or writing the result"
    if kind == LOOK:
        return "testing on held-out items"
    if step < 0:
        return "measuring the starting solutions"
    if steps is None:
        return f"asking for new solutions and measuring them, after step {step}"
    if step >= steps:
        return "choosing the winner on validation items"
    return f"asking for new solutions and measuring them, step {step + 1} of {steps}"
