"""What ``llmopt check`` finds out about a configuration of a program."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from llmopt.core.formatting import counted
from llmopt.core.groups import group_labels
from llmopt.core.recording import Overheard
from llmopt.core.store import check_name
from llmopt.core.text import one_line
from llmopt.errors import InputError, LlmoptError, ModelError
from llmopt.models.providers.null import AbsentModel
from llmopt.preflight.cautions import forecast, shown_by
from llmopt.preflight.dry_run import first_step
from llmopt.preflight.findings import Findings, built, known_of, tried
from llmopt.preflight.program_work import program_estimate
from llmopt.preflight.what_is_scored import data_in_words, metric_in_words

if TYPE_CHECKING:
    from llmopt.config.settings import Configuration
    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.values import Call, Role
    from llmopt.preflight.estimate import ModelFacts
    from llmopt.problems.program.program_problem import ProgramProblem


async def examined_program(
    settings: Configuration, findings: Findings, *, offline: bool
) -> Findings:
    """Find out about the method, the program and its models.

    Unless offline, the program is run on the first training row, with the real models.

    Args:
        settings: The configuration.
        findings: Takes what is found out.
        offline: Whether no call is made to a model and nothing is fetched.

    Raises:
        InputError: Something cannot be used at all.
    """
    run, problem = settings.run, settings.built_program()
    algorithm: Algorithm = settings.options()["algorithm"]
    if run.name:
        check_name(run.name)
    models = {
        role: built(table.named(), findings, offline=offline)
        for role, table in settings.models().items()
    }
    optimizer = models.get("optimizer", AbsentModel())
    try:
        algorithm.check(problem, optimizer)
        planned = algorithm.steps(problem, run.steps)
        steps = f"{counted(planned, 'step')} of {algorithm.name}"
        findings.passed("configuration", f"{steps}, seed {run.seed}")
        findings.passed("data", data_in_words(problem.splits))
        findings.passed("metric", await metric_in_words(problem, settings.problem.metric))
        if rows := problem.items("test"):
            groups = len(set(group_labels(rows)))
            findings.shows = forecast(groups)
            findings.passed("evidence", shown_by(len(rows), groups, findings.shows))
        _rehearsed(findings, problem)
        calls, proposals = await first_step(
            problem, algorithm, optimizer, seed=run.seed, steps=planned
        )
        known = await _asked(findings, settings, models, calls, offline=offline)
        made = problem.rehearsal.calls if problem.scorer is not None else ()
        if not offline:
            made = await _run_once(findings, problem, models, known) or made
    finally:
        for model in models.values():
            await model.close()
    _add_work(findings, problem, planned, len(calls), proposals)
    if made and problem.judge is None:
        options = settings.options()
        findings.estimate = program_estimate(
            problem,
            made,
            calls,
            proposals=proposals,
            steps=planned,
            finalists=run.finalists,
            samples=1 if options["samples"] == "auto" else options["samples"],
            known=known,
        )
        findings.cautions.append(
            "The estimate takes the calls of the program on one row for those on every row."
        )
    return findings


def _rehearsed(findings: Findings, problem: ProgramProblem) -> None:
    """Say how many calls a run of the program makes, and how that is known."""
    parts = ", ".join(
        f"{part.name} ({len(problem.texts.split(problem.starts[0])[part.name]):,} characters)"
        for part in problem.parts()
    )
    findings.passed("parts", parts)
    if problem.scorer is None:
        findings.passed("program", f"{problem.name}, with a client of its own")
        findings.cautions.append(
            "The program's own calls are neither counted nor stored: budgets, prices and resuming "
            "do not cover them. A program that uses call(…) with a [scorer] has all of that."
        )
        return
    made, declared = len(problem.rehearsal.calls), problem.calls
    how = "declared by problem.calls" if declared else "counted with invented replies"
    findings.passed("program", f"{problem.name}; {counted(declared or made, 'call')} a row, {how}")
    if not declared and problem.rehearsal.error:
        findings.cautions.append(
            f"With invented replies the program ended early ({one_line(problem.rehearsal.error)}), "
            "so it may make more calls than were counted; set problem.calls to the most it makes."
        )
    elif not declared and not made:
        findings.cautions.append(
            "The program made no call by call(…), so a budget does not cover what it asks "
            "elsewhere; leave [scorer] out if it has a client of its own."
        )


async def _asked(
    findings: Findings,
    settings: Configuration,
    models: dict[Role, Model],
    calls: tuple[Call, ...],
    *,
    offline: bool,
) -> dict[Role, ModelFacts]:
    """Say and return what is known of the models; ask the optimizer LLM once."""
    facts: dict[Role, ModelFacts] = {}
    if calls:
        findings.passed("meta-prompt", f"step 1 sends {len(calls[0].text):,} characters")
    for role, model in models.items():
        facts[role] = known_of(findings, role, model, settings)
        if role == "optimizer" and calls and not offline:
            facts[role] = await tried(findings, role, model, calls[0], facts[role])
    return facts


async def _run_once(
    findings: Findings,
    problem: ProgramProblem,
    models: dict[Role, Model],
    known: dict[Role, ModelFacts],
) -> tuple[Call, ...]:
    """Run the program with the start on the first training row, and return its calls.

    What its calls show of the scorer LLM is noted in `known`.
    """
    measured = problem.bound(models["judge"]) if "judge" in models else problem
    item = problem.items("train")[0]
    scorer = models.get("scorer")
    heard = Overheard(scorer) if scorer else None
    begin = time.perf_counter()
    try:
        with findings.doing("running the program on the first training row"):
            found = await measured.measure(problem.starts[0], item, heard)
    except ModelError as error:
        findings.failed("its output", str(error), ModelError.exit_code)
        return ()
    except LlmoptError as error:
        findings.failed("its output", str(error), InputError.exit_code)
        return ()
    said = f'"{one_line(found.answer or "", 60)}", which scores {found.score:g}'
    if heard and heard.heard:
        seconds = (time.perf_counter() - begin) / len(heard.heard)
        used = [reply.usage for _, reply in heard.heard]
        sent, made = (sum(getattr(u, k) for u in used) for k in ("input_tokens", "output_tokens"))
        about = "about " if any(one.estimated for one in used) else ""
        said += f"; {about}{sent:,} tokens in, {made:,} out"
        size = sum(len(call.text.encode("utf-8", "surrogatepass")) for call, _ in heard.heard)
        known["scorer"] = known["scorer"].probed(
            seconds, size, None if about else sent, made // len(heard.heard)
        )
    findings.passed("its output", said)
    return tuple(call for call, _ in heard.heard) if heard else ()


def _add_work(
    findings: Findings, problem: ProgramProblem, planned: int, asked: int, proposals: int
) -> None:
    """Say how many runs and calls the steps take at most."""
    rows, starts = len(problem.items("train")), len(problem.starts)
    held = len(problem.items("validation")) + len(problem.items("test"))
    runs = rows * (starts + planned * proposals)
    findings.steps = (planned, planned)
    findings.proposing = planned * asked
    each = problem.calls_each() if problem.scorer is not None or problem.judge is not None else 0
    calls = f", each with {counted(each, 'call')} to models" if each else ""
    findings.buys = (
        f"{counted(planned, 'step')} of {counted(proposals, 'proposal')}: at most {runs:,} runs of "
        f"the program on your {rows:,} training rows{calls}, and {findings.proposing:,} calls to "
        f"the optimizer LLM; choosing and testing come on top, on {held:,} rows"
    )
