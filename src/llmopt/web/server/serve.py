"""Serves a store until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from typing import TYPE_CHECKING

from aiohttp import web

from llmopt.errors import ConfigError
from llmopt.web.server.access import Door, is_loopback
from llmopt.web.server.page_cache import Shelf
from llmopt.web.server.routes import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.store import Store

PORT = 8700
"""The first port that is tried where none is given."""

_TRIED = 50  # ports in a row
_PATIENCE = 2.0  # seconds for answers under way when the server ends


def serve(
    store: Store,
    tell: Callable[[str], None],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    path: str = "/",
) -> None:
    """Serve a store's pages until the process is interrupted or told to end.

    Args:
        store: Where the runs are kept; the caller closes it.
        tell: Given the address to open, as soon as it answers. It holds the token that is needed
            to get in.
        host: Name or address to listen on.
        port: Where to listen; None: 8700, or the next one that is free.
        path: What the address leads to.

    Raises:
        ConfigError: Nothing can listen there.
    """
    with contextlib.closing(_listening(host, port)) as listening:
        asyncio.run(_served(Shelf(store), tell, listening, host, path))


async def _served(
    shelf: Shelf, tell: Callable[[str], None], listening: socket.socket, host: str, path: str
) -> None:
    port = listening.getsockname()[1]
    door = Door.at(host, port)
    runner = web.AppRunner(
        Site(shelf).app(door),
        access_log=None,  # it would hold the token
        handler_cancellation=True,
        shutdown_timeout=_PATIENCE,
    )
    await runner.setup()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises instead
            loop.add_signal_handler(number, ended.set)
    try:
        await web.SockSite(runner, listening).start()
        tell(address(host, port, path, door.token))
        await ended.wait()
    finally:
        await runner.cleanup()


def address(host: str, port: int, path: str = "/", token: str | None = None) -> str:
    """Return what to open in a browser."""
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104 - compared, not listened on
    if ":" in name:
        name = f"[{name}]"
    return f"http://{name}:{port}{path}" + (f"?token={token}" if token else "")


def _listening(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens on a port, or on the first free one where none is given."""
    for number in range(PORT, PORT + _TRIED) if port is None else [port]:
        try:
            family = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0][0]
            return socket.create_server((host, number), family=family)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port is None:
                continue
            raise _unserved(host, number, error) from error
    raise ConfigError(
        f"a port is one that is free, but got none from {PORT} to {PORT + _TRIED - 1}; name "
        "another with --port"
    )


def _unserved(host: str, port: int, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"a port is one that is free, but got {port}, which is in use; name another with "
            "--port, or leave it out for the next free one"
        )
    where = "" if is_loopback(host) else ", or leave --host out for this machine alone"
    return ConfigError(
        f"a server listens where this machine may, but got {host}, port {port} "
        f"({error.strerror or error}); name another with --port{where}"
    )
