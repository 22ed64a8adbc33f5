"""``llmopt show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from llmopt.cli.options import (
    command_line,
    console,
    json_option,
    print_json,
    store_option,
    write,
)

if TYPE_CHECKING:
    from llmopt.evidence.result import Point
    from llmopt.search.journal import Step
    from llmopt.store.protocol import Store
    from llmopt.trajectory import Entry, Trajectory


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--step", type=int, metavar="N", help="Show this step; 0: the starting solutions.")
@store_option
@json_option
def show(run: str, step: int | None, store: str | None, as_json: bool) -> None:
    """Show a run's trajectory, or what a step sent and received.

    The meta-prompt and the replies of a step are printed exactly; only on a terminal are
    control characters spelled out.
    """
    from llmopt.errors import ConfigError
    from llmopt.search.curve import curve_of
    from llmopt.search.identity import is_upward
    from llmopt.search.journal import EVALUATION, Validation, steps
    from llmopt.store import open_store

    kept = open_store(store, new=store is None)
    try:
        config = kept.config(run)
        if "sweep" in config:
            raise ConfigError(
                f"llmopt show shows runs, but {run!r} is a sweep; show one of its cells, which "
                "llmopt runs lists, or give the llmopt sweep command again for the table"
            )
        if EVALUATION in config:
            if step is not None:
                raise ConfigError(
                    f"a run has steps, but {run!r} is an evaluation; leave --step out"
                )
            _show_evaluation(kept, run, as_json=as_json, where=store)
            return
        found_on: list[Validation] = []
        told = list(steps(kept, run, validated=found_on.append))
        upward = is_upward(config["identity"])
        if step is None:
            curve = curve_of(((s.number, s.entries) for s in told), found_on)
            points = curve.points(higher_is_better=upward)
            _show_run(kept, run, told, points, as_json=as_json, where=store)
            return
        found = next((s for s in told if s.number == step), None)
        if not told:
            raise ConfigError(f"a step of {run!r} is one that is done, but none is yet")
        if found is None:
            raise ConfigError(
                f"a step of {run!r} is one of 0 to {len(told) - 1}, but got {step}; "
                "0 is the starting solutions"
            )
        _show_step(kept, found, _trajectory(told), as_json=as_json, upward=upward)
    finally:
        kept.close()


def _show_evaluation(store: Store, run: str, *, as_json: bool, where: str | None) -> None:
    """Show what an evaluation found; the command itself prints its table again, for nothing."""
    from llmopt.report.tables import visible
    from llmopt.search.journal import EVALUATION

    found, config = None, store.config(run)
    for record in store.records(run):
        if record.kind == EVALUATION:  # the last one: what was unmeasured is asked for again
            found = record.data
    if as_json:
        print_json({"run": run, "config": config, "evaluation": found})
        return
    again = command_line(config[EVALUATION], where) if config[EVALUATION] else "evaluate(…)"
    click.echo(visible(found["verdict"]) if found else "Not finished.")
    click.echo(f"{'The whole table, for nothing' if found else 'Go on with'}: {again}")


def _show_run(
    store: Store,
    run: str,
    told: list[Step],
    curve: tuple[Point, ...],
    *,
    as_json: bool,
    where: str | None,
) -> None:
    from dataclasses import asdict

    from llmopt.report.tables import print_curve, print_trajectory, visible
    from llmopt.search.identity import is_upward

    result, config, trajectory = None, store.config(run), _trajectory(told)
    upward = is_upward(config["identity"])
    for record in store.records(run):
        if record.kind == "result":  # the last one: a run resumed after its budget has several
            result = record.data
    if as_json:
        data = {
            "run": run,
            "config": config,
            "steps": [_step(s, trajectory, upward=upward) for s in told],
            "curve": [asdict(point) for point in curve],
            "result": result,
        }
        print_json(data)
        return
    print_trajectory(console(), trajectory, upward=upward)
    print_curve(console(), curve)
    if result:
        best = visible(result["best"]["text"]) or "(empty)"
        click.echo(f"\nBest: {best}\n{visible(result['verdict'])}")
    elif config["source"]:
        click.echo(f"\nNot finished; go on with: {command_line(('resume', run), where)}")
    else:
        click.echo("\nNot finished; call optimize() with its name again.")
    if len(told) > 1:
        step_1 = command_line(("show", run, "--step", "1"), where)
        click.echo(f"A step with its meta-prompt and replies: {step_1}")


def _trajectory(told: list[Step]) -> Trajectory:
    from llmopt.trajectory import Trajectory

    trajectory = Trajectory()
    for step in told:
        trajectory = trajectory.tell(step.entries)
    return trajectory


def _show_step(
    store: Store, step: Step, trajectory: Trajectory, *, as_json: bool, upward: bool
) -> None:
    exchanges = [(key, store.exchange(key)) for key in step.calls]
    if as_json:
        from dataclasses import asdict

        calls = [
            {"key": key, "call": asdict(found[0]), "reply": asdict(found[1])}
            for key, found in exchanges
            if found
        ]
        print_json({**_step(step, trajectory, upward=upward), "calls": calls})
        return
    from llmopt.evidence.scores import mark

    shown = ""
    for number, (_, found) in enumerate(exchanges, 1):
        if found is None:
            continue
        call, reply = found
        if call.text != shown:  # the draws of a step share their meta-prompt
            shown = call.text
            kind = "chat" if call.prompt is None else "raw completion"
            limits = f"temperature {call.temperature:g}, at most {call.max_tokens} tokens"
            _block("META-PROMPT", f"{kind}, {limits}", shown)
        if reply.reasoning:
            _block(f"REASONING {number}", "given apart from the reply", reply.reasoning)
        _block(f"REPLY {number}", f"ended by {reply.finish}", reply.text)
    for entry in step.entries:
        score = _facing(entry, upward=upward)
        partly = mark(entry.evaluation.measured, entry.evaluation.planned, items=True)
        about = "unmeasured" if score is None else f"score {score:.4f}{partly}"
        changed = trajectory.words_changed(entry.candidate)
        if changed is not None:
            about += f", {changed} word{'' if changed == 1 else 's'} from its last parent"
        _block("CANDIDATE", about, entry.text)
    for rejected in step.rejected:
        _block("REFUSED", rejected.reason, rejected.text)


def _block(title: str, detail: str, text: str) -> None:
    """Print a text under a line that says what it is."""
    write(f"──── {title} ({detail}) " + "─" * 20)
    write(text)


def _facing(entry: Entry, *, upward: bool) -> float | None:
    """Return a score in the problem's own direction."""
    score = entry.evaluation.score
    return score if score is None or upward else -score


def _step(step: Step, trajectory: Trajectory, *, upward: bool) -> dict[str, Any]:
    return {
        "step": step.number,
        "candidates": [
            {
                "id": e.candidate.id,
                "text": e.text,
                "parents": list(e.candidate.parents),
                "score": _facing(e, upward=upward),
                "measured": e.evaluation.measured,
                "planned": e.evaluation.planned,
                "words_changed": trajectory.words_changed(e.candidate),
            }
            for e in step.entries
        ],
        "rejected": [{"text": r.text, "reason": r.reason} for r in step.rejected],
        "calls": list(step.calls),
    }
