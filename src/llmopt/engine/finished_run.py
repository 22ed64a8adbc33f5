"""What doing a finished run again depends on."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from llmopt.core.store import STEP
from llmopt.engine.journal import CONTROL, EVALUATION
from llmopt.engine.verification import RESULT
from llmopt.errors import ConfigError
from llmopt.evidence.result import BUDGET
from llmopt.models.providers.unasked import UnaskedModel
from llmopt.models.registry import NamedModel, traits_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.core.trajectory import Trajectory
    from llmopt.engine.run import Run


@dataclass(frozen=True)
class Finished:
    """A finished run, in what doing it again depends on.

    Attributes:
        identity: What decides how it goes, of its first record.
        last: The number of its last step.
        stopped: Why its search ended.
        whole: Whether a budget did not decide how much was measured after the search.
    """

    identity: dict[str, str]
    last: int
    stopped: str
    whole: bool

    @classmethod
    def of(cls, store: Store, run: str) -> Finished:
        """Read it from a store.

        Raises:
            ConfigError: The run cannot be derived.
            StoreError: There is no such run.
        """
        config = store.config(run)
        kind = "an evaluation" if EVALUATION in config else "a sweep" if "sweep" in config else ""
        if kind:
            raise ConfigError(f"a search can be verified, but {run!r} is {kind}; name a search")
        identity = config.get("identity") or {}
        if identity.get("mode"):
            raise ConfigError(
                f"a run that goes in steps can be verified, but {run!r} has the mode "
                f"{identity['mode']!r}, whose order is that in which replies came"
            )
        last, sized, result = -1, False, None
        for record in store.records(run):
            if record.kind == STEP:
                last = max(last, int(record.data.get("step", -1)))
            sized = sized or (record.kind == CONTROL and "size" in record.data)
            result = record.data if record.kind == RESULT else result
        if result is None:
            raise ConfigError(
                f"a finished run can be verified, but {run!r} has no result; resume it first"
            )
        stopped = str(result.get("stopped", ""))
        return cls(identity, last, stopped, not sized and not stopped.startswith(BUDGET))

    def ends(self, run: Run) -> Callable[[Trajectory], str]:
        """Return what says why a run that is done again is over, once it has as many steps.

        That is the rule of the run itself; where it has none for this, as when a budget ended the
        search or a larger number of steps continued it, the reason is the stored one.
        """
        rule = run.over

        def over(trajectory: Trajectory) -> str:
            if trajectory.steps <= self.last:
                return ""
            run.over = rule
            try:
                return run.why_stop() or self.stopped
            finally:
                run.over = over

        return over

    def model(self, role: Literal["optimizer", "scorer"], model: object) -> Any:
        """Return what takes the place of a model whose replies are stored."""
        if model is None:
            return None
        named = NamedModel(model) if isinstance(model, str) else model
        if isinstance(named, NamedModel):
            return UnaskedModel(self.identity.get(role, ""), traits_of(named))
        made: Any = named
        return UnaskedModel(made.identity, made.traits)

    def asking_nobody(self, problem: Problem) -> Problem:
        """Return the problem with a scorer LLM whose replies are stored."""
        made: Any = problem
        if made.scorer is None or not any(one.name == "scorer" for one in fields(made)):
            return problem
        asking: Problem = replace(made, scorer=self.model("scorer", made.scorer))
        return asking
