"""``llmopt show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from llmopt.cli.options import console, json_option, print_json, store_option

if TYPE_CHECKING:
    from llmopt.journal import Step
    from llmopt.store.protocol import Store


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--step", type=int, help="Show this step's meta-prompt and replies as they were.")
@store_option
@json_option
def show(run: str, step: int | None, store: str | None, as_json: bool) -> None:
    """Show a run: its trajectory, or one step exactly as sent and received."""
    from llmopt.errors import ConfigError
    from llmopt.journal import steps
    from llmopt.store import open_store

    kept = open_store(store)
    try:
        told = list(steps(kept, run))
        if step is None:
            _show_run(kept, run, told, as_json)
            return
        found = next((s for s in told if s.number == step), None)
        if found is None:
            raise ConfigError(
                f"a step of {run!r} is one of 0 to {len(told) - 1}, but got {step}; "
                "0 is the starting solutions"
            )
        _show_step(kept, found, as_json)
    finally:
        kept.close()


def _show_run(store: Store, run: str, told: list[Step], as_json: bool) -> None:
    from llmopt.report.tables import print_trajectory
    from llmopt.trajectory import Trajectory

    result = next((r.data for r in store.records(run) if r.kind == "result"), None)
    if as_json:
        config = store.config(run)
        data = {"run": run, "config": config, "steps": [_step(s) for s in told], "result": result}
        print_json(data)
        return
    trajectory = Trajectory()
    for step in told:
        trajectory = trajectory.tell(step.entries)
    print_trajectory(console(), trajectory)
    if result:
        click.echo(f"\nBest: {result['best']['text']}\n{result['verdict']}")
    else:
        click.echo(f"\nThe run is not finished; go on with: llmopt resume {run}")
    click.echo(f"A step with its meta-prompt and replies: llmopt show {run} --step 1")


def _show_step(store: Store, step: Step, as_json: bool) -> None:
    exchanges = [(key, store.exchange(key)) for key in step.calls]
    if as_json:
        from dataclasses import asdict

        calls = [
            {"key": key, "call": asdict(found[0]), "reply": asdict(found[1])}
            for key, found in exchanges
            if found
        ]
        print_json({**_step(step), "calls": calls})
        return
    shown = ""
    for number, (_, found) in enumerate(exchanges, 1):
        if found is None:
            continue
        call, reply = found
        if call.text != shown:  # the draws of a step share their meta-prompt
            shown = call.text
            _block("META-PROMPT", f"temperature {call.temperature:g}", shown)
        _block(f"REPLY {number}", f"ended by {reply.finish}", reply.text)
    for entry in step.entries:
        score = entry.evaluation.score
        _block("CANDIDATE", "unmeasured" if score is None else f"score {score:.4f}", entry.text)
    for rejected in step.rejected:
        _block("REFUSED", rejected.reason, rejected.text)


def _block(title: str, detail: str, text: str) -> None:
    """Print a text exactly, under a line that cannot be mistaken for it."""
    click.echo(f"──── {title} ({detail}) " + "─" * 20)
    click.echo(text)


def _step(step: Step) -> dict[str, Any]:
    return {
        "step": step.number,
        "candidates": [
            {
                "id": e.candidate.id,
                "text": e.text,
                "parents": list(e.candidate.parents),
                "score": e.evaluation.score,
                "measured": e.evaluation.measured,
                "planned": e.evaluation.planned,
            }
            for e in step.entries
        ],
        "rejected": [{"text": r.text, "reason": r.reason} for r in step.rejected],
        "calls": list(step.calls),
    }
