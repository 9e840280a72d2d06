"""What kinds of sources have in common that are files on a server, and can be put back there.

A module of such a kind has, beside what `registry.SourceKind` says, `GAPS`, `TO` (parameters of an address after `--to`) and
`files_of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast
from urllib.parse import unquote_to_bytes, urlsplit

from strongroom.source_kinds import options as option
from strongroom.source_kinds import registry
from vault.errors import SettingsError

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.clock import Clock
    from vault.source.remote.files import RemoteFiles
    from vault.source.remote.source import RemoteSource

KINDS = ("sftp", "ftp", "smb", "fsspec_files")
"""Modules of this package that have the form of `FileServerKind`."""

PACE = {
    "requests_per_second": "at most so many; where it is not said: as many as the server answers",
}
RESTORE = {
    "restore_user": "who puts files back with `--in-place`; where it is not said: `user`",
    "restore_password_file": "a file that holds that user's password",
    "restore_password_command": "a command that prints it",
}
MOST_PARALLEL = 64


class FileServerKind(Protocol):
    """A module of such a kind. TO: options that an address after `--to` may have as parameters · GAPS: what is not taken."""

    TO: tuple[str, ...]
    GAPS: tuple[str, ...]
    EXAMPLE: str

    def check(self, url: str, options: Mapping[str, str]) -> None:
        """See `registry.SourceKind`."""
        ...

    def files_of(self, url: str, options: Mapping[str, str], folder: Path, clock: Clock) -> RemoteFiles:
        """The files below a URL. folder: that relative paths count from. Raises `SettingsError` where a secret cannot be
        had, `UsageError` where a package is missing."""
        ...


class ServerPlace(NamedTuple):
    """What a URL says. path: decoded, without a slash at its end; empty for the root."""

    scheme: str
    host: str
    port: int | None
    path: bytes


def kind_of(url: str) -> FileServerKind | None:
    """The module for a URL; None where it is not that of files on a server."""
    name = registry.module_name(url)
    return cast(FileServerKind, import_module(f"strongroom.source_kinds.{name}")) if name in KINDS else None


def source_of(kind: FileServerKind, source: SourceSettings, context: SourceContext) -> RemoteSource:
    """See `registry.SourceKind.make`."""
    from vault.source.patterns import Rules
    from vault.source.remote.source import RemoteSource

    files = kind.files_of(source.url or "", source.options, context.folder, context.clock)
    rules = Rules(include=source.include, exclude=source.exclude)
    return RemoteSource(files, source.kind.encode(), rules, context.clock, kind.GAPS)


def place_of(url: str, example: str) -> ServerPlace:
    """What a URL says. Raises `UsageError`, which does not repeat it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise SettingsError("is not the address of a server", hint=f"for example {example}") from error
    if parts.username is not None or parts.query or parts.fragment:
        raise SettingsError(
            "has more than a host and a path in it",
            hint="name the user with the option user, and password_file; write ? as %3F and # as %23",
        )
    if not host:
        raise SettingsError("names no host", hint=f"for example {example}")
    path = unquote_to_bytes(parts.path).rstrip(b"/")
    if b"\0" in path or b".." in path.split(b"/"):
        raise SettingsError("has a path that cannot be", hint="write it without ..")
    return ServerPlace(parts.scheme.lower(), host, port, path)


def base_of(path: bytes, home: bytes) -> bytes:
    """The folder of a path: `/~/path` is relative to the user's own, which is `home` by itself."""
    if path == b"/~" or path.startswith(b"/~/"):
        return path[3:] or home
    return path or b"/"


def per_second(options: Mapping[str, str]) -> float:
    """Requests at most; 0 for no limit. Raises `UsageError`."""
    if "requests_per_second" not in options:
        return 0.0
    return float(option.number(options, "requests_per_second", 1, most=10_000))


def max_parallel(options: Mapping[str, str], default: int) -> int:
    """Requests at the same time. Raises `UsageError`."""
    return option.number(options, "max_parallel", default, most=MOST_PARALLEL)
