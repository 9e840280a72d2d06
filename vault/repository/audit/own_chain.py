"""What this machine keeps of the chain that it writes, in a folder of its state (0700):

    <entry id>.<sha-256>.waiting   the sealed bytes of an entry that the store may not have yet
    <entry id>.<sha-256>.stored    one that it has; the one with the greatest number is the head
    <run>.draft                    what is under way, until its last entry is among these
    lock                           held for a moment by whoever makes an entry, as several processes write one chain

An entry is here, on the disk, before it is sent: after a crash the same bytes are sent again under the same name, so that an
honest machine never makes two entries of one number. Which process has sent an entry does not matter: sending it twice changes
nothing. Every method may raise `OSError`: what this folder cannot take is for the writer to cope with.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from vault.clock import Clock
from vault.errors import Busy

LOCK = "lock"
PATIENCE, PAUSE = 10.0, 0.02
"""Seconds that a process waits for another one to make its entry, and between two tries."""

LARGEST_FILE = 1024 * 1024
"""Bytes of an entry or a draft that is read."""

_FILE = re.compile(r"(?P<id>[0-9]{12}-[0-9a-f]{16})\.(?P<sha256>[0-9a-f]{64})\.(?P<state>waiting|stored)\Z")
_DRAFT = re.compile(r"([0-9a-f]{16})\.draft\Z")


class OwnEntry(NamedTuple):
    """An entry of this machine. sha256: of its stored bytes, in hex · stored: whether the store has it."""

    id: str
    sha256: str
    stored: bool

    @property
    def sequence(self) -> int:
        """Its number in the chain."""
        return int(self.id[:12])

    @property
    def run(self) -> str:
        """The run that it is about."""
        return self.id[13:]

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.id}.{self.sha256}.{'stored' if self.stored else 'waiting'}"


class OwnChain(Struct, frozen=True):
    """folder: of one principal's chain in one repository; made with the first entry."""

    folder: Path

    @contextmanager
    def locked(self, clock: Clock) -> Iterator[None]:
        """While nobody else makes an entry. Raises `Busy`, `OSError`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _lock(handle, clock)
            yield
        finally:
            os.close(handle)

    def entries(self) -> list[OwnEntry]:
        """Those that wait, and those that are known to be stored, by their numbers."""
        found = [_FILE.match(name) for name in self._names()]
        return sorted(OwnEntry(one["id"], one["sha256"], one["state"] == "stored") for one in found if one is not None)

    def newest(self) -> OwnEntry | None:
        """The head, whether it is stored or waits."""
        return max(self.entries(), key=lambda one: one.sequence, default=None)

    def keep(self, entry: str, data: bytes | bytearray) -> OwnEntry:
        """A new entry, on the disk."""
        made = OwnEntry(entry, sha256(data).hexdigest(), stored=False)
        self._write(made.file, data)
        return made

    def note_stored(self, entry: str, digest: str) -> None:
        """An entry of the store, made by this machine or another with the same identity: the head from now on."""
        self._write(OwnEntry(entry, digest, stored=True).file, b"")

    def read(self, one: OwnEntry) -> bytes | None:
        """The bytes of an entry that waits; None where they are not what was kept."""
        data = self._read(one.file)
        return data if sha256(data).hexdigest() == one.sha256 else None

    def stored(self, one: OwnEntry) -> None:
        """The store has it. Older ones that are stored go, unless a draft of their run is left. Call it under the lock."""
        done = one._replace(stored=True)
        with suppress(FileNotFoundError):  # another process has sent it as well
            (self.folder / one.file).rename(self.folder / done.file)
        drafts = set(self.drafts())
        known = [each for each in self.entries() if each.stored]
        for each in known[:-1]:
            if each.run not in drafts:
                (self.folder / each.file).unlink(missing_ok=True)

    def forget_head(self) -> None:
        """What is known of the head is out of date, and cannot be kept: the store is asked the next time."""
        for one in self.entries():
            if one.stored:
                with suppress(OSError):
                    (self.folder / one.file).unlink()

    def let_others_send(self, one: OwnEntry) -> None:
        """The store has refused it: the next command need not take it to be on its way."""
        with suppress(FileNotFoundError):
            os.utime(self.folder / one.file, (0, 0))

    def age(self, one: OwnEntry, now: float) -> float:
        """Seconds since an entry was made. now: seconds since 1970."""
        with suppress(FileNotFoundError):
            return now - (self.folder / one.file).stat().st_mtime
        return 0.0

    def drafts(self) -> list[str]:
        """The runs that are under way, or ended without an entry."""
        return sorted(found[1] for found in map(_DRAFT.match, self._names()) if found is not None)

    def write_draft(self, run: str, data: bytes) -> None:
        """What is under way, on the disk."""
        self._write(f"{run}.draft", data)

    def read_draft(self, run: str) -> bytes | None:
        """None where another process has made an entry of it meanwhile."""
        try:
            return self._read(f"{run}.draft")
        except FileNotFoundError:
            return None

    def drop_draft(self, run: str) -> None:
        """Its entry is here."""
        (self.folder / f"{run}.draft").unlink(missing_ok=True)

    def _names(self) -> list[str]:
        try:
            return [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []

    def _read(self, name: str) -> bytes:
        with (self.folder / name).open("rb") as file:
            return file.read(LARGEST_FILE)

    def _write(self, name: str, data: bytes | bytearray) -> None:
        """Whole and on the disk, or not at all."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.folder / f".{name}.{os.getpid()}"
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            part.replace(self.folder / name)
            _sync(self.folder)
        finally:
            part.unlink(missing_ok=True)


def _lock(handle: int, clock: Clock) -> None:
    until = clock.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if clock.monotonic() > until:
                raise Busy("another process of this machine is writing to the log") from error
            clock.sleep(PAUSE)
        else:
            return


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
