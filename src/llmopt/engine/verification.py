"""Does a stored run follow from its replies? Both journals are compared, record by record."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from llmopt.core.store import STEP
from llmopt.core.values import canonical, digest, to_json
from llmopt.engine.header import HEADER
from llmopt.engine.journal import PROBLEM, TESTED, VALIDATION
from llmopt.errors import DataError
from llmopt.models.providers.unasked import NOT_STORED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from llmopt.core.store import Store
    from llmopt.engine.rederived_store import RederivedStore

RESULT = "result"
"""Kind of the records of what a run has found."""

DERIVED = ("config", PROBLEM, STEP, VALIDATION, TESTED, RESULT)
"""Kinds of the records that follow from configuration, data and replies."""

SEARCH = ("config", PROBLEM, STEP, VALIDATION)
"""Those of a search, without what comes after it."""

_MEASURED = ("usage", "seconds", "stretch")
"""Keys of a result that were measured while it was made, and cannot be derived."""

_NAME = "run"  # of a result: the name that the run had then; it may have another one since

_SHOWN = 100  # characters of a value in a difference
_MOST = 20  # differences that are kept of a record
_ABSENT = object()


@dataclass(frozen=True)
class Discrepancy:
    """Something that is stored otherwise than it follows from the replies.

    Attributes:
        run: The run whose journal it is in: the run itself or its control.
        where: The record and the place in it, such as ``step 3: entries.2.score``.
        stored: The value there, in JSON and shortened.
        derived: The value that follows, in the same form.
    """

    run: str
    where: str
    stored: str
    derived: str

    def to_dict(self) -> dict[str, str]:
        """Return it as plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Verification:
    """What came of doing a run again without a model.

    Attributes:
        run: Its name.
        records: How many records were derived again and compared, by kind.
        replies: How many stored replies they follow from.
        differences: Where the stored journal says something else; empty: nowhere.
        unchecked: Sentences on what could not be derived.
        manifest: What :func:`manifest` gives for the stored run.
    """

    run: str
    records: dict[str, int]
    replies: int
    differences: tuple[Discrepancy, ...]
    unchecked: tuple[str, ...]
    manifest: dict[str, Any]

    @property
    def holds(self) -> bool:
        """Whether everything that was compared is as it was stored."""
        return not self.differences

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return {"holds": self.holds, **asdict(self)}


def derivable(
    store: Store, run: str, kinds: Collection[str] = DERIVED
) -> dict[str, dict[str, Any]]:
    """Return the records of a journal that are compared, by a name of each.

    Of kinds that a resumed run writes again, the last one counts.

    Args:
        store: Has the run.
        run: Its name.
        kinds: Of the records that are compared.
    """
    found: dict[str, dict[str, Any]] = {}
    for record in store.records(run):
        if record.kind not in kinds:
            continue
        data = dict(record.data)
        name = record.kind
        if record.kind in (STEP, VALIDATION):
            name = f"{record.kind} {data.get('step')}"
        if record.kind == "config":
            data = {key: data.get(key) for key in ("identity", HEADER)}
        if record.kind == RESULT:
            data = {key: value for key, value in data.items() if key not in (*_MEASURED, _NAME)}
        if isinstance(data.get("calls"), list):  # their order is that in which replies came
            data["calls"] = sorted(data["calls"], key=str)
        if name in found and record.kind == STEP:  # which no run writes again
            name += " again"
        found[name] = data
    return found


def compared(again: RederivedStore, run: str, *, whole: bool, failed: str) -> Verification:
    """Return what comes of comparing a run that was done again with the stored one.

    Args:
        again: Has both.
        run: Its name.
        whole: Whether what comes after its search is compared too.
        failed: Why it could not be done to its end; empty: it was.
    """
    found: list[Discrepancy] = []
    records: Counter[str] = Counter()
    stored = {info.name for info in again.kept.runs()}
    kinds = DERIVED if whole else SEARCH
    for name in [info.name for info in again.runs()][::-1]:  # the run, then its control
        pair = [derivable(again.kept, name, kinds) if name in stored else {}]
        pair.append(derivable(again, name, kinds))
        records.update(one.split()[0] for one in pair[1])
        if failed and name == run:  # what comes later is missing for that reason alone
            last = list(pair[1])[-1] if pair[1] else "the starting solutions"
            found.append(Discrepancy(run, f"after {last}", "a finished run", failed))
            pair[0] = {key: data for key, data in pair[0].items() if key in pair[1]}
        found += differences(name, *pair)
    unchecked = ["usage, time and price: they were measured, and follow from nothing stored"]
    if not whole:
        unchecked.append(
            "choice, test and control: a budget decided how much was measured for them"
        )
    return Verification(
        run,
        dict(records),
        len(again.used),
        tuple(found),
        tuple(unchecked),
        manifest(again.kept, run, again.used, stored & {info.name for info in again.runs()}),
    )


