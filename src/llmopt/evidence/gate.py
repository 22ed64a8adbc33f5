"""A gate on an evaluation: whether what was measured may go into production.

The word that decides is the one of the comparison, so a gate that fails by "worse" is wrong in at
most 2.5 % of the times in which nothing became worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.evidence.comparison import Comparison, Differing, ScoredInstruction

FailIf = Literal["worse", "not-better"]


@dataclass(frozen=True)
class GateCheck:
    """One condition that an instruction has to meet.

    Attributes:
        instruction: Its number in the evaluation, from 1.
        condition: What is asked: "not worse than [1]", "better than [1]", "at least 80.0 %".
        passed: Whether it is met.
        found: What was found, in words.
    """

    instruction: int
    condition: str
    passed: bool
    found: str


@dataclass(frozen=True)
class GateResult:
    """What a gate says.

    Attributes:
        passed: Whether every condition is met.
        checks: The conditions, instruction by instruction.
    """

    passed: bool
    checks: tuple[GateCheck, ...]

    def to_dict(self) -> dict[str, object]:
        """Return it as plain data for JSON."""
        return {"passed": self.passed, "checks": [vars(check) for check in self.checks]}


@dataclass(frozen=True)
class QualityGate:
    """The conditions under which an instruction passes.

    With several instructions the first is the one in use, and the others are examined; one alone
    is examined itself.

    Attributes:
        fail_if: ``worse``: fails where the comparison with the first says "worse";
            ``not-better``: fails unless it says "better"; None: the comparison decides nothing.
        least: The lowest mean score that passes, a share from 0 to 1; None: any.
    """

    fail_if: FailIf | None = None
    least: float | None = None

    def check(self, instructions: Sequence[str]) -> None:
        """Refuse a condition that these instructions cannot be examined for.

        Raises:
            ConfigError: There is nothing to compare with.
        """
        if self.fail_if and len(set(instructions)) < 2:  # noqa: PLR2004 - the first, and another
            raise ConfigError(
                f"a gate that fails if {self.fail_if.replace('-', ' ')} compares two instructions "
                "or more, but got one; give the one in use first, and then the new one"
            )

    def examine(self, found: Comparison) -> GateResult:
        """Return what the gate says of an evaluation."""
        checks = tuple(self._checks(found))
        return GateResult(all(check.passed for check in checks), checks)

    def _checks(self, found: Comparison) -> Iterator[GateCheck]:
        for number, row in examined(found):
            if self.fail_if:
                yield _compared(number, row, self.fail_if, found.shown)
            if self.least is not None:
                yield _reached(number, row, self.least, found.shown)


def examined(found: Comparison) -> tuple[tuple[int, ScoredInstruction], ...]:
    """Return the instructions that a gate examines, with their numbers from 1."""
    numbered = tuple(enumerate(found.rows, 1))
    return numbered[1:] or numbered


def broken(found: Comparison, number: int) -> tuple[Differing, ...]:
    """Return the items on which an instruction is worse than the first one.

    Args:
        found: The evaluation.
        number: The instruction's number, from 1; the first one breaks nothing.
    """
    return tuple(item for item in found.differing if _lost(item, number - 1, found.shown))


def _lost(item: Differing, at: int, shown: Presentation) -> bool:
    before, after = item.scores[0], item.scores[at]
    if before is None or after is None:
        return False
    return after < before if shown.higher_is_better else after > before


def _compared(
    number: int, row: ScoredInstruction, fail_if: FailIf, shown: Presentation
) -> GateCheck:
    wanted = "not worse than [1]" if fail_if == "worse" else "better than [1]"
    if row.difference is None:
        return GateCheck(number, wanted, False, "no item was measured for both")
    passed = row.word != "worse" if fail_if == "worse" else row.word == "better"
    points = shown.points(row.difference.mean)
    return GateCheck(number, wanted, passed, f"{row.word} ({points}, {row.difference.n} items)")


def _reached(number: int, row: ScoredInstruction, least: float, shown: Presentation) -> GateCheck:
    wanted = f"at least {shown.amount(least)}"
    if row.score is None:
        return GateCheck(number, wanted, False, "nothing could be measured")
    low, high = row.score.interval.low, row.score.interval.high
    said = f"{shown.amount(row.score.mean)} (95 % interval {shown.amount(low)} to "
    return GateCheck(number, wanted, row.score.mean >= least, f"{said}{shown.amount(high)})")
