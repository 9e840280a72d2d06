"""Passwords of local accounts: argon2id, and no rule but length. Nobody's password is ever shown, logged or mailed."""

from __future__ import annotations

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from msgspec import Struct

from vault.errors import Busy, UsageError

SHORTEST, LONGEST = 12, 1024
AT_ONCE = 2
"""So many are computed at once: each takes 64 MiB."""
WAIT = 20.0


class Work(Struct, frozen=True):
    """How hard a guess is. memory: KiB. The default is RFC 9106's second recommended choice; tests take less."""

    time: int = 3
    memory: int = 65536
    parallelism: int = 4


class Passwords:
    """Hashes and verifies."""

    def __init__(self, work: Work | None = None) -> None:
        work = work or Work()
        self._hasher = PasswordHasher(work.time, work.memory, work.parallelism)
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._nobodys = self.hashed("a password that nobody has")

    def hashed(self, password: str) -> str:
        """As it is stored. Raises `Busy`."""
        with _Room(self._room):
            return self._hasher.hash(password)

    def verify(self, password: str, stored: str | None) -> bool:
        """Whether it is the one. stored: None where there is no such account, which takes as long. Raises `Busy`."""
        if len(password.encode()) > LONGEST:
            return False
        with _Room(self._room):
            try:
                self._hasher.verify(stored or self._nobodys, password)
            except (VerifyMismatchError, VerificationError, InvalidHashError):
                return False
        return stored is not None

    def is_old(self, stored: str) -> bool:
        """Whether it was made with less work than today's."""
        return self._hasher.check_needs_rehash(stored)


def require_good(password: str, name: str) -> None:
    """Raises `UsageError`."""
    if len(password) < SHORTEST:
        raise UsageError(
            f"the password has less than {SHORTEST} characters", hint="four words that do not belong together are good"
        )
    if len(password.encode()) > LONGEST:
        raise UsageError(f"the password has more than {LONGEST} bytes", hint="four words are enough")
    if len(set(password)) < 5 or password.casefold() in (name.casefold() * SHORTEST):
        raise UsageError("the password is easy to guess", hint="four words that do not belong together are good")


class _Room:
    def __init__(self, room: threading.BoundedSemaphore) -> None:
        self._room = room

    def __enter__(self) -> None:
        if not self._room.acquire(timeout=WAIT):
            raise Busy("too many people sign in at this moment", hint="try again in a moment")

    def __exit__(self, *_: object) -> None:
        self._room.release()
