"""`sftp://host/path`: a folder that is reached over SSH. `sftp://host/~/path` is below the user's own folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from strongroom import environment
from strongroom.source_kinds import file_servers
from strongroom.source_kinds import options as option
from vault.errors import SettingsError

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.clock import Clock
    from vault.source.remote.sftp import SftpFiles
    from vault.source.remote.source import RemoteSource

WHAT = "an SFTP server"
EXAMPLE = "sftp://pbx.example.com/var/spool/recordings"
PORT = 22
PARALLEL = 16
GAPS = ("extended attributes and access lists are not kept",)
OPTIONS = {
    "user": "who reads; where it is not said: the user who runs the backup",
    "key_file": "a file with that user's private key",
    "passphrase_file": "a file that holds the key's passphrase",
    "passphrase_command": "a command that prints it; no shell is involved",
    **option.SECRETS,
    "agent": "whether the SSH agent of the user who runs the backup is asked for keys: `yes` or `no` (default: `no`)",
    "known_hosts": "a file with the server's key, as `ssh` has it (default: `~/.ssh/known_hosts`)",
    "max_parallel": f"requests at the same time, over one connection (default: `{PARALLEL}`)",
    **file_servers.PACE,
    "restore_key_file": "a file with the private key of `restore_user`",
    **file_servers.RESTORE,
}
TO = (
    "key_file",
    "passphrase_file",
    "password_file",
    "agent",
    "known_hosts",
    "max_parallel",
    "requests_per_second",
)


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    file_servers.place_of(url, EXAMPLE)
    option.flag(options, "agent")
    file_servers.max_parallel(options, PARALLEL)
    file_servers.per_second(options)


def make(source: SourceSettings, context: SourceContext) -> RemoteSource:
    """See `registry.SourceKind`."""
    return file_servers.source_of(cast(file_servers.FileServerKind, sys.modules[__name__]), source, context)


def files_of(url: str, options: Mapping[str, str], folder: Path, clock: Clock) -> SftpFiles:
    """See `file_servers.FileServerKind`."""
    option.require("asyncssh", "sftp")
    from vault.source.remote.sftp import SftpFiles
    from vault.source.remote.sftp_session import SftpAddress

    place = file_servers.place_of(url, EXAMPLE)
    phrase = {name.replace("passphrase", "password"): value for name, value in options.items() if "passphrase" in name}
    address = SftpAddress(
        place.host,
        place.port or PORT,
        file_servers.base_of(place.path, b"."),
        options.get("user") or environment.user_name(),
        option.password(options, folder),
        str(_existing("key_file", options["key_file"], folder)) if "key_file" in options else "",
        option.password(phrase, folder),
        _agent() if option.flag(options, "agent") else "",
        (str(_existing("known_hosts", options["known_hosts"], folder)),) if "known_hosts" in options else (),
        file_servers.per_second(options),
        file_servers.max_parallel(options, PARALLEL),
    )
    return SftpFiles(address, clock)


def _existing(name: str, text: str, folder: Path) -> Path:
    path = environment.expand(text, folder)
    if not path.is_file():
        raise SettingsError(f"the file {path} is not there", hint=f"it is named by {name}")
    return path


def _agent() -> str:
    socket = environment.variable("SSH_AUTH_SOCK")
    if socket is None:
        raise SettingsError("there is no SSH agent", hint="SSH_AUTH_SOCK is not set; name a key_file instead")
    return socket
