"""``llmopt view``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from llmopt.cli.options import json_option, print_json, store_option

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command()
@click.argument("run", metavar="[RUN]", required=False)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Where to listen; default: 8700, or the next free one. 0: any free one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Name or address to listen on. The printed address holds the token to get in.",
)
@click.option("--open", "opening", is_flag=True, help="Open it in the browser.")
@store_option
@json_option
def view(
    run: str | None,
    *,
    port: int | None,
    host: str,
    opening: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """Look at runs in a browser, live while they progress; Ctrl-C ends it.

    The list of runs, the page of each, and comparisons of any of them. Nothing can be changed
    there, and no model is called.
    """
    from llmopt.store import open_store
    from llmopt.web.server.serve import serve

    with closing(open_store(store, new=store is None)) as kept:
        if run is not None:
            kept.config(run)  # a name that is not there is refused, and the nearest one is named
        path = "/" if run is None else f"/run/{run}"
        serve(kept, _telling(as_json, opening), host=host, port=port, path=path)
    click.echo("Ended.", err=True)


def _telling(as_json: bool, opening: bool) -> Callable[[str], None]:
    """Return what says, or opens, the address."""

    def tell(address: str) -> None:
        if as_json:
            print_json({"url": address})
        else:
            click.echo(f"{address}  (Ctrl-C ends it)")
        if opening:
            import webbrowser

            webbrowser.open(address)

    return tell
