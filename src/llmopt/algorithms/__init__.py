"""Published methods: each a set of parts, in one file or a folder of its own.

A method is a function that takes its options and returns an
:class:`~llmopt.core.algorithm.Algorithm`. To register one, add it to :data:`ALGORITHMS`; the
conformance suite, the table in the README and ``llmopt algorithms`` follow.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_args

from llmopt.core.algorithm import Algorithm, Made
from llmopt.core.imports import imported
from llmopt.core.model import Family
from llmopt.core.part import SupportsProblem
from llmopt.errors import ConfigError, UnknownNameError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class ShippedMethods(Mapping[str, "Callable[..., Algorithm]"]):
    """Methods by name; the module of one is imported when it is looked up.

    Args:
        places: Below this package, as ``module:function``, by name.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> Callable[..., Algorithm]:
        """Return the function that makes a method."""
        module, _, function = self._places[name].partition(":")
        return getattr(import_module(f"{__name__}.{module}"), function)  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


ALGORITHMS: Mapping[str, Callable[..., Algorithm]] = ShippedMethods(
    {
        "abo": "abo:abo",
        "ape": "ape:ape",
        "capo": "capo:capo",
        "catalyst": "catalyst:catalyst",
        "cma-es": "baselines.cma_es:cma_es",
        "drpo": "drpo:drpo",
        "evollm": "evollm:evollm",
        "evolve": "evolve:evolve",
        "evoprompt-de": "evoprompt:evoprompt_de",
        "evoprompt-ga": "evoprompt:evoprompt_ga",
        "expo": "expo:expo",
        "expo-es": "expo.expo_es:expo_es",
        "gepa": "gepa:gepa",
        "gpo": "gpo:gpo",
        "hill-climbing": "baselines.hill_climbing:hill_climbing",
        "mapo": "mapo:mapo",
        "mipro": "mipro:mipro",
        "one-plus-one-es": "baselines.one_plus_one_es:one_plus_one_es",
        "opro": "opro:opro",
        "pe2": "protegi.pe2:pe2",
        "promptagent": "promptagent:promptagent",
        "protegi": "protegi:protegi",
        "random-search": "baselines.random_search:random_search",
        "sampling": "sampling:sampling",
        "sbllm": "sbllm:sbllm",
        "sgdm": "gpo.sgdm:sgdm",
        "two-opt": "baselines.two_opt:two_opt",
    }
)
"""The methods that ship with the package, by name."""

_SHORT = 60  # characters of a part that is shown in full


def algorithm_of(given: str | Algorithm | Sequence[str | Algorithm]) -> Algorithm:
    """Return a method by name, as it is, or of several as one portfolio.

    Raises:
        UnknownNameError: No such method.
        ConfigError: There are fewer than two in a list, or they do not go together.
    """
    if isinstance(given, Algorithm):
        return given
    return algorithm_named(given) if isinstance(given, str) else taking_turns(given)


def taking_turns(
    methods: Sequence[str | Algorithm],
    options: Sequence[Mapping[str, Any]] = (),
    **race: Any,
) -> Algorithm:
    """Return methods that take turns, as one.

    Args:
        methods: Their names, or the methods.
        options: Those of each named method, in the same order; none: the usual ones for all.
        race: Options of :func:`~llmopt.algorithms.portfolio.portfolio`.

    Raises:
        UnknownNameError: No such method.
        ConfigError: An option that a method does not have, or out of its range.
    """
    from llmopt.algorithms.portfolio import portfolio

    each = [*options, *[{}] * (len(methods) - len(options))]
    members = [
        one if isinstance(one, Algorithm) else algorithm_named(one, said)
        for one, said in zip(methods, each, strict=True)
    ]
    numbers = inspect.signature(portfolio).parameters.keys()
    wrong = {
        key: value
        for key, value in race.items()
        if key not in numbers or not isinstance(value, int | float)
    }
    if wrong:
        listed = ", ".join(one.name for one in members)
        raise ConfigError(
            "methods that take turns have the numbers chance, shared and rounds, and a table of "
            f"options each, but got {', '.join(f'{k} = {v!r}' for k, v in wrong.items())}; write "
            f"what is of one method into its table, such as [algorithm.{members[0].name}], where "
            f"the methods are {listed}"
        )
    made = portfolio(members, **race)
    known = [one.options for one in members]
    if not all(_ships(one) for one in members) or None in known:
        return made
    said = {"options": known} if any(known) else {}
    names = [one.name for one in members]
    return replace(made, made=Made(taking_turns, {"methods": names, **said, **race}))


def _ships(one: Algorithm) -> bool:
    """Whether a method is one that ships, by the name under which it ships."""
    shipped = ALGORITHMS.get(one.name)
    return one.made is not None and inspect.unwrap(shipped or _own) is one.made.make


