"""Disjoint splits of a data set, and class weights. Pure, and seeded by an argument alone."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.groups import group_labels
from llmopt.core.text import folded, one_line
from llmopt.core.values import digest
from llmopt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.values import Item

_LEAST = 2  # items in train and in test
_MOST_CLASSES = 20  # distinct targets up to which they are taken for classes


@dataclass(frozen=True, slots=True)
class Splits:
    """Three parts of a data set without a common input, and a fourth that no search touches.

    Attributes:
        train: What the search measures candidates on and shows to the optimizer LLM.
        validation: What the winner is selected on; empty where selection happens on train.
        test: What is evaluated once, at the end.
        vault: What is opened once, by a confirmation of a finished run; empty by default.
        asked: The sizes that were asked for, where the user's groups made them differ.
    """

    train: tuple[Item, ...]
    validation: tuple[Item, ...]
    test: tuple[Item, ...]
    vault: tuple[Item, ...] = ()
    asked: tuple[int, ...] = field(default=(), kw_only=True)

    def __repr__(self) -> str:
        """Return how many items there are; the rows themselves are many."""
        names = ("train", "validation", "test", *(("vault",) if self.vault else ()))
        sizes = ", ".join(f"{name}={len(getattr(self, name))}" for name in names)
        return f"Splits({sizes})"


def split(
    items: Sequence[Item],
    *,
    sizes: tuple[float, float, float] | tuple[int, int, int] = (0.25, 0.25, 0.5),
    seed: int = 0,
    stratify: bool = True,
    vault: float = 0,
) -> Splits:
    """Split items at random into train, validation and test.

    Items whose inputs are equal but for case and white space stay on one side; where such a
    group does not fit, a part gets a few items less than its size. When there are at most 20
    distinct targets, each at least as frequent as there are parts, every part has the classes
    in the shares of the whole, and so has every prefix of a part, because classes alternate.

    So do the items of one group (:attr:`~llmopt.core.values.Item.group`). A part then comes as
    close to its size as whole groups allow, which may be a little above it.

    Args:
        items: The whole data set.
        sizes: Three fractions (at least one float) whose sum is at most 1, or three numbers of
            items (all int). Validation may be 0. What is left over is in no part.
        seed: Of the shuffle; equal arguments give equal splits.
        stratify: Whether to mix the classes evenly.
        vault: What is put aside before, see :func:`put_aside`; the sizes are of the others.

    Raises:
        ConfigError: The sizes are negative, too large or leave train or test empty.
        DataError: There are too few items for at least 2 in train and 2 in test.
    """
    aside, items = put_aside(items, vault)
    counts = _counts(len(items), sizes)
    if any(item.group for item in items):
        parts = _whole_groups(items, counts, seed=seed, stratify=stratify)
        asked = tuple(counts) if [len(part) for part in parts] != counts else ()
        what, how = "groups", "and a group stays"
    else:
        parts, asked = portions(items, counts, seed=seed, stratify=stratify), ()
        what, how = "distinct inputs", "and equal inputs stay"
    train, validation, test = parts
    splits = Splits(train, validation, test, aside, asked=asked)
    if min(len(splits.train), len(splits.test)) < _LEAST:
        more = "other groups" if what == "groups" else "other inputs"
        raise DataError(
            f"train and test have at least {_LEAST} rows each, but the {len(items)} rows have only "
            f"{len(_groups(items))} {what} {how} on one side; add rows with {more}"
        )
    return splits


def put_aside(items: Sequence[Item], vault: float) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Return the items of the vault, and all others, in their order.

    Which items these are follows from their inputs alone, by a hash. So neither a seed nor the
    order of the rows changes the vault, and rows that are added later change little of it. Items
    whose inputs are equal but for case and white space stay together.

    Args:
        items: The whole data set.
        vault: A share below 1 (a float) or a number of items (an int); 0: there is no vault.

    Raises:
        ConfigError: It is negative, or a share of 1 or more.
        DataError: The vault would have fewer than 2 items, or leave fewer than 4.
    """
    if not (math.isfinite(vault) and vault >= 0) or (isinstance(vault, float) and vault >= 1):
        raise ConfigError(
            f"a vault is a share of the rows below 1, or a number of rows, but got {vault:g}; "
            "problem.vault = 0.2 puts one row in five aside"
        )
    if not vault:
        return (), tuple(items)
    share = Fraction(str(vault))  # the decimals the user wrote
    size = vault if isinstance(vault, int) else round(share * len(items))
    if size < _LEAST or len(items) - size < 2 * _LEAST:
        raise DataError(
            f"a vault has at least {_LEAST} rows and leaves {2 * _LEAST}, but of {len(items)} rows "
            f"problem.vault = {vault:g} takes {size}; change it, or add rows"
        )
    chosen: list[Item] = []
    for _, group in sorted(_groups(items).items(), key=lambda named: digest(named[0])):
        if len(chosen) + len(group) <= size:
            chosen.extend(group)
    inside = {item.id for item in chosen}
    return tuple(chosen), tuple(item for item in items if item.id not in inside)


