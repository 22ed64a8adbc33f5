"""What ``llmopt check`` finds out about a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.algorithms.sampling import SAMPLING
from llmopt.config.reading import settings as settings_of
from llmopt.core.formatting import counted, limit
from llmopt.core.groups import group_labels
from llmopt.core.problem import AsksFirst
from llmopt.core.store import check_name
from llmopt.engine.blocking import wait
from llmopt.engine.controls import control_of, plain_controls
from llmopt.engine.repeated_answers import answers_each
from llmopt.errors import InputError, ModelError
from llmopt.models.embeddings import embedder_named
from llmopt.preflight.cautions import before_paying, forecast, shown_by
from llmopt.preflight.code_check import examined_code
from llmopt.preflight.configured import configured
from llmopt.preflight.drawing import on_samples
from llmopt.preflight.dry_run import first_step
from llmopt.preflight.estimate import estimate
from llmopt.preflight.findings import (
    Findings,
    built,
    known_of,
    tried,
)
from llmopt.preflight.grouping import on_groups
from llmopt.preflight.program_check import examined_program
from llmopt.preflight.what_is_scored import data_in_words, metric_in_words
from llmopt.problems.code.code_problem import CodeProblem
from llmopt.problems.metrics.contract import Scored
from llmopt.terminal.progress import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.config.settings import Configuration
    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.problem import Problem
    from llmopt.core.values import Call, Role
    from llmopt.preflight.estimate import Estimate, ModelFacts
    from llmopt.problems.prompt.prompt_problem import PromptProblem

_FEW_STEPS = 2  # fewer are no search


def check(
    config: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    data_dir: str | None = None,
    offline: bool = False,
) -> Findings:
    """Test a configuration before it costs anything, as ``llmopt check`` does.

    It reads the data, renders the first meta-prompt, makes one short call to each model and
    estimates calls, tokens, money and time.

    Args:
        config: A file, a recipe or a task by name; or the tables of a configuration.
        overrides: Each ``table.key=value``, as after ``-o``.
        data_dir: The data folder of a task.
        offline: Whether to make no call and fetch nothing.

    Returns:
        What was found: ``code`` is 0 if a run can start, 1 if a model does not answer, and 2 if
        something else would stop the run; ``to_dict()`` is the document of ``--json``.

    Raises:
        InputError: There is no such configuration, or it cannot be read at all.
    """
    if isinstance(config, str | Path):
        found, _ = configured(str(config), data_dir, overrides)
    else:
        found = settings_of(dict(config), "the configuration", Path.cwd(), overrides)
    return wait(examined(found, offline=offline, quiet=True), say)


async def examined(settings: Configuration, *, offline: bool, quiet: bool = False) -> Findings:
    """Find out everything about a configuration.

    Args:
        settings: The configuration.
        offline: Whether no call is made and nothing is fetched.
        quiet: Whether nothing is shown while something takes long.

    Raises:
        InputError: Something cannot be used at all.
    """
    findings = Findings(quiet=quiet)
    if settings.problem.program:
        return await examined_program(settings, findings, offline=offline)
    if not settings.problem.scored_by_model:
        return await _examined_function(settings, findings, offline=offline)
    return await _examined_prompts(settings, findings, offline=offline)


async def _examined_prompts(
    settings: Configuration, findings: Findings, *, offline: bool
) -> Findings:
    """Find out about data, models, method and cost of a search for instructions."""
    problem, options = settings.built_prompts(), settings.options()
    algorithm: Algorithm = options["algorithm"]
    run = settings.run
    check_name(run.name or "run")
    models = {
        role: built(table.named(), findings, offline=offline)
        for role, table in settings.models().items()
    }
    optimizer, scorer, judge = models["optimizer"], models["scorer"], models.get("judge")
    try:
        _check_algorithm(algorithm, problem, optimizer, run.mode)
        problem.check_scorer(scorer)
        planned = algorithm.steps(problem, run.steps)
        steps = f"{counted(planned, 'step')} of {algorithm.name}"
        findings.passed("configuration", f"{steps}, seed {run.seed}")
        await _described(findings, problem, algorithm, settings)
        calls, _ = await first_step(problem, algorithm, optimizer, seed=run.seed, steps=planned)
        first = calls[0] if calls else None
        if first:
            findings.passed("meta-prompt", _meta_prompt(problem, first))
        ask = problem.call(problem.starts[0], problem.items("train")[0], scorer)
        asked: dict[Role, tuple[Model, Call | None]] = {
            "optimizer": (optimizer, first),
            "scorer": (scorer, ask),
        }
        known = await _known(findings, settings, problem, asked, offline=offline)
        if judge:
            known["judge"] = known_of(findings, "judge", judge, settings)
            if not offline:
                known["judge"] = await _judged(findings, problem, judge, known["judge"])
        with findings.doing("estimating what a run will take"):
            findings.estimate = await estimate(
                problem,
                algorithm,
                optimizer,
                scorer,
                steps=planned,
                patience=run.patience,
                target=run.target,
                validate_every=run.validate_every,
                validation_patience=run.validation_patience,
                seed=run.seed,
                finalists=run.finalists,
                plain=[text for _, text in plain_controls(problem, options["controls"])],
                control=control_of(algorithm) if SAMPLING in options["controls"] else None,
                samples=answers_each(problem, scorer, options["samples"]),
                known=known,
            )
        _add_budget(findings, problem, settings, planned)
        findings.cautions += before_paying(problem, scorer, first)
        findings.cautions += on_groups(problem, settings)
        findings.cautions += on_samples(problem, options["samples"])
    finally:
        for model in models.values():
            await model.close()
    return findings


async def _described(
    findings: Findings, problem: PromptProblem, algorithm: Algorithm, settings: Configuration
) -> None:
    """Say what the embeddings, the data and the metric are, and what the test rows can show."""
    if algorithm.embedder:
        await embedder_named(algorithm.embedder).close()
        findings.passed("embeddings", algorithm.embedder)
    findings.passed("data", data_in_words(problem.splits))
    findings.passed("metric", await metric_in_words(problem, settings.problem.metric))
    rows = problem.items("test")
    if rows:
        groups = len(set(group_labels(rows)))
        findings.shows = forecast(groups)
        findings.passed("evidence", shown_by(len(rows), groups, findings.shows))


async def _on_length(findings: Findings, problem: PromptProblem, call: Call) -> list[str]:
    """Say that the scorer LLM's answer was cut off at its limit before it was right."""
    found = findings.models["scorer"]
    if found.get("finish") != "length" or call.answers or found["max_tokens"] < call.max_tokens:
        return []
    scored = 0.0
    if found["answer"].strip() and not problem.metric.calls:
        made = problem.metric(found["answer"], problem.items("train")[0])
        scored = (made if isinstance(made, Scored) else await made).score
    if scored == 1:
        return []
    said = f"The scorer LLM's answer was cut off at {call.max_tokens:,} tokens before it gave the"
    return [f"{said} right answer; raise scorer.max_tokens."]


