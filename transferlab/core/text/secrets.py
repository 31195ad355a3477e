"""Addresses without what opens them: passwords, tokens and signatures that stand in URIs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

STARS = "***"
_URI = re.compile(r"""[A-Za-z][A-Za-z0-9+.-]*://[^\s'"<>|]+""")
_DATABASES = ("postgresql", "mysql", "mssql", "oracle", "mariadb")
"""Their user is no secret without its password; elsewhere a user alone may be a token."""
_SHOWN = frozenset(
    [
        "application_name",
        "autocommit",
        "channel_binding",
        "charset",
        "client_encoding",
        "connect_timeout",
        "database",
        "dbname",
        "driver",
        "encrypt",
        "endpoint_url",
        "gssencmode",
        "host",
        "port",
        "read_timeout",
        "region",
        "ssl",
        "ssl_ca",
        "ssl_cert",
        "sslcert",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
        "timeout",
        "trustservercertificate",
        "write_timeout",
    ]
)
"""Settings of a query that say how to connect, and open nothing. Whatever else stands in a query is
taken for a secret, which has too many names (password, pwd, token, sig, key, credential ...)."""
_SHORTEST = 3
"""Parts of secrets that are shorter would stand in every sentence."""


def without_secrets(uri: str) -> str:
    """``uri`` with stars for its password, for a token as its user, and for its query's secrets.

    A password may hold any character, so everything up to the last @ counts as it, even where a
    path with an @ of its own then loses its beginning. A text without ``://`` comes back as it is.
    """
    scheme, mark, rest = uri.partition("://")
    if not mark:
        return uri
    user, rest = _split_user(scheme, rest)
    return f"{scheme}://{_shown_user(scheme, user)}{_shown_rest(rest)}"


def hide_in_text(text: str) -> str:
    """A text with every URI in it as ``without_secrets`` has it."""
    return _URI.sub(lambda found: without_secrets(found[0]), text)


def hide(text: str, uri: str) -> str:
    """A library's message about ``uri``, with stars for its secrets, whole, in part and decoded."""
    for secret in sorted(_secrets(uri), key=len, reverse=True):
        text = text.replace(secret, STARS)
    return hide_in_text(text)


def _split_user(scheme: str, rest: str) -> tuple[str, str]:
    """What stands before the host, without its @, and the rest; a plain @ of a path is no mark."""
    before, mark, after = rest.rpartition("@")
    in_authority = "@" in re.split(r"[/?#]", rest, maxsplit=1)[0]
    if not mark or scheme.startswith("sqlite") or not (in_authority or ":" in before):
        return "", rest
    return before, after


def _shown_user(scheme: str, user: str) -> str:
    name, colon, _ = user.partition(":")
    if not user:
        return ""
    if colon:
        return f"{name}:{STARS}@"
    return f"{user}@" if scheme.partition("+")[0] in _DATABASES else f"{STARS}@"


def _shown_rest(rest: str) -> str:
    rest, _, fragment = rest.partition("#")
    path, mark, query = rest.partition("?")
    path = re.sub(r";([^;=]*)=[^;]*", lambda found: f";{_shown_item(found[0][1:])}", path)
    items = re.sub(r"[^&;]+", lambda found: _shown_item(found[0]), query)
    return f"{path}{mark}{items}" + (f"#{STARS}" if fragment else "")


def _shown_item(item: str) -> str:
    name, equals, _ = item.partition("=")
    if not equals:
        return STARS
    return item if unquote(name).lower() in _SHOWN else f"{name}={STARS}"


def _secrets(uri: str) -> Iterator[str]:
    """The parts of a URI that ``without_secrets`` hides, as they stand there and decoded."""
    scheme, mark, rest = uri.partition("://")
    if not mark:
        return
    user, rest = _split_user(scheme, rest)
    name, colon, password = user.partition(":")
    own = [password] if colon else [] if scheme.partition("+")[0] in _DATABASES else [name]
    own += re.split(r"[/@:?#&]", password)  # parsers that take a part of it for a host say so
    _, _, query = rest.partition("?")
    for item in re.split(r"[&;#]", query):
        if _shown_item(item) != item:
            own.append(item.partition("=")[2] or item)
    for one in own:
        for form in (one, unquote(one), unquote_plus(one)):
            if len(form) >= _SHORTEST:
                yield form
