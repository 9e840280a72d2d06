"""`imaps://host/mailbox`: mailboxes of an IMAP server. `imap://` begins without TLS and asks for it by STARTTLS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from strongroom import environment
from strongroom.source_kinds import options as option
from vault.errors import SettingsError

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.source.imap.address import ImapAddress
    from vault.source.imap.source import ImapSource

WHAT = "an IMAP server"
EXAMPLE = "imaps://mail.example.com/"
SCHEMES = ("imap", "imaps")
OPTIONS = {
    "user": "who reads",
    **option.SECRETS,
    "token_file": "a file that holds an OAuth 2 access token, in place of a password (XOAUTH2)",
    "token_command": "a command that prints one; it is asked again for each connection",
    "connections": "at most so many at the same time (default: `4`)",
    "sizes": "`estimated` for servers that only estimate sizes of messages: all are read as streams then (default: `exact`)",
    "certificates": "a file of certificate authorities that are trusted instead of the system's",
    "restore_user": "who puts messages back with `--in-place`; where it is not said: `user`",
    "restore_password_file": "a file that holds that user's password",
    "restore_password_command": "a command that prints it",
    "restore_token_file": "a file that holds that user's access token",
    "restore_token_command": "a command that prints it",
}


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    _place(url)
    option.number(options, "connections", 4, most=20)
    option.one_of(options, "sizes", ("exact", "estimated"), "exact")


def make(source: SourceSettings, context: SourceContext) -> ImapSource:
    """See `registry.SourceKind`."""
    from vault.source.imap.client import ImapClient
    from vault.source.imap.source import ImapSource
    from vault.source.patterns import Rules

    url, options = source.url or "", source.options
    client = ImapClient(address_of(url, options, context.folder), context.clock)
    return ImapSource(
        client,
        source.kind.encode(),
        Rules(include=source.include, exclude=source.exclude),
        base=base_of(url),
        state=None if context.state is None else context.state / source.name / "mail.sqlite",
        estimated=options.get("sizes") == "estimated",
    )


def address_of(url: str, options: Mapping[str, str], folder: Path) -> ImapAddress:
    """How the server is reached. folder: that relative paths count from. Raises `SettingsError` where the password or token
    cannot be had."""
    from vault.source.imap.address import CONNECTIONS, ImapAddress

    secure, host, port, _ = _place(url)
    certificates = options.get("certificates")
    secret, is_token = _secret(options, folder)
    return ImapAddress(
        host,
        port,
        secure=secure,
        user=options.get("user", ""),
        secret=secret,
        is_token=is_token,
        certificates=str(environment.expand(certificates, folder)) if certificates else "",
        connections=option.number(options, "connections", CONNECTIONS, most=20),
    )


def base_of(url: str) -> bytes:
    """The path of the mailbox that a URL names; empty for all."""
    return _place(url)[3]


def _secret(options: Mapping[str, str], folder: Path) -> tuple[Callable[[], str], bool]:
    """What gives the password or the token, and whether it is a token."""
    tokens = {f"password_{way}": options[f"token_{way}"] for way in ("file", "command") if f"token_{way}" in options}
    if not tokens:
        password = option.password(options, folder) or ""
        return lambda: password, False
    option.password(tokens, folder)  # what cannot be had is said at once
    return lambda: option.password(tokens, folder) or "", True


def _place(url: str) -> tuple[bool, str, int, bytes]:
    """Whether TLS comes first, host, port and mailbox of a URL. Raises `UsageError`, which does not repeat it."""
    try:
        parts = urlsplit(url)
        secure = parts.scheme.lower() == "imaps"
        host, port = parts.hostname or "", parts.port or (993 if secure else 143)
    except ValueError as error:
        raise SettingsError("is not the address of a server", hint=f"for example {EXAMPLE}") from error
    if parts.username is not None or parts.query or parts.fragment:
        raise SettingsError(
            "has more than a host and a mailbox in it", hint="name the user with the option user, and password_file"
        )
    if not host:
        raise SettingsError("names no host", hint=f"for example {EXAMPLE}")
    base = unquote_to_bytes(parts.path).strip(b"/")
    if any(part in (b".", b"..") for part in base.split(b"/")):
        raise SettingsError("names a mailbox . or ..", hint="write %2E for a dot that is the whole name")
    return secure, host, port, base
