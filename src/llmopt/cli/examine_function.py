"""What ``llmopt check`` finds out about a configuration whose problem is a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.cli.findings import Findings, built, known_of, tried
from llmopt.errors import InputError

if TYPE_CHECKING:
    from llmopt.algorithm import Algorithm
    from llmopt.config.settings import Settings


async def examined_function(settings: Settings, *, offline: bool) -> Findings:
    """Find out about the method, the function and the optimizer LLM, if the method has one.

    The function is asked for the value of the first starting solution.

    Args:
        settings: The configuration.
        offline: Whether no call is made to a model and nothing is fetched.

    Raises:
        InputError: Something cannot be used at all.
    """
    from llmopt.models.absent import AbsentModel
    from llmopt.rehearsal.rehearse import first_step

    findings, run = Findings(), settings.run
    problem = settings.built_problem()
    algorithm: Algorithm = settings.options()["algorithm"]
    tables = settings.models()
    named = tables.get("optimizer")
    model = AbsentModel() if named is None else built(named.named(), offline=offline)
    try:
        algorithm.check(problem, model)
        planned = algorithm.steps(problem, run.steps)
        findings.passed("configuration", f"{planned:,} steps of {algorithm.name}, seed {run.seed}")
        starts = len(problem.starts)
        found = await problem.measure(problem.starts[0], problem.items("train")[0], None)
        if found.score is None:
            findings.failed("function", found.reason or "no value", InputError.exit_code)
        else:
            findings.passed("function", f"the first start has {problem.show(found.score, 100)}")
        calls, proposals = await first_step(problem, algorithm, model, seed=run.seed, steps=planned)
        if calls and named is not None:
            findings.passed("meta-prompt", f"step 1 sends {len(calls[0].text):,} characters")
            known = known_of(findings, "optimizer", model, settings)
            if not offline:
                await tried(findings, "optimizer", model, calls[0], known)
    finally:
        await model.close()
    findings.proposing = planned * len(calls)
    findings.steps = (planned, planned)
    findings.buys = (
        f"{planned:,} steps of {proposals:,} proposals: at most "
        f"{starts + planned * proposals:,} evaluations of the function and "
        f"{findings.proposing:,} calls to the optimizer LLM, if every step is as the first"
    )
    return findings
