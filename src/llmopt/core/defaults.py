"""Defaults that follow the data."""

from __future__ import annotations


class Following(int):
    """A default that grows where the data need more; a number that a user sets stays as it is.

    It equals its number, is written as it and is stored as it, so what follows the data is no
    changed option of a run.
    """

    __slots__ = ()


def follows(number: int) -> bool:
    """Return whether a number is a default that follows the data, and not a user's own."""
    return isinstance(number, Following)
