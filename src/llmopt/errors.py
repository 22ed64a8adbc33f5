"""Everything llmopt raises on purpose, as one tree.

::

    LlmoptError
    ├── InputError            the user gave something that cannot be used      exit code 2
    │   ├── ConfigError       a configuration file or option
    │   │   └── MissingKeyError   the environment variable of a model's key is not set
    │   ├── DataError         a data file, a column, a split
    │   ├── TemplateError     a meta-prompt template or prompt layout
    │   ├── UnknownNameError  a name that is not registered
    │   ├── MissingExtraError an optional library is not installed
    │   └── StoreError        the store cannot be read, or is another's
    ├── ModelError            a language model could not answer                exit code 1
    │   ├── TransientError    may succeed when retried
    │   │   ├── RateLimitError    asked faster than it answers
    │   │   └── LostReplyError    sent, but no readable reply came back
    │   │       └── WithheldError     the answer was kept back (filter, refusal)
    │   └── RefusedError      will not succeed when retried (key, quota, bad request)
    │       ├── EndpointError     the endpoint never answered: address, key, name  exit code 2
    │       └── BadCallError      this call alone is refused, say for its length
    ├── MeasureError          the answer to one item gets no score             exit code 1
    ├── StepFailedError       too many items of a step stayed unmeasured       exit code 1
    ├── WorkerLostError       the process that did a cell of a sweep died      exit code 1
    ├── SlotsClosedError      a measurement did not begin: the search is over  exit code 1
    ├── SweepBudgetError      the budget of a whole sweep is reached           exit code 3
    └── BudgetError           a spending limit is reached                      exit code 3
        └── NotWorthItError   a search is not worth its cost, so it did not begin

Messages follow one pattern: ``<what> is <rule>, but got <value>; <what to do>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class LlmoptError(Exception):
    """Root of the tree; catch this to catch everything llmopt raises on purpose."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it go from one process to another, whatever its kind is made of."""
        return _again, (type(self), self.args, vars(self))


def _again(kind: type[LlmoptError], args: tuple[Any, ...], state: dict[str, Any]) -> LlmoptError:
    error = kind.__new__(kind, *args)
    vars(error).update(state)
    return error


class InputError(LlmoptError):
    """The user gave something that cannot be used; raised before anything is paid."""

    exit_code = 2


class ConfigError(InputError):
    """A configuration key or value breaks a rule."""


class MissingKeyError(ConfigError):
    """The key of a provider is not set; what a run costs is known without it."""


class DataError(InputError):
    """A data file, a column or a split breaks a rule."""


class TemplateError(InputError):
    """A meta-prompt template or a prompt layout breaks a rule."""


class UnknownNameError(InputError):
    """A name is not among the known ones; the nearest known one is proposed."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(
            f"{what} is one of {', '.join(names)}, but got {name!r}{nearest(name, names)}"
        )


DISTRIBUTION = "llms-as-optimizers"
"""What pip installs. The package index takes ``llmopt`` for ``llm-opt``, another project."""


def install_command(extra: str) -> str:
    """Return the command that installs an optional library."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


class MissingExtraError(InputError):
    """An optional library is needed; the message is the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the extra {extra!r}, which is not installed; "
            f"run: {install_command(extra)}"
        )


class StoreError(InputError):
    """The store is damaged, of another version, or holds another run under this name.

    Attributes:
        under_way: Whether a run had begun, which can be resumed when the store works again.
    """

    under_way = False


class ModelError(LlmoptError):
    """A language model could not answer."""


class TransientError(ModelError):
    """The same call may succeed later.

    Attributes:
        retry_after: Seconds the provider asked to wait, or None where it said nothing.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimitError(TransientError):
    """The provider answers more slowly than it is asked; fewer calls at once will help."""


class LostReplyError(TransientError):
    """The call was sent but no readable reply came back; the provider may have billed it."""


class WithheldError(LostReplyError):
    """A filter kept the answer back, or the model refused: there is nothing to read or to score.

    It concerns this call alone, and is not asked again at once: it would be kept back again.
    """


class RefusedError(ModelError):
    """The same call will never succeed: a wrong key, no quota, an invalid request."""


class EndpointError(RefusedError):
    """An endpoint that has never answered cannot be used as it is configured.

    It cannot be reached, or it refuses the key or the model's name; nothing was paid.
    """

    exit_code = 2


class BadCallError(RefusedError):
    """A call is refused for what it holds, such as a text longer than the model's context.

    It concerns this call alone, which is not asked again at once; others are answered.
    """


class MeasureError(LlmoptError):
    """The answer to one item gets no score, and the item stays unmeasured.

    A metric of the user's failed on it, or a judge LLM gave no verdict that can be read.
    """


class StepFailedError(LlmoptError):
    """More items of a step stayed unmeasured than the error budget allows; resumable."""


class WorkerLostError(LlmoptError):
    """A process that did a cell of a sweep died; what it has stored is kept."""


class SlotsClosedError(LlmoptError):
    """A measurement did not begin, because the search is over; no result or message has it."""


class SweepBudgetError(LlmoptError):
    """The budget of a whole sweep is reached; the sweep continues with a larger one.

    It is no `BudgetError`: a cell does not end by it as by its own budget, which is equal for all.
    """

    exit_code = 3


class BudgetError(LlmoptError):
    """A spending limit is reached; the run is resumable with a larger one.

    Attributes:
        limit: Which limit: calls, tokens, usd or seconds; empty where nobody says.
        enough: How much of it suffices for what comes next; the message ends with it.
        spent: How much of it was spent when it was reached.
        ahead: How much of it comes next.
        kept: How much of it is kept back to choose and test the winner.
        control: Whether some of it is kept for a control as well.
    """

    exit_code = 3
    limit = ""
    enough = 0.0
    spent = 0.0
    ahead = 0.0
    kept = 0.0
    control = False


class NotWorthItError(BudgetError):
    """A search was stopped before it began, because it is not worth its cost.

    The run is resumable: with ``headroom = "report"`` it does the search for all that.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name nearest to `name`, or ``""``."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
