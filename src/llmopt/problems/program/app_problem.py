"""The smallest form of a program: one instruction, and the app that answers with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from llmopt.errors import ConfigError
from llmopt.problems.program.program_problem import ProgramProblem
from llmopt.problems.program.program_run import check_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from llmopt.problems.data.splits import Splits
    from llmopt.problems.program.program_call import ProgramCall
    from llmopt.problems.program.program_row import ProgramRow

INSTRUCTION = "instruction"
"""The name of the one part."""


@dataclass(frozen=True)
class InstructionProgram:
    """A program of one instruction.

    Attributes:
        function: ``fn(instruction, row) -> output``, a function or a coroutine function.

    Raises:
        ConfigError: It cannot be called with an instruction and a row.
    """

    function: Callable[[str, ProgramRow], Any]

    def __post_init__(self) -> None:
        check_program(self.function, 2, "an app is a function of (instruction, row)")
        # As functools.wraps does: the function is what messages and fingerprints name.
        named = getattr(self.function, "__qualname__", type(self.function).__name__)
        object.__setattr__(self, "__qualname__", named)

    def __call__(self, texts: Mapping[str, str], row: ProgramRow, call: ProgramCall) -> Any:
        """Call the function with the instruction; it has a client of its own."""
        del call
        return self.function(texts[INSTRUCTION], row)


class AppProblem(ProgramProblem):
    """Find the instruction with which the user's app answers best.

    The app is ``fn(instruction, row) -> output``, a function or a coroutine function with a client
    of its own, whose calls are neither counted nor stored. See :class:`ProgramProblem` for a
    program whose calls are, and for everything else.
    """

    @classmethod
    def from_splits(  # type: ignore[override] # an instruction in place of parts
        cls,
        program: Callable[..., Any],
        splits: Splits,
        *,
        instruction: str | list[str] | tuple[str, ...],
        **options: Any,
    ) -> Self:
        """Build a problem from items that are already split.

        Args:
            program: The app.
            splits: Train, validation and test.
            instruction: The starting instruction, or several, of which the first is the one to
                beat.
            options: As for :meth:`ProgramProblem.from_splits`, but `parts`, `scorer` and `calls`.

        Raises:
            DataError: As there.
            ConfigError: As there.
        """
        for name in ("parts", "scorer", "calls"):
            if name in options:
                raise ConfigError(
                    f"an app has one instruction and a client of its own, but got {name}; leave it "
                    "out, or use ProgramProblem"
                )
        several = [instruction] if isinstance(instruction, str) else instruction
        parts = [{INSTRUCTION: text} for text in several]
        return super().from_splits(InstructionProgram(program), splits, parts=parts, **options)
