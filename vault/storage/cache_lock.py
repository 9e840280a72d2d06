"""Whether somebody uses a repository's cache: whoever opens the repository shares a lock, who clears it has that alone.

A cache that cannot be written has no lock, and nobody clears it. The system takes a lock away with its process.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vault.clock import Clock
from vault.errors import Busy

NAME = "lock"
TRIES, PAUSE = 100, 0.1
"""Of whoever wants to use a cache that is being cleared; then it is used all the same: what is gone is fetched anew."""


@contextmanager
def shared(folder: Path, clock: Clock) -> Iterator[None]:
    """While the cache is used. folder: the repository's; made where it is not there. Never raises by itself."""
    handle: int | None = None
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = _opened(folder)
    try:
        if handle is not None:
            _share(handle, clock)
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While nobody uses the cache, and nobody begins to. Raises `Busy`, `OSError`."""
    handle = _opened(folder)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"the cache {folder} is in use by another command", hint="try again when it has ended") from error
        yield
    finally:
        os.close(handle)


def is_used(folder: Path) -> bool:
    """Whether somebody uses it just now. Changes nothing."""
    if not (folder / NAME).exists():
        return False
    try:
        with alone(folder):
            return False
    except Busy:
        return True
    except OSError:
        return False


def _opened(folder: Path) -> int:
    return os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


def _share(handle: int, clock: Clock) -> None:
    for _ in range(TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            clock.sleep(PAUSE)
        except OSError:
            return
        else:
            return
