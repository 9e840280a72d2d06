"""A store that can only be read, for commands that have no business writing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from vault.errors import RefusedByRule
from vault.storage.contract import Buffer, ObjectInfo, Store, list_after


class ReadOnlyStore:
    """Passes readings on; `put`, `create` and `delete` raise `RefusedByRule` and reach nothing. It has no `locks`."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        _refuse("write", name)

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        _refuse("write", name)

    def delete(self, name: str) -> None:
        _refuse("delete", name)

    def get(self, name: str) -> bytes:
        return self._inner.get(name)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        return self._inner.get_range(name, start, length)

    def size(self, name: str) -> int:
        return self._inner.size(name)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return self._inner.list(folder)

    def list_after(self, folder: str, name: str) -> Iterator[ObjectInfo] | None:
        return list_after(self._inner, folder, name)

    def describe(self) -> str:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()


def _refuse(verb: str, name: str) -> NoReturn:
    raise RefusedByRule(f"this repository was opened for reading only; {name} was not touched (asked to {verb} it)")