async def _known(
    findings: Findings,
    settings: Configuration,
    problem: PromptProblem,
    asked: Mapping[Role, tuple[Model, Call | None]],
    *,
    offline: bool,
) -> dict[Role, ModelFacts]:
    """Return what is known of the models that are asked, each after one call unless offline."""
    known: dict[Role, ModelFacts] = {}
    for role, (model, call) in asked.items():
        known[role] = known_of(findings, role, model, settings)
        if not offline and call:
            known[role] = await tried(findings, role, model, call, known[role])
            if role == "scorer" and _silenced(findings):  # thinking takes more than a short answer
                most = call.max_tokens
                known[role] = await tried(findings, role, model, call, known[role], most=most)
            if role == "scorer":
                findings.cautions += await _on_length(findings, problem, call)
    return known


def _silenced(findings: Findings) -> bool:
    """Say whether the scorer LLM was cut off before it said anything."""
    found = findings.models["scorer"]
    return found.get("finish") == "length" and not found["answer"].strip()


async def _examined_function(
    settings: Configuration, findings: Findings, *, offline: bool
) -> Findings:
    """Find out about the method, the function and the optimizer LLM, if the method has one.

    The function is asked for the value of the first starting solution.

    Args:
        settings: The configuration.
        findings: Takes what is found out.
        offline: Whether no call is made to a model and nothing is fetched.

    Raises:
        InputError: Something cannot be used at all.
    """
    from llmopt.models.providers.null import AbsentModel

    run = settings.run
    problem = settings.built_problem()
    algorithm: Algorithm = settings.options()["algorithm"]
    tables = settings.models()
    named = tables.get("optimizer")
    model = AbsentModel() if named is None else built(named.named(), findings, offline=offline)
    try:
        _check_algorithm(algorithm, problem, model, run.mode)
        planned = algorithm.steps(problem, run.steps)
        findings.passed("configuration", f"{planned:,} steps of {algorithm.name}, seed {run.seed}")
        if isinstance(problem, CodeProblem):
            examined_code(problem, findings)
        starts = len(problem.starts)
        what = problem.description.noun if isinstance(problem, CodeProblem) else "function"
        found = await problem.measure(problem.starts[0], problem.items("train")[0], None)
        if found.score is None:
            findings.failed(what, found.reason or "no value", InputError.exit_code)
        else:
            findings.passed(what, f"the first start has {problem.show(found.score, 100)}")
        calls, proposals = await first_step(problem, algorithm, model, seed=run.seed, steps=planned)
        if calls and named is not None:
            findings.passed("meta-prompt", f"step 1 sends {len(calls[0].text):,} characters")
            known = known_of(findings, "optimizer", model, settings)
            if not offline:
                await tried(findings, "optimizer", model, calls[0], known)
    finally:
        await model.close()
    first = problem.calls_first() if isinstance(problem, AsksFirst) else 0
    findings.proposing = first + planned * len(calls)
    findings.steps = (planned, planned)
    findings.buys = (
        f"{planned:,} steps of {proposals:,} proposals: at most "
        f"{starts + planned * proposals:,} evaluations of the {what} and "
        f"{findings.proposing:,} calls to the optimizer LLM, if every step is as the first"
    )
    return findings


