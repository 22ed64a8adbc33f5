"""The list of runs in a store, with filters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from llmopt.core.values import canonical
from llmopt.engine.header import RunHeader
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.core.store import RunInfo, Status, Store

_AGO = re.compile(r"(\d{1,6})([hd])")
_UNITS = {"h": "hours", "d": "days"}


@dataclass(frozen=True)
class Wanted:
    """Which runs are listed: those that have everything that is asked for.

    Attributes:
        status: How they stand; empty: in any way.
        algorithm: Name of their method, ``evaluation`` or ``sweep``; empty: any.
        tags: Tags that each of them has.
        since: The time at or after which they were created; None: any.
        text: Occurs in the name, the tags, the note or the configuration file's values, in
            capital or small letters.
    """

    status: Status | str = ""
    algorithm: str = ""
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    text: str = ""

    def fits(self, info: RunInfo, algorithm: str, config: Mapping[str, Any]) -> bool:
        """Return whether a run is one of them."""
        said = " ".join((info.name, *info.tags, info.note, canonical(config.get("source"))))
        return (
            self.status in ("", info.status)
            and self.algorithm in ("", algorithm)
            and set(self.tags) <= set(info.tags)
            and (self.since is None or datetime.fromisoformat(info.created) >= self.since)
            and self.text.casefold() in said.casefold()
        )


@dataclass(frozen=True)
class Listed:
    """A run of the list.

    Attributes:
        info: What the store says about it.
        header: What it says of itself.
    """

    info: RunInfo
    header: RunHeader

    @property
    def name(self) -> str:
        """Its name."""
        return self.info.name

    @property
    def algorithm(self) -> str:
        """Name of its method; ``evaluation`` or ``sweep`` where it is one."""
        return self.header.algorithm

    @property
    def best(self) -> float | None:
        """The best score on train so far, in the problem's own direction."""
        return self.header.presentation.facing(self.info.best)

    @property
    def steps(self) -> int:
        """Steps done; the starting solutions are none."""
        return max(0, self.info.steps - 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the run as plain data for JSON."""
        return {
            "name": self.name,
            "created": self.info.created,
            "status": self.info.status,
            "algorithm": self.algorithm,
            "steps": self.steps,
            "best": self.best,
            "best_partial": self.info.partial,
            "tags": list(self.info.tags),
            "note": self.info.note,
        }


def listed(store: Store, wanted: Wanted | None = None) -> tuple[Listed, ...]:
    """Return the runs that are wanted, by default all, newest first.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted = wanted or Wanted()
    rows = []
    for info in store.runs():
        config = store.config(info.name)
        header = RunHeader.of(config)
        if wanted.fits(info, header.algorithm, config):
            rows.append(Listed(info, header))
    return tuple(rows)


def moment(text: str, now: datetime | None = None) -> datetime:
    """Return the time that a user names: a date, a date with a time, or how long ago.

    Args:
        text: Such as ``2026-01-31``, ``2026-01-31T18:30`` (UTC, unless it says otherwise),
            ``7d`` or ``36h``.
        now: From when to count back; default: now.

    Raises:
        ConfigError: It is none of these.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return (now or datetime.now(UTC)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"a time is such as 2026-01-31, 2026-01-31T18:30, 7d or 36h, but got {text!r}"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
