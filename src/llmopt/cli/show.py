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
from llmopt.core.formatting import plural

if TYPE_CHECKING:
    from llmopt.core.presentation import Presentation
    from llmopt.core.store import Store
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.core.values import Evaluation
    from llmopt.engine.journal import Step
    from llmopt.history.readable_solution import SolutionReader
    from llmopt.history.run_history import RunHistory

_KINDS = {"sweep": "a sweep, whose cells have", "evaluation": "an evaluation"}
_FEEDBACK = 10  # answers of a candidate whose feedback is printed


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--step", type=int, metavar="N", help="Show this step; 0: the starting solutions.")
@click.option("--front", is_flag=True, help="Show the solutions that nothing beats in all aims.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "latex"]),
    default="text",
    help="How the table of a sweep is written.",
)
@store_option
@json_option
def show(
    run: str, *, step: int | None, front: bool, form: str, store: str | None, as_json: bool
) -> None:
    """Show a run's trajectory and result, what a step sent and received, or a sweep's table.

    The meta-prompt and the replies of a step are printed exactly; only on a terminal are
    control characters spelled out.
    """
    from llmopt.engine.header import RunHeader
    from llmopt.engine.journal import steps
    from llmopt.errors import ConfigError
    from llmopt.history.readable_solution import SolutionReader
    from llmopt.history.run_history import told as history_of
    from llmopt.store import open_store

    if front and step is not None:
        raise ConfigError(f"a front is of a whole run, but got --step {step}; leave one out")
    kept = open_store(store, new=store is None)
    try:
        if front:
            _show_front(kept, run, as_json=as_json, where=store)
            return
        header = RunHeader.of(kept.config(run))
        if header.kind != "run":
            if step is not None:
                raise ConfigError(
                    f"a run has steps, but {run!r} is {_KINDS[header.kind]}; leave --step out"
                )
            show_other = _show_sweep if header.kind == "sweep" else _show_evaluation
            show_other(kept, run, form, as_json=as_json, where=store)
            return
        if form != "text":
            raise ConfigError(
                f"--format is for tables of sweeps, but {run!r} is a run; leave it out"
            )
        past = list(steps(kept, run))
        if step is None:
            _show_run(kept, history_of(kept, run), past, as_json=as_json, where=store)
            return
        found = next((s for s in past if s.number == step), None)
        if not past:
            raise ConfigError(f"a step of {run!r} is one that is done, but none is yet")
        if found is None:
            raise ConfigError(
                f"a step of {run!r} is one of 0 to {len(past) - 1}, but got {step}; "
                "0 is the starting solutions"
            )
        reader = SolutionReader.of(history_of(kept, run))
        _show_step(kept, found, _trajectory(past), header.presentation, reader, as_json=as_json)
    finally:
        kept.close()


def _show_sweep(store: Store, run: str, form: str, *, as_json: bool, where: str | None) -> None:
    """Show the table of a sweep: methods by tasks where there are several."""
    from llmopt.errors import ConfigError
    from llmopt.history.document import record
    from llmopt.terminal.sweep_markup import FORMATS, grid_of

    del where
    document = record(store, run)
    found = grid_of(document)
    if as_json:
        rows = [dict(zip(found.heads, row, strict=True)) for row in found.rows]
        print_json({"run": run, "table": rows, "notes": list(found.notes), "sweep": document})
        return
    if not found.rows:
        raise ConfigError(f"a table is of finished cells, but {run!r} has none yet")
    write(FORMATS[form](found))


def _show_front(store: Store, run: str, *, as_json: bool, where: str | None) -> None:
    """Show the front of a run, and how a solution is taken from it."""
    from dataclasses import replace

    from llmopt.history.readable_solution import SolutionReader
    from llmopt.history.run_history import front_told, told

    found = front_told(store, run)
    if as_json:
        print_json({"run": run, "front": found.to_dict()})
        return
    line = SolutionReader.of(told(store, run)).line
    members = tuple(replace(member, text=line(member.text)) for member in found.members)
    write(f"{replace(found, members=members)}\n")
    click.echo(f"Take one: {command_line(('export', run, '--prefer', 'short'), where)}")


