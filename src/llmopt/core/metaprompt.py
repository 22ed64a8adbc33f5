"""Renders meta-prompts from sections and parses solutions from replies. Nothing else does.

A meta-prompt belongs to a *family* (OPRO, section 5): how the request is worded, whether it
is a chat or a raw completion, and how a new solution is marked in the reply. The words stand
in ``templates/*/*.md`` (Jinja); a user replaces any of them with a text of their own that uses
the variables of :data:`VARIABLES`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from llmopt.core.model import text_call
from llmopt.core.problem import Description, Exemplar, Refusal
from llmopt.core.text import between, free_tag
from llmopt.errors import TemplateError, UnknownNameError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection

    import jinja2

    from llmopt.core.model import Family, Traits
    from llmopt.core.values import Call

_WORDS = re.compile(r"[\w.]+")

Order = Literal["ascending", "descending", "random"]
Tag = Literal["INS", "Start"]
Refine = Literal["generate", "edit"]
Zeros = Literal["few", "all"]  # what is shown of solutions that came to nothing

VARIABLES: dict[str, str] = {
    "task": "what the solutions are for, in the user's words",
    "noun": 'what one solution is called, e.g. "instruction"',
    "where": "where the solution stands in the scorer's prompt; may be empty",
    "measure": 'what the score is called, e.g. "accuracy"',
    "scale": "the highest score shown, or empty where scores have no range",
    "better": '"higher" or "lower"',
    "labels": "the closed set of answers; may be empty",
    "constraints": "what the user demands of a solution, as clauses; may be empty",
    "long": "whether the starting solutions are long texts, of which edits are wanted",
    "longest": "how many words a new solution may have; 0 where nobody knows",
    "request": "what is asked of the model, in a sentence, where a method chooses it; may be empty",
    "entries": "what was tried, each with .text, .score and .partial (whether that is an estimate)",
    "scored": "whether scores are shown",
    "order": '"ascending", "descending" or "random"',
    "aim": "the score that the continued list asks for",
    "exemplars": "training examples with .question, .input (with the placeholder) and .output",
    "failing": "whether the exemplars were chosen because they fail",
    "current": "the solution to go on from, with .text, .score and .partial; none in most methods",
    "feedback": "what is wrong with past solutions, in words; may be empty",
    "limit": "how many words of the current solution may change; none without a limit",
    "excess": "how many words a first reply changed, where that was too many; otherwise 0",
    "refine": '"edit" to alter the current solution, "generate" to write another',
    "trajectory_first": "whether the trajectory stands before the exemplars",
    "several": "how many new solutions one reply is to hold; 1 in most methods",
    "angles": "what each new solution is to try, as sentences; may be empty",
    "opening": "what stands before a new solution: a tag, or a square bracket",
    "closing": "what stands after a new solution",
    "placeholder": "the tag that stands for a solution in the input of an exemplar",
}
"""What a template may use, and what each variable holds."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A past solution as a meta-prompt shows it; the score is already rounded.

    Attributes:
        text: The solution.
        score: Its score.
        partial: Whether only a part of the items was measured, and the score is an estimate.
    """

    text: str
    score: str
    partial: bool = False


@dataclass(frozen=True)
class Sections:
    """What a meta-prompt says, before it is laid out.

    Attributes:
        description: The problem's own words.
        entries: Past solutions in the order in which they are shown.
        order: The order of `entries` by score, which the text says; "random": none.
        scored: Whether scores are shown.
        scale: The highest score shown, or empty.
        aim: The score that a continued list asks for, as shown.
        exemplars: Training examples.
        failing: Whether the exemplars were chosen because past solutions fail on them.
        trajectory_first: Whether the trajectory stands before the exemplars.
        current: The solution to go on from, where the method has one.
        feedback: What is wrong with past solutions, in words.
        limit: How many words of the current solution may change; None: any number.
        excess: How many words a first reply changed, where that was too many; otherwise 0.
        refine: Whether the current solution is to be altered, or another one written.
        several: How many new solutions one reply is to hold, 1 or more.
        angles: What each of them is to try, as sentences; none: nothing in particular.
    """

    description: Description
    entries: tuple[Shown, ...] = ()
    order: Order = "ascending"
    scored: bool = True
    scale: str = ""
    aim: str = ""
    exemplars: tuple[Exemplar, ...] = ()
    failing: bool = False
    trajectory_first: bool = True
    current: Shown | None = None
    feedback: str = ""
    limit: int | None = None
    excess: int = 0
    refine: Refine = "generate"
    several: int = 1
    angles: tuple[str, ...] = ()


@dataclass(frozen=True)
class MetaPrompt:
    """A template with its family: lays sections out and reads replies.

    Attributes:
        family: How the request is made and the reply is read.
        wording: Whose templates: the folder of ``templates/`` ("opro", "ape").
        template: The text of a template of the user's own, instead of the one that ships.
        tag: The name of the tag that marks a new solution in the chat family ("INS" in the
            paper, "Start" in the published code with instructions that begin the answer).
        strict: Whether a reply without the family's marks is refused; if not, the whole
            reply is taken (as in the published code).
        last: Whether the last of several marked texts is the solution, not the first: for requests
            that want steps written down before it.
        layout: See :class:`~llmopt.core.problem.Description`.
        number: What stands behind the name of the tag, see :meth:`apart_from`.

    Raises:
        TemplateError: The template cannot be parsed, uses an unknown variable, or cannot be
            filled in.
    """

    family: Family = "chat"
    wording: str = "opro"
    template: str = ""
    tag: Tag = "INS"
    strict: bool = True
    last: bool = False
    layout: str = ""
    number: str = ""

    def __post_init__(self) -> None:
        if self.family not in ("chat", "brackets", "continuation"):
            raise UnknownNameError(
                "a meta-prompt family", self.family, ("chat", "brackets", "continuation")
            )
        if self.tag not in ("INS", "Start"):
            raise UnknownNameError("a meta-prompt tag", self.tag, ("INS", "Start"))
        if self.template:
            self.lay_out(_EXAMPLE)  # what an entry does not have shows only when it is filled in

    @property
    def text(self) -> str:
        """The template's text: the user's own, or the one that ships."""
        return self.template or shipped(self.wording, self.family, self.layout)

    def _compiled(self) -> jinja2.Template:
        return compiled(self.text, frozenset(VARIABLES), "a meta-prompt template")

    @property
    def raw(self) -> bool:
        """Whether the meta-prompt is a raw completion rather than a chat."""
        return self.family == "continuation"

    @property
    def varies(self) -> bool:
        """Whether the template can ask for several solutions, and for something of each."""
        return "sections.md" in self.text or "several" in self.text

    @property
    def _name(self) -> str:
        return ("TEXT" if self.raw else self.tag) + self.number

    @property
    def placeholder(self) -> str:
        """The tag that stands for a solution in the input of an exemplar."""
        return f"<{self.tag}{self.number}>"

    @property
    def opening(self) -> str:
        """What stands before a new solution."""
        return "[" if self.family == "brackets" else f"<{self._name}>"

    @property
    def closing(self) -> str:
        """What stands after a new solution."""
        return "]" if self.family == "brackets" else f"</{self._name}>"

    def apart_from(self, marks: Collection[str]) -> MetaPrompt:
        """Return the meta-prompt with marks that no text of the user's can open or close.

        They are the usual ones but where a text holds these. A template of the user's own that
        spells the marks itself keeps them.

        Args:
            marks: Names of tags that the texts hold, see `Description.marks`.
        """
        if self.template and not {"opening", "sections.md"} & set(_WORDS.findall(self.template)):
            return self
        name = "TEXT" if self.raw else self.tag
        return replace(self, number=free_tag(name, marks).removeprefix(name))

    def lay_out(self, sections: Sections) -> str:
        """Return the meta-prompt as text.

        Raises:
            TemplateError: The template fails on these sections.
        """
        import jinja2

        description = sections.description
        try:
            text = self._compiled().render(
                task=description.task,
                noun=description.noun,
                where=description.where,
                measure=description.measure,
                better="higher" if description.higher_is_better else "lower",
                labels=description.labels,
                constraints=description.constraints,
                long=description.tokens > 0,
                longest=description.longest,
                request=description.request,
                scale=sections.scale,
                entries=sections.entries,
                scored=sections.scored,
                order=sections.order,
                aim=sections.aim,
                exemplars=sections.exemplars,
                failing=sections.failing,
                trajectory_first=sections.trajectory_first,
                current=sections.current,
                feedback=sections.feedback,
                limit=sections.limit,
                excess=sections.excess,
                refine=sections.refine,
                several=sections.several,
                angles=sections.angles,
                opening=self.opening,
                closing=self.closing,
                placeholder=self.placeholder,
            )
        except jinja2.TemplateError as error:
            raise TemplateError(f"the meta-prompt template cannot be filled in: {error}") from error
        return text.strip()

    def call(self, text: str, *, temperature: float, max_tokens: int, sample: int) -> Call:
        """Return the call that asks an optimizer LLM with a laid-out meta-prompt."""
        return text_call(
            "optimizer",
            text,
            raw=self.raw,
            temperature=temperature,
            max_tokens=max_tokens,
            stop=(self.closing,) if self.raw else (),
            sample=sample,
        )

    def read(self, reply: str, *, cut: bool = False) -> str | Refusal:
        """Return the one solution that a reply proposes, or why there is none."""
        return self.read_all(reply, cut=cut)[0]

    def read_all(
        self, reply: str, *, cut: bool = False, several: int = 1
    ) -> tuple[str | Refusal, ...]:
        """Return the solutions that a reply proposes, or why there is none.

        The rules are those of OPRO, section 3, step 5: the first pair of tags (the last one
        where the request wants steps before it); without an opening tag, and if that is allowed,
        everything before a closing one; the first square brackets, which may hold others
        (for numbers the last ones on a line with a digit, as in section 7); the text up to the
        closing tag of the open pair, or where the list was left without one, of the first pair.

        Args:
            reply: The reply's text.
            cut: Whether the reply was cut off at its token limit. A continued pair is then
                not closed and is refused; the chat family takes what is there of the first
                solution, and otherwise the whole ones.
            several: How many solutions were asked for; no more are returned.

        Returns:
            At least one: a text, or the refusal of the whole reply.
        """
        if self.family == "continuation":
            if cut and self.strict:
                return (Refusal("cut off before the closing tag"),)
            said = reply.partition(self.closing)[0]
            if not self._opened:
                if self.strict and self.opening not in said:
                    return (Refusal("no marked text in the reply"),)
                said = said.rpartition(self.opening)[2]
            return (said.removeprefix(self.opening),)
        found = self._marked(reply)
        if cut and len(found) > 1 and not reply.rstrip().endswith(self.closing):
            found = found[:-1]
        if several > 1:
            found = found[:several]
        else:
            found = found[-1:] if self.last or self._numbers else found[:1]
        if found and self.last and several == 1:
            return (found[0].rpartition(self.opening)[2],)  # a mark may be opened more than once
        if found:
            return tuple(found)
        return (self._unmarked(reply),)

    def _unmarked(self, reply: str) -> str | Refusal:
        """Return what a reply without an opening mark proposes."""
        # Code is looked for by the problem, which knows fences, and that a text compiles.
        if self.layout == "code":
            return reply
        if self.strict:
            return Refusal("no marked text in the reply")
        return reply if self.family == "brackets" else reply.partition(self.closing)[0]

    @property
    def _opened(self) -> bool:
        """Whether a list to be continued ends with an open mark, as all do but a published one."""
        return self.wording != "opro-paper-like" or bool(self.template) or self.layout == "numbers"

    @property
    def _numbers(self) -> bool:
        """Whether models think about solutions first, and begin with names such as [w, b]."""
        return self.family == "brackets" and self.layout == "numbers"

    def _marked(self, reply: str) -> list[str]:
        """Return the marked texts of a reply in their order."""
        if self.family == "brackets":
            if not self._numbers:
                return _bracketed(reply)
            inner: list[str] = re.findall(r"\[(.*?)\]", reply)
            return [text for text in inner if re.search(r"\d", text)]
        rest, found = reply, []
        while (text := between(rest, self.opening, self.closing)) is not None:
            found.append(text)
            rest = rest.partition(self.opening)[2].partition(self.closing)[2]
        return found


def _bracketed(reply: str) -> list[str]:
    """Return the texts in square brackets, which may hold whole pairs, and lines, of their own."""
    closed: dict[int, int] = {}
    open_: list[int] = []
    for at, letter in enumerate(reply):
        if letter == "[":
            open_.append(at)
        elif letter == "]" and open_:
            closed[open_.pop()] = at
    found: list[str] = []
    end = -1
    for begin in sorted(closed):
        if begin > end:
            end = closed[begin]
            found.append(reply[begin + 1 : end])
    return found


_EXAMPLE = Sections(
    Description("a task", where="at the start", labels=("yes", "no"), constraints=("it is short",)),
    entries=(Shown("a solution", "50"),),
    scale="100",
    aim="75",
    exemplars=(Exemplar("a question", "<INS> a question", "yes"),),
    current=Shown("a solution", "50"),
    feedback="It is too short.",
    limit=10,
)
"""What a user's template is tried on, before anything is paid."""


