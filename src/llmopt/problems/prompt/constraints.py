"""What a proposed instruction may not hold: pieces of the training data, and what the user forbids.

Both guards are pure functions of their data and a text. They refuse with a reason; nothing is
ever repaired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from llmopt.core.text import one_line, tokens_of
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.problems.prompt.language import LANGUAGES, is_written_in
from llmopt.problems.prompt.leakage import Runs, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from llmopt.core.values import Item

    Words = tuple[str, ...]

COPIED = "copies a training example"
ANSWERS = "contains training answers"
_PAIRS = 2  # inputs, each with its answer, that make an answer key
_APART = 3  # words between an input and its answer at most
_ROW = 5  # answers in a row that make an answer key at least
_CLOSED = 20  # distinct answers up to which they are labels
_DIGITS = 10  # digits from which numbers are not compared
_NUMBERING = frozenset(("", "a", "q", "answer", "example", "input", "item", "output", "question"))


@dataclass(frozen=True)
class Leaks:
    """Finds training data in an instruction.

    An instruction *copies a training example* if it shares `words` consecutive words with a
    training input, or holds the whole of a shorter one that has at least half as many. Case,
    punctuation and white space do not count. Words that stand in three or more different inputs
    belong to the task ("which of the following statements is") and may be said. In scripts
    without blanks between words, such as Chinese, each letter counts as a word.

    It *contains training answers* if it holds

    - two or more inputs that are too short to be copied in this sense, each with its answer at
      most three words behind, or
    - a row of five or more answers with nothing between them but punctuation, numbers and words
      such as "question". Where there are at most 20 distinct answers they are labels, and the
      row must be longer than all of them together. Numbers in rising order are no key either, or
    - `words` consecutive words of an answer, where the answers are no labels.

    So naming the labels, in a list or one by one, is allowed, and so is a single short answer.

    Not found: an example in other words, symbols that are no words, answers told in sentences.

    Attributes:
        items: The training items.
        words: Consecutive words that make a copy, 2 or more; 0 looks for nothing.
    """

    items: tuple[Item, ...]
    words: int = 8

    def found(self, text: str) -> str:
        """Return what a text leaks, as a reason to refuse it, or an empty text."""
        if not self.words:
            return ""
        said = words_of(text)
        if self._has_pairs(said) or self._has_row(said):
            return ANSWERS
        if self._inputs.copied(said):
            return COPIED
        return ANSWERS if not self._closed and self._targets.copied(said) else ""

    @cached_property
    def _inputs(self) -> Runs:
        return _runs((item.input for item in self.items), self.words)

    @cached_property
    def _targets(self) -> Runs:
        return _runs((item.target for item in self.items), self.words)

    @property
    def _closed(self) -> bool:
        return len(self._targets.texts) <= _CLOSED

    @cached_property
    def _keyed(self) -> dict[int, dict[Words, set[Words]]]:
        """The answers to each input that is too short for a copy; by the input's length."""
        keyed: dict[int, dict[Words, set[Words]]] = {}
        for item in self.items:
            asked, answer = words_of(item.input), words_of(item.target)
            if answer and 0 < len(asked) < self.words:
                keyed.setdefault(len(asked), {}).setdefault(asked, set()).add(answer)
        return keyed

    @cached_property
    def _answers(self) -> dict[int, set[Words]]:
        """The answers by their length."""
        return _by_length(answer for answer in self._targets.texts if len(answer) < self.words)

    def _has_pairs(self, said: Words) -> bool:
        """Return whether enough short inputs stand in a text, each with its answer behind."""
        pairs: set[Words] = set()
        for length, keyed in self._keyed.items():
            for end in range(length, len(said)):
                asked = said[end - length : end]
                if asked in keyed and any(
                    said[at : at + len(answer)] == answer
                    for answer in keyed[asked]
                    for at in range(end, end + _APART + 1)
                ):
                    pairs.add(asked)
        return len(pairs) >= _PAIRS

    def _has_row(self, said: Words) -> bool:
        """Return whether answers stand in a row that is neither a list of labels nor rises."""
        least = max(_ROW, len(self._targets.texts) + 1) if self._closed else _ROW
        lengths = sorted(self._answers, reverse=True)
        row: list[Words] = []
        at = 0
        while at < len(said):
            answer: Words = ()
            for length in lengths:
                if said[at : at + length] in self._answers[length]:
                    answer = said[at : at + length]
                    break
            if answer:
                row.append(answer)
                if len(row) >= least and not _rises(row):
                    return True
            elif said[at].rstrip("0123456789") not in _NUMBERING:
                row.clear()
            at += len(answer) or 1
        return False


