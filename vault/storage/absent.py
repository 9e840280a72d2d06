"""A store that could not be opened, for whoever can wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from vault.errors import StorageError
from vault.storage.contract import Buffer, ObjectInfo


class AbsentStore:
    """A `Store` of which every call raises the same. why: it could not be opened."""

    def __init__(self, why: StorageError) -> None:
        self._why = why

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._raise()

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._raise()

    def get(self, name: str) -> bytes:
        self._raise()

    def get_range(self, name: str, start: int, length: int) -> bytes:
        self._raise()

    def size(self, name: str) -> int:
        self._raise()

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        self._raise()

    def delete(self, name: str) -> None:
        self._raise()

    def describe(self) -> str:
        return str(self._why)

    def close(self) -> None:
        """There is nothing to close."""

    def _raise(self) -> NoReturn:
        raise type(self._why)(str(self._why), hint=self._why.hint)
