"""What a look at a configuration found, and the looks at a model that all of them share."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from llmopt.errors import InputError, MissingKeyError, ModelError, install_command

if TYPE_CHECKING:
    from llmopt.config.settings import Configuration
    from llmopt.core.model import Model
    from llmopt.core.values import Call, Role
    from llmopt.evidence.headroom import Headroom
    from llmopt.models.middleware.budget import Price
    from llmopt.models.registry import NamedModel
    from llmopt.preflight.estimate import Cost, Estimate, ModelFacts
    from llmopt.terminal.progress import Doing

_SHORT = 16  # tokens that a model may answer when it is only tried


@dataclass
class Findings:
    """What was found out.

    Attributes:
        checks: What was looked at, whether it is in order, and what was seen.
        code: The exit code.
        cautions: What a careful reader should know.
        buys: What the budget buys, in words.
        steps: Steps that the budget buys, with full answers and with the shortest.
        proposing: Calls to the optimizer LLM at most, where there is no estimate.
        estimate: What a run takes; None where there is no scorer LLM.
        models: What is known of the model of each role.
        shows: The smallest difference that the test rows can show, for shares of them on which
            winner and start may disagree; of :func:`~llmopt.preflight.cautions.forecast`.
        headroom: How much gain is possible, where that was measured.
        verdict: The same in words.
        quiet: Whether nothing is shown while something takes long.
    """

    checks: list[tuple[str, bool, str]] = field(default_factory=list)
    code: int = 0
    cautions: list[str] = field(default_factory=list)
    buys: str = ""
    steps: tuple[int, int] = (0, 0)
    proposing: int = 0
    estimate: Estimate | None = None
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    shows: tuple[tuple[float, float], ...] = ()
    headroom: Headroom | None = None
    verdict: str = ""
    quiet: bool = False

    def doing(self, words: str) -> Doing:
        """Return a context that says what is being done, if that takes long and it may."""
        from llmopt.terminal.progress import Doing

        return Doing(words, quiet=self.quiet)

    def passed(self, what: str, said: str) -> None:
        """Note what is in order."""
        self.checks.append((what, True, said))

    def failed(self, what: str, why: str, code: int) -> None:
        """Note what would stop the run; bad input outweighs a model that does not answer."""
        self.checks.append((what, False, why))
        self.code = max(self.code, code)

    def rows(self) -> list[tuple[str, Cost, Cost]]:
        """Return what each role takes at least and at most, and all together; none unknown."""
        from llmopt.preflight.estimate import Cost

        made = self.estimate
        if made is None:
            return []
        rows = [(f"{role} LLM", made.least(role), made.most(role)) for role in made.known]
        low = sum((least for _, least, _ in rows), Cost())
        return [*rows, ("together", low, sum((most for _, _, most in rows), Cost()))]

    @property
    def calls(self) -> tuple[int, int]:
        """How many calls a run makes at least and at most."""
        rows = self.rows()
        return (rows[-1][1].calls, rows[-1][2].calls) if rows else (0, self.proposing)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        measured = self.headroom
        headroom = {"headroom": {**measured.to_dict(), "says": self.verdict}} if measured else {}
        return {
            **headroom,
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
            "shows": [{"disagreement": share, "difference": least} for share, least in self.shows],
        }


def built(named: NamedModel, findings: Findings, *, offline: bool) -> Model:
    """Return a model; offline, weights that are not here yet are not fetched.

    Offline, a missing key is something that would stop the run, and the cost is estimated all the
    same, where an endpoint has a price list.
    """
    from llmopt.models.providers.scripted import ScriptedModel
    from llmopt.models.registry import traits_unfetched
    from llmopt.terminal.progress import Download

    traits = traits_unfetched(named.name) if offline else None
    if traits is not None:
        return ScriptedModel(lambda call: call.text, traits=traits, identity=named.name)
    try:
        with Download(quiet=findings.quiet) as download:
            return named.built(download)
    except MissingKeyError as error:
        known = named.unkeyed() if offline else None
        if known is None:
            raise
        findings.failed("key", str(error), InputError.exit_code)
        return known


def known_of(findings: Findings, role: Role, model: Model, settings: Configuration) -> ModelFacts:
    """Return what is known of a role's model before it is asked."""
    from llmopt.models.prices import in_batches, price_of
    from llmopt.preflight.estimate import ModelFacts

    table = settings.models()[role]
    price = table.price.price() if table.price else price_of(model)
    if table.batch:
        price = price if table.price else in_batches(price)
        findings.cautions.append(
            f"{role}.batch: what is asked at one time goes as one batch, which may take a day; "
            "times are estimated as if it was asked call by call"
        )
    findings.models[role] = {"identity": model.identity, "price": price and asdict(price)}
    said = f"{model.identity}, {_price(price, given=table.price is not None)}"
    findings.passed(f"{role} LLM", said)
    own = role != "optimizer" or settings.optimizer is not None
    if own and price is None and settings.budget.usd is not None:
        why = (
            f"budget.usd needs the price of {model.identity}, which is not known; set {role}.price"
            f", or try {install_command('prices')} for list prices"
        )
        findings.failed("its price", why, InputError.exit_code)
    return ModelFacts(
        price=price,
        slots=settings.run.concurrency or model.traits.slots,
        alone=model.traits.deadline is None,
        calls_a_minute=table.requests_per_minute,
        tokens_a_minute=table.tokens_per_minute,
    )


async def tried(
    findings: Findings,
    role: Role,
    model: Model,
    call: Call,
    known: ModelFacts,
    *,
    most: int = _SHORT,
) -> ModelFacts:
    """Ask a role's model once, for so many tokens at most, and return what is known of it then."""
    from llmopt.core.text import one_line
    from llmopt.models.providers.openai import OpenAIModel
    from llmopt.models.providers.replay import ReplayModel

    if isinstance(model, ReplayModel):
        findings.passed("its answer", "recorded, so it is not asked")
        return known
    call = replace(call, max_tokens=min(call.max_tokens, most))
    try:
        with findings.doing(f"asking {model.identity}"):
            if known.alone:  # loading the weights is not the time of a call
                await model.complete(replace(call, max_tokens=1, sample=1))
            begin = time.perf_counter()
            reply = await model.complete(call)
    except ModelError as error:
        findings.failed("its answer", str(error), ModelError.exit_code)
        return known
    finally:
        notes = model.notes if isinstance(model, OpenAIModel) else []
        findings.cautions += [note for note in notes if note not in findings.cautions]
    seconds, used = time.perf_counter() - begin, reply.usage
    about = "about " if used.estimated else ""
    said = f'"{one_line(reply.text, 60)}"' if reply.text.strip() else _silent(reply.finish)
    said += (
        f" in {seconds:.2f} s, {about}{used.input_tokens:,} tokens in, {used.output_tokens:,} out"
    )
    findings.passed("its answer", said)
    findings.models[role] |= {
        "answer": reply.text,
        "finish": reply.finish,
        "max_tokens": call.max_tokens,
        "seconds": seconds,
        "usage": asdict(used),
    }
    size = len(call.text.encode("utf-8", "surrogatepass"))
    tokens = None if used.estimated else used.input_tokens
    return known.probed(seconds, size, tokens, used.output_tokens)


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