def differences(
    run: str, stored: dict[str, dict[str, Any]], derived: dict[str, dict[str, Any]]
) -> Iterator[Discrepancy]:
    """Yield where two journals differ, in the order of the derived one.

    Args:
        run: Whose they are.
        stored: The records of the stored journal, of :func:`derivable`.
        derived: Those of the one that was derived.
    """
    for name in dict.fromkeys((*derived, *stored)):
        if name not in stored or name not in derived:
            there = ("nothing", "a record") if name not in stored else ("a record", "nothing")
            yield Discrepancy(run, name, *there)
            continue
        found = _apart(stored[name], derived[name])
        for path, one, other in islice(found, _MOST):
            yield Discrepancy(run, f"{name}: {path}" if path else name, _short(one), _short(other))


def _apart(stored: Any, derived: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the places where two JSON values differ; true is not 1."""
    if isinstance(stored, dict) and isinstance(derived, dict):
        for key in dict.fromkeys((*derived, *stored)):
            if key == "usd":  # follows from a price list, which is not stored
                continue
            pair = stored.get(key, _ABSENT), derived.get(key, _ABSENT)
            yield from _apart(*pair, f"{path}.{key}" if path else str(key))
    elif isinstance(stored, list) and isinstance(derived, list) and len(stored) == len(derived):
        for at, pair in enumerate(zip(stored, derived, strict=True)):
            yield from _apart(*pair, f"{path}.{at}" if path else str(at))
    elif isinstance(derived, str) and NOT_STORED in derived and isinstance(stored, str) and stored:
        return  # why an answer was lost is known by who lost it
    elif stored != derived or type(stored) is not type(derived):
        yield path, stored, derived


def _short(value: Any) -> str:
    """Return a value as JSON, shortened."""
    text = "nothing" if value is _ABSENT else canonical(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def manifest(
    store: Store, run: str, keys: Collection[str], others: Collection[str] = ()
) -> dict[str, Any]:
    """Return hashes of everything that a stored run consists of, to be kept apart from the store.

    Args:
        store: Has the run.
        run: Its name.
        keys: Of the replies that it follows from.
        others: Further runs that belong to it: its control.

    Returns:
        JSON data: ``run``; ``records``, the kind and the SHA-256 of each record of the journal in
        order; ``replies``, the number and one SHA-256 over all keys and replies; ``requests``, one
        over all keys and requests; ``measured``, what was measured of each run: when it was made,
        its seconds, and usage by role; ``others``, the records of the journals of `others`.
    """
    replies, requests = [], []
    for key in sorted(keys):
        call, reply = store.exchange(key) or (None, None)
        replies.append([key, reply and to_json(reply).decode()])
        requests.append([key, call and to_json(call).decode()])
    names = sorted({run, *others})
    lines = {info.name: info for info in store.runs() if info.name in names}
    measured = {
        name: {
            "created": lines[name].created,
            "best": lines[name].best,
            "seconds": store.seconds(name),
            "usage": {role: asdict(used) for role, used in store.spent(name).items()},
        }
        for name in names
    }
    return {
        "run": run,
        "records": _hashes(store, run),
        "replies": {"number": len(replies), "sha256": digest(canonical(replies))},
        "requests": {"sha256": digest(canonical(requests))},
        "measured": measured,
        "others": {name: _hashes(store, name) for name in names if name != run},
    }


def _hashes(store: Store, run: str) -> list[list[str]]:
    return [[record.kind, digest(canonical(record.data))] for record in store.records(run)]


def changed_since(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Discrepancy]:
    """Yield what an earlier manifest of a run does not say of it; records may have been added.

    Raises:
        DataError: The earlier one is no manifest, or another run's.
    """
    try:
        run = str(before["run"])
        journals = {run: before["records"], **before.get("others", {})}
        journals = {name: [(str(k), sha) for k, sha in one] for name, one in journals.items()}
        replies = before["replies"]["number"], before["replies"]["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"a manifest is what llmopt verify writes with --manifest, but got something else "
            f"({error!r})"
        ) from error
    if run != now["run"]:
        raise DataError(f"a manifest is compared with its own run, {run!r}, but got {now['run']!r}")
    present = {run: now["records"], **now["others"]}
    for name, records in journals.items():
        here = [tuple(one) for one in present.get(name, ())]
        for seq, one in enumerate(records):
            other = here[seq] if seq < len(here) else ("", "nothing")
            if other != one:
                yield Discrepancy(name, f"record {seq} ({one[0]})", other[1], one[1])
    if len(journals[run]) < len(now["records"]):  # it was continued since
        return
    if replies != tuple(now["replies"].values()):
        yield Discrepancy(run, "the replies", now["replies"]["sha256"], replies[1])
    for key in ("requests", "measured"):  # which older manifests have not
        if key in before and before[key] != now[key]:
            yield Discrepancy(run, f"the {key}", *map(_short, (now[key], before[key])))
