"""Which part of a program may change, and how a reply becomes a new program.

A reply is the new program, or what may change of it, alone or in a code fence; or edits:

    <<<<<<< SEARCH
    lines as they are
    =======
    lines as they shall be
    >>>>>>> REPLACE
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from dataclasses import dataclass

from llmopt.core.problem import Refusal
from llmopt.errors import ConfigError

BEGIN, END = "# llmopt: begin", "# llmopt: end"
"""Lines around the region that may change."""

_FENCE = re.compile(
    r"^([ \t]*)(?:```|~~~)[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*(?:```|~~~)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_EDIT = re.compile(
    r"^<{5,9} ?SEARCH[^\n]*\n(.*?)^={5,9}[ \t]*\n(.*?)^>{5,9} ?REPLACE[^\n]*$",
    re.MULTILINE | re.DOTALL,
)
_EDIT_BEGIN = re.compile(r"^<{5,9} ?SEARCH", re.MULTILINE)
_PYTHON = {"python", "py", "python3"}


@dataclass(frozen=True)
class Changeable:
    """A program with the part that may change.

    Attributes:
        before: The text before that part, with its line end.
        part: The part.
        after: The text behind it.
        function: The function that the part defines; empty: it may be anything.
    """

    before: str
    part: str
    after: str
    function: str = ""

    @property
    def whole(self) -> bool:
        """Whether the whole program may change."""
        return not (self.before or self.after or self.function)

    @property
    def text(self) -> str:
        """The program."""
        return self.before + self.part + self.after

    def parse(self, reply: str, base: str = "") -> str | Refusal:
        """Return the program that a reply proposes, or why it has no program.

        Args:
            reply: The reply's text.
            base: The program that edits are made to; empty: this one.
        """
        reply = normal(reply)
        if not reply.strip():
            return Refusal("no code")
        if self._is_program(reply):
            return reply
        if _EDIT_BEGIN.search(reply):
            edited = apply_edits(base or self.text, reply)
            return edited if isinstance(edited, Refusal) else self._checked(edited)
        return self._checked(self._put(fenced(reply, self.function)))

    def _is_program(self, text: str) -> bool:
        """Whether a text is a program that keeps everything that may not change."""
        return self._kept(text) and not isinstance(self._checked(text), Refusal)

    def _kept(self, text: str) -> bool:
        """Whether everything that may not change is as it was."""
        return (
            len(text) >= len(self.before) + len(self.after)
            and text.startswith(self.before)
            and text.endswith(self.after)
        )

    def _put(self, code: str) -> str | Refusal:
        """Return the program with new code, which is a whole one or the part that may change."""
        if self.whole or self._kept(code):
            return code
        if self.function:
            if self._repeats(code):
                return Refusal("changes code that must stay as it is")
            return self.before + code + self.after
        if BEGIN in code or END in code:
            inner = code.partition(BEGIN)[2].partition("\n")[2].partition(END)[0].rstrip(" \t")
            return self.before + inner + self.after
        return self.before + code + self.after

    def _repeats(self, code: str) -> bool:
        """Whether code defines again what the rest of the program defines."""
        try:
            here, rest = ast.parse(code), ast.parse(self.before + self.after)
        except (SyntaxError, ValueError):
            return False
        return bool(_defined(here).keys() & _defined(rest).keys())

    def _checked(self, text: str | Refusal) -> str | Refusal:
        """Return a program that compiles and keeps the rules, or why it does not."""
        if isinstance(text, Refusal):
            return text
        text = normal(text)
        if not self._kept(text):
            return Refusal("changes code that must stay as it is")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
                compile(tree, "program", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            why = error.msg if isinstance(error, SyntaxError) else type(error).__name__
            return Refusal(f"does not compile: {' '.join(str(why).split())[:80]}")
        if self.function and self.function not in _defined(tree):
            return Refusal("does not define the function")
        return text if tree.body else Refusal("no code")


def changeable(program: str, change: str) -> Changeable:
    """Return a program with the part that may change.

    Args:
        program: Its text.
        change: ``program``: all of it; ``region``: what is between two marker lines; otherwise
            the name of a function at the top level.

    Raises:
        ConfigError: The program does not compile, or has no such part.
    """
    program = normal(program)
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"a program is Python that compiles, but got: {error}") from error
    if change == "program":
        return Changeable("", program, "")
    lines = program.splitlines(keepends=True)
    if change == "region":
        begins = [at for at, line in enumerate(lines) if line.strip() == BEGIN]
        ends = [at for at, line in enumerate(lines) if line.strip() == END]
        if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
            raise ConfigError(
                f"a region that may change is between one line {BEGIN!r} and one line {END!r}, but "
                f'got {len(begins)} and {len(ends)}; mark one region, or set change = "program"'
            )
        first, last = begins[0] + 1, ends[0]
        return Changeable("".join(lines[:first]), "".join(lines[first:last]), "".join(lines[last:]))
    node = _defined(tree).get(change)
    if node is None:
        names = ", ".join(sorted(_defined(tree))) or "none"
        raise ConfigError(
            "what may change is program, region or the name of a function at the top level, but "
            f"got {change!r}; the functions are: {names}"
        )
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1
    last = node.end_lineno or node.lineno
    part = "".join(lines[first:last])
    return Changeable("".join(lines[:first]), part, "".join(lines[last:]), change)


def _defined(tree: ast.Module) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the functions that a program defines at its top level, by name."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name: node for node in tree.body if isinstance(node, kinds)}


def normal(text: str) -> str:
    """Return a program with one kind of line end, no empty lines around it, and a last line end."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n").rstrip()
    return f"{lines}\n" if lines else ""


