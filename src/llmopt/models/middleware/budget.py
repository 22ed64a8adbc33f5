"""The budget: hard caps over all roles together, held however many calls are in flight."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, get_args

from llmopt.core.formatting import bare, capped
from llmopt.core.values import Role, Usage
from llmopt.errors import BudgetError, ConfigError, LlmoptError, LostReplyError
from llmopt.models.middleware.aside import ControlShare, ShareOf
from llmopt.models.middleware.base import Middleware
from llmopt.models.middleware.excess import Excess
from llmopt.models.middleware.timeout import queueing

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.model import Amounts, Model
    from llmopt.core.values import Call, Reply
    from llmopt.models.middleware.purse import Purse

_PER = 1_000_000  # prices are per million tokens
_WARNINGS = (0.95, 0.80, 0.50)  # shares of a cap that are worth a word
_MARGIN = 1.1  # of tokens and dollars, whose calls are not all alike
_CAUTION = 32  # times its bound that a call may use of which nothing is known

MEASURING: tuple[Role, ...] = ("scorer", "judge")
"""Who is asked when solutions are measured, as at the end of a run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps of a run over all roles together; None is no cap.

    Attributes:
        calls: Calls answered, or sent and lost.
        tokens: Tokens, input and output together.
        usd: US dollars; needs the prices of the models.
        seconds: Wall time; calls that would start later are refused.

    Raises:
        ConfigError: A cap is not a positive number.
    """

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None

    @property
    def shared(self) -> tuple[float | None, ...]:
        """The caps that processes can share; wall time is the affair of each."""
        return self.calls, self.tokens, self.usd

    def __post_init__(self) -> None:
        for field in fields(self):
            cap = getattr(self, field.name)
            if cap is not None and not (cap > 0 and math.isfinite(cap)):
                raise ConfigError(
                    f"the budget's {field.name} is a number greater than 0, but got {cap!r}; "
                    "leave it out for no cap"
                )


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in US dollars per million tokens.

    Attributes:
        input: Of prompts.
        output: Of what is generated.
        cached: Of what the provider reads from its prompt cache; None: as `input`.
        cache_write: Of what it writes there; None: as `input`.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def __post_init__(self) -> None:
        for price in (self.input, self.output, self.cached or 0.0, self.cache_write or 0.0):
            if not (price >= 0 and math.isfinite(price)):
                raise ConfigError(
                    f"a price is US dollars per million tokens, 0 or more, but got {price!r}"
                )

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """Return the dollars for a number of tokens, none of them cached."""
        return (input_tokens * self.input + output_tokens * self.output) / _PER

    def most(self, input_tokens: int, output_tokens: int) -> float:
        """Return the most dollars for a number of tokens, whatever was cached of them."""
        dearest = max(self.input, self.cached or 0.0, self.cache_write or 0.0)
        return (input_tokens * dearest + output_tokens * self.output) / _PER

    def paid(self, usage: Usage) -> float:
        """Return the dollars for what was used."""
        usd = self.of(usage.input_tokens, usage.output_tokens)
        if self.cached is not None:
            usd += usage.cached_tokens * (self.cached - self.input) / _PER
        if self.cache_write is not None:
            usd += usage.cache_write_tokens * (self.cache_write - self.input) / _PER
        return usd


@dataclass(frozen=True, slots=True)
class Spent:
    """An amount of everything that a budget caps."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0

    @property
    def amounts(self) -> Amounts:
        """What processes share of it: calls, tokens and dollars."""
        return self.calls, self.tokens, self.usd

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.usd + other.usd,
            self.seconds + other.seconds,
        )

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            self.calls - other.calls,
            self.tokens - other.tokens,
            self.usd - other.usd,
            self.seconds - other.seconds,
        )


