"""The text itself, and everything about it as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmopt.core.text import visible
from llmopt.integrations.exported import layout_kept

if TYPE_CHECKING:
    from llmopt.integrations.exported import Material


def as_text(found: Material) -> str:
    """Return the text byte for byte.

    Where the winner has demonstrations, they are of the text: it is the whole prompt then, with
    the slot ``{input}`` for the next question.
    """
    made = found.export
    if not made.demonstrations or made.layout is None:
        return made.instruction
    layout = layout_kept(found.standing, made.layout)
    columns = tuple((column, f"{{{column}}}") for column in layout.used)
    return layout.fill(made.instruction, "{input}", columns)


def as_json(found: Material) -> str:
    """Return everything that is needed to use the text elsewhere (docs/schemas/export.json)."""
    return document(found.export.to_dict())


def document(data: Any) -> str:
    """Return plain data as strict, readable JSON in valid UTF-8."""
    # Half a surrogate pair is no UTF-8, but has an escape in JSON, as have control characters.
    return visible(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False)) + "\n"
