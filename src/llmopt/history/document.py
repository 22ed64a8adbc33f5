"""A run as one plain document, for pages, comparisons and exports.

The document is JSON-able and has the number of its form in ``schema``. Scores in it are in the
problem's own direction. It is made of the journal and the replies alone: neither the user's data
nor a module of theirs is needed any more.

    schema, kind             1; "run", "sweep" or "evaluation"
    run, created, status     the name, ISO 8601 in UTC, as ``llmopt runs`` has them; tags, note
    parts                    the names of the parts of a solution; empty where it is one text
    part_kinds, shown_rows   the kinds of these parts; the training rows that demonstrations show,
                             by id: {"input", "target"}
    function, noun, task     whether values are shown and nothing is held out; what one solution is
                             called; what it is for
    measure                  {"name", "higher_is_better", "shares", "decimals"}: shares are of 1,
                             shown per cent; decimals as shown, None: the usual ones
    verdict, notes, stopped  sentences; ``finished`` says whether there is a result
    start, best              {"id", "text"}
    lines, comparisons, …    as :class:`~llmopt.evidence.result.Result` has them
    confirmation             what its vault said, as a sentence; empty: that was not opened
    steps                    [{"step", "candidates", "rejected", "calls", "best", "best_partial",
                             "spent"}]; spent: seconds and usage by role up to its end, or None
    prompts                  meta-prompts; a call names its own by position
    matrix                   the training items that candidates were measured on, in the order of
                             the marks in ``outcomes``: {"id", "input", "target"}
    confusion                expected answers and given ones of start and winner, see
                             :func:`llmopt.history.confusion.confusion_of`; None: none
    items                    answers of start and winner, by split, where they differ or are wrong
    standing                 what a running run does; None: it is not running; see
                             :func:`llmopt.history.run_standing.standing_of`
    usage, prices            by role; a price is in US dollars per million tokens, None: not known
    config, identity         as given; what makes the run this run
    optimum                  the best score there can be, or None where that is not known
    figure                   the plane of two numbers, or the points of tours; None: no figure
    missing                  what the document cannot tell, and why: sentences
"""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from llmopt.core.values import Candidate
from llmopt.engine.header import SWEEP, RunHeader
from llmopt.engine.journal import EVALUATION
from llmopt.engine.overfitting import curve_of
from llmopt.engine.vaults import confirmation_of
from llmopt.errors import StoreError
from llmopt.evidence.scores import LEVEL, score_of
from llmopt.history.cells import Matrix
from llmopt.history.confusion import confusion_of
from llmopt.history.evaluation_document import found_in
from llmopt.history.figures import figure_of
from llmopt.history.items import items_of
from llmopt.history.readable_solution import SolutionReader
from llmopt.history.run_history import told
from llmopt.history.run_standing import standing_of
from llmopt.history.step_records import calls_and_steps
from llmopt.history.sweep_document import measured, swept
from llmopt.models.prices import list_price

if TYPE_CHECKING:
    from llmopt.core.store import Store
    from llmopt.history.run_history import RunHistory

_FREE = ("local/", "replay/", "scripted/")

SCHEMA = 1
"""The form of the document; it grows by one when something in it changes its meaning."""


def record(store: Store, run: str) -> dict[str, Any]:
    """Return a run, a sweep or an evaluation as one document.

    Args:
        store: Where it is kept.
        run: Its name.

    Raises:
        StoreError: The store has no such run, or cannot be read.
    """
    config = store.config(run)
    header = RunHeader.of(config)
    identity = config.get("identity")
    if not isinstance(identity, dict):
        raise StoreError(
            f"the configuration of a run says what makes it this run, but record 0 of {run!r} does "
            "not; put a backup of the store in its place"
        )
    info = next(info for info in store.runs() if info.name == run)
    head = {
        "schema": SCHEMA,
        "kind": header.kind,
        "run": run,
        "created": info.created,
        "status": info.status,
        "tags": list(info.tags),
        "note": info.note,
        "algorithm": "" if header.kind == SWEEP else header.algorithm,
        "config": config.get("source") or {},
        "identity": identity,
        "versions": config.get("versions") or {},
        "seconds": store.seconds(run),
    }
    if header.kind == SWEEP:
        return head | swept(store, run)
    if header.kind == "evaluation":
        words = config[EVALUATION]
        again = shlex.join(["llmopt", *words]) if words else ""
        return head | {"command": again} | found_in(store, run)
    return head | _run(store, run, config, running=info.status == "running")


