"""What ``llmopt check`` finds out about a configuration."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from llmopt.errors import InputError, ModelError

if TYPE_CHECKING:
    from llmopt.algorithm import Algorithm
    from llmopt.config import Settings
    from llmopt.estimate import Cost, Estimate, Known
    from llmopt.model import Model
    from llmopt.models.layers.budget import Price
    from llmopt.models.registry import NamedModel
    from llmopt.problems.prompting import PromptProblem
    from llmopt.types import Call, Role

_SHORT = 16  # tokens that a model may answer when it is only tried
_CLASSES = 6  # classes up to which their shares are listed
_FEW_STEPS = 2  # fewer are no search


@dataclass
class Findings:
    """What was found out.

    Attributes:
        checks: What was looked at, whether it is in order, and what was seen.
        code: The exit code.
        cautions: What a careful reader should know.
        buys: What the budget buys, in words.
        steps: Steps that the budget buys, with full answers and with the shortest.
        estimate: What a run takes.
        models: What is known of the model of each role.
    """

    checks: list[tuple[str, bool, str]] = field(default_factory=list)
    code: int = 0
    cautions: list[str] = field(default_factory=list)
    buys: str = ""
    steps: tuple[int, int] = (0, 0)
    estimate: Estimate | None = None
    models: dict[str, dict[str, Any]] = field(default_factory=dict)

    def passed(self, what: str, said: str) -> None:
        """Note what is in order."""
        self.checks.append((what, True, said))

    def failed(self, what: str, why: str, code: int) -> None:
        """Note what would stop the run; bad input outweighs a model that does not answer."""
        self.checks.append((what, False, why))
        self.code = max(self.code, code)

    def rows(self) -> list[tuple[str, Cost, Cost]]:
        """Return what each role takes at least and at most, and both together."""
        assert self.estimate is not None  # noqa: S101 - made before anything is printed
        made = self.estimate
        low, high = made.least("optimizer"), made.most("optimizer")
        more, most = made.least("scorer"), made.most("scorer")
        return [
            ("optimizer LLM", low, high),
            ("scorer LLM", more, most),
            ("together", low + more, high + most),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        return {
            "ok": self.code == 0,
            "checks": [
                {"check": what, "ok": fine, "detail": said} for what, fine, said in self.checks
            ],
            "models": self.models,
            "estimate": {
                name.removesuffix(" LLM"): {"low": asdict(low), "high": asdict(high)}
                for name, low, high in self.rows()
            },
            "budget": {"says": self.buys, "steps": list(self.steps)},
            "cautions": self.cautions,
        }


async def examined(settings: Settings, *, offline: bool) -> Findings:
    """Find out everything about a configuration.

    Args:
        settings: The configuration.
        offline: Whether no call is made and nothing is fetched.

    Raises:
        InputError: Something cannot be used at all.
    """
    from llmopt.estimate import cautions, estimate
    from llmopt.rehearsal import first_call

    findings = Findings()
    problem, options = settings.built_problem(), settings.options()
    algorithm: Algorithm = options["algorithm"]
    run = settings.run
    tables = (settings.optimizer or settings.scorer, settings.scorer)
    optimizer, scorer = (_built(table.named(), offline=offline) for table in tables)
    try:
        algorithm.propose.check(optimizer)
        steps = f"{_count(run.steps, 'step')} of {algorithm.name}"
        findings.passed("configuration", f"{steps}, seed {run.seed}")
        findings.passed("data", _data(problem))
        findings.passed("metric", _metric(problem, settings.problem.metric))
        first = await first_call(problem, algorithm, optimizer, seed=run.seed, steps=run.steps)
        if first:
            findings.passed("meta-prompt", _meta_prompt(problem, first))
        ask = problem.call(problem.starts[0], problem.items("train")[0], scorer)
        known: dict[Role, Known] = {}
        asked: tuple[tuple[Role, Model, Call | None], ...] = (
            ("optimizer", optimizer, first),
            ("scorer", scorer, ask),
        )
        for role, model, call in asked:
            known[role] = _known(findings, role, model, settings)
            if not offline and call:
                known[role] = await _tried(findings, role, model, call, known[role])
        findings.estimate = await estimate(
            problem,
            algorithm,
            optimizer,
            scorer,
            steps=run.steps,
            patience=run.patience,
            target=run.target,
            seed=run.seed,
            finalists=run.finalists,
            known=known,
        )
        _add_budget(findings, problem, settings)
        findings.cautions += cautions(problem, scorer, first.text if first else "")
    finally:
        await optimizer.close()
        await scorer.close()
    return findings


def _built(named: NamedModel, *, offline: bool) -> Model:
    """Return a model; offline, weights that are not here yet are not fetched."""
    from llmopt.model import Traits
    from llmopt.models.scripted import ScriptedModel
    from llmopt.models.weights import KNOWN
    from llmopt.report.progress import Download

    row = KNOWN.get(named.name.removeprefix("local/"))
    if offline and row:
        traits = Traits(completion=True, family=row.family, slots=8, deadline=None)
        return ScriptedModel(lambda call: call.text, traits=traits, identity=named.name)
    with Download() as download:
        return named.built(download)


def _known(findings: Findings, role: Role, model: Model, settings: Settings) -> Known:
    """Return what is known of a role's model before it is asked."""
    from llmopt.estimate import Known
    from llmopt.models.layers.budget import Price as Dollars
    from llmopt.models.prices import price_of

    table = settings.scorer if role == "scorer" else settings.optimizer or settings.scorer
    price = Dollars(table.price.input, table.price.output) if table.price else price_of(model)
    findings.models[role] = {"identity": model.identity, "price": price and asdict(price)}
    said = f"{model.identity}, {_price(price, given=table.price is not None)}"
    findings.passed(f"{role} LLM", said)
    own = role == "scorer" or settings.optimizer is not None
    if own and price is None and settings.budget.usd is not None:
        why = (
            f"budget.usd needs the price of {model.identity}, which is not known; set {role}.price"
            ", or try pip install 'llmopt[prices]' for list prices"
        )
        findings.failed("its price", why, InputError.exit_code)
    return Known(
        price=price,
        slots=settings.run.concurrency or model.traits.slots,
        alone=model.traits.deadline is None,
        calls_a_minute=table.requests_per_minute,
        tokens_a_minute=table.tokens_per_minute,
    )