def filled(wording: str, name: str, **variables: object) -> str:
    """Return a text that a method sends beside its meta-prompt: a template that ships, filled in.

    Args:
        wording: The folder of ``templates/``.
        name: The template's name.
        variables: All that it uses.

    Raises:
        TemplateError: It uses another variable.
    """
    template = compiled(shipped(wording, name), frozenset(variables), f"the template {name!r}")
    return template.render(**variables).strip()


@cache
def shipped(wording: str, family: str, layout: str = "") -> str:
    """Return the text of a template that ships with the package.

    Most wordings have none of their own for "brackets": that of "chat" asks for them as well. One
    that keeps to a paper's form ("opro-paper-like") takes from ours what it does not have.
    """
    templates = files("llmopt") / "templates"
    ours = wording.removesuffix("-paper-like")
    names = [f"{family}.md"] if family != "brackets" else ["brackets.md", "chat.md"]
    places = [templates / one / layout for one in (wording, ours) if layout]
    places += [templates / wording, templates / ours]
    paths = [place / name for place in places for name in names]
    return next(path for path in paths if path.is_file()).read_text(encoding="utf-8")


def _section(name: str) -> str | None:
    """Return a text that templates import: a file that lies beside their folders."""
    path = files("llmopt") / "templates" / name
    return path.read_text(encoding="utf-8") if "/" not in name and path.is_file() else None