def _check_algorithm(algorithm: Algorithm, problem: Problem, optimizer: Model, mode: str) -> None:
    """Refuse what the parts do not support, and a search without steps if they need them.

    Raises:
        ConfigError: The problem, the model or the mode does not fit.
    """
    algorithm.check(problem, optimizer)
    if mode == "steady":
        algorithm.divided()


async def _judged(
    findings: Findings, problem: PromptProblem, model: Model, known: ModelFacts
) -> ModelFacts:
    """Let the judge LLM judge an expected answer, and return what is known of it then."""
    from llmopt.core.values import Reply

    metric, item = problem.metric, problem.items("train")[0]
    call = metric.asked(item.target, item, model)[0]
    known = await tried(findings, "judge", model, call, known, most=call.max_tokens)
    answer = findings.models["judge"].get("answer")
    if answer is None:
        return known
    finish = findings.models["judge"]["finish"]
    score = metric.heard(item.target, item, Reply(answer, finish=finish))
    if score is None:
        why = (
            "no verdict can be read from the judge LLM's answer; take a more capable model, or "
            "raise judge.max_tokens if it was cut off"
        )
        findings.failed("its verdict", why, ModelError.exit_code)
    else:
        findings.passed("its verdict", f"the expected answer itself gets {score:g}")
    return known


def _unknown(made: Estimate, caps: dict[str, Any]) -> str:
    """Return what is missing to know what a budget buys."""
    most = [made.most(role) for role in made.known]
    if "usd" in caps and any(cost.usd is None for cost in most):
        return "the price of the model"
    slow = "seconds" in caps and any(cost.seconds is None for cost in most)
    return "asking the model how fast it is" if slow else ""


def _meta_prompt(problem: PromptProblem, call: Call) -> str:
    shown = sum(start in call.text for start in problem.starts)
    kind = "chat" if call.prompt is None else "raw completion"
    return (
        f"step 1 sends {len(call.text):,} characters (about {len(call.text) // 4:,} tokens) as a "
        f"{kind}, with {shown} of "
        f"{counted(len(problem.starts), 'starting instruction')}"
    )


def _add_budget(
    findings: Findings, problem: PromptProblem, settings: Configuration, planned: int
) -> None:
    """Say what the budget buys, and warn where that is no search."""
    from llmopt.models.middleware.budget import Limits

    made = findings.estimate
    assert made is not None  # noqa: S101 - made just before
    each = max((phase.proposed for phase in made.high.steps), default=0)
    what = f"of {counted(each, 'instruction')} on your {len(problem.items('train')):,} items"
    caps = settings.budget.model_dump(exclude_none=True)
    limits = Limits(**caps)
    findings.steps = full, short = made.steps_within(limits)
    words = " and ".join(limit(cap, value) for cap, value in caps.items())
    one = len(caps) == 1 and (caps.get("usd") is not None or 1 in caps.values())
    buy, are, do = ("buys", "is", "does") if one else ("buy", "are", "do")
    unknown = _unknown(made, caps)
    if not caps:
        findings.buys = (
            f"{counted(planned, 'step')} {what}; there is no budget that ends them early"
        )
    elif unknown:
        findings.buys = f"What {words} {buy} is not known without {unknown}"
    elif full == planned:
        findings.buys = f"{words} {are} enough for all {counted(planned, 'step')} {what}"
    elif short < 0:
        findings.buys = (
            f"{words} {do} not even pay for measuring and testing the starting instructions"
        )
    else:
        least = max(0, full)
        number = f"{least}" if least == short else f"{least} to {short}"
        findings.buys = f"{words} {buy} {number} of {counted(planned, 'step')} {what}"
        if least != short:
            findings.buys += ", fewer the longer the answers are"
    if min(full, planned) < min(_FEW_STEPS, planned):
        sure = "buys" if short < _FEW_STEPS else "may buy"
        findings.cautions.append(
            f"The budget {sure} fewer than {_FEW_STEPS} steps, which is no search; raise it, or "
            "lower algorithm.samples or the size of train."
        )