@dataclass(frozen=True)
class Invariants:
    """What the user demands of every instruction; what breaks a demand is refused.

    Attributes:
        required: Phrases that stand in it. Case and the amount of white space do not count; a
            phrase begins and ends where a word does.
        forbidden: Phrases that do not stand in it, compared in the same way.
        placeholders: Texts such as ``{name}`` that stand in it byte for byte.
        max_words: Most words, separated by white space; 0: any number.
        max_instruction_tokens: Most tokens; 0: any number. Tokens are *estimated*, as a quarter
            of the UTF-8 bytes, because no tokenizer is at hand.
        language: A code of :data:`~llmopt.problems.prompt.language.LANGUAGES`, such as "en"; empty:
            any. A light test by script and frequent words, explained there.

    Raises:
        ConfigError: A demand cannot be met.
    """

    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = ()
    max_words: int = 0
    max_instruction_tokens: int = 0
    language: str = ""

    def __post_init__(self) -> None:
        for name in ("required", "forbidden", "placeholders"):
            texts = getattr(self, name)
            if isinstance(texts, str):
                raise ConfigError(f"{name} is a list of texts, but got {texts!r}; put it in a list")
            object.__setattr__(self, name, tuple(texts))  # a list becomes hashable
            for text in texts:
                if not text.strip():
                    raise ConfigError(f"a text of {name} is not blank, but got {text!r}; remove it")
        for name in ("max_words", "max_instruction_tokens"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"{name} is 0 (any number) or more, but got {getattr(self, name)}"
                )
        if self.language and self.language not in LANGUAGES:
            raise UnknownNameError("a language", self.language, LANGUAGES)
        for text in (*self.required, *self.placeholders):
            self._check_possible(text)

    def _check_possible(self, text: str) -> None:
        """Refuse a demanded text that no proposal can have."""
        for phrase in self.forbidden:
            if _has(text, phrase):
                raise ConfigError(
                    f"what is demanded is not forbidden, but {text!r} holds {phrase!r}; "
                    "leave one out"
                )

    def broken(self, text: str, names: Sequence[str] = ()) -> str:
        """Return the first demand that a text breaks, as a reason to refuse it, or nothing.

        Args:
            text: An instruction.
            names: Texts in any language that the task needs, such as its labels.
        """
        return next(self._complaints(text, names), "")

    def _complaints(self, text: str, names: Sequence[str]) -> Iterator[str]:
        for placeholder in self.placeholders:
            if placeholder not in text:
                yield f"lacks the placeholder {one_line(placeholder, 60)}"
        for phrase in self.required:
            if not _has(text, phrase):
                yield f"lacks the required phrase {one_line(phrase, 60)!r}"
        for phrase in self.forbidden:
            if _has(text, phrase):
                yield f"contains the forbidden phrase {one_line(phrase, 60)!r}"
        if self.max_words and len(text.split()) > self.max_words:
            yield f"longer than {self.max_words} words"
        if self.max_instruction_tokens and tokens_of(text) > self.max_instruction_tokens:
            yield f"longer than about {self.max_instruction_tokens} tokens"
        ignored = (*self.required, *self.placeholders, *names)
        if self.language and not is_written_in(self.language, _without(text, ignored)):
            yield f"not in {LANGUAGES[self.language]}"

    @property
    def in_words(self) -> tuple[str, ...]:
        """The demands as clauses that an optimizer LLM is told."""
        said = [f"it contains {text} exactly as written here" for text in self.placeholders]
        said += [f'it contains the phrase "{text}"' for text in self.required]
        said += [f'it does not contain the phrase "{text}"' for text in self.forbidden]
        if self.max_words:
            said.append(f"it has at most {self.max_words} words")
        if self.max_instruction_tokens:
            said.append(f"it has at most {self.max_instruction_tokens} tokens")
        if self.language:
            said.append(f"it is written in {LANGUAGES[self.language]}")
        return tuple(said)


def _runs(texts: Iterable[str], words: int) -> Runs:
    """Return the different texts that have words at all."""
    return Runs(tuple(w for w in dict.fromkeys(map(words_of, texts)) if w), words)


def _by_length(texts: Iterable[Words]) -> dict[int, set[Words]]:
    found: dict[int, set[Words]] = {}
    for words in texts:
        found.setdefault(len(words), set()).add(words)
    return found


def _rises(row: Sequence[Words]) -> bool:
    """Return whether answers are whole numbers, each greater than the one before."""
    if not all(len(a) == 1 and a[0].isdecimal() and len(a[0]) < _DIGITS for a in row):
        return False
    numbers = [int(answer[0]) for answer in row]
    return all(a < b for a, b in pairwise(numbers))


def _has(text: str, phrase: str) -> bool:
    """Return whether a phrase stands in a text, whatever the case, between ends of words."""
    return re.search(_pattern(phrase), text, re.IGNORECASE) is not None


def _without(text: str, phrases: Iterable[str]) -> str:
    """Return a text with a blank in place of these phrases."""
    for phrase in phrases:
        text = re.sub(_pattern(phrase), " ", text, flags=re.IGNORECASE)
    return text


def _pattern(phrase: str) -> str:
    words = r"\s+".join(map(re.escape, phrase.split()))
    return rf"(?<!\w){words}(?!\w)" if words else r"(?!)"
