"""``llmopt runs`` and what is done with stored runs: rename, tag, note, delete; ``llmopt gc``."""

from __future__ import annotations

import itertools
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any, get_args

import click

from llmopt.cli.options import console, json_option, print_json, store_option
from llmopt.core.formatting import counted
from llmopt.core.store import LABEL, LONGEST_NAME, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from llmopt.core.store import RunInfo, Store
    from llmopt.history.listing import Listed

_TAG = re.compile(r"[^\s,#]{1,40}")


@click.group(invoke_without_command=True)
@click.option("--status", type=click.Choice(get_args(Status)), help="Only runs with this status.")
@click.option("--algorithm", metavar="NAME", help="Only those of this method; evaluation; sweep.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Only those with this tag.")
@click.option("--since", metavar="WHEN", help="Only newer ones: 2026-01-31, 7d or 36h.")
@click.option(
    "--find", metavar="TEXT", help="Only those with it in name, tags, note or configuration."
)
@click.option("--tree", is_flag=True, help="Cells below their sweep, controls below their run.")
@store_option
@json_option
@click.pass_context
def runs(
    context: click.Context,
    *,
    status: str | None,
    algorithm: str | None,
    tags: tuple[str, ...],
    since: str | None,
    find: str | None,
    tree: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """List the runs in the store, newest first; or rename, tag, note or delete one."""
    from llmopt.errors import ConfigError
    from llmopt.history.listing import Wanted, listed, moment
    from llmopt.terminal.runs_table import print_runs

    if context.invoked_subcommand:
        if any((status, algorithm, tags, since, find, tree, as_json)):
            raise ConfigError(
                f"options of the list come without a command, but got {context.invoked_subcommand}"
                " too; leave one out"
            )
        context.default_map = {context.invoked_subcommand: {"store": store}}
        return
    wanted = Wanted(
        status or "", algorithm or "", tags, moment(since) if since else None, find or ""
    )
    with _opened(store) as kept:
        found = listed(kept, wanted)
    if as_json:
        print_json(_plain(found, tree=tree))
    elif found:
        print_runs(console(), found, tree=tree)
    elif wanted != Wanted():
        click.echo("No run is so; llmopt runs lists all of them.", err=True)
    else:
        click.echo("No runs yet; llmopt demo makes one.", err=True)


def _plain(found: Sequence[Listed], *, tree: bool) -> list[dict[str, Any]]:
    """Return the list as plain data; as a tree, each run has its ``members``."""
    from llmopt.history.families import Family, families

    def of(family: Family) -> dict[str, Any]:
        return family.head.to_dict() | {"members": [of(member) for member in family.members]}

    if tree:
        return [of(family) for family in families(found)]
    return [row.to_dict() for row in found]


@runs.command()
@click.argument("old")
@click.argument("new")
@store_option
@json_option
def rename(old: str, new: str, store: str | None, *, as_json: bool) -> None:
    """Give a run another name; what it has done and paid for goes with it."""
    from llmopt.errors import ConfigError

    if old == new:
        raise ConfigError(f"the new name of a run is not taken, but got {new!r}, which is its name")
    with _opened(store) as kept:
        sweep = _sweep_of(kept, old)
        if sweep:
            raise ConfigError(
                f"a run gets another name unless a sweep finds it by that, but {old!r} belongs to "
                f"the sweep {sweep!r}; note what it is instead: llmopt runs note {old} TEXT"
            )
        renamed = {companion: _named(new, suffix) for companion, suffix in _companions(kept, old)}
        taken = sorted({*renamed.values()} & {info.name for info in kept.runs()} - renamed.keys())
        if taken:
            raise ConfigError(
                f"what was made for a run is renamed with it, but {taken[0]!r} is another run's "
                "name; choose another"
            )
        kept.rename(old, new)
        for companion, name in renamed.items():
            kept.rename(companion, name)
        if as_json:
            _print_one(kept, new)


@runs.command()
@click.argument("run")
@click.argument("words", metavar="TAG…", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Take the tags away.")
@store_option
@json_option
def tag(
    run: str, words: tuple[str, ...], *, remove: bool, store: str | None, as_json: bool
) -> None:
    """Put tags on a run, by which the list can be filtered."""
    from llmopt.errors import ConfigError

    for word in words:
        if not (_TAG.fullmatch(word) and word.isprintable()):
            raise ConfigError(
                f"a tag is one word of at most 40 characters without ',' and '#', but got {word!r}"
            )
    with _opened(store) as kept:
        info = _info(kept, run)
        tags = set(info.tags) - set(words) if remove else {*info.tags, *words}
        kept.append(run, LABEL, {"tags": sorted(tags), "note": info.note})
        if as_json:
            _print_one(kept, run)


@runs.command()
@click.argument("run")
@click.argument("text")
@store_option
@json_option
def note(run: str, text: str, store: str | None, *, as_json: bool) -> None:
    """Note a sentence about a run; an empty TEXT takes it away."""
    with _opened(store) as kept:
        info = _info(kept, run)
        kept.append(run, LABEL, {"tags": list(info.tags), "note": text.strip()})
        if as_json:
            _print_one(kept, run)


@runs.command()
@click.argument("names", metavar="RUN…", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_option
@json_option
def delete(names: tuple[str, ...], *, yes: bool, store: str | None, as_json: bool) -> None:
    """Delete runs for good, with the replies that no other run uses."""
    with _opened(store) as kept:
        doomed = [_info(kept, name) for name in dict.fromkeys(names)]
        if not (yes or _agreed(doomed)):
            click.echo("Nothing was deleted.", err=True)
            if as_json:
                print_json({"deleted": [], "replies": 0, "bytes": 0})
            return
        deleted, replies, size = [], 0, 0
        # A run's companions are part of it: it was paid for by it.
        whole = [
            name
            for info in doomed
            for name in (*(companion for companion, _ in _companions(kept, info.name)), info.name)
        ]
        for name in dict.fromkeys(whole):
            freed = kept.delete(name)
            deleted.append(name)
            replies, size = replies + freed.replies, size + freed.bytes
    if as_json:
        print_json({"deleted": deleted, "replies": replies, "bytes": size})
    else:
        click.echo(f"Deleted {', '.join(deleted)}, with {_freed(replies, size)}.", err=True)


@click.command()
@store_option
@json_option
def gc(store: str | None, as_json: bool) -> None:
    """Remove stored replies that no run uses, and give free room back to the disk."""
    with _opened(store) as kept:
        freed = kept.collect()
    if as_json:
        print_json({"replies": freed.replies, "bytes": freed.bytes, "disk": freed.disk})
    else:
        click.echo(
            f"Removed {_freed(freed.replies, freed.bytes)}; the store is now "
            f"{freed.disk:,} bytes smaller.",
            err=True,
        )


def _opened(store: str | None) -> AbstractContextManager[Store]:
    from llmopt.store import open_store

    return closing(open_store(store, new=store is None))


def _print_one(store: Store, run: str) -> None:
    """Print a run as it is in the list, as JSON."""
    from llmopt.history.listing import listed

    print_json(next(row.to_dict() for row in listed(store) if row.info.name == run))


def _info(store: Store, run: str) -> RunInfo:
    """Return the line about a run.

    Raises:
        StoreError: There is no such run.
    """
    store.config(run)  # it names the nearest run where there is none of that name
    return next(info for info in store.runs() if info.name == run)


def _agreed(doomed: list[RunInfo]) -> bool:
    """Ask whether to delete."""
    from llmopt.errors import ConfigError

    for info in doomed:
        click.echo(f"{info.name}: {info.status}, {max(0, info.steps - 1)} steps", err=True)
    try:
        return click.confirm(
            "Delete this for good? Replies that nothing else uses would be paid for again.",
            err=True,
        )
    except click.Abort as error:
        click.echo(err=True)  # the question ends without one
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise ConfigError(
            "a deletion is confirmed, but nobody answers here; say so with --yes"
        ) from error


def _freed(replies: int, size: int) -> str:
    return f"{counted(replies, 'reply', 'replies')} of {size:,} bytes"


def _sweep_of(store: Store, run: str) -> str:
    """Return the sweep that a run is or is a cell of, or an empty text."""
    config = store.config(run)
    return run if "sweep" in config else str(config.get("cell", ""))


def _companions(store: Store, run: str) -> Iterator[tuple[str, str]]:
    """Yield the runs that were made for a run, each with the end of its name.

    These are its controls, in order, see :mod:`llmopt.engine.controls`, and the headroom that was
    measured before it, see :mod:`llmopt.engine.headroom_first`.
    """
    from llmopt.engine.header import RunHeader

    names = {info.name for info in store.runs()}
    numbers = itertools.chain(("",), (f"-{number}" for number in itertools.count(2)))
    controls = (f"-control{number}" for number in numbers)
    there = itertools.takewhile(lambda suffix: _named(run, suffix) in names, controls)
    for suffix in (*there, "-headroom"):
        name = _named(run, suffix)
        if name in names and RunHeader.of(store.config(name)).control:
            yield name, suffix


def _named(run: str, suffix: str) -> str:
    return run[: LONGEST_NAME - len(suffix)] + suffix
