"""``python -m llmopt.testing package.module:name``: the conformance suite for a method.

It goes through a scripted world, so no model is asked and nothing is paid. The exit code is 0 where
every check passes, 1 where one fails, and 2 where the method cannot be made or is for none of the
problems below.
"""

from __future__ import annotations

import asyncio
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmopt.algorithms import algorithm_named, families_of
from llmopt.core.text import one_line
from llmopt.errors import ConfigError, LlmoptError
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.problem import Problem

PROBLEMS: dict[str, Callable[[], Problem]] = {
    "an instruction": scripted.problem,
    "steps of instructions": scripted.stepwise,
    "whole numbers": scripted.numbers,
}
"""What a method is tried on, as far as it is for it."""

_WIDTH = 300


@click.command()
@click.argument("name")
def main(name: str) -> None:
    """Check the method NAME: package.module:function, or one that ships."""
    try:
        todo = list(cases(name))
    except LlmoptError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(2) from error
    failed = 0
    for title, algorithm, problem in todo:
        click.echo(title)
        for check in algorithms.CHECKS:
            why = _why(check, algorithm, problem())
            failed += bool(why)
            words = " ".join((check.__doc__ or "").split("\n\n", maxsplit=1)[0].split())
            click.echo(f"  {'failed' if why else 'ok    '}  {check.__name__}: {why or words}")
    total = len(todo) * len(algorithms.CHECKS)
    click.echo(f"{total - failed} of {total} checks passed.")
    raise SystemExit(1 if failed else 0)


def cases(name: str) -> Iterator[tuple[str, Algorithm, Callable[[], Problem]]]:
    """Yield each case: the method in each of its families, on each problem that it is for."""
    found, refused = 0, []
    algorithm_named(name)  # what cannot be made is refused here
    for family in families_of(name):
        algorithm = algorithm_named(name, {"family": family} if family else {})
        for what, problem in PROBLEMS.items():
            try:
                algorithm.check(problem(), scripted.model())
            except ConfigError as error:
                refused.append(f"{what}: {error}")
                continue
            found += 1
            yield f"{name} on {what}" + (f", family {family}" if family else ""), algorithm, problem
    if not found:
        said = "\n  ".join(dict.fromkeys(refused))
        raise ConfigError(
            f"a method is for one of {', '.join(PROBLEMS)}, but got one that refuses all; give its "
            f"problem to the checks of llmopt.testing.algorithms yourself\n  {said}"
        )


def _why(check: algorithms.Check, algorithm: Algorithm, problem: Problem) -> str:
    """Return why a check fails, or nothing."""
    (error,) = asyncio.run(_tried(check, algorithm, problem))
    if isinstance(error, AssertionError) and str(error):
        return one_line(str(error), _WIDTH)
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return one_line(f"{type(error).__name__}: {error}", _WIDTH) + place


async def _tried(
    check: algorithms.Check, algorithm: Algorithm, problem: Problem
) -> list[BaseException | None]:
    """Do a check in a folder of its own; what a method raises is why it does not conform."""
    with tempfile.TemporaryDirectory() as folder:
        tried = check(algorithm, problem, Path(folder))
        return list(await asyncio.gather(tried, return_exceptions=True))


if __name__ == "__main__":
    main()
