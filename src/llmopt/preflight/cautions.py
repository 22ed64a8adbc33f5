"""Warnings about data and texts, before anything is paid."""

from __future__ import annotations

import math
import re
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from llmopt.core.formatting import counted
from llmopt.core.metaprompt import VARIABLES
from llmopt.core.problem import Refusal
from llmopt.core.text import one_line
from llmopt.problems.answers.cleaning import normalize
from llmopt.problems.data.labels import lookalikes, spellings
from llmopt.statistics import items_needed, shown_gain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.model import Model
    from llmopt.core.values import Call
    from llmopt.problems.prompt.prompt_problem import PromptProblem

FEW = 20  # fewer validation items than this are too few to choose on
GAIN = 0.05  # the gain that a test split should be able to see
_DISAGREE = (0.2, 0.4)  # shares of rows on which winner and start usually disagree
_MOST = 0.7  # a share of one answer above which always giving it looks good
_NAMED = 8  # so many pairs of labels are pointed out
_BYTES = 4  # of a token, as a rule
_SENTENCE = "Be exact."  # what the smallest of edits adds


def before_paying(problem: PromptProblem, scorer: Model, first: Call | None) -> tuple[str, ...]:
    """Return all cautions, those on the first call to the optimizer LLM included, if there is one.

    Args:
        problem: What is optimized.
        scorer: The scorer LLM; only its traits are looked at.
        first: The call.
    """
    said = cautions(problem, scorer, first.text if first else "")
    return (*said, *on_replies(problem, first))


def on_replies(problem: PromptProblem, first: Call | None) -> list[str]:
    """Point out a limit on replies of the optimizer LLM that no edit of the longest start keeps.

    Args:
        problem: What is optimized.
        first: The first call to the optimizer LLM; None: there is none.
    """
    longest = max(problem.starts, key=lambda text: len(text.encode()))
    tokens = math.ceil(len(longest.encode()) / _BYTES)
    if first is None or tokens < first.max_tokens or not problem.description.tokens:
        return []
    said = (
        f"algorithm.max_tokens is {first.max_tokens}, but the longest starting instruction has "
        f"about {tokens:,} tokens: edits of it would be cut off and refused; raise it, or leave it "
        "out, and it follows the start."
    )
    return [said]


def cautions(problem: PromptProblem, scorer: Model, first: str) -> tuple[str, ...]:
    """Return what a careful person would say about data and texts before paying.

    Args:
        problem: What is optimized.
        scorer: The scorer LLM; only its traits are looked at.
        first: The meta-prompt of step 1.
    """
    splits = problem.splits
    found = [_on_validation(len(splits.validation)), _on_test(len(splits.test))]
    items = (*splits.train, *splits.validation, *splits.test)
    found += _on_targets(problem, scorer, [item.target for item in items])
    answers: dict[str, set[str]] = {}
    for item in items:
        answers.setdefault(item.input, set()).add(item.target)
    unclear = sum(len(targets) > 1 for targets in answers.values())
    if unclear:
        found.append(
            f"{unclear} of {len(answers)} inputs have different answers in different rows; no "
            "instruction can get all of them right."
        )
    found += _on_texts(problem, first)
    if problem.judge is not None and problem.judge == problem.scorer:
        found.append(
            "The judge LLM is the scorer LLM, and models tend to prefer answers of their own; "
            "llmopt judge-check says how far it agrees with people."
        )
    return tuple(text for text in found if text)


def _on_validation(n: int) -> str:
    if not n:
        return (
            "There is no validation split: the winner is chosen on the items it was found with, "
            "so luck is chosen too."
        )
    if n < FEW:
        return (
            f"{n} validation items are too few to choose the winner on; take {FEW} at the very "
            "least, better 100."
        )
    return ""


def forecast(rows: int) -> tuple[tuple[float, float], ...]:
    """Return what test rows can show in four of five cases, before anything is measured.

    Args:
        rows: How many there are, at least 1; of rows that belong together, how many groups.

    Returns:
        Shares of the rows on which winner and start may disagree, each with the smallest
        difference that is then found; 1: none.
    """
    return tuple((share, shown_gain(rows, share)) for share in _DISAGREE)


def shown_by(rows: int, groups: int, found: Sequence[tuple[float, float]]) -> str:
    """Say what :func:`forecast` has found, of rows in groups."""
    what, alike = counted(rows, "test row"), ""
    if groups < rows:
        what += f" in {counted(groups, 'group')}"
        alike = ", where a group's rows are answered alike; otherwise they can show a smaller one"
    if all(least >= 1 for _, least in found):
        return f"{what}, too few to show any difference"
    parts = [f"{100 * least:.0f} points if {100 * share:.0f} %" for share, least in found]
    return (
        f"{what} can show a difference of about {', '.join(parts)} of them "
        f"are right for only one of winner and start{alike}"
    )


