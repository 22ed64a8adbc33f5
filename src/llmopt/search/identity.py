"""What makes a run this run: the first record of its journal."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from llmopt.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.algorithm import Algorithm
    from llmopt.model import Model
    from llmopt.problem import Problem
    from llmopt.store.protocol import Store


def is_upward(identity: Mapping[str, str]) -> bool:
    """Return whether higher scores are better in the problem's own direction.

    Args:
        identity: Of a run, as :func:`register` has kept it.
    """
    return identity.get("problem minimize") != "True"


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
) -> None:
    """Write the first record of a new run's journal, or check that a known run is this one.

    Args:
        store: Where the run is kept.
        name: Its name.
        problem: What is optimized.
        algorithm: How.
        optimizer: The optimizer LLM, with or without rings; one that is absent where the
            algorithm needs none.
        scorer: The scorer LLM, if the problem needs one.
        seed: Seed of every random choice.
        source: What ``llmopt resume`` needs to build the same run again.

    Raises:
        ConfigError: The algorithm is not for this problem, or the optimizer LLM cannot be asked
            the way the algorithm asks.
        StoreError: The store holds a run of this name with another configuration.
    """
    algorithm.check(problem, optimizer)
    identity = {
        **{f"problem {key}": value for key, value in problem.fingerprint.items()},
        "algorithm": repr(algorithm),
        "optimizer": optimizer.identity,
        "scorer": scorer.identity if scorer else "",
        "seed": str(seed),
    }
    if all(info.name != name for info in store.runs()):
        versions = {"llmopt": version("llmopt"), "python": platform.python_version()}
        store.create(name, {"identity": identity, "source": source or {}, "versions": versions})
        return
    known = store.config(name)["identity"]
    changed = sorted(k for k in known.keys() | identity.keys() if known.get(k) != identity.get(k))
    if changed:
        raise StoreError(
            f"the run {name!r} is continued only with its own configuration, but "
            f"{', '.join(changed)} changed; choose another name for a new run"
        )
