"""A store as it will be once objects of other stores are put into it: for plans, which must not write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vault.storage.contract import ObjectInfo, Store
from vault.storage.readonly import ReadOnlyStore


class OverlaidStore(ReadOnlyStore):
    """Reads these objects elsewhere, and everything else from `inner`. elsewhere: by name, the store that has the object."""

    def __init__(self, inner: Store, elsewhere: Mapping[str, Store]) -> None:
        super().__init__(inner)
        self._elsewhere = elsewhere

    def get(self, name: str) -> bytes:
        return self._elsewhere[name].get(name) if name in self._elsewhere else super().get(name)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        if name in self._elsewhere:
            return self._elsewhere[name].get_range(name, start, length)
        return super().get_range(name, start, length)

    def size(self, name: str) -> int:
        return self._elsewhere[name].size(name) if name in self._elsewhere else super().size(name)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        for info in super().list(folder):
            if info.name not in self._elsewhere:
                yield info
        for name, store in self._elsewhere.items():
            if not folder or name.startswith(f"{folder}/"):
                yield ObjectInfo(name, store.size(name))