@cache
def compiled(template: str, variables: frozenset[str], what: str) -> jinja2.Template:
    """Parse a template in a sandbox.

    Args:
        template: Its text.
        variables: What it may use.
        what: How messages call it.

    Raises:
        TemplateError: It cannot be parsed, or uses another variable; the message says where.
    """
    import jinja2
    from jinja2 import meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Autoescape stays off: the output is a prompt for a model, not a page.
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, loader=jinja2.FunctionLoader(_section)
    )
    try:
        tree = environment.parse(template)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"{what} is Jinja, but line {error.lineno} is not: {error.message}"
        ) from error
    for name in sorted(meta.find_undeclared_variables(tree) - variables):
        raise TemplateError(
            f"{what} uses only {', '.join(sorted(variables))}, "
            f"but got {{{{ {name} }}}}{nearest(name, sorted(variables))}"
        )
    return environment.from_string(template)


@dataclass(frozen=True, slots=True)
class Mark:
    """The tag in which a method asks for a text beside its meta-prompt.

    Attributes:
        name: Its name.
    """

    name: str = "TEXT"

    @property
    def opening(self) -> str:
        """What stands before the text."""
        return f"<{self.name}>"

    @property
    def closing(self) -> str:
        """What stands after the text."""
        return f"</{self.name}>"


def mark_for(description: Description) -> Mark:
    """Return the mark to ask with: TEXT, with a number where a text of the user's holds that."""
    return Mark(free_tag("TEXT", description.marks))


def marked_call(
    traits: Traits,
    text: str,
    *,
    temperature: float = 0.0,
    max_tokens: int,
    sample: int,
    mark: Mark,
) -> Call:
    """Return the call that asks an optimizer LLM for one marked text, in the way it likes.

    Where it continues texts, the mark is opened for it, and the closing one ends its reply.
    """
    raw = traits.continues
    return text_call(
        "optimizer",
        f"{text}\n\n{mark.opening}" if raw else text,
        raw=raw,
        temperature=temperature,
        max_tokens=max_tokens,
        stop=(mark.closing,) if raw else (),
        sample=sample,
    )