async def _tried(findings: Findings, role: Role, model: Model, call: Call, known: Known) -> Known:
    """Ask a role's model once, briefly, and return what is known of it then."""
    from llmopt.models.replay import ReplayModel
    from llmopt.text import one_line

    if isinstance(model, ReplayModel):
        findings.passed("its answer", "recorded, so it is not asked")
        return known
    call = replace(call, max_tokens=min(call.max_tokens, _SHORT))
    try:
        if known.alone:  # loading the weights is not the time of a call
            await model.complete(replace(call, max_tokens=1, sample=1))
        begin = time.perf_counter()
        reply = await model.complete(call)
    except ModelError as error:
        findings.failed("its answer", str(error), ModelError.exit_code)
        return known
    seconds, used = time.perf_counter() - begin, reply.usage
    about = "about " if used.estimated else ""
    said = f'"{one_line(reply.text, 60)}"' if reply.text.strip() else _silent(reply.finish)
    said += (
        f" in {seconds:.2f} s, {about}{used.input_tokens:,} tokens in, {used.output_tokens:,} out"
    )
    findings.passed("its answer", said)
    findings.models[role] |= {"answer": reply.text, "seconds": seconds, "usage": asdict(used)}
    size = len(call.text.encode("utf-8", "surrogatepass"))
    tokens = None if used.estimated else used.input_tokens
    return known.probed(seconds, size, tokens, used.output_tokens)


def _unknown(made: Estimate, caps: dict[str, Any]) -> str:
    """Return what is missing to know what a budget buys."""
    most = made.most("optimizer") + made.most("scorer")
    if "usd" in caps and most.usd is None:
        return "the price of the model"
    return "asking the model how fast it is" if "seconds" in caps and most.seconds is None else ""


