"""A model that only repeats what a recording holds: a run again, without any model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.core.model import Traits
from llmopt.core.values import Reply
from llmopt.errors import InputError, RefusedError

if TYPE_CHECKING:
    from llmopt.core.values import Call

_SHOWN = 80  # characters of a call that a message repeats
_NAMED = 16  # hex digits of the file's hash


class ReplayModel:
    """Answers from the file that a run was recorded to; it plays both roles.

    The file stays where it is while the model is used: of each exchange only its place is kept
    in memory.

    Args:
        path: A file written by `llmopt.models.middleware.recorder.Recording`.

    Raises:
        InputError: The file cannot be read, or is no recording.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).expanduser()
        self._places: dict[str, int] = {}
        self._models: dict[str, dict[str, Any]] = {}
        hashed, place, number = hashlib.sha256(), 0, 1
        try:
            with self._path.open("rb") as file:
                for line in file:
                    hashed.update(line)
                    self._index(json.loads(line), place)
                    place += len(line)
                    number += 1
        except OSError as error:
            raise InputError(
                f"a replay is a file that can be read, but got {self._path} ({error.strerror})"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"a replay is the recording of a run, but line {number} of {self._path} is none; "
                "record the run again"
            ) from error
        if not self._models:
            raise InputError(f"a replay is the recording of a run, but {self._path} names no model")
        self.identity = f"replay/{hashed.hexdigest()[:_NAMED]}"
        self.traits = self._merged()

    def __repr__(self) -> str:
        return f"ReplayModel({str(self._path)!r})"

    async def complete(self, call: Call) -> Reply:
        """Return the recorded reply.

        Raises:
            RefusedError: The recording has none.
        """
        roles = sorted(self._models, key=lambda role: role != call.role)
        for role in roles:
            place = self._places.get(call.key(self._models[role]["model"]))
            if place is not None:
                with self._path.open("rb") as file:
                    file.seek(place)
                    return Reply.from_json(json.loads(file.readline())["reply"])
        raise RefusedError(
            f"a replayed call is one that {self._path} holds, but got a call of the {call.role} "
            f"LLM that it does not: {call.text[:_SHOWN]!r}; replay the run with the "
            "configuration, data and seed with which it was recorded"
        )

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _index(self, data: dict[str, Any], place: int) -> None:
        if "role" in data:
            self._models[data["role"]] = {
                "model": data["model"],
                "traits": Traits(**data["traits"]),
            }
        else:
            self._places[data["key"]] = place

    def _merged(self) -> Traits:
        """Return what both recorded models can do; the family is the optimizer LLM's."""
        all_of = [model["traits"] for model in self._models.values()]
        leading = self._models.get("optimizer", next(iter(self._models.values())))["traits"]
        return Traits(
            chat=all(traits.chat for traits in all_of),
            completion=any(traits.completion for traits in all_of),
            family=leading.family,
            deadline=None,
            likelihood=any(traits.likelihood for traits in all_of),
        )
