"""Further inputs for a program's tests, written by a language model and answered by the program.

The model writes inputs alone. What the original program answers to one is expected of all others,
so that a model can make no test wrong; an input that the original cannot answer is left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.core.model import text_call
from llmopt.problems.code.changeable import fences
from llmopt.problems.code.code_tests import CodeTest, distinct

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from llmopt.core.model import Model

_EACH = 4  # inputs that a call asks for
_SPARE = 2  # times as many calls as would do if every input could be used
_SHOWN, _LONGEST = 8, 300  # inputs that are shown, and characters of each
_TOKENS = 1024
_STDIN = "exactly as the program reads it from its standard input"
_CALL = "as a JSON list of the arguments of the function {}"
_REQUEST = """\
Write {count} more test inputs for this Python program.{task}

```python
{program}```

Some of the inputs that there are:
{shown}

The new ones differ from these and from each other: some are large, some have extreme, repeated or
missing values. Each is valid, so that the program answers it. Write each into a code block of its
own, {form}, without the answer."""


@dataclass(frozen=True)
class InputRequest:
    """What inputs are wanted for.

    Attributes:
        program: The original.
        task: What it does; may be empty.
        function: The function that tests of arguments call; empty: it reads its standard input.
        tests: The tests that there are.
        count: How many more are wanted; 1 or more.
    """

    program: str
    task: str
    function: str
    tests: Sequence[CodeTest]
    count: int

    @property
    def calls(self) -> int:
        """How many calls to the model are made at most."""
        return _SPARE * -(-self.count // _EACH)

    def request(self, found: Sequence[CodeTest]) -> str:
        """Return what the model is asked, with the shortest of the inputs that there are by now."""
        given = sorted((t.given for t in found if t.kind != "check"), key=len)[:_SHOWN]
        blocks = [f"```\n{text[:_LONGEST].rstrip()}\n```" for text in given]
        return _REQUEST.format(
            count=_EACH,
            task=f" {self.task.strip()}" if self.task.strip() else "",
            program=self.program,
            shown="\n".join(blocks),
            form=_CALL.format(self.function) if self.function else _STDIN,
        )

    def read(self, reply: str) -> list[str]:
        """Return the inputs of a reply; a block may have several of arguments, one on a line."""
        blocks = [block for block in fences(reply) if block.strip()]
        if not self.function:
            return blocks
        return [text for block in blocks for text in _of_arguments(block)]


def _of_arguments(block: str) -> list[str]:
    lines = [line for line in block.splitlines() if line.strip()]
    for texts in ([block], lines):
        try:
            return [json.dumps(json.loads(text)) for text in texts]
        except ValueError:
            continue
    return [block]


async def written_inputs(
    model: Model, wanted: InputRequest, why_not: Callable[[CodeTest], Awaitable[str]]
) -> tuple[list[CodeTest], dict[str, str]]:
    """Ask for inputs until there are enough, or no more calls may be made.

    Args:
        model: The optimizer LLM.
        wanted: What for.
        why_not: Says why an input cannot be used; empty: it can.

    Returns:
        The tests, without expected outputs, and why others were left out, by name.

    Raises:
        ModelError: It could not answer.
        BudgetError: A spending limit is reached.
    """
    tests: list[CodeTest] = []
    dropped: dict[str, str] = {}
    names = {test.name for test in wanted.tests}
    number = 0
    raw = model.traits.continues
    for sample in range(wanted.calls):
        text = wanted.request([*wanted.tests, *tests])
        reply = await model.complete(
            text_call(
                "optimizer",
                f"{text}\n\n```\n" if raw else text,
                raw=raw,
                temperature=1.0,
                max_tokens=_TOKENS,
                sample=sample,
            )
        )
        for given in wanted.read(f"```\n{reply.text}" if raw else reply.text):
            number += 1
            test = CodeTest(f"written-{number}", "call" if wanted.function else "stdin", given)
            known = [*wanted.tests, *tests]
            if len(distinct([*known, test])) == len(distinct(known)):
                why = "there is a test with this input"
            elif test.name in names:
                why = "a test of yours has this name"
            else:
                why = _malformed(test) or await why_not(test)
            if why:
                dropped[test.name] = why
                continue
            tests.append(test)
            if len(tests) == wanted.count:
                return tests, dropped
    return tests, dropped


def _malformed(test: CodeTest) -> str:
    """Return what is wrong with arguments; empty: nothing, or the test has no arguments."""
    if test.kind != "call":
        return ""
    try:
        fine = isinstance(json.loads(test.given), list | dict)
    except ValueError:
        fine = False
    return "" if fine else "it is no JSON list of arguments"
