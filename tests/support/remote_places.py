"""Files on servers as `tests.support.source_places` has its places: filled by this process, read over the protocol."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import ftp_server, sftp_server, smb_server
from tests.support.source_places import PREFIX, FolderPlace, SourcePlace
from vault.clock import SystemClock
from vault.source.contract import Source
from vault.source.patterns import Rules
from vault.source.remote.files import RemoteFiles
from vault.source.remote.fsspec_files import FsspecFiles, FsspecPlace
from vault.source.remote.ftp import FtpFiles
from vault.source.remote.sftp import SftpFiles
from vault.source.remote.smb import SmbFiles
from vault.source.remote.source import RemoteSource


class ServedPlace(FolderPlace):
    """A folder that a server offers. opened: the files in it."""

    def __init__(self, folder: Path, opened: Callable[[], RemoteFiles]) -> None:
        super().__init__(folder)
        (folder / "source").mkdir(exist_ok=True)
        self._opened = opened

    def source(self) -> Source:
        return RemoteSource(self._opened(), PREFIX, Rules(), SystemClock(), ())


def _sftp(folder: Path, served: ExitStack) -> SourcePlace:
    server = served.enter_context(sftp_server.served(folder, folder / "keys"))
    return ServedPlace(folder, lambda: SftpFiles(server.address(b"/source"), SystemClock()))


def _ftp(folder: Path, served: ExitStack) -> SourcePlace:
    server = served.enter_context(ftp_server.served(folder))
    return ServedPlace(folder, lambda: FtpFiles(server.address(b"/source"), SystemClock()))


def _smb(folder: Path, served: ExitStack) -> SourcePlace:
    smb_server.skip_without()
    server = served.enter_context(smb_server.served(folder, folder / "samba"))
    return ServedPlace(folder, lambda: SmbFiles(server.address(b"source"), SystemClock()))


def _fsspec(folder: Path, served: ExitStack) -> SourcePlace:
    del served
    place = FsspecPlace("file", str(folder / "source"), {})
    return ServedPlace(folder, lambda: FsspecFiles(place, SystemClock()))


MADE: dict[str, Callable[[Path, ExitStack], SourcePlace]] = {"sftp": _sftp, "ftp": _ftp, "smb": _smb, "fsspec": _fsspec}
KINDS = tuple(MADE)


def place_of(kind: str, folder: Path, request: pytest.FixtureRequest) -> SourcePlace:
    """An empty one of a kind."""
    stack = ExitStack()
    request.addfinalizer(stack.close)
    return MADE[kind](folder, stack)