def _on_test(n: int) -> str:
    needed = items_needed(GAIN)
    if not n:
        return "There is no test split: no gain can be shown."
    if n < needed:
        return (
            f"{n} test items are too few to be sure of a gain of {100 * GAIN:g} points; that takes "
            f"about {needed} (80 % power, where start and winner disagree on a fifth of the items)."
        )
    return ""


def _on_targets(problem: PromptProblem, scorer: Model, targets: Sequence[str]) -> list[str]:
    found = []
    answer, count = Counter(targets).most_common(1)[0]
    share = count / len(targets)
    if share >= _MOST and problem.metric.by_target and not problem.balanced:
        percent = f"{100 * share:.0f} %"
        found.append(
            f"{percent} of the answers are {one_line(answer, 40)!r}: an instruction that always "
            f"gets this answer scores {percent}; problem.balanced = true makes every class count "
            "the same."
        )
    found += _on_labels(problem, targets)
    call = problem.call("", problem.splits.train[0], scorer)
    if problem.prompt.chat and call.prompt is not None:
        found.append(
            "The prompt has turns, but the scorer LLM is asked with raw completions: it gets "
            "their texts one after the other, blank lines between them."
        )
    again = problem.again(call, "")
    most = again.max_tokens if again else call.max_tokens
    usual = math.ceil(median(len(target.encode()) for target in targets) / _BYTES)
    if usual > most:
        limit = "The final answer with scorer.again has" if again else "scorer.max_tokens is"
        found.append(
            f"{limit} {most}{' tokens' if again else ''}, but a usual answer has about {usual} "
            "tokens and would be cut off."
        )
    return found


def _on_labels(problem: PromptProblem, targets: Sequence[str]) -> list[str]:
    """Point out labels that are written in several ways, or of which one may be a slip."""
    if not problem.metric.labels:
        return []
    known = spellings(targets)
    found = [
        f"The answers {', '.join(map(repr, ways))} differ only in case, blanks or end marks and "
        f"count as one, {one!r}; write them alike."
        for one, ways in sorted(known.items())
        if len(ways) > 1
    ]
    counts = Counter(normalize(target) for target in targets)
    found += [
        f"The answers {a!r} ({counts[normalize(a)]} rows) and {b!r} ({counts[normalize(b)]} rows) "
        "look alike; if one is a slip, mend it."
        for a, b in lookalikes(known)
    ]
    return found[:_NAMED]


def _on_texts(problem: PromptProblem, first: str) -> list[str]:
    """Point out braces that look like placeholders and are none, and starts that leak data."""
    found = [
        f"The starting instruction {one_line(text, 40)!r} {leaked}, which no proposal may; it is "
        "kept as it is, its train score may say little, and an edit that keeps it is refused "
        "(problem.copied_words)."
        for text in problem.starts
        if (leaked := problem.leaks.found(text))
    ]
    found += _on_edits(problem)
    filled = {"instruction", "input", *problem.prompt.used}
    slots = set(re.findall(r"\{(\w+)\}", problem.prompt.text)) - filled
    if slots:
        found.append(
            f"The prompt layout has {_braced(slots)}, which the scorer LLM will see as it stands; "
            "only {instruction}, {input} and columns of the data are filled in."
        )
    slots = {slot for text in problem.starts for slot in re.findall(r"\{(\w+)\}", text)}
    demanded = "".join(problem.invariants.placeholders)
    slots = {slot for slot in slots if f"{{{slot}}}" not in demanded}
    if slots:
        found.append(
            f"A starting instruction has {_braced(slots)}, which nothing fills in; a whole prompt "
            "with placeholders belongs into problem.prompt_from."
        )
    slots = set(re.findall(r"(?<!\{)\{(\w+)\}(?!\})", first)) & VARIABLES.keys()
    slots = {slot for slot in slots if f"{{{slot}}}" not in demanded}
    if slots:
        found.append(
            f"The meta-prompt says {_braced(slots)} literally; a template's variables stand in "
            "two pairs of braces."
        )
    return found


def _on_edits(problem: PromptProblem) -> list[str]:
    """Point out a limit that refuses even a starting instruction to which a sentence is added."""
    found: dict[str, str] = {}
    for text in problem.starts:
        edit = problem.parse(f"{text} {_SENTENCE}")
        if text and isinstance(edit, Refusal) and not problem.leaks.found(text):
            found.setdefault(edit.reason, text)
    return [
        f"The starting instruction {one_line(text, 40)!r} ({len(text):,} characters) with one more "
        f"sentence would be refused: {reason}. So would most edits; {problem.remedy(reason)}."
        for reason, text in found.items()
        if problem.remedy(reason)
    ]


def _braced(names: set[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))
