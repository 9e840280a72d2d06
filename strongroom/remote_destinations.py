"""Servers of files that a restore writes to: the address after `--to`, and where the files of a source go back to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from strongroom.source_kinds import file_servers
from strongroom.source_kinds import options as option
from vault.errors import UsageError

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.settings.projects import SourceSettings
    from vault.clock import Clock
    from vault.source.remote.files import RemoteFiles

_KEYS = ("key_file", "passphrase_file", "passphrase_command", "agent")


class RemoteFolder(Struct, frozen=True):
    """A folder on a server.

    - `text`: for people
    - `open`: gives the files below it; nothing is connected to before they are asked for something
    - `in_place`: items lie in it by their paths in their source, not as KIND/path
    """

    text: str
    open: Callable[[Clock], RemoteFiles]
    in_place: bool = False


def named(text: str) -> RemoteFolder | None:
    """The folder that an address after `--to` means, `sftp://USER@host/path?password_file=FILE`; None where it is not one of
    this form. Raises `UsageError`, which does not repeat it."""
    kind = file_servers.kind_of(text)
    if kind is None:
        return None
    accepts = getattr(kind, "accepts", None)
    handed_on = [name for name, _ in parse_qsl(urlsplit(text).query) if accepts is not None and accepts(name)]
    url, options = option.server_and_parameters(text, (*kind.TO, *handed_on))
    try:
        kind.check(url, options)
        folder = Path.cwd()
        return RemoteFolder(url, lambda clock: kind.files_of(url, options, folder, clock))
    except UsageError as error:
        hint = error.hint or "write --to SCHEME://USER@host/path?password_file=FILE"
        raise UsageError(f"the address after --to {error}", hint=hint) from error


def of_source(context: Context, source: SourceSettings) -> RemoteFolder | None:
    """Where the files of a source go back to, if it is such a server."""
    kind = file_servers.kind_of(source.url or "")
    if kind is None:
        return None
    url, folder = source.url or "", context.settings.file.absolute().parent
    options = _of_writer(source)
    return RemoteFolder(url, lambda clock: kind.files_of(url, options, folder, clock), in_place=True)


@contextmanager
def opened(place: RemoteFolder, clock: Clock) -> Iterator[RemoteFiles]:
    """The files of a folder. Raises `SettingsError` where a secret cannot be had."""
    files = place.open(clock)
    try:
        yield files
    finally:
        files.close()


def _of_writer(source: SourceSettings) -> dict[str, str]:
    """The options of whoever puts files back: the keys of the one who reads are not theirs."""
    options = source.options
    if any(name.startswith("restore_") for name in options):
        options = {name: value for name, value in options.items() if name not in _KEYS}
    return option.writer_of(options)
