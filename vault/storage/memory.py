"""A store in memory: real enough to run a whole repository on, stricter than most.

It refuses an object where another object's folder is, since file systems and some S3 servers cannot hold both,
and it checks a SHA-256 that it is given.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator

from vault.errors import ObjectExists, ObjectNotFound, StorageError
from vault.storage.bounds import bounded, check_range
from vault.storage.contract import Buffer, ObjectInfo
from vault.storage.object_names import validate, validate_folder


class MemoryStore:
    """A `Store` that lives as long as the object; every method is safe from any thread."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._folders: Counter[str] = Counter()
        self._lock = threading.Lock()

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        content = _checked(validate(name), data, sha256)
        with self._lock:
            self._place(name, content)

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        content = _checked(validate(name), data, sha256)
        with self._lock:
            if name in self._objects:
                raise ObjectExists(f"{name} exists already")
            self._place(name, content)

    def get(self, name: str) -> bytes:
        with self._lock:
            content = self._objects.get(validate(name))
        if content is None:
            raise ObjectNotFound(f"{name} is not in the store")
        return content

    def get_range(self, name: str, start: int, length: int) -> bytes:
        check_range(name, start, length)
        return self.get(name)[start : start + length]

    def size(self, name: str) -> int:
        return len(self.get(name))

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        start = f"{validate_folder(folder)}/" if folder else ""
        with self._lock:
            found = [ObjectInfo(name, len(data)) for name, data in self._objects.items() if name.startswith(start)]
        return iter(found)

    def list_after(self, folder: str, name: str) -> Iterator[ObjectInfo]:
        return (info for info in self.list(folder) if info.name > name)

    def delete(self, name: str) -> None:
        with self._lock:
            if self._objects.pop(validate(name), None) is not None:
                self._folders.subtract(_folders_of(name))
                self._folders += Counter()  # drops the zeros

    def describe(self) -> str:
        return "memory"

    def close(self) -> None:
        return

    def _place(self, name: str, content: bytes) -> None:
        folders = _folders_of(name)
        if name in self._folders or any(folder in self._objects for folder in folders):
            raise StorageError(f"{name} is in the way of an object or a folder of the same name")
        if name not in self._objects:
            self._folders.update(folders)
        self._objects[name] = content


def _folders_of(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _checked(name: str, data: Buffer, sha256: bytes | None) -> bytes:
    content = bytes(bounded(name, data))
    if sha256 is not None and hashlib.sha256(content).digest() != sha256:
        raise StorageError(f"{name} does not have the SHA-256 that was announced; nothing was stored")
    return content
