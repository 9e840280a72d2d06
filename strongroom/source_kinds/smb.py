"""`smb://host/share/path`: a folder of a share, as Windows and Samba offer them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from strongroom.source_kinds import file_servers
from strongroom.source_kinds import options as option
from vault.errors import SettingsError

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.clock import Clock
    from vault.source.remote.smb import SmbFiles
    from vault.source.remote.source import RemoteSource

WHAT = "a share of an SMB server"
EXAMPLE = "smb://files.example.com/reports/2026"
PORT = 445
PARALLEL = 4
GAPS = ("access lists, owners, alternate streams and attributes of DOS are not kept", "junctions are left out")
OPTIONS = {
    "user": "who reads; `DOMAIN\\user` for one of a domain; where it is not said: by the user's Kerberos ticket",
    **option.SECRETS,
    "encrypt": "whether the server must encrypt: `yes` or `no` (default: `no`, signed)",
    "max_parallel": f"requests at the same time, over one connection (default: `{PARALLEL}`)",
    **file_servers.PACE,
    **file_servers.RESTORE,
}
TO = ("password_file", "encrypt", "max_parallel", "requests_per_second")


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    _share(url)
    option.flag(options, "encrypt")
    file_servers.max_parallel(options, PARALLEL)
    file_servers.per_second(options)


def make(source: SourceSettings, context: SourceContext) -> RemoteSource:
    """See `registry.SourceKind`."""
    return file_servers.source_of(cast(file_servers.FileServerKind, sys.modules[__name__]), source, context)


def files_of(url: str, options: Mapping[str, str], folder: Path, clock: Clock) -> SmbFiles:
    """See `file_servers.FileServerKind`."""
    option.require("smbprotocol", "smb")
    from vault.source.remote.smb import SmbAddress, SmbFiles

    place, share, base = _share(url)
    address = SmbAddress(
        place.host,
        place.port or PORT,
        share,
        base,
        options.get("user"),
        option.password(options, folder),
        option.flag(options, "encrypt"),
        file_servers.per_second(options),
        file_servers.max_parallel(options, PARALLEL),
    )
    return SmbFiles(address, clock)


def _share(url: str) -> tuple[file_servers.ServerPlace, str, bytes]:
    """The server, the share, and the path in it. Raises `UsageError`."""
    place = file_servers.place_of(url, EXAMPLE)
    try:
        share, _, base = place.path.strip(b"/").decode().partition("/")
    except UnicodeDecodeError:
        raise SettingsError("has a path that is not Unicode", hint=f"for example {EXAMPLE}") from None
    if not share:
        raise SettingsError("names no share", hint=f"for example {EXAMPLE}")
    return place, share, base.encode()