def algorithm_named(name: str, options: Mapping[str, Any] | None = None) -> Algorithm:
    """Return a method by its name, or the user's own by ``package.module:name``.

    Raises:
        UnknownNameError: No such method.
        ConfigError: An option that the method does not have, or out of its range.
    """
    make, signature = made_by(name), signature_of(name)
    known = signature.parameters
    for option in options or {}:
        if option not in known:
            raise ConfigError(
                f"an option of the algorithm {name!r} is one of {', '.join(known)}, "
                f"but got {option!r}{nearest(option, known)}"
            )
    try:
        signature.bind(**(options or {}))
    except TypeError as error:
        raise ConfigError(
            f"the algorithm {name!r} is a function that needs no more than the options it is "
            f"given, but got: {error}; give them in [algorithm], or give its arguments defaults"
        ) from error
    made = make(**(options or {}))
    if not isinstance(made, Algorithm):
        raise ConfigError(f"{name} is a function that returns an Algorithm, but it gave {made!r}")
    return made


def _own(name: str) -> Callable[..., Algorithm]:
    from llmopt.algorithms.portfolio import PORTFOLIO

    if name == PORTFOLIO:
        raise ConfigError(
            "a portfolio is a list of methods, such as ['opro', 'gepa', 'sampling'], but got its "
            f"name {name!r}; list the methods"
        )
    if ":" not in name:
        raise UnknownNameError("an algorithm", name, ALGORITHMS)
    found = imported(name, "an algorithm")
    if not callable(found):
        raise ConfigError(f"{name} is a function that returns an Algorithm, but got {found!r}")
    return found  # type: ignore[no-any-return] # what it returns is checked when it is made


def families_of(name: str) -> tuple[str, ...]:
    """Return the families that a method can be asked to use; one empty name if it has no choice."""
    return get_args(Family) if "family" in signature_of(name).parameters else ("",)


def table() -> list[dict[str, str]]:
    """Return the methods with their parts, a row each, for the README and the terminal."""
    return [row(name) for name in sorted(ALGORITHMS)]


def written(part: Any) -> str:
    """Return a part with its options, where these are many with those that are not the usual."""
    whole = repr(part)
    if len(whole) <= _SHORT or not is_dataclass(part):
        return whole
    shown = []
    for one in fields(part):
        usual = one.default if one.default_factory is MISSING else one.default_factory()
        value = getattr(part, one.name)
        if one.repr and value != usual:
            shown.append(f"{one.name}={written(value)}")
    return f"{type(part).__name__}({', '.join(shown)})"


def made_by(name: str) -> Callable[..., Algorithm]:
    """Return the function that makes a method: of one that ships, or of the user's own.

    Raises:
        UnknownNameError: No such method.
        ConfigError: It cannot be imported.
    """
    return ALGORITHMS.get(name) or _own(name)


def signature_of(name: str) -> inspect.Signature:
    """Return which options a method has.

    Raises:
        UnknownNameError: No such method.
        ConfigError: It cannot be imported, or does not say.
    """
    make = made_by(name)
    try:
        return inspect.signature(make)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} is a Python function, but got {make!r}: {error}") from error


def row(name: str) -> dict[str, str]:
    """Return a method with its parts, for the table.

    Raises:
        ConfigError: It needs options.
    """
    parts = {kind: written(part) for kind, part in algorithm_named(name).parts.items()}
    about = _about(made_by(name)).splitlines() or [""]
    return {"algorithm": name, "what": about[0], **parts}


def explained(name: str) -> dict[str, list[str] | str]:
    """Return what is to be known of a method, from its docstring and its parts.

    Returns:
        ``paper``: its source; ``deviations``: what differs from it and what is ours; ``needs``:
        what it needs of the optimizer LLM and of the problem.
    """
    make = made_by(name)
    text = " ".join(_about(make).partition("\n")[2].split())
    label = r"(?:^|(?<=\. ))(Source|Known deviations[^:]*|Ours[^:.]*): "
    before, *labelled = re.split(label, text)
    said = list(zip(labelled[::2], (part.strip() for part in labelled[1::2]), strict=True))
    return {
        "paper": " ".join(filter(None, [before.strip(), *(t for k, t in said if k == "Source")])),
        "deviations": [f"{kind}: {told}" for kind, told in said if kind != "Source"],
        "needs": _needs(make()),
    }


def _needs(algorithm: Algorithm) -> list[str]:
    """Return what a method needs, as the parts that refuse something else say it."""
    found = ["an optimizer LLM" if algorithm.needs_model else "no optimizer LLM"]
    if algorithm.embedder:
        found.append(f"the embedding model {algorithm.embedder}")
    parts = algorithm.parts
    if not any(isinstance(part, SupportsProblem) for part in parts.values()):
        found.append("any problem")
    for kind, part in parts.items():
        for method in ("check", "fits") if algorithm.needs_model else ("fits",):
            rule = inspect.getdoc(getattr(part, method, None)) if hasattr(part, method) else None
            if rule:
                first = " ".join(rule.partition("\n\n")[0].split()).rstrip(".")
                refuses = first.replace("Refuse", "refuses", 1)
                found.append(f"{kind}: {type(part).__name__} {refuses}")
    return found


def _about(make: Callable[..., Algorithm]) -> str:
    return inspect.getdoc(inspect.getmodule(make)) or ""
