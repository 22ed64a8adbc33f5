"""The URL of a PostgreSQL store, and what of it may be shown: everything but its passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from llmopt.errors import StoreError

SCHEMES = ("postgresql", "postgres")
"""What the URL of a PostgreSQL store begins with."""

_MARK = "[secret]"
_SECRET = re.compile(r"(?<=[?&])(?:password|sslpassword|oauth_client_secret)=([^&#]*)&?")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a PostgreSQL store is.

    Attributes:
        url: The URL as it was given, with its password; for the connection alone.
        shown: The same without passwords, for everything that is shown, logged or raised.
        secrets: The passwords in it, in the forms in which they may come back.
    """

    url: str = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, url: str) -> ServerAddress:
        """Take a URL apart.

        Raises:
            StoreError: It is not one of a PostgreSQL server.
        """
        scheme, mark, rest = url.partition("://")
        if scheme not in SCHEMES or not mark:
            raise StoreError("the URL of a PostgreSQL store begins with postgresql://; add that")
        found = []
        # Whatever is before the last @ of the host may be a part of the password: one that holds
        # such a letter unquoted is refused by the server's library, but must not be shown either.
        host, slash, path = rest.partition("/")
        login, at, host = host.rpartition("@")
        if not at and ":" in host and "@" in path:
            login, _, path = rest.rpartition("@")
            host, slash, path = path.partition("/")
        user, _, password = login.partition(":")
        found.append(password)
        path, query, options = path.partition("?")
        if not query:
            host, query, options = host.partition("?")
        found += _SECRET.findall(f"?{options}")
        options = _SECRET.sub("", f"?{options}").rstrip("?&")
        shown = f"{scheme}://{user}{'@' if user else ''}{host}{slash}{path}{options}"
        forms = [form for text in found if text for form in (text, unquote(text))]
        forms += [quote(form, safe="") for form in forms]
        secrets = tuple(sorted(dict.fromkeys(forms), key=len, reverse=True))
        return cls(url, shown, secrets)

    def clean(self, text: str) -> str:
        """Return a text without the passwords of the URL, on one line."""
        for secret in self.secrets:
            text = text.replace(secret, _MARK)
        return " ".join(text.split())


def is_server(where: object) -> bool:
    """Return whether a store's place is the URL of a PostgreSQL server."""
    return isinstance(where, str) and where.startswith(tuple(f"{name}://" for name in SCHEMES))


def shown_place(where: str) -> str:
    """Return the place of a store as it may be shown: a path as it is, a URL without passwords."""
    return ServerAddress.of(where).shown if is_server(where) else where
