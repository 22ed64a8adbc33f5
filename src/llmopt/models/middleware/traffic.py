"""The middleware of all models of a run: calls made, calls waiting, and their cost."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any, get_args

from llmopt.core.values import Role, Usage
from llmopt.models.middleware.budget import (
    Account,
    Limits,
    Price,
    Spent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from llmopt.models.middleware.aside import ControlShare
    from llmopt.models.middleware.concurrency import Gate
    from llmopt.models.middleware.in_flight import Ledger
    from llmopt.models.middleware.stack import Stack

_LOOKS = 4  # looks at a run in the time after which silence is a stall


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the middleware did since this process started or resumed the run.

    Attributes:
        hits: Replies that came from the store, or from an equal call in flight.
        retries: Attempts beyond the first ones.
        lost: Calls that were sent and whose answer never came; they may have been billed.
    """

    hits: int = 0
    retries: int = 0
    lost: int = 0


class Traffic:
    """The middleware of all models of a run.

    Args:
        account: The budget that they share; default: one without caps.
        prices: US dollars per million tokens by role.
        stored: Returns the usage of all replies that the store has as paid by this run.
        step_deadline: Seconds after whose passing no attempt of a step begins; None: no limit.
        patience: Seconds without any reply after which a run with calls under way has stalled.

    Attributes:
        account: As given.
        warnings: What the budget has to say; grows while the run lasts.
        ledger: Where calls stand while they are on their way, if anywhere.
    """

    def __init__(
        self,
        account: Account | None = None,
        *,
        prices: Mapping[Role, Price] | None = None,
        stored: Callable[[], Mapping[Role, Usage]] = dict,
        step_deadline: float | None = None,
        patience: float = 60.0,
    ) -> None:
        self.account = account or Account(Limits())
        self._stacks: list[Stack] = []
        self._gates: list[Gate] = []
        self._prices = prices or {}
        self._stored = stored
        self._before = dict(stored())
        self._step_deadline = step_deadline
        self._patience = patience
        self._told: dict[Role, Usage] = {}
        self.ledger: Ledger | None = None
        self.warnings = self.account.warnings

    def add(self, stack: Stack) -> None:
        """Take a model in; each one once."""
        self._stacks.append(stack)
        if all(gate is not stack.limit.gate for gate in self._gates):
            self._gates.append(stack.limit.gate)

    @property
    def hits(self) -> int:
        """Replies that nobody was asked for."""
        return sum(stack.cache.hits for stack in self._stacks if stack.cache)

    @property
    def retries(self) -> int:
        """Attempts beyond the first ones."""
        return sum(stack.retry.retries for stack in self._stacks)

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return sum(gate.in_flight for gate in self._gates)

    @property
    def slots(self) -> int:
        """Slots that may be taken now."""
        return sum(int(gate.allowed) for gate in self._gates)

    @property
    def stretch(self) -> Stretch:
        """What the middleware did so far."""
        lost = sum(used.calls for used in self.account.lost.values())
        return Stretch(self.hits, self.retries, lost)

    def usage(self) -> dict[str, Usage]:
        """Return what was used so far, by role, also before the run was resumed."""
        return {
            role: self._before.get(role, Usage()) + self._told.get(role, Usage()) + self._met(role)
            for role in get_args(Role)
        }

    def keep_back(self, calls: int, control: ControlShare | None = None) -> None:
        """See `Account.keep_back`."""
        self.account.keep_back(calls, control)

    def expect(self, calls: int) -> None:
        """See `Account.expect`."""
        self.account.expect(calls)

    def begin_step(self) -> None:
        """Let the time of a step begin; call it inside of the event loop."""
        if self._step_deadline is not None:
            until = asyncio.get_running_loop().time() + self._step_deadline
            for stack in self._stacks:
                stack.retry.until = until

    def end_step(self) -> None:
        """Let calls take the time that they need again."""
        for stack in self._stacks:
            stack.retry.until = None

    # -- what the store does not know -----------------------------------------------------

    def doubled(self) -> dict[Role, Usage]:
        """Return the usage of replies that were paid here, but stored by another run first.

        Earlier parts of the run are included.
        """
        now = self._doubled_now()
        return {role: self._told.get(role, Usage()) + used for role, used in now.items()}

    def _doubled_now(self) -> dict[Role, Usage]:
        """Return the same of this stretch alone."""
        now: Mapping[Role, Usage] = self._stored()
        found: dict[Role, Usage] = {}
        for role in get_args(Role):
            met = self._met(role)
            kept, before = now.get(role, Usage()), self._before.get(role, Usage())
            more = met.since(kept.since(before))
            found[role] = Usage(*(max(n, 0) for n in astuple(more))) if more.calls > 0 else Usage()
        return found

    def _met(self, role: Role) -> Usage:
        return sum((stack.meter.usage[role] for stack in self._stacks), Usage())

    def unstored(self) -> dict[str, Any] | None:
        """Return what this stretch has paid and the store does not know, for the journal.

        None where there is nothing.
        """
        doubled = {role: asdict(used) for role, used in self._doubled_now().items() if used.calls}
        lost = {role: asdict(used) for role, used in self.account.lost.items() if used.calls}
        return {"doubled": doubled, "lost": lost} if doubled or lost else None

    def remember(self, data: Mapping[str, Any]) -> None:
        """Count what :meth:`unstored` has returned at the end of an earlier stretch."""
        for kind in ("doubled", "lost"):
            for role, amounts in data[kind].items():
                used = Usage(**amounts)
                price = self._prices.get(role, Price(0.0, 0.0))
                self.account.add(Spent(used.calls, used.tokens, price.paid(used)), role)
                if kind == "doubled":
                    self._told[role] = self._told.get(role, Usage()) + used

    # -- the watchdog -----------------------------------------------------------------------

    async def watch(self, report: Callable[[str], None]) -> None:
        """Look for a stall until cancelled.

        Args:
            report: Told what is waited for, again and again while nothing is answered, and an
                empty text when it goes on.
        """
        loop = asyncio.get_running_loop()
        answered, since, stalled = self._answered, loop.time(), False
        while True:
            await asyncio.sleep(self._patience / _LOOKS)
            count, now = self._answered, loop.time()
            if count != answered or not any(stack.retry.under_way for stack in self._stacks):
                answered, since = count, now
                if stalled:
                    stalled = False
                    report("")
            elif now - since >= self._patience:
                stalled = True
                report(f"nothing was answered for {now - since:.0f} s: {self.waits_for()}")

    @property
    def _answered(self) -> int:
        return sum(used.calls for stack in self._stacks for used in stack.meter.usage.values())

    def waits_for(self) -> str:
        """Return in words what all calls under way wait for."""
        storing = sum(stack.keep.storing for stack in self._stacks if stack.keep)
        held = self.account.waiting
        asked = self.busy - storing - held
        words = [
            (asked, f"awaiting a reply of {', '.join(o.identity for o in self._stacks)}"),
            (storing, "being stored"),
            (held, "waiting for what those leave over of the budget"),
        ]
        for gate in self._gates:
            why = "the cap per minute" if gate.paced else f"one of {int(gate.allowed)} slots"
            words.append((gate.waiting, f"queueing for {why}"))
        words += [
            (o.retry.pausing, f"pausing before the next attempt ({o.retry.last_fault})")
            for o in self._stacks
        ]
        return "calls " + ", ".join(f"{what}: {count}" for count, what in words if count > 0)
