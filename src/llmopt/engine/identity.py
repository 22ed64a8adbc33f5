"""A run's identity: the first record of its journal."""

from __future__ import annotations

import platform
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from llmopt.core.encoding import Written, is_representation, written
from llmopt.engine.header import HEADER, headed
from llmopt.errors import DISTRIBUTION, StoreError

if TYPE_CHECKING:
    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.problem import Problem
    from llmopt.core.store import Store


def identity_of(
    problem: Problem,
    algorithm: Algorithm,
    *,
    optimizer: Model,
    scorer: Model | None,
    seed: int,
    mode: str = "steps",
    by_parts: bool = False,
) -> dict[str, str]:
    """Return everything that decides how a run goes, by name.

    An algorithm is known by its name, its version and its options that are not at their defaults;
    one that was put together by hand, by its parts instead of options.

    Args:
        problem: What is optimized.
        algorithm: How.
        optimizer: The optimizer LLM.
        scorer: The scorer LLM, if there is one.
        seed: Seed of every random choice.
        mode: See :class:`~llmopt.engine.options.Options`.
        by_parts: Know the algorithm by its parts in any case.
    """
    options = None if by_parts else algorithm.options
    made = ("parts", algorithm.parts) if options is None else ("options", options)
    return {
        **{f"problem {key}": value for key, value in problem.fingerprint.items()},
        "algorithm": algorithm.name,
        "algorithm version": str(algorithm.version),
        **({f"algorithm {made[0]}": written(made[1])} if made[1] else {}),
        "optimizer": optimizer.identity,
        "scorer": scorer.identity if scorer else "",
        "seed": str(seed),
        **({} if mode == "steps" else {"mode": mode}),
    }


def register(
    store: Store,
    name: str,
    problem: Problem,
    algorithm: Algorithm,
    *,
    optimizer: Model,
    scorer: Model | None,
    seed: int,
    source: dict[str, Any] | None,
    control: bool = False,
    mode: str = "steps",
) -> None:
    """Write the first record of a new run's journal, or check that a known run is this one.

    Args:
        store: Where the run is kept.
        name: Its name.
        problem: What is optimized.
        algorithm: How.
        optimizer: The optimizer LLM, with or without middleware; one that is absent where the
            algorithm needs none.
        scorer: The scorer LLM, if the problem needs one.
        seed: Seed of every random choice.
        source: What ``llmopt resume`` needs to build the same run again.
        control: Whether it is the control that belongs to another run.
        mode: See :class:`~llmopt.engine.options.Options`.

    Raises:
        ConfigError: The algorithm is not for this problem, or the optimizer LLM cannot be asked
            the way the algorithm asks.
        StoreError: The store holds a run of this name with another configuration.
    """
    algorithm.check(problem, optimizer)
    known_by = partial(
        identity_of, problem, algorithm, optimizer=optimizer, scorer=scorer, seed=seed, mode=mode
    )
    identity = known_by()
    if not store.has(name):
        versions = {"llmopt": version(DISTRIBUTION), "python": platform.python_version()}
        header = headed(problem, control=control)
        config = {"identity": identity, "source": source or {}, "versions": versions}
        store.create(name, {**config, HEADER: header})
        return
    config = store.config(name)
    known = config["identity"]
    if "algorithm parts" in known:  # a function may have become a method since
        identity = known_by(by_parts=True)
    older = HEADER not in config
    if older:  # then the algorithm was stored as its representation
        identity = {k: v for k, v in identity.items() if not k.startswith("algorithm ")}
        identity["algorithm"] = written(algorithm)
    both = known.keys() | identity.keys()
    changed = sorted(k for k in both if not _same(known.get(k), identity.get(k)))
    if changed:
        of = ", which was begun with an older version of llmopt," if older else ""
        raise StoreError(
            f"the run {name!r}{of} is continued only with its own configuration, but "
            f"{', '.join(changed)} changed; choose another name for a new run"
        )


def _same(known: str | None, now: str | None) -> bool:
    """Return whether what is stored is what there is now; see :func:`is_representation`."""
    if known == now:
        return True
    return known is not None and isinstance(now, Written) and is_representation(known, now.of)
