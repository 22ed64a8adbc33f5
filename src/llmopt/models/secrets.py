"""The secrets in use in this process, and how they are kept out of whatever is shown or stored.

There is one set of them for all models: the server of one may repeat the key of another, and a
proxy's password belongs to none. Only texts that were used as secrets are known; what merely
looks like a key is hidden in messages too.
"""

from __future__ import annotations

import base64
import html
import re
import threading
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies

MARK = "[secret]"
"""What stands in a text in place of a secret."""

_SHORTEST = 4  # shorter ones are words, not secrets
_PLAIN = 8  # from this length on, a text that was used as a key is one, whatever it is made of
_MIXED = re.compile(r"(?=.*\d)(?=.*[A-Za-z])")
# What local servers are given as a key by custom: an answer may hold such a word.
_NO_KEYS = ("lm-studio", "not-needed", "no-key-required", "sk-no-key-required", "placeholder")
# What looks like a key is hidden even where it is not ours, or only a part of ours.
_KEYLIKE = re.compile(r"\b(?:(?:sk|gsk|xai|fw|tgp|hf)[-_*]|AIza)[\w*.\-]{8,}|\bBearer\s+\S+")
_TOKEN = re.compile(r"[\w.+/=~-]{16,}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USUAL_NAME = re.compile(r"[A-Z][A-Z0-9]{0,11}|(?=[A-Z0-9]*_)[A-Z][A-Z0-9_]{0,63}")

_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_FOR_URLS = str.maketrans("+/", "-_")

_lock = threading.Lock()
_forms: dict[str, bool] = {}  # each form of a secret, and whether answers must not hold it


def know(*secrets: str, answers: bool = True) -> None:
    """Keep texts out of all messages from now on, and out of answers where they are telling.

    Args:
        secrets: In any of the forms in which servers repeat them, they are found.
        answers: Whether a model's server may know them, so that its answers may hold them.
    """
    with _lock:
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                for form in forms_of(secret):
                    _forms[form] = _forms.get(form, False) or (answers and _is_telling(secret))
        found = sorted(_forms.items(), key=lambda one: len(one[0]), reverse=True)
        _forms.clear()
        _forms.update(found)  # longest first: a part must not be found before the whole


def know_proxies() -> None:
    """Know the passwords of the proxies that the environment names."""
    for address in getproxies().values():
        user, password = _login(address)
        if password:
            pair = base64.b64encode(f"{user}:{password}".encode()).decode()
            know(password, quote(password, safe=""), pair, f"{user}:{password}")


def forms_of(secret: str) -> tuple[str, ...]:
    """Return the forms in which servers repeat a secret, the longest first.

    As it is, in a URL, in JSON, in HTML, in base64 at whichever place of a longer text, in
    hexadecimal digits, and in letters of one case where digits are among them.
    """
    data = secret.encode()
    found = [secret, data.hex(), html.escape(secret), secret.replace("/", "\\/")]
    for safe in ("", "/"):
        once = quote(secret, safe=safe)
        found += [once, _ESCAPE.sub(lambda match: match[0].lower(), once), quote(once, safe=safe)]
    if _MIXED.match(secret):
        found += [secret.lower(), secret.upper(), data.hex().upper()]
    found.append(base64.b64encode(data).decode())
    for before in range(3):  # bytes of another text that share a group of three with it
        whole = base64.b64encode(bytes(before) + data).decode()
        # Without the letters that are made of bytes of its neighbours, too.
        ours = whole[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        found += [ours, ours.translate(_FOR_URLS)]
    return tuple(sorted(dict.fromkeys(found), key=len, reverse=True))


def without_secrets(text: str) -> str:
    """Return an answer without any telling secret in use; else exactly as it is."""
    for form, telling in tuple(_forms.items()):
        if telling and form in text:
            text = text.replace(form, MARK)
    return text


def fit_for_messages(text: str) -> str:
    """Return a text without any secret in use, and without what looks like a key."""
    for form in tuple(_forms):
        if form in text:
            text = text.replace(form, MARK)
    return _KEYLIKE.sub(MARK, text)


def looks_secret(text: str) -> bool:
    """Return whether a text that a user wrote in a wrong place may be a key."""
    if fit_for_messages(text) != text or "@" in text:
        return True
    return any(_MIXED.match(token) for token in _TOKEN.findall(text))


def is_variable(name: str) -> bool:
    """Return whether an environment can hold a variable of this name."""
    return bool(_NAME.fullmatch(name))


def shown_variable(name: str) -> str:
    """Return the name of a variable for a message; a mark where it may be the key itself."""
    return name if _USUAL_NAME.fullmatch(name) else MARK


def _is_telling(secret: str) -> bool:
    """Return whether an answer that holds this text holds a secret, and no word of its own."""
    if secret in _NO_KEYS:
        return False
    return len(secret) >= _PLAIN or (len(secret) > _SHORTEST and bool(_MIXED.match(secret)))


def _login(address: str) -> tuple[str, str]:
    """Return user name and password of an address, also one without a scheme."""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        return unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        return "", address.rpartition("@")[0]
