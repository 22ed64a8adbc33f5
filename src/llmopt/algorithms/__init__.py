"""Published methods: one short file each, a choice of parts.

A method is a function that takes its options and returns an
:class:`~llmopt.algorithm.Algorithm`. To register one, add it to :data:`ALGORITHMS`; the
conformance suite, the table in the README and ``llmopt algorithms`` follow.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from llmopt.algorithm import Algorithm
from llmopt.algorithms.ape import ape
from llmopt.algorithms.opro import opro
from llmopt.algorithms.sampling import sampling
from llmopt.errors import ConfigError, UnknownNameError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ALGORITHMS: dict[str, Callable[..., Algorithm]] = {"ape": ape, "opro": opro, "sampling": sampling}
"""The methods that ship with the package, by name."""


def algorithm_named(name: str, options: Mapping[str, Any] | None = None) -> Algorithm:
    """Return a method by its name, or the user's own by ``package.module:name``.

    Raises:
        UnknownNameError: No such method.
        ConfigError: An option that the method does not have, or out of its range.
    """
    make = ALGORITHMS.get(name) or _own(name)
    known = inspect.signature(make).parameters
    for option in options or {}:
        if option not in known:
            raise ConfigError(
                f"an option of the algorithm {name!r} is one of {', '.join(known)}, "
                f"but got {option!r}{nearest(option, known)}"
            )
    made = make(**(options or {}))
    if not isinstance(made, Algorithm):
        raise ConfigError(f"{name} is a function that returns an Algorithm, but it gave {made!r}")
    return made


def _own(name: str) -> Callable[..., Algorithm]:
    module, colon, attribute = name.partition(":")
    if not colon:
        raise UnknownNameError("an algorithm", name, ALGORITHMS)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the algorithm {name!r} cannot be imported: {error}") from error
    if not callable(found):
        raise ConfigError(f"{name} is a function that returns an Algorithm, but got {found!r}")
    return found  # type: ignore[no-any-return] # what it returns is checked when it is made


def table() -> list[dict[str, str]]:
    """Return the methods with their parts, a row each, for the README and the terminal."""
    rows = []
    for name, make in sorted(ALGORITHMS.items()):
        made = make()
        first = (inspect.getdoc(inspect.getmodule(make)) or "").splitlines()[0]
        rows.append(
            {
                "algorithm": name,
                "what": first,
                "select": repr(made.select),
                "reflect": repr(made.reflect),
                "propose": type(made.propose).__name__,
                "rate": repr(made.rate),
            }
        )
    return rows
