"""A problem by ``package.module:name``: a function that returns one, or one to be optimized."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from llmopt.core.imports import imported
from llmopt.core.problem import is_problem
from llmopt.errors import ConfigError, nearest
from llmopt.problems.function import FunctionProblem
from llmopt.problems.numeric.points import vector_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from llmopt.core.problem import Problem

_FORMER = {
    "llmopt.problems.spaces.landscapes": "llmopt.problems.numeric.test_functions",
    "llmopt.problems.spaces.regression": "llmopt.problems.numeric.regression",
    "llmopt.problems.spaces.tsp": "llmopt.problems.tours.tour_problem",
}
"""Former addresses of modules that configurations of stored runs may name."""

_NEEDED = ("describe", "seeds")  # what a plain function cannot do without
_OF_NUMBERS = ("describe", "bounds")  # likewise, where it is one of numbers
_BY_NAME = {"parser", "shown"}  # what is a function itself, and so is named


def problem_named(name: str, arguments: Mapping[str, Any]) -> Problem:
    """Return a problem.

    Args:
        name: ``package.module:name`` of a function that returns a problem, or of one from text
            to a number, which becomes a :class:`FunctionProblem`; or of one from numbers to a
            number, where the arguments declare `bounds`
            (:func:`~llmopt.problems.numeric.points.vector_problem`).
        arguments: Keyword arguments of the one or of the other; functions are named likewise.

    Raises:
        ConfigError: There is no such function, or it does not take these arguments.
    """
    module, colon, attribute = name.partition(":")
    found = imported(f"{_FORMER.get(module, module)}{colon}{attribute}", "a problem")
    if is_problem(found):
        if arguments:
            raise ConfigError(f"{name} is a problem already and takes no arguments; leave them out")
        return found
    if not callable(found):
        raise ConfigError(f"{name} is a problem or a function, but got {found!r}")
    arguments = dict(arguments)
    if all(needed in arguments for needed in _OF_NUMBERS):
        arguments["function"], found = found, vector_problem
    elif all(needed in arguments for needed in _NEEDED):
        for key in _BY_NAME & arguments.keys():
            arguments[key] = imported(arguments[key], f"the function {key!r}")
        arguments["function"], found = found, FunctionProblem
    _check_arguments(found, name, arguments)
    try:
        made = found(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} does not take these arguments: {error}") from error
    if is_problem(made):
        return made
    if inspect.iscoroutine(made):
        made.close()
    raise ConfigError(f"{name} is a function that returns a problem, but it gave {made!r}")


def _check_arguments(function: Callable[..., Any], name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that a function does not take."""
    signature = inspect.signature(function)
    known = signature.parameters
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values()):
        for argument in arguments:
            if argument not in known:
                raise ConfigError(
                    f"an argument of {name} is one of {', '.join(known)}, but got {argument!r}"
                    f"{nearest(argument, known)}"
                )
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ConfigError(
            f"{name} is a function that needs no more than [problem.arguments] give it, but got: "
            f"{error}; a function from text to a number needs {' and '.join(_NEEDED)} there, one "
            f"of numbers {' and '.join(_OF_NUMBERS)}"
        ) from error