def _silent(finish: str) -> str:
    why = f" (it may still have been thinking after {_SHORT} tokens)" if finish == "length" else ""
    return f"empty{why}"


def _price(price: Price | None, *, given: bool) -> str:
    if price is None:
        return "price unknown"
    if not (price.input or price.output):
        return "free"
    whose = "as you state" if given else "list price"
    return f"${price.input:g} in, ${price.output:g} out per million tokens, {whose}"


def _data(problem: PromptProblem) -> str:
    splits = problem.splits
    items = (*splits.train, *splits.validation, *splits.test)
    twice = len(items) - len({" ".join(item.input.casefold().split()) for item in items})
    repeated = f", {_count(twice, 'repeated input')} kept on one side" if twice else ""
    return (
        f"{len(items):,} rows: {len(splits.train):,} train, {len(splits.validation):,} "
        f"validation, {len(splits.test):,} test{repeated}; {_answers(problem)}"
    )


def _answers(problem: PromptProblem) -> str:
    """Return the classes with their shares, or how many answers there are."""
    from collections import Counter

    from llmopt.text import one_line

    splits = problem.splits
    counts = Counter(i.target for i in (*splits.train, *splits.validation, *splits.test))
    if len(counts) > _CLASSES:
        return f"{len(counts):,} different answers"
    shares = [
        f"{one_line(c, 20)} {100 * n / counts.total():.0f} %" for c, n in counts.most_common()
    ]
    return ", ".join(shares)


def _metric(problem: PromptProblem, named: str) -> str:
    """Return which metric it is, tried on a target, which is a right answer."""
    item = problem.items("train")[0]
    name = type(problem.metric).__name__.lower() if named == "auto" else named
    chosen = ", which suits the answers" if named == "auto" else ""
    weighted = "; every class counts the same" if problem.balanced else ""
    score = problem.metric(item.target, item).score
    return f"{name}{chosen}; the expected answer itself scores {score:g}{weighted}"


def _meta_prompt(problem: PromptProblem, call: Call) -> str:
    shown = sum(start in call.text for start in problem.starts)
    kind = "chat" if call.prompt is None else "raw completion"
    return (
        f"step 1 sends {len(call.text):,} characters (about {len(call.text) // 4:,} tokens) as a "
        f"{kind}, with {shown} of "
        f"{_count(len(problem.starts), 'starting instruction')}"
    )


def _add_budget(findings: Findings, problem: PromptProblem, settings: Settings) -> None:
    """Say what the budget buys, and warn where that is no search."""
    from llmopt.models.layers.budget import Limits

    made, planned = findings.estimate, settings.run.steps
    assert made is not None  # noqa: S101 - made just before
    each = max((phase.proposed for phase in made.high.steps), default=0)
    what = f"of {_count(each, 'instruction')} on your {len(problem.items('train')):,} items"
    caps = settings.budget.model_dump(exclude_none=True)
    limits = Limits(**caps)
    findings.steps = full, short = made.steps_within(limits)
    words = " and ".join(
        f"${value:g}" if cap == "usd" else f"{value:,g} {cap}" for cap, value in caps.items()
    )
    unknown = _unknown(made, caps)
    if not caps:
        findings.buys = f"{_count(planned, 'step')} {what}; there is no budget that ends them early"
    elif unknown:
        findings.buys = f"What {words} buy is not known without {unknown}"
    elif full == planned:
        findings.buys = f"{words} are enough for all {_count(planned, 'step')} {what}"
    elif short < 0:
        findings.buys = (
            f"{words} do not even pay for measuring and testing the starting instructions"
        )
    else:
        least = max(0, full)
        number = f"{least}" if least == short else f"{least} to {short}"
        findings.buys = f"{words} buy {number} of {_count(planned, 'step')} {what}"
        if least != short:
            findings.buys += ", fewer the longer the answers are"
    if min(full, planned) < min(_FEW_STEPS, planned):
        sure = "buys" if short < _FEW_STEPS else "may buy"
        findings.cautions.append(
            f"The budget {sure} fewer than {_FEW_STEPS} steps, which is no search; raise it, or "
            "lower algorithm.samples or the size of train."
        )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
