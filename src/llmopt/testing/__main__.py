"""``python -m llmopt.testing package.module:name``: the conformance suite for a method.

It goes through a scripted world, so no model is asked and nothing is paid. The exit code is 0 where
every check passes, 1 where one fails, and 2 where the method cannot be made or is for none of the
problems below.

``python -m llmopt.testing evidence package.module:name`` counts how often what is said of its
results is true, in simulated worlds (:mod:`llmopt.testing.evidence`). The exit code is 1 where a
figure is surely beyond its bar.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmopt.algorithms import algorithm_named, families_of
from llmopt.core.text import one_line
from llmopt.errors import ConfigError, LlmoptError
from llmopt.testing import algorithms, scripted
from llmopt.testing.evidence import WORLDS, ErrorRates, Trial, error_rates

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


_CHECK = "check"  # the command that is meant where no command is named


class _Commands(click.Group):
    """Commands, of which one is meant where the first word names no command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is named, or the check of what is named instead."""
        known = args and args[0] in self.commands
        return super().resolve_command(ctx, args if known else [_CHECK, *args])


@click.group(cls=_Commands)
def main() -> None:
    """Try a method out: NAME checks its rules, evidence NAME how often its results are right."""


@main.command(_CHECK)
@click.argument("name")
def check(name: str) -> None:
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


@main.command("evidence")
@click.argument("name")
@click.option("--runs", default=100, show_default=True, help="Draws of each world.")
@click.option("--steps", default=4, show_default=True, help="Steps of a search.")
@click.option("--seed", default=0, show_default=True, help="Of the first draw.")
@click.option(
    "--world",
    "worlds",
    multiple=True,
    type=click.Choice(list(WORLDS)),
    default=("nothing", "gain"),
    show_default=True,
    help="What is true; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def evidence(
    name: str, *, runs: int, steps: int, seed: int, worlds: tuple[str, ...], as_json: bool
) -> None:
    """Count how often what is said of the results of the method NAME is true."""
    found: dict[str, ErrorRates] = {}
    try:
        for world in dict.fromkeys(worlds):
            found[world] = _rates(name, world, runs, steps, seed)
    except LlmoptError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(2) from error
    if as_json:
        click.echo(json.dumps({world: made.to_dict() for world, made in found.items()}, indent=2))
    else:
        for world, made in found.items():
            click.echo(f"\n{name} in the world {world!r}, {made.runs} runs\n{made}")
    raise SystemExit(1 if any(made.beyond for made in found.values()) else 0)


def _rates(name: str, world: str, runs: int, steps: int, seed: int) -> ErrorRates:
    """Count in one world, and show progress on a terminal."""
    with click.progressbar(length=runs, label=world, file=sys.stderr) as bar:
        return error_rates(
            name,
            WORLDS[world],
            runs=runs,
            seed=seed,
            trial=Trial(steps=steps),
            listen=lambda _: bar.update(1),
        )


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