def _show_evaluation(
    store: Store, run: str, form: str, *, as_json: bool, where: str | None
) -> None:
    """Show what an evaluation found; the command itself prints its table again, for nothing."""
    from llmopt.core.text import visible
    from llmopt.engine.journal import EVALUATION
    from llmopt.engine.watch import WATCH_REPORT
    from llmopt.errors import ConfigError
    from llmopt.history.readable_solution import SolutionReader

    if form != "text":
        raise ConfigError(
            f"--format is for tables of sweeps, but {run!r} is an evaluation; leave it out"
        )
    found, watch, config = None, None, store.config(run)
    for record in store.records(run):
        if record.kind == EVALUATION:  # the last one: what was unmeasured is asked for again
            found = record.data
        if record.kind == WATCH_REPORT:
            watch = record.data
    if as_json:
        more = {"watch": watch} if watch else {}
        print_json({"run": run, "config": config, "evaluation": found, **more})
        return
    again = command_line(config[EVALUATION], where) if config[EVALUATION] else "evaluate(…)"
    if watch:
        click.echo(visible(watch["verdict"]))
        click.echo(f"Measure another day with: {again}")
        return
    read = SolutionReader.compared(found or {}).text
    rows = (found or {}).get("rows")
    for number, row in enumerate(
        rows if isinstance(rows, list) else (), 1
    ):  # a judge check: a count
        click.echo(visible(f"[{number}] {read(row['text']) or '(empty)'}"))
    click.echo(visible(found["verdict"]) if found else "Not finished.")
    click.echo(f"{'The whole table, for nothing' if found else 'Continue with'}: {again}")


def _show_run(
    store: Store,
    journal: RunHistory,
    told: list[Step],
    *,
    as_json: bool,
    where: str | None,
) -> None:
    from dataclasses import asdict

    from llmopt.engine.header import RunHeader
    from llmopt.engine.journal import understood
    from llmopt.engine.overfitting import curve_of
    from llmopt.engine.vaults import confirmation_of
    from llmopt.evidence.finalists import cut_off
    from llmopt.evidence.result import Result
    from llmopt.history.readable_solution import SolutionReader
    from llmopt.history.run_history import whole_result
    from llmopt.terminal.confirmation_table import print_confirmation
    from llmopt.terminal.result_table import print_curve, print_result, print_trajectory

    run, result, config, trajectory = journal.run, None, journal.config, _trajectory(told)
    shown, reader = RunHeader.of(config).presentation, SolutionReader.of(journal)
    points = curve_of(((s.number, s.entries) for s in told), journal.validations)
    curve = points.points(shown, groups=journal.groups)
    for record in store.records(run):
        if record.kind == "result":  # the last one: a run resumed after its budget has several
            result = understood(run, record, whole_result)
    before = any(store.of_kind("headroom", [run]))
    if as_json:
        data = {
            "run": run,
            "config": config,
            "steps": [_step(s, trajectory, shown) for s in told],
            "curve": [asdict(point) for point in curve],
            "result": result,
            "confirmation": found.to_dict() if (found := confirmation_of(store, run)) else None,
        }
        print_json(data)
        return
    print_trajectory(console(), trajectory, shown, reader)
    outcomes = [o for entry in trajectory for o in entry.evaluation.outcomes]
    for note in cut_off(outcomes, "on train"):
        click.echo(f"\nNote: {note}")
    if result:
        found_by_it = Result.plain({"presentation": shown.to_dict(), **result})
        print_result(console(), found_by_it, reader)
        if found := confirmation_of(store, run):
            click.echo()
            print_confirmation(console(), found)
    elif before:
        click.echo("\nMeasured before a search; what came of it is in the notes of its run.")
    else:
        print_curve(console(), curve, shown)
        resume = command_line(("resume", run), where)
        how = (
            f"continue with: {resume}"
            if config["source"]
            else "call optimize() with its name again."
        )
        click.echo(f"\nNot finished; {how}")
    if len(told) > 1:
        step_1 = command_line(("show", run, "--step", "1"), where)
        click.echo(f"A step with its meta-prompt and replies: {step_1}")


def _trajectory(told: list[Step]) -> Trajectory:
    from llmopt.core.trajectory import Trajectory

    trajectory = Trajectory()
    for step in told:
        trajectory = trajectory.tell(step.entries, step.by)
    return trajectory


