"""`fsspec+PROTOCOL://…`: a file system that fsspec knows, by whatever package the user has installed for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from strongroom.settings import secrets
from strongroom.source_kinds import file_servers
from strongroom.source_kinds import options as option
from vault.errors import SettingsError

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.clock import Clock
    from vault.source.remote.fsspec_files import FsspecFiles
    from vault.source.remote.source import RemoteSource

WHAT = "a file system of fsspec"
EXAMPLE = "fsspec+gcs://bucket/reports"
PARALLEL = 4
GAPS = ("what the file system has beside content, size and time is not kept",)
FILE, COMMAND = "secret_file_", "secret_command_"
OPTIONS = {
    "secret_file_NAME": "a file that holds the value of the file system's option NAME",
    "secret_command_NAME": "a command that prints it; no shell is involved",
    "max_parallel": f"requests at the same time (default: `{PARALLEL}`)",
    **file_servers.PACE,
}
TO = ("max_parallel", "requests_per_second")


def accepts(name: str) -> bool:
    """Whether an option goes to the file system; one that is a secret by its name does not."""
    own = name.removeprefix("restore_")
    return own.startswith((FILE, COMMAND)) or (own.isidentifier() and not secrets.sounds_secret(own))


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    _place(url)
    file_servers.max_parallel(options, PARALLEL)
    file_servers.per_second(options)


def make(source: SourceSettings, context: SourceContext) -> RemoteSource:
    """See `registry.SourceKind`."""
    return file_servers.source_of(cast(file_servers.FileServerKind, sys.modules[__name__]), source, context)


def files_of(url: str, options: Mapping[str, str], folder: Path, clock: Clock) -> FsspecFiles:
    """See `file_servers.FileServerKind`."""
    option.require("fsspec", "fsspec")
    from vault.source.remote.fsspec_files import FsspecFiles, FsspecPlace

    protocol, path = _place(url)
    pace, parallel = file_servers.per_second(options), file_servers.max_parallel(options, PARALLEL)
    return FsspecFiles(FsspecPlace(protocol, path, _of_constructor(options, folder), pace, parallel), clock)


def _of_constructor(options: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """What the file system is made with. Raises `SettingsError` where a secret cannot be had."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if name in TO or name.startswith("restore_"):
            continue
        if name.startswith(FILE):
            found[name.removeprefix(FILE)] = option.password({"password_file": value}, folder)
        elif name.startswith(COMMAND):
            found[name.removeprefix(COMMAND)] = option.password({"password_command": value}, folder)
        else:
            found[name] = _value(value)
    return found


def _value(text: str) -> object:
    """JSON where it is that (`22`, `true`, `{"a": 1}`), else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _place(url: str) -> tuple[str, str]:
    """Protocol and path. Raises `UsageError`, which does not repeat them."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingsError("is not the address of a file system", hint=f"for example {EXAMPLE}") from error
    protocol = parts.scheme.lower().partition("+")[2]
    if not protocol or "::" in url or not parts.netloc + parts.path:
        raise SettingsError("names no file system", hint=f"for example {EXAMPLE}")
    if parts.username is not None or parts.query or parts.fragment:
        raise SettingsError(
            "has more than a host and a path in it", hint="name the user, and whatever else there is, with options"
        )
    path = unquote(parts.path, errors="surrogateescape")
    if ".." in path.split("/"):
        raise SettingsError("has a path that cannot be", hint="write it without ..")
    return protocol, parts.netloc + path