def _run(store: Store, run: str, config: dict[str, Any], *, running: bool) -> dict[str, Any]:
    journal, identity = told(store, run), config["identity"]
    shown, problem = journal.header.presentation, journal.problem
    result, trajectory = journal.result, journal.trajectory
    best = trajectory.best(1)
    winner = result["best"]["text"] if result else best[0].text if best else ""
    made, prompts = calls_and_steps(store, journal.steps, trajectory, shown)
    for step in made:
        step["spent"] = journal.spent.get(step["step"])
    items, why = items_of(store, journal, winner=winner)
    figure, optimum = figure_of(problem.own if problem else {}, trajectory)
    if optimum is None and problem:
        optimum = problem.optimum
    curve = curve_of(((s.number, s.entries) for s in journal.steps), journal.validations)
    found = _found(result) if result else _so_far(journal)
    held_out = any(line["validation"] or line["test"] for line in found["lines"])
    usage = result["usage"] if result else _spent(store, run)
    return {
        "function": not shown.shares and not held_out,
        "noun": shown.noun,
        "parts": [part.name for part in journal.header.parts],
        "part_kinds": [part.kind for part in journal.header.parts],
        "shown_rows": SolutionReader.of(journal).shown_rows(entry.text for entry in trajectory),
        "task": journal.header.task,
        "measure": measured(shown),
        "finished": result is not None,
        **found,
        "confirmation": vault.verdict if (vault := confirmation_of(store, run)) else "",
        "curve": [asdict(point) for point in curve.points(shown, groups=journal.groups)],
        "steps": made,
        "prompts": prompts,
        "items": items,
        "matrix": Matrix(store, journal).items,
        "confusion": confusion_of(journal, winner),
        "optimum": shown.facing(optimum),
        "figure": figure,
        "usage": usage,
        "prices": {role: price_of(role, config, identity) for role in usage},
        "standing": standing_of(store, run) if running else None,
        "missing": _unkept(made) + why,
    }


def _spent(store: Store, run: str) -> dict[str, Any]:
    return {role: asdict(used) for role, used in store.spent(run).items() if used.calls}


def price_of(role: str, config: dict[str, Any], identity: dict[str, str]) -> dict[str, Any] | None:
    """Return what a role's model costs in US dollars per million tokens, and who says so."""
    tables = config.get("source") or {}
    # Without a table of its own, the optimizer LLM is the scorer's model.
    table = tables.get(role) or (tables.get("scorer") if role == "optimizer" else None) or {}
    given = table.get("price")
    if given:
        return {**given, "by": "configuration"}
    name = identity.get(role) or identity.get(f"problem {role}") or ""
    if name.startswith(_FREE):
        return {"input": 0.0, "output": 0.0, "by": "runs here"}
    model, _, url = name.partition("/")[2].rpartition("@")
    listed = list_price(model, url) if url else None
    if listed is None:
        return None
    return {**{key: usd for key, usd in asdict(listed).items() if usd is not None}, "by": "list"}


def _unkept(made: list[dict[str, Any]]) -> list[str]:
    """Say so where replies that the journal names are not in the store."""
    lost = sum(call["prompt"] is None for step in made for call in step["calls"])
    return [f"{lost} calls to the optimizer LLM are not in the store."] if lost else []


_KEPT = (
    *("verdict", "notes", "stopped", "lines", "comparisons", "test", "level"),
    *("finalists", "optimism", "optimism_interval", "rejected", "stretch", "dropped", "looks"),
    *("gain", "conclusion", "front"),
)


def _found(result: dict[str, Any]) -> dict[str, Any]:
    """Return what a run found."""
    ends = {
        end: {"id": Candidate(result[end]["text"]).id, "text": result[end]["text"]}
        for end in ("start", "best")
    }
    return {key: result.get(key) for key in _KEPT} | ends


def _so_far(journal: RunHistory) -> dict[str, Any]:
    """Return what a run has found that has not come to its end."""
    trajectory, shown = journal.trajectory, journal.header.presentation
    start, best = next(iter(trajectory), None), trajectory.best(1)
    named = {"start": start, "best": best[0] if best else start}
    lines = []
    for label, entry in named.items():
        if entry is not None:
            score = score_of(entry.evaluation, shown, groups=journal.groups)
            train = asdict(score) if score else None
            line = {"label": label, "text": entry.text, "train": train}
            lines.append(line | {"validation": None, "test": None})
    ends = {
        end: {"id": entry.candidate.id, "text": entry.text} if entry else None
        for end, entry in named.items()
    }
    return {
        **dict.fromkeys(_KEPT),
        "verdict": "Not finished: nothing is tested yet.",
        "notes": [],
        "stopped": "",
        "lines": lines,
        "comparisons": [],
        "level": LEVEL,
        **ends,
    }
