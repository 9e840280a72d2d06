"""`webdavs://host/path`: a collection of a WebDAV server. `webdav://` is without TLS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from strongroom import environment
from strongroom.source_kinds import options as option
from vault.errors import SettingsError

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.source.webdav.client import DavAddress
    from vault.source.webdav.source import DavSource

WHAT = "a WebDAV server"
EXAMPLE = "webdavs://cloud.example.com/remote.php/dav/files/reports"
OPTIONS = {
    "user": "who reads",
    **option.SECRETS,
    "known_by": "what tells versions of a file apart: `etag`, or `time`, for servers that give other ETags after a restart "
    "(default: `etag`)",
    "requests_per_second": "at most so many; where it is not said: as many as it answers",
    "certificates": "a file of certificate authorities that are trusted instead of the system's",
    "restore_user": "who puts files back with `--in-place`; where it is not said: `user`",
    "restore_password_file": "a file that holds that user's password",
    "restore_password_command": "a command that prints it",
}


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    _place(url)
    option.one_of(options, "known_by", ("etag", "time"), "etag")
    option.number(options, "requests_per_second", 1, most=10_000)


def make(source: SourceSettings, context: SourceContext) -> DavSource:
    """See `registry.SourceKind`."""
    from vault.source.patterns import Rules
    from vault.source.webdav.client import DavClient
    from vault.source.webdav.source import DavSource

    options = source.options
    rules = Rules(include=source.include, exclude=source.exclude)
    client = DavClient(address_of(source.url or "", options, context.folder), context.clock)
    return DavSource(client, source.kind.encode(), rules, context.clock, options.get("known_by", "etag") == "etag")


def address_of(url: str, options: Mapping[str, str], folder: Path) -> DavAddress:
    """How the server is reached. folder: that relative paths count from. Raises `SettingsError` where the password cannot be
    had."""
    from vault.source.webdav.client import DavAddress

    scheme, host, port, base = _place(url)
    limit = float(option.number(options, "requests_per_second", 1, most=10_000)) if "requests_per_second" in options else 0.0
    certificates = options.get("certificates")
    return DavAddress(
        scheme,
        host,
        port,
        base,
        options.get("user"),
        option.password(options, folder),
        str(environment.expand(certificates, folder)) if certificates else "",
        limit,
    )


def _place(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of a URL. Raises `UsageError`, which does not repeat it."""
    try:
        parts = urlsplit(url)
        secure = parts.scheme.lower() == "webdavs"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    except ValueError as error:
        raise SettingsError("is not the address of a server", hint=f"for example {EXAMPLE}") from error
    if parts.username is not None or parts.query or parts.fragment:
        raise SettingsError(
            "has more than a host and a path in it", hint="name the user with the option user, and password_file"
        )
    if not host:
        raise SettingsError("names no host", hint=f"for example {EXAMPLE}")
    path = unquote(parts.path, errors="surrogateescape").strip("/")
    return "https" if secure else "http", host, port, f"/{path}/" if path else "/"
