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
    from llmopt.journal import Step
    from llmopt.store.protocol import Store


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
    from llmopt.journal import steps
    from llmopt.store import open_store

    kept = open_store(store)
    try:
        told = list(steps(kept, run))
        if step is None:
            _show_run(kept, run, told, as_json=as_json, where=store)
            return
        found = next((s for s in told if s.number == step), None)
        if not told:
            raise ConfigError(f"a step of {run!r} is one that is done, but none is yet")
        if found is None:
            raise ConfigError(
                f"a step of {run!r} is one of 0 to {len(told) - 1}, but got {step}; "
                "0 is the starting solutions"
            )
        _show_step(kept, found, as_json)
    finally:
        kept.close()


def _show_run(
    store: Store, run: str, told: list[Step], *, as_json: bool, where: str | None
) -> None:
    from llmopt.report.tables import print_trajectory, visible
    from llmopt.trajectory import Trajectory

    result, config = None, store.config(run)
    for record in store.records(run):
        if record.kind == "result":  # the last one: a run resumed after its budget has several
            result = record.data
    if as_json:
        data = {"run": run, "config": config, "steps": [_step(s) for s in told], "result": result}
        print_json(data)
        return
    trajectory = Trajectory()
    for step in told:
        trajectory = trajectory.tell(step.entries)
    print_trajectory(console(), trajectory)
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
            kind = "chat" if call.prompt is None else "raw completion"
            limits = f"temperature {call.temperature:g}, at most {call.max_tokens} tokens"
            _block("META-PROMPT", f"{kind}, {limits}", shown)
        if reply.reasoning:
            _block(f"REASONING {number}", "given apart from the reply", reply.reasoning)
        _block(f"REPLY {number}", f"ended by {reply.finish}", reply.text)
    for entry in step.entries:
        score = entry.evaluation.score
        _block("CANDIDATE", "unmeasured" if score is None else f"score {score:.4f}", entry.text)
    for rejected in step.rejected:
        _block("REFUSED", rejected.reason, rejected.text)


def _block(title: str, detail: str, text: str) -> None:
    """Print a text under a line that says what it is."""
    write(f"──── {title} ({detail}) " + "─" * 20)
    write(text)


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
