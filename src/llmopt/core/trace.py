"""What a program of several steps did on one item: its model calls in order, and its output."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One model call of a program.

    Attributes:
        name: What the program calls the step; empty: it has no name.
        part: Name of the solution's part whose text the call contains; empty: none, or not known.
        prompt: What the model was asked, as a person reads it.
        reply: What it answered.
    """

    name: str
    part: str
    prompt: str
    reply: str


@dataclass(frozen=True, slots=True)
class ProgramTrace:
    """What a program did on one item.

    Attributes:
        steps: Its model calls, in the order in which they began; empty where the program makes
            none that can be seen, such as one with a client of its own.
        output: What the program returned, as text; empty where it is not known without paying.
        error: What it raised instead; empty: nothing.
    """

    steps: tuple[TraceStep, ...] = ()
    output: str = ""
    error: str = ""
