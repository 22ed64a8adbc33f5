"""The options by which ``llmopt evaluate`` is a gate in CI, and what they write."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.evidence.comparison import Comparison
    from llmopt.evidence.gate import GateResult, QualityGate

NOT_PASSED = 4
"""Exit code of an evaluation that was made and does not pass its gate."""

_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True)
class GateOptions:
    """What was asked of a gate.

    Attributes:
        gate: The conditions; None: there is no gate.
        junit: The file for JUnit XML.
        summary: The file for Markdown.
    """

    gate: QualityGate | None
    junit: Path | None
    summary: Path | None

    def check(self, instructions: Sequence[str]) -> None:
        """Refuse what cannot be examined or written, before anything is paid.

        Raises:
            ConfigError: A condition does not go with the instructions, or a file's folder is
                missing.
        """
        from llmopt.errors import ConfigError

        if self.junit and not self.gate:
            raise ConfigError(
                "--junit goes with a gate, but got none; add --fail-if worse, or --min"
            )
        if self.gate:
            self.gate.check(instructions)
        for path in (self.junit, self.summary):
            if path and not path.absolute().parent.is_dir():
                raise ConfigError(
                    f"a file is written to a folder that is there, but got {str(path)!r}; make "
                    "its folder first"
                )

    def check_without(self) -> None:
        """Refuse a gate and its files where several models are compared.

        Raises:
            ConfigError: There is one.
        """
        from llmopt.errors import ConfigError

        if self.gate or self.summary:
            raise ConfigError(
                "--cross has no gate and no summary, but got --fail-if, --min or --summary; leave "
                "them out"
            )

    def write(self, found: Comparison) -> GateResult | None:
        """Write the files that were asked for, and return what the gate says."""
        from llmopt.integrations.junit import junit
        from llmopt.integrations.markdown_summary import markdown_summary

        result = self.gate.examine(found) if self.gate else None
        if self.summary:
            self.summary.write_text(markdown_summary(found, result), encoding="utf-8")
        if self.junit and result:
            self.junit.write_text(junit(found, result), encoding="utf-8")
        return result


def gate_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a gate to a command, which gets them as they are."""
    options = (
        click.option(
            "--fail-if",
            type=click.Choice(["worse", "not-better"]),
            help="Exit with 4 if another instruction is worse, or not better, than the first.",
        ),
        click.option(
            "--min",
            "least",
            type=click.FloatRange(0, 1),
            metavar="SCORE",
            help="Exit with 4 if an instruction but the first, or the only one, scores less: 0.8.",
        ),
        click.option("--junit", type=_FILE, metavar="FILE", help="Write the gate as JUnit XML."),
        click.option("--summary", type=_FILE, metavar="FILE", help="Write a Markdown summary."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def gate_of(given: dict[str, Any]) -> GateOptions:
    """Take the options of :func:`gate_options` out of what a command was given."""
    from llmopt.evidence.gate import QualityGate

    fail_if, least = given.pop("fail_if"), given.pop("least")
    gate = QualityGate(fail_if, least) if fail_if or least is not None else None
    return GateOptions(gate, given.pop("junit"), given.pop("summary"))


def leave(result: GateResult | None) -> None:
    """Say on standard error what a gate does not let pass, and exit with its code."""
    if result is None or result.passed:
        return
    from llmopt.core.text import visible
    from llmopt.terminal.progress import say

    for check in result.checks:
        if not check.passed:
            must = f"[{check.instruction}] must be {check.condition}"
            say(visible(f"Gate failed: {must}, but was found to be {check.found}."))
    sys.exit(NOT_PASSED)
