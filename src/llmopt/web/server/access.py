"""Access control: reading methods only, known host names, and the token if there is one.

A page of another site cannot read what is served here: it is of another origin, and no header
allows that origin anything. A name that another site has made to lead here (DNS rebinding) is
not one of those served. Everybody needs the token: other users of this machine reach its loopback
addresses too.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from llmopt.errors import ConfigError, LlmoptError
from llmopt.web.pages.site_pages import message, policy_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

READING = ("GET", "HEAD")
"""The methods that are answered."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_NOTHING = "default-src 'none'"

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer, beside the content security policy."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address or name to listen on."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Door:
    """Who gets in.

    Attributes:
        names: The names and addresses that are served, without a port.
        addresses: Whether every address is served, as a number cannot be rebound.
        token: What a reader must bring; None: nothing.
        cookie: Name of the cookie that keeps the token.
    """

    names: frozenset[str] = _LOOPBACK
    addresses: bool = False
    token: str | None = None
    cookie: str = "llmopt-view"

    @classmethod
    def at(cls, host: str, port: int) -> Door:
        """Return the door of a server that listens on `host`, with a new token."""
        cookie = f"llmopt-view-{port}"  # cookies are shared by the ports of a name
        if is_loopback(host):
            return cls(_LOOPBACK | {host.casefold()}, False, secrets.token_urlsafe(32), cookie)
        everywhere = host in ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on
        mine = {host.casefold()}
        if everywhere:
            mine |= _LOOPBACK | {socket.gethostname().casefold(), socket.getfqdn().casefold()}
        return cls(frozenset(mine), everywhere, secrets.token_urlsafe(32), cookie)

    def knows(self, host: str | None) -> bool:
        """Return whether a request's Host header names this server."""
        name = _bare(host or "")
        if name in self.names:
            return True
        try:
            return self.addresses and bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def fits(self, token: str | None) -> bool:
        """Return whether that is the token, in a time that does not tell how much of it is."""
        if self.token is None:
            return True
        given = (token or "").encode("utf-8", "surrogatepass")
        return hmac.compare_digest(given, self.token.encode("ascii"))

    async def sealed(self, _: web.Request, response: web.StreamResponse) -> None:
        """Put the headers on an answer that is about to be sent."""
        response.headers.update(HEADERS)
        policy = response.headers.get("Content-Security-Policy", _NOTHING)
        response.headers["Content-Security-Policy"] = f"{policy}; frame-ancestors 'none'"

    def guard(self) -> Middleware:
        """Return what every request passes."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            return self._refused(request) or self._entered(request) or await _met(request, handler)

        return guarded

    def _refused(self, request: web.Request) -> web.Response | None:
        """Return why a request is not answered, or None."""
        if request.method not in READING:
            refusal = html(message("Only for reading", ("Nothing can be changed here.",)), 405)
            refusal.headers["Allow"] = ", ".join(READING)
            return refusal
        if not self.knows(request.headers.get("Host")):
            said = (
                "This server is not known by the name in the address.",
                "Open the address that llmopt view has printed.",
            )
            return html(message("Another name", said), 421)
        return None

    def _entered(self, request: web.Request) -> web.Response | None:
        """Return what leads in, or why the way is closed; None: the reader is in."""
        if self.fits(request.cookies.get(self.cookie)):
            return None
        if "token" not in request.query or not self.fits(request.query["token"]):
            said = (
                "This needs the token in the address that llmopt view has printed.",
                "Copy the whole address into the browser.",
            )
            return html(message("A token is missing", said), 401)
        # The token leaves the address, so that it is in no history and on no screenshot.
        bare = request.rel_url.without_query_params("token")
        lead = web.Response(status=303, headers={"Location": f"/{str(bare).lstrip('/')}"})
        lead.set_cookie(self.cookie, self.token or "", httponly=True, samesite="Strict", path="/")
        return lead


def html(text: str, status: int = 200) -> web.Response:
    """Return a page as an answer, under its own policy."""
    # Half a pair of surrogates, which no page should have left, is no UTF-8.
    data = text.encode("utf-8", "backslashreplace")
    made = web.Response(body=data, status=status, content_type="text/html", charset="utf-8")
    made.headers["Content-Security-Policy"] = policy_of(text)
    return made


async def _met(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request; what cannot be answered becomes a page that says why."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return html(message("Nothing here", (f"There is no page {request.path}.",)), 404)
    except ConfigError as error:
        return html(message("That cannot be shown", (_sentence(error),)), 400)
    except LlmoptError as error:
        return html(message("That cannot be read", (_sentence(error),)), 500)


def _sentence(error: LlmoptError) -> str:
    said = str(error)
    return f"{said[:1].upper()}{said[1:]}."


def _bare(host: str) -> str:
    """Return a Host header without its port and brackets, in small letters."""
    name = host.strip().casefold()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".")
