"""`ftps://host/path`: a folder on an FTP server, with TLS. `ftp://` is without. `/~/path` is below where the user begins."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from strongroom import environment
from strongroom.source_kinds import file_servers
from strongroom.source_kinds import options as option

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.clock import Clock
    from vault.source.remote.ftp import FtpFiles
    from vault.source.remote.source import RemoteSource

WHAT = "an FTP server"
EXAMPLE = "ftps://ftp.example.com/reports"
PORT = 21
PARALLEL = 4
GAPS = ("symbolic links are not taken as links", "names of owners, access lists and extended attributes are not kept")
OPTIONS = {
    "user": "who reads; where it is not said: `anonymous`",
    **option.SECRETS,
    "certificates": "a file of certificate authorities that are trusted instead of the system's",
    "max_parallel": f"connections at the same time (default: `{PARALLEL}`)",
    **file_servers.PACE,
    **file_servers.RESTORE,
}
TO = ("password_file", "certificates", "max_parallel", "requests_per_second")


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    file_servers.place_of(url, EXAMPLE)
    file_servers.max_parallel(options, PARALLEL)
    file_servers.per_second(options)


def make(source: SourceSettings, context: SourceContext) -> RemoteSource:
    """See `registry.SourceKind`."""
    return file_servers.source_of(cast(file_servers.FileServerKind, sys.modules[__name__]), source, context)


def files_of(url: str, options: Mapping[str, str], folder: Path, clock: Clock) -> FtpFiles:
    """See `file_servers.FileServerKind`."""
    from vault.source.remote.ftp import FtpFiles
    from vault.source.remote.ftp_connections import FtpAddress

    place = file_servers.place_of(url, EXAMPLE)
    certificates = options.get("certificates")
    address = FtpAddress(
        place.host,
        place.port or PORT,
        file_servers.base_of(place.path, b""),
        place.scheme == "ftps",
        options.get("user", "anonymous"),
        option.password(options, folder),
        str(environment.expand(certificates, folder)) if certificates else "",
        file_servers.per_second(options),
        file_servers.max_parallel(options, PARALLEL),
    )
    return FtpFiles(address, clock)
