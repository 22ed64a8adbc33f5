"""Parses, checks and describes solutions of several parts: every rule holds part by part."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from llmopt.core.problem import Refusal
from llmopt.core.solution import SolutionPart, found_parts, heading, join_parts, split_parts
from llmopt.core.text import one_line
from llmopt.errors import ConfigError
from llmopt.problems.prompt.constraints import Invariants, Leaks
from llmopt.problems.prompt.dropped import dropped_from
from llmopt.problems.prompt.own_marks import OwnMarks
from llmopt.problems.prompt.proposal_filter import EDIT, Filters, remedy_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmopt.core.values import Item

_PER_TOKEN = 3  # UTF-8 bytes of a token, on the safe side
_PREFIX = re.compile(r"^[^:]{1,64}: ")


@dataclass(frozen=True)
class PartTexts:
    """The parts of a program's solutions, with the rules for their texts.

    Attributes:
        starts: The starting texts by part, in the order of the parts; each of the same parts.
        context: What else is said of all of them: the task, the layout of the data.
        items: The training items, which may not be copied.
        labels: The closed set of answers.
        filters: Which proposed texts are refused.
        invariants: What is demanded of each part's text, by name.

    Raises:
        ConfigError: There are no starting texts, or they have different parts.
    """

    starts: tuple[Mapping[str, str], ...]
    context: tuple[str, ...]
    items: tuple[Item, ...]
    labels: tuple[str, ...]
    filters: Filters
    invariants: Mapping[str, Invariants] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.starts or not self.starts[0]:
            raise ConfigError("a program has one starting text or more in parts, but got none")
        _ = self.parts  # names that cannot be used are refused
        for start in self.starts:
            if set(start) != set(self.names):
                raise ConfigError(
                    f"every starting solution has the parts {', '.join(self.names)}, but one has "
                    f"{', '.join(start) or 'none'}; add or remove what differs"
                )
        for name in self.invariants:
            if name not in self.names:
                raise ConfigError(
                    f"demands are made on one of the parts {', '.join(self.names)}, but got "
                    f"{name!r}; rename it"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts in their declared order."""
        return tuple(self.starts[0])

    @cached_property
    def parts(self) -> tuple[SolutionPart, ...]:
        """The parts."""
        return tuple(SolutionPart(name) for name in self.names)

    @cached_property
    def canonical(self) -> tuple[str, ...]:
        """The starting solutions as canonical texts, each once."""
        texts = ({n: start[n].strip() for n in self.names} for start in self.starts)
        return tuple(dict.fromkeys(join_parts(one) for one in texts))

    @cached_property
    def rules(self) -> Mapping[str, PartRules]:
        """The rules of each part."""
        return {
            name: PartRules(
                tuple(dict.fromkeys(start[name].strip() for start in self.starts)),
                (*self.context, *self._others(name)),
                self.items,
                self.labels,
                self.filters,
                self.invariants.get(name, Invariants()),
                self.leaks,
            )
            for name in self.names
        }

    @cached_property
    def leaks(self) -> Leaks:
        """Finds training data in a text."""
        return Leaks(self.items, self.filters.copied_words)

    def _others(self, name: str) -> Iterator[str]:
        return (text for start in self.starts for other, text in start.items() if other != name)

    def check(self) -> None:
        """Refuse starting texts that break what is demanded of all.

        Raises:
            ConfigError: One does.
        """
        for name, rules in self.rules.items():
            for text in rules.starts:
                if broken := rules.invariants.broken(text, self.labels):
                    raise ConfigError(
                        f"a starting text keeps every demand on its part, but the part {name!r} "
                        f"is {one_line(text, 60)!r}, which is refused: {broken}; change it or the "
                        "demand"
                    )

    def split(self, text: str) -> dict[str, str]:
        """Return the text of each part of a canonical solution."""
        return split_parts(text, self.names)

    def parse(self, text: str) -> str | Refusal:
        """Return the canonical form of a proposed solution; each part is polished by itself."""
        if not text.strip():
            return Refusal("empty")
        if text.strip() in self.canonical:
            return text.strip()
        if len(self.names) == 1:
            return self.rules[self.names[0]].parse(text)
        found = found_parts(text, self.names)
        return Refusal(found) if isinstance(found, str) else self._joined(found)

    def _joined(self, found: Mapping[str, str]) -> str | Refusal:
        """Return polished parts as one canonical text, unless one is refused or missing."""
        parsed: dict[str, str] = {}
        for name, rules in self.rules.items():
            if name not in found:
                return Refusal(f"lacks the part {name!r}")
            one = rules.parse(found[name])
            if isinstance(one, Refusal):
                return Refusal(f"{name}: {one.reason}")
            parsed[name] = one
        joined = join_parts(parsed)
        # Only what comes back unchanged is a canonical text.
        return joined if found_parts(joined, self.names) == parsed else Refusal("has odd headings")

    def remedy(self, reason: str) -> str:
        """Return what to change so that nothing is refused for a reason, naming the key."""
        return remedy_for(_PREFIX.sub("", reason)) or remedy_for(reason)

    def dropped(self, text: str) -> tuple[str, ...]:
        """Return which parts of the first starting solution a canonical text has dropped."""
        before, after = self.split(self.canonical[0]), self.split(text)
        prefix = "{}: " if len(self.names) > 1 else ""
        return tuple(
            prefix.format(name) + phrase
            for name in self.names
            for phrase in dropped_from(before[name], after[name])
        )

    @property
    def noun(self) -> str:
        """What one solution is called."""
        return "prompt" if len(self.names) == 1 else "prompt set"

    @property
    def longest(self) -> int:
        """About how many words a solution may have; 0: each part has a limit of its own."""
        return 0 if len(self.names) > 1 else self.rules[self.names[0]].longest

    @property
    def edit_tokens(self) -> int:
        """How many tokens an edit may have where starts are long or have several parts; else 0."""
        return (
            _tokens_of(self.canonical)
            if len(self.names) > 1
            else self.rules[self.names[0]].edit_tokens
        )

    @property
    def constraints(self) -> tuple[str, ...]:
        """The demands on solutions as clauses, with the headings where there are several parts."""
        if len(self.names) == 1:
            return tuple(self.rules[self.names[0]].in_words)
        headings = ", ".join(heading(name) for name in self.names)
        first = (
            f"it has {len(self.names)} parts, each below its heading line exactly as written here "
            f"and in this order: {headings}"
        )
        own = (
            f'in the part "{name}", {clause}'
            for name, rules in self.rules.items()
            for clause in (*rules.in_words, *rules.length_in_words)
        )
        return (first, *own)