def _show_step(
    store: Store,
    step: Step,
    trajectory: Trajectory,
    shown: Presentation,
    reader: SolutionReader,
    *,
    as_json: bool,
) -> None:
    exchanges = [(key, store.exchange(key)) for key in step.calls]
    if as_json:
        from dataclasses import asdict

        calls = [
            {"key": key, "call": asdict(found[0]), "reply": asdict(found[1])}
            for key, found in exchanges
            if found
        ]
        print_json({**_step(step, trajectory, shown), "calls": calls})
        return
    from llmopt.evidence.scores import mark

    before = ""
    for number, (_, found) in enumerate(exchanges, 1):
        if found is None:
            continue
        call, reply = found
        if call.text != before:  # the draws of a step share their meta-prompt
            before = call.text
            kind = "chat" if call.prompt is None else "raw completion"
            limits = f"temperature {call.temperature:g}, at most {call.max_tokens} tokens"
            _block("META-PROMPT", f"{kind}, {limits}", call.text)
        if reply.reasoning:
            _block(f"REASONING {number}", "given apart from the reply", reply.reasoning)
        _block(f"REPLY {number}", f"ended by {reply.finish}", reply.text)
    for entry in step.entries:
        score = shown.facing(entry.evaluation.score)
        partly = mark(entry.evaluation.measured, entry.evaluation.planned, items=True)
        about = "unmeasured" if score is None else f"score {shown.amount(score)}{partly}"
        changed = trajectory.words_changed(entry.candidate)
        if changed is not None:
            about += f", {changed} {plural(changed, 'word')} from its last parent"
        _block("CANDIDATE", about, reader.text(entry.text))
        _print_changes(trajectory, entry, reader)
        _print_feedback(entry.evaluation, shown)
    for rejected in step.rejected:
        _block("REFUSED", rejected.reason, rejected.text)


def _print_changes(trajectory: Trajectory, entry: Entry, reader: SolutionReader) -> None:
    """Print which demonstrations a solution has otherwise than its last parent."""
    from llmopt.history.readable_solution import changed_line

    if not reader.shows_rows or trajectory.words_changed(entry.candidate) is None:
        return
    parent = trajectory.entry(entry.candidate.parents[-1])
    for part in reader.changes(parent.text, entry.text):
        if part.pairs is not None and not part.unchanged:
            write(f"  {part.name}, against its last parent:")
            for pair in part.pairs:
                if pair.change != "same":
                    write(f"  {changed_line(pair)}")


def _print_feedback(evaluation: Evaluation, shown: Presentation) -> None:
    """Print what was said of the answers, a few of them, the worst first."""
    from llmopt.core.text import one_line

    said = [o for o in evaluation.outcomes if o.score is not None and (o.feedback or o.aims)]
    said.sort(key=lambda outcome: outcome.score or 0.0)
    for outcome in said[:_FEEDBACK]:
        aims = "".join(f", {name} {value:g}" for name, value in outcome.aims)
        score = shown.amount(shown.facing(outcome.score) or 0.0)
        write(f"  item {outcome.item}, score {score}{aims}: {one_line(outcome.feedback, 200)}")
    if len(said) > _FEEDBACK:
        write(f"  {len(said) - _FEEDBACK:,} more; --json has all of them")


def _block(title: str, detail: str, text: str) -> None:
    """Print a text under a line that says what it is."""
    write(f"──── {title} ({detail}) " + "─" * 20)
    write(text)


def _feedback_on(evaluation: Evaluation, shown: Presentation) -> dict[str, Any]:
    """Return what was said of the answers, where anything was."""
    said = [
        {
            "item": o.item,
            "score": shown.facing(o.score),
            "feedback": o.feedback,
            "aims": dict(o.aims),
        }
        for o in evaluation.outcomes
        if o.feedback or o.aims
    ]
    return {"feedback": said} if said else {}


def _step(step: Step, trajectory: Trajectory, shown: Presentation) -> dict[str, Any]:
    return {
        "step": step.number,
        **({"by": step.by} if step.by else {}),
        "candidates": [
            {
                "id": e.candidate.id,
                "text": e.text,
                "parents": list(e.candidate.parents),
                "score": shown.facing(e.evaluation.score),
                "measured": e.evaluation.measured,
                "planned": e.evaluation.planned,
                "words_changed": trajectory.words_changed(e.candidate),
                **_feedback_on(e.evaluation, shown),
            }
            for e in step.entries
        ],
        "rejected": [{"text": r.text, "reason": r.reason} for r in step.rejected],
        "calls": list(step.calls),
    }