def _whole_groups(
    items: Sequence[Item], counts: Sequence[int], *, seed: int, stratify: bool
) -> tuple[tuple[Item, ...], ...]:
    """Draw parts that come as close to their sizes as whole groups allow; see :func:`split`."""
    random = np.random.RandomState(seed)
    pending = _mixed(list(_groups(items).values()), random, counts, stratify)
    parts: list[tuple[Item, ...]] = []
    for place, size in enumerate(counts):
        last = place == len(counts) - 1 and sum(counts) == len(items)  # takes what is left
        part: list[Item] = []
        later = []
        for group in pending:
            if last or len(part) + len(group) <= size:
                part.extend(group)
            else:
                later.append(group)
        short = size - len(part)
        nearest = min(later, key=lambda group: abs(len(group) - short), default=[])
        if 0 < len(nearest) < 2 * short:
            part.extend(nearest)
            later.remove(nearest)
        pending = later
        # Candidates may be measured on the first items only, which must not be one group's.
        mixture = _mixed([[item] for item in part], random, [len(part)], stratify)
        parts.append(tuple(item for group in mixture for item in group))
    return tuple(parts)


def portions(
    items: Sequence[Item], counts: Sequence[int], *, seed: int = 0, stratify: bool = True
) -> tuple[tuple[Item, ...], ...]:
    """Draw disjoint parts of given sizes at random; see :func:`split` for equal inputs and classes.

    Args:
        items: What is drawn from.
        counts: Numbers of items, together at most all; 0 is allowed. What is left over is in no
            part.
        seed: Of the shuffle.
        stratify: Whether to mix the classes evenly.
    """
    random = np.random.RandomState(seed)
    pending = _mixed(list(_groups(items).values()), random, counts, stratify)
    everything = sum(counts) == len(items)
    parts: list[tuple[Item, ...]] = []
    for place, size in enumerate(counts):
        part: list[Item] = []
        later = []
        for group in pending:
            # With nothing left over, the last part takes what did not fit into the others.
            fits = len(part) + len(group) <= size or (place == len(counts) - 1 and everything)
            if fits:
                part.extend(group)
            else:
                later.append(group)
        pending = later
        parts.append(tuple(part))
    return tuple(parts)


def without_repeats(splits: Splits) -> Splits:
    """Leave out of the held-out parts what has an input that an earlier part has.

    For splits whose train items are fixed by a paper: train stays as it is, and the held-out
    parts lose the few items that would be known from it. Repeats inside one part stay.
    """
    seen: set[str] = set()
    parts: list[tuple[Item, ...]] = []
    for part in (splits.train, splits.validation, splits.test, splits.vault):
        parts.append(tuple(item for item in part if folded(item.input) not in seen))
        seen.update(folded(item.input) for item in part)
    return Splits(*parts)


def check_disjoint(splits: Splits) -> None:
    """Check that no two parts share an input, where case and white space do not count, or a group.

    Args:
        splits: The parts, for example from the user's own files.

    Raises:
        DataError: Two parts share an input or a group.
    """
    owner: dict[str, str] = {}
    home: dict[str, str] = {}
    parts = (splits.train, splits.validation, splits.test, splits.vault)
    for name, part in zip(("train", "validation", "test", "vault"), parts, strict=True):
        for item in part:
            first = owner.setdefault(folded(item.input), name)
            if first != name:
                raise DataError(
                    f"an input is in one split only, but {first} and {name} both have "
                    f"{one_line(item.input, 60)!r}; remove it from one of them"
                )
            first = home.setdefault(item.group, name) if item.group else name
            if first != name:
                raise DataError(
                    f"a group is in one split only, but {first} and {name} both have rows of "
                    f"{one_line(item.group, 60)!r}; move them into one of the two, or leave "
                    "problem.group out"
                )


