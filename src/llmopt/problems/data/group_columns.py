"""Recognizes columns that rows share which are not independent: passages, users, documents."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from llmopt.problems.data.columns import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from llmopt.core.values import Item
    from llmopt.problems.data.records import DataRecord

_LOOKED_AT = 400  # rows that are looked at
_SHARED = 0.5  # share of the rows whose value other rows have, too
_LONG = 200  # characters; a text as long as this that comes again is a passage
_EVERYWHERE = 0.5  # share of the inputs above which a shared passage is a part of the prompt
_WORDS = frozenset(
    (
        *("user", "customer", "client", "author", "speaker", "patient", "person", "student"),
        *("document", "doc", "passage", "paragraph", "context", "article", "story", "paper"),
        *("session", "conversation", "dialog", "dialogue", "thread", "chat", "case", "group"),
        *("contract", "book", "video", "image", "meeting", "transcript", "record"),
    )
)


def group_columns(
    found: Sequence[DataRecord], columns: Iterable[str], taken: Iterable[str] = ()
) -> Iterator[str]:
    """Yield the columns that look like groups: most of their values come again.

    They are called as groups are, such as ``user_id``, or hold long texts.

    Args:
        found: The rows; the first of them are looked at.
        columns: The columns that are looked at.
        taken: Columns that are something else.
    """
    known = set(taken)
    for column in columns:
        values = (value_of(record.values, column) for record in found[:_LOOKED_AT])
        texts = [str(value).strip() for value in values if isinstance(value, str | int)]
        if column not in known and _looks_shared(column, texts):
            yield column


def _looks_shared(column: str, texts: Sequence[str]) -> bool:
    counts = Counter(text for text in texts if text)
    if len(counts) < 2:  # noqa: PLR2004 - one value for all rows groups nothing
        return False
    if sum(n for n in counts.values() if n > 1) < _SHARED * len(texts):
        return False
    words = re.split(r"[\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column).casefold())
    return not _WORDS.isdisjoint(words) or sum(map(len, counts)) >= _LONG * len(counts)


def shared_passages(items: Sequence[Item]) -> tuple[int, str]:
    """Return how many inputs have a long paragraph that others have, too, and the commonest one.

    A paragraph that most inputs have is a part of the prompt, and does not count.
    """
    paragraphs = [{line.strip() for line in item.input.split("\n")} for item in items]
    counts = Counter(text for found in paragraphs for text in found if len(text) >= _LONG)
    shared = {text: n for text, n in counts.items() if 1 < n <= _EVERYWHERE * len(items)}
    sharing = sum(not found.isdisjoint(shared) for found in paragraphs)
    return sharing, max(shared, key=lambda text: shared[text], default="")
