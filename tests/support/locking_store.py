"""A store in memory with Object Lock, of the strict sort: it refuses to delete what is locked, and no lock gets shorter."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from vault.clock import Clock
from vault.errors import ObjectNotFound, StorageDenied
from vault.storage.contract import Buffer
from vault.storage.memory import MemoryStore
from vault.storage.object_locks import LockState, Retention


class LockingStore(MemoryStore):
    """A `MemoryStore` that is its own `Locks`. enabled: whether the place has Object Lock · asked: names that were asked
    about, in order."""

    def __init__(self, clock: Clock, *, enabled: bool = True) -> None:
        super().__init__()
        self._clock = clock
        self._enabled = enabled
        self._uploads: dict[str, Callable[[], Retention]] = {}
        self.locked: dict[str, LockState] = {}
        self.asked: list[str] = []

    @property
    def locks(self) -> LockingStore:
        return self

    def available(self) -> bool | None:
        return self._enabled

    def lock_uploads(self, folder: str, choose: Callable[[], Retention]) -> None:
        self._uploads[f"{folder}/"] = choose

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        super().put(name, data, sha256=sha256)
        self._lock_upload(name)

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        super().create(name, data, sha256=sha256)
        self._lock_upload(name)

    def delete(self, name: str) -> None:
        if name in self.locked and self.locked[name].at(self._clock.now()) is not None:
            raise StorageDenied(f"{name} is locked")
        super().delete(name)

    def retain(self, name: str, retention: Retention) -> None:
        before = self.kept(name).retention
        if before is not None and (
            before.until > retention.until or (before.mode, retention.mode) == ("compliance", "governance")
        ):
            raise StorageDenied(f"the lock of {name} may not be made weaker")
        self.locked[name] = replace(self.locked.get(name, LockState()), retention=retention)

    def kept(self, name: str) -> LockState:
        self.asked.append(name)
        if name not in self._objects:
            raise ObjectNotFound(f"{name} is not in the store")
        return self.locked.get(name, LockState())

    def put_legal_hold(self, name: str) -> None:
        self.locked[name] = replace(self.kept(name), legal_hold=True)

    def lift_legal_hold(self, name: str) -> None:
        self.locked[name] = replace(self.kept(name), legal_hold=False)

    def _lock_upload(self, name: str) -> None:
        chosen = [choose() for folder, choose in self._uploads.items() if name.startswith(folder)]
        if chosen:
            self.locked[name] = LockState(chosen[0])
