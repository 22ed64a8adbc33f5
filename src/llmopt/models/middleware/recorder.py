"""A recording: every reply that a run uses, in a file that `ReplayModel` answers from.

JSON lines. The first ones name the models: ``{"role": …, "model": …, "traits": …}``; each of
the others holds one exchange: ``{"key": …, "call": …, "reply": …}``.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from llmopt.core.private_files import new_private
from llmopt.errors import ConfigError
from llmopt.models.middleware.base import Middleware

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.model import Model
    from llmopt.core.values import Call, Reply, Role


class Recording:
    """A new file of exchanges, each in it once; shared by the models of a run.

    Args:
        path: The file; its folder exists.

    Raises:
        ConfigError: The file exists, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.fdopen(new_private(path), "w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise ConfigError(
                f"a recording is a new file in a folder that can be written, but got {path} "
                f"({error.strerror}); name another one"
            ) from error
        self._keys: set[str] = set()

    def name(self, role: Role, model: Model) -> None:
        """Note which model plays a role."""
        self._write({"role": role, "model": model.identity, "traits": asdict(model.traits)})

    def add(self, key: str, call: Call, reply: Reply) -> None:
        """Note an exchange."""
        if key not in self._keys:
            self._keys.add(key)
            self._write({"key": key, "call": asdict(call), "reply": asdict(reply)})

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def _write(self, data: dict[str, Any]) -> None:
        # ASCII, so that any text, halves of surrogate pairs too, comes back as it was.
        self._file.write(json.dumps(data) + "\n")


class Recorder(Middleware):
    """Notes every exchange, also those that the store answers."""

    def __init__(self, inner: Model, recording: Recording) -> None:
        super().__init__(inner)
        self._recording = recording

    async def complete(self, call: Call) -> Reply:
        """Ask, and note."""
        reply = await self.inner.complete(call)
        self._recording.add(call.key(self.identity), call, reply)
        return reply
