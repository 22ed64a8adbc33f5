"""An instruction that was written elsewhere: in a DSPy signature or module, or a saved one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmopt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def instruction_of(source: object) -> str:
    """Return the instruction of a text, a DSPy signature, or a DSPy module with one predictor.

    Raises:
        ConfigError: It is something else, or a module with several predictors.
    """
    if isinstance(source, str):
        return source
    predictors: Any = getattr(source, "named_predictors", None)
    if callable(predictors) and not isinstance(source, type):
        named = {name: predictor.signature for name, predictor in predictors()}
        source = named[_only(named, "a DSPy module")]
    found = getattr(source, "instructions", None)
    if not isinstance(found, str):
        raise ConfigError(
            "a starting instruction is a text, a DSPy signature or a module with one predictor, "
            f"but got a {type(source).__name__}"
        )
    return found


def saved_instruction(path: Path) -> str:
    """Return the instruction in a JSON file that a DSPy module or ``llmopt export`` wrote.

    Raises:
        DataError: The file cannot be read, or has no instruction.
        ConfigError: It is that of a module with several predictors.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"a saved instruction is a JSON file, but got {path}: {why}") from error
    states = data if isinstance(data, dict) else {}
    if isinstance(states.get("instruction"), str):
        return str(states["instruction"])
    if "signature" in states:
        states = {"": states}
    found = {
        name: state["signature"]["instructions"]
        for name, state in states.items()
        if isinstance(state, dict)
        and isinstance(state.get("signature"), dict)
        and isinstance(state["signature"].get("instructions"), str)
    }
    if not found:
        raise DataError(
            f"a saved instruction is what a DSPy module or llmopt export wrote, but got {path}, "
            "which has none; put the text into a .txt file"
        )
    return str(found[_only(found, f"the module saved in {path}")])


def _only(named: Mapping[str, object], what: str) -> str:
    """Return the one name there is."""
    if len(named) != 1:
        raise ConfigError(
            f"a starting instruction comes from one predictor, but {what} has "
            f"{', '.join(map(repr, named)) or 'none'}; give the instruction of one of them"
        )
    return next(iter(named))