class Account:
    """What may be spent, what is, and what calls in flight may still spend.

    The `Budget` middleware of all roles share one account.

    Args:
        limits: The caps.
        spent: What earlier parts of the run have spent.
        clock: Seconds that never run backwards; time counts from now on.
        purse: What this process has drawn of the caps, where others spend them too.

    Attributes:
        warnings: A sentence each time that 50, 80 or 95 % of a cap are reached; each share is
            told once, for the cap that reaches it first.
        lost: The bounds of calls that were sent and whose answer never came, by role.
    """

    def __init__(
        self,
        limits: Limits,
        spent: Spent | None = None,
        clock: Callable[[], float] = time.monotonic,
        purse: Purse | None = None,
    ) -> None:
        self.limits = limits
        self.purse = purse
        self._settled = spent or Spent()
        self._measured = Spent()  # the share of those who measure
        self._reserved = Spent()
        self._kept = 0
        self._aside: ControlShare | None = None  # kept for a control now
        self._held: ControlShare | None = None  # the last one that was
        self._controlled = Spent()
        self._stage_end = 0.0
        self._in_flight = 0
        self._clock = clock
        self._start = clock()
        self._waiting: deque[tuple[Spent, asyncio.Future[None]]] = deque()
        self.warnings: list[str] = []
        self.lost: dict[Role, Usage] = {role: Usage() for role in get_args(Role)}
        self._warned = 0.0
        self._exceeded = False
        self._caps = [
            (field.name, cap)
            for field in fields(limits)
            if (cap := getattr(limits, field.name)) is not None
        ]

    @property
    def waiting(self) -> int:
        """How many calls wait for what those in flight may leave over."""
        return len(self._waiting)

    @property
    def spent(self) -> Spent:
        """What was spent up to now, earlier parts of the run included."""
        return self._settled + Spent(seconds=self._clock() - self._start)

    def add(self, spent: Spent, role: Role) -> None:
        """Count what a role has spent in an earlier part of the run, beside what is known."""
        self._settled += spent
        if role in MEASURING:
            self._measured += spent

    def keep_back(self, calls: int, control: ControlShare | None = None) -> None:
        """Keep so many calls out of reach until told otherwise, for a verdict at the end.

        Their tokens and dollars are kept too, at the mean of the calls that measured so far, and
        their seconds at the mean of all calls.

        Args:
            calls: To choose and test the winner.
            control: What is kept for a control in addition.
        """
        self._kept, self._aside = calls, control
        self._held = control or self._held

    def controlled(self, spent: Spent) -> None:
        """Note what a control has spent, which is a part of what was spent in all."""
        self._controlled += spent

    def pays_for(self, measuring: float, proposing: float) -> bool:
        """Return whether what is left pays for more calls, at the means of those so far.

        Args:
            measuring: Calls that measure.
            proposing: Other calls.
        """
        spent, ours = self.spent, self._measured
        others = spent.calls - ours.calls
        for name, cap in self._caps:
            if name == "calls":
                more = measuring + proposing
            elif name == "seconds":
                more = (measuring + proposing) * spent.seconds / max(1, spent.calls)
            else:
                used, whole = getattr(ours, name), getattr(spent, name)
                more = measuring * used / max(1, ours.calls)
                more = _MARGIN * (more + proposing * (whole - used) / max(1, others))
            if getattr(spent, name) + more > cap:
                return False
        return True

    def expect(self, calls: int) -> None:
        """Say how many calls the stage that begins now takes, so that an error can name its end.

        Until then a stage is one call; what is kept back comes on top.
        """
        self._stage_end = self._settled.calls + calls

    def _stage(self, bound: Spent) -> Spent:
        """Return what the stage still takes: its calls at the mean so far, and one at its bound."""
        spent = self.spent
        calls = max(bound.calls, math.ceil(self._stage_end) - spent.calls)
        if not spent.calls or calls <= bound.calls:
            return Spent(calls, bound.tokens * calls, bound.usd * calls)
        more, each = calls - bound.calls, spent.calls
        return bound + Spent(
            more,
            math.ceil(spent.tokens / each * more),
            spent.usd / each * more,
            spent.seconds / each * calls,
        )

    @property
    def _back(self) -> Spent:
        """What is kept back now to choose and test the winner."""
        return self._priced(self._kept)

    def _priced(self, calls: int) -> Spent:
        """Return what a number of calls that measure come to, at the mean of those so far."""
        one, spent = self._measured, self.spent
        share = calls / one.calls if one.calls else 0.0
        seconds = spent.seconds * calls / spent.calls if spent.calls else 0.0
        return Spent(calls, math.ceil(one.tokens * share), one.usd * share, seconds)

    def _share(self, control: ControlShare, name: str, kept: float) -> ShareOf:
        """Return a control's share in one unit."""
        starts, finals, least = (
            getattr(self._priced(calls), name)
            for calls in (control.starts, control.finals, control.least)
        )
        return ShareOf(starts, finals, least, kept, getattr(self._controlled, name))

    def _for_control(self) -> dict[str, float]:
        """Return what is kept for a control now, by cap; nothing where that pays for none."""
        if self._aside is None:
            return {}
        back, spent = self._back, self.spent
        shares = {n: self._share(self._aside, n, getattr(back, n)) for n, _ in self._caps}
        if not all(shares[name].pays(cap) for name, cap in self._caps):
            return {}
        return {name: shares[name].of(cap, getattr(spent, name)) for name, cap in self._caps}

    async def reserve(self, bound: Spent) -> None:
        """Set aside what a call may cost at most; every reservation must be settled.

        Waits while the rest is set aside for calls in flight, which may cost less.

        Raises:
            BudgetError: The bound does not fit, whatever the calls in flight will cost.
        """
        if self.purse is not None:
            with queueing():
                await self.purse.reserve(bound.amounts)
        try:
            if self._waiting or not self._take(bound):
                await self._turn(bound)
        except BaseException:
            if self.purse is not None:
                self.purse.settle(bound.amounts, None)
            raise

    async def _turn(self, bound: Spent) -> None:
        """Queue for what this process may spend."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((bound, turn))
        with queueing():
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled() and turn.exception() is None:
                    self._settle(bound, None, "scorer")  # it was granted at the same moment
                turn.cancel()
                self._admit()
                raise

    def settle(self, bound: Spent, real: Spent | None = None, role: Role = "scorer") -> None:
        """Replace the reservation `bound` by what the call really cost; None: nothing."""
        if self.purse is not None:
            self.purse.settle(bound.amounts, None if real is None else real.amounts)
        self._settle(bound, real, role)

    def _settle(self, bound: Spent, real: Spent | None, role: Role) -> None:
        if real is not None:
            self.add(real, role)
        self._in_flight -= 1
        if self._caps:
            # Exactly nothing when nothing is in flight, whatever the rounding of dollars did.
            self._reserved = self._reserved - bound if self._in_flight else Spent()
            self._warn()
        if self._waiting:
            self._admit()

    @property
    def counts(self) -> bool:
        """Whether tokens or dollars are capped, so that it matters what a call really uses."""
        return self.limits.tokens is not None or self.limits.usd is not None

    def room(self, bound: Spent) -> float:
        """Return how many calls of this bound the caps on tokens and dollars still pay for."""
        spent = self.spent
        rooms = [
            max(0.0, cap - getattr(spent, name)) / most
            for name, cap in self._caps
            if name in ("tokens", "usd") and (most := getattr(bound, name))
        ]
        return min(rooms, default=math.inf)

    def _warn(self) -> None:
        """Add a warning when a share of a cap is reached for the first time, or it is exceeded."""
        spent = self.spent
        over = [
            (name, more)
            for name, cap in self._caps
            if name != "seconds" and (more := getattr(spent, name) - cap) > 0
        ]
        if over and not self._exceeded:
            self._exceeded = True
            name, more = over[0]
            self.warnings.append(
                f"the budget of {capped(name, getattr(self.limits, name))} is exceeded by "
                f"{capped(name, more)}: replies used more than their calls allow"
            )
        share, name, cap = max((getattr(spent, name) / cap, name, cap) for name, cap in self._caps)
        reached = next((mark for mark in _WARNINGS if share >= mark), 0.0)
        if reached > self._warned:
            self._warned = reached
            amounts = f"{bare(name, getattr(spent, name))} of {capped(name, cap)}"
            self.warnings.append(f"{share:.0%} of the budget is spent: {amounts}")

    def _admit(self) -> None:
        """Let those who wait go on or fail, first come first served."""
        while self._waiting:
            bound, turn = self._waiting[0]
            if not turn.done():
                try:
                    if not self._take(bound):
                        return
                except BudgetError as error:
                    turn.set_exception(error)
                else:
                    turn.set_result(None)
            self._waiting.popleft()

    def _take(self, bound: Spent) -> bool:
        """Reserve `bound` if there is room now.

        Raises:
            BudgetError: There never will be.
        """
        if self._caps:
            if not self._fits(bound):
                return False
            self._reserved += bound
        self._in_flight += 1
        return True

    def _fits(self, bound: Spent) -> bool:
        """Return whether there is room for `bound` now; raise where there never will be."""
        spent = self.spent + self._back if self._kept else self.spent
        held, control = spent + self._reserved, self._for_control()
        for name, cap in self._caps:
            most = getattr(bound, name) + control.get(name, 0.0)
            if name == "seconds" and spent.seconds + control.get(name, 0.0) >= cap:
                raise self._reached(name, bound)
            if getattr(spent, name) + most > cap:
                raise self._reached(name, bound)
            if getattr(held, name) + most > cap:
                return False
        return True

    def _reached(self, name: str, bound: Spent) -> BudgetError:
        """Return the error of a cap that leaves no room for a call that may take `bound`."""
        spent, back = getattr(self.spent, name), getattr(self._back, name)
        control = self._for_control().get(name, 0.0)
        kept = f", {bare(name, back)} are kept back to choose and test the winner" if back else ""
        if control:
            kept += f", {bare(name, math.ceil(control) if name != 'usd' else control)} for the "
            kept += "control without scores"
        stage = self._stage(bound)
        most = getattr(stage, name)
        what = "what comes next takes about" if stage.calls > 1 else "the next call may take"
        next_one = f", and {what} {bare(name, most)}" if most else ""
        held = self._aside is not None
        enough = _rounded_up(name, self._enough(name, spent + most, back, control=held))
        error = BudgetError(
            f"the budget is {capped(name, getattr(self.limits, name))}, but {bare(name, spent)} "
            f"are spent{kept}{next_one}; resume the run with a larger budget, at least "
            f"{capped(name, enough)}"
        )
        error.limit, error.enough, error.spent = name, enough, spent
        error.ahead, error.kept, error.control = most, back, held
        return error

    def _enough(self, name: str, spent: float, back: float, *, control: bool) -> float:
        """Return a cap that lets so much be spent, with what is kept."""
        if not control or self._held is None:
            return spent + back
        return self._share(self._held, name, back).enough(spent)

    def said(self, error: BudgetError) -> str:
        """Return what an error of this account says, with what was spent since then."""
        if not error.limit:
            return str(error)
        spent = getattr(self.spent, error.limit) + error.ahead
        enough = self._enough(error.limit, spent, error.kept, control=error.control)
        words = str(error).removesuffix(capped(error.limit, error.enough))
        return words + capped(error.limit, _rounded_up(error.limit, enough))


def _rounded_up(name: str, amount: float) -> float:
    """Return an amount that is still enough when it is read off a message."""
    if name != "usd" or amount <= 0:
        return math.ceil(amount)
    step = 10.0 ** (math.floor(math.log10(amount)) - 2)  # three digits
    return math.ceil(amount / step) * step


class Budget(Middleware):
    """Sends a call only when its upper bound fits into the account.

    The bound is one call and its `most_tokens`, and where tokens or dollars are capped, the most
    that a reply of the model has used beyond those; as long as nothing is known of that, few
    calls are sent at once. A failed call costs nothing, but one whose answer was lost, or that
    was given up on its way, may have been billed and counts with its whole bound, unless the
    provider keeps it (`Traits.kept`).

    Args:
        inner: What is asked.
        account: Shared by all roles of a run.
        price: What `inner` costs; necessary where dollars are capped.

    Raises:
        ConfigError: Dollars are capped and there is no price.
    """

    def __init__(self, inner: Model, account: Account, price: Price | None = None) -> None:
        super().__init__(inner)
        if account.limits.usd is not None and price is None:
            raise ConfigError(
                f"a budget in US dollars is kept with the price of {inner.identity}, but it is "
                "not known; give its price per million input and output tokens "
                "(0 and 0 for a free model), or cap calls or tokens instead"
            )
        self.account = account
        self._price = price or Price(0.0, 0.0)
        self._excess = Excess()

    async def complete(self, call: Call) -> Reply:
        """Reserve, ask, settle.

        Raises:
            BudgetError: The call does not fit; nothing was sent.
        """
        if not self.account.counts:
            return await self._asked(call)
        bound = self._bound(*self._excess.most_tokens(call))
        await self._excess.enter(self.account.room(bound) / _CAUTION)
        usage: Usage | None = None
        try:
            reply = await self._asked(call)
            usage = reply.usage
        finally:
            if self._excess.leave(call, usage):
                more = self._excess.asked + self._excess.made
                self.account.warnings.append(
                    f"{self.identity} uses more than its calls allow, such as hidden reasoning: "
                    f"{more:,} tokens; the budget sets the most of that aside from now on"
                )
        return reply

    async def _asked(self, call: Call) -> Reply:
        """Reserve, ask, settle."""
        most = self._excess.most_tokens(call)
        bound = self._bound(*most)
        await self.account.reserve(bound)
        real: Spent | None = bound
        try:
            reply = await self.inner.complete(call)
            real = self._cost(reply.usage)
        except LostReplyError:
            raise
        except LlmoptError:
            real = None
            raise
        except asyncio.CancelledError:
            if self.traits.kept:  # the next process to ask gets its answer, and counts it then
                real = None
            raise
        finally:
            if real is bound:
                used = Usage(1, *most, estimated=True)
                self.account.lost[call.role] += used
            self.account.settle(bound, real, call.role)
        return reply

    def _bound(self, asked: int, made: int) -> Spent:
        """Return the most that a call with these tokens can cost."""
        return Spent(1, asked + made, self._price.most(asked, made))

    def _cost(self, usage: Usage) -> Spent:
        """Return what a call of this usage cost."""
        return Spent(usage.calls, usage.tokens, self._price.paid(usage))