@dataclass(frozen=True)
class PartRules:
    """The rules for the text of one part.

    Attributes:
        starts: The starting texts of the part.
        context: What else the user's own texts say.
        items: The training items.
        labels: The closed set of answers.
        filters: Which proposed texts are refused.
        invariants: What is demanded.
        leaks: Finds training data.
    """

    starts: tuple[str, ...]
    context: tuple[str, ...]
    items: tuple[Item, ...]
    labels: tuple[str, ...]
    filters: Filters
    invariants: Invariants
    leaks: Leaks

    @cached_property
    def limits(self) -> Filters:
        """The filters, with a limit on the length that follows the starting texts."""
        return self.filters.following(self.starts)

    @cached_property
    def own(self) -> OwnMarks:
        """What belongs to the user's own texts, and so may occur in a proposal."""
        demanded = (*self.invariants.required, *self.invariants.placeholders)
        return OwnMarks(self.starts, (*self.context, *demanded), self.items, self.labels)

    def parse(self, text: str) -> str | Refusal:
        """Return a proposed text as it is kept, or why it is refused."""
        if text.strip() in self.starts:  # an empty one, too
            return text.strip()
        polished = self.limits.polished(text, self.own, self.invariants.placeholders)
        if isinstance(polished, Refusal):
            return polished
        reason = (
            self.invariants.broken(polished, self.labels)
            or (self.own.fault(polished) if self.filters.variables == "keep" else "")
            or self.leaks.found(polished)
        )
        return Refusal(reason) if reason else polished

    @property
    def in_words(self) -> Iterator[str]:
        """The demands as clauses, with the variables that a text may not lose."""
        yield from self.invariants.in_words
        for variable in self.own.kept if self.filters.variables == "keep" else ():
            if not any(variable in text for text in self.invariants.placeholders):
                yield f"it contains {variable} exactly as written here"

    @property
    def longest(self) -> int:
        """About how many words the text may have; 0: something that is demanded says it."""
        return 0 if self.invariants.max_words else self.limits.longest

    @property
    def edit_tokens(self) -> int:
        """How many tokens an edit may have where starting texts are long; else 0."""
        if max(map(len, self.starts)) * EDIT <= Filters.max_length:
            return 0
        return _tokens_of(self.starts)

    @property
    def length_in_words(self) -> tuple[str, ...]:
        """The limit on the length as a clause, where nothing that is demanded says one."""
        return () if self.invariants.max_words else (f"it has at most {self.limits.longest} words",)


def _tokens_of(texts: Sequence[str]) -> int:
    """Return how many tokens an edit of the longest of some texts may have."""
    longest = max(texts, key=len)
    return math.ceil(EDIT * len(longest.encode("utf-8", "surrogatepass")) / _PER_TOKEN)


def demands(
    given: Invariants | Mapping[str, Invariants] | None, names: Sequence[str]
) -> dict[str, Invariants]:
    """Return what is demanded of each part: the same of all, or what is given by name."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {name: replace(one) for name, one in given.items()}
    return dict.fromkeys(names, given)