def fences(reply: str) -> list[str]:
    """Return what is in the closed fences of a reply, whatever their language."""
    return [code for _, code in _fences(reply)]


def _fences(reply: str) -> list[tuple[str, str]]:
    """Return language and code of each fence; what a list item is indented by does not count."""
    return [
        (language.lower(), textwrap.dedent(code) if margin else code)
        for margin, language, code in _FENCE.findall(reply)
    ]


def fenced(reply: str, function: str = "") -> str:
    """Return the code of a reply: of the last fence for Python, else of the last fence, else all.

    A fence that is not closed, as in a reply that was cut off, reaches to the end. Where a function
    is wanted, a fence that defines it comes before others, such as an example of its use.
    """
    found = _fences(reply)
    python = [code for language, code in found if language in _PYTHON]
    if found:
        codes = python or [code for _, code in found]
        defining = [code for code in codes if function and f"def {function}(" in code]
        return normal((defining or codes)[-1])
    opened = re.search(r"^[ \t]*```[ \t]*\w*[ \t]*\n", reply, re.MULTILINE)
    return normal(reply[opened.end() :] if opened else reply)


def apply_edits(base: str, reply: str) -> str | Refusal:
    """Return a program with the edits of a reply, one after the other.

    Lines to be replaced are looked for as they are; where they do not occur, without regard to
    white space at their ends; and then with another indentation of all of them, which the new
    lines get as well. What occurs in several places is refused.
    """
    edits = _EDIT.findall(reply)
    if not edits:
        return Refusal("an edit is not complete")
    text = normal(base)
    for old, new in edits:
        changed = _replaced(text, old, new)
        if isinstance(changed, Refusal):
            return changed
        text = changed
    return Refusal("the edits change nothing") if text == normal(base) else text


def _replaced(text: str, old: str, new: str) -> str | Refusal:
    """Return a text with lines replaced; a rule that is less strict is tried where none fits."""
    if not old.strip():
        return Refusal("an edit searches for nothing")
    lines, wanted = text.splitlines(), old.strip("\n").splitlines()
    size = len(wanted)
    windows = [lines[at : at + size] for at in range(len(lines) - size + 1)]
    for rule in (list, _without_blanks, _outdented):
        sought = rule(wanted)
        places = [at for at, window in enumerate(windows) if rule(window) == sought]
        if len(places) > 1:
            return Refusal("an edit matches several places")
        if places:
            at = places[0]
            put = new.splitlines()
            if rule is _outdented:
                put = _moved(put, wanted, windows[at])
            return "".join(f"{line}\n" for line in [*lines[:at], *put, *lines[at + size :]])
    return Refusal("an edit does not match")


def _without_blanks(lines: list[str]) -> list[str]:
    return [line.rstrip() for line in lines]


def _outdented(lines: list[str]) -> list[str]:
    """Return lines without what all of them are indented by."""
    return textwrap.dedent("\n".join(_without_blanks(lines))).split("\n")


def _margin(lines: list[str]) -> str:
    """Return what all lines are indented by."""
    return next(
        (
            line.removesuffix(bare)
            for line, bare in zip(_without_blanks(lines), _outdented(lines), strict=True)
            if bare
        ),
        "",
    )


def _moved(new: list[str], searched: list[str], found: list[str]) -> list[str]:
    """Return new lines indented as those they replace are; those that are so already stay."""
    old, margin = _margin(searched), _margin(found)
    if _margin(new) == margin:
        return new
    return [margin + line.removeprefix(old) if line.strip() else "" for line in new]