def balance(items: Sequence[Item]) -> tuple[Item, ...]:
    """Weight the items so that the weighted mean of 0/1 scores is balanced accuracy.

    A class is a target but for case and white space. An item of a class with ``n`` of ``N``
    items gets the weight ``N / (K * n)`` where ``K`` is the number of classes: all classes
    count the same, and the mean weight is 1. Balance each split on its own.
    """
    counts = Counter(folded(item.target) for item in items)
    return tuple(
        replace(item, weight=len(items) / (len(counts) * counts[folded(item.target)]))
        for item in items
    )


def _counts(n: int, sizes: tuple[float, float, float] | tuple[int, int, int]) -> list[int]:
    """Return the number of items of each part, or raise where `n` items are too few."""
    if any(not math.isfinite(size) or size < 0 for size in sizes):
        raise ConfigError(f"split sizes are 0 or more, but got {sizes}")
    if min(sizes[0], sizes[2]) <= 0:
        raise ConfigError(f"split sizes leave rows for train and test, but got {sizes}")
    if all(isinstance(size, int) for size in sizes):
        counts = [int(size) for size in sizes]
        if min(counts[0], counts[2]) < _LEAST:
            raise ConfigError(f"train and test have at least {_LEAST} rows, but got {sizes}")
        if sum(counts) > n:
            raise DataError(
                f"split sizes {sizes} need {sum(counts)} rows, but the data set has {n}; "
                "lower the sizes or add rows"
            )
        return counts
    # The decimals the user wrote, not their binary neighbours: 0.1 + 0.2 + 0.7 is 1.
    shares = [Fraction(str(size)) for size in sizes]
    if sum(shares) > 1:
        raise ConfigError(f"split fractions have a sum of at most 1, but got {sizes}")
    # Largest remainder: every part gets its share rounded down or up, together exactly n.
    exact = [share * n for share in (*shares, 1 - sum(shares))]
    counts = [math.floor(value) for value in exact]
    by_remainder = sorted(range(4), key=lambda i: (counts[i] - exact[i], i))
    for i in by_remainder[: n - sum(counts)]:
        counts[i] += 1
    if min(counts[0], counts[2]) < _LEAST:
        enough = math.ceil(_LEAST / min(shares[0], shares[2]))
        raise DataError(
            f"train and test have at least {_LEAST} rows each, but {n} rows split {sizes} are "
            f"too few; {enough} rows are enough, or change the sizes"
        )
    return counts[:3]


def _groups(items: Sequence[Item]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = {}
    for item, label in zip(items, group_labels(items), strict=True):
        groups.setdefault(label, []).append(item)
    return groups


def mixed(items: Sequence[Item], seed: int = 0) -> tuple[Item, ...]:
    """Shuffle the items of one part so that every prefix has the classes in their shares.

    For a part that the user made: candidates may be measured on its first items only, which
    must not all be of one class because the file is sorted.
    """
    groups = _mixed([[item] for item in items], np.random.RandomState(seed), [len(items)], True)
    return tuple(item for group in groups for item in group)


def _mixed(
    groups: list[list[Item]], random: np.random.RandomState, sizes: Sequence[int], stratify: bool
) -> list[list[Item]]:
    """Shuffle the groups; with classes, so that every run of neighbours has the classes' shares.

    The i-th of n groups of a class stands at the position (i + 1/2) / n of the whole, so cutting
    the sequence anywhere gives stratified pieces.
    """
    classes: dict[str, list[list[Item]]] = {}
    for group in groups:
        classes.setdefault(_class_of(group), []).append(group)
    parts = sum(size > 0 for size in sizes)
    few = len(classes) <= _MOST_CLASSES and min(map(len, classes.values()), default=0) >= parts
    if not (stratify and few):
        classes = {"": groups}
    placed = []
    for name in sorted(classes):
        members = classes[name]
        for rank, index in enumerate(random.permutation(len(members))):
            placed.append(((rank + 0.5) / len(members), name, members[index]))
    placed.sort(key=lambda entry: entry[:2])
    return [group for _, _, group in placed]


def _class_of(group: Sequence[Item]) -> str:
    """Return the class that a group is mixed by: of one of the user's, the most frequent."""
    if not group[0].group:
        return folded(group[0].target)
    return Counter(folded(item.target) for item in group).most_common(1)[0][0]
