"""Sessions of several projects in one process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from tests.support.places import made_on
from vault.repository.session import Session
from vault.storage.contract import ObjectInfo
from vault.storage.memory import MemoryStore

PATIENCE = 20.0


class Slow(MemoryStore):
    """Lists nothing before another session has read everything, or patience has run out."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for: threading.Event | None = None
        self.in_vain = False

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        if self.waited_for is not None:
            self.in_vain = not self.waited_for.wait(PATIENCE)
        return super().list(folder)


def test_a_session_does_not_wait_for_another_that_reads_a_slow_store() -> None:
    slow_store, other_done = Slow(), threading.Event()
    slow, other = made_on(slow_store), made_on(MemoryStore())
    slow_store.waited_for = other_done
    sessions = [Session.begin(slow, "files"), Session.begin(other, "files")]
    thread = threading.Thread(target=lambda: sessions[0].index)
    thread.start()
    assert sessions[1].index.table.num_rows == 0
    other_done.set()
    thread.join()
    assert not slow_store.in_vain
