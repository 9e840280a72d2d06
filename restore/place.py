"""What a plan must know of the place that is restored into: a folder, a bucket, or one where nothing stands yet."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import date
from typing import Protocol


class Place(Protocol):
    """Looked at while a plan is made; nothing is written. `restore.target.Target` is one."""

    def existing(self, paths: Iterable[bytes]) -> dict[bytes, str]:
        """What stands at those of the paths where something does: `file`, `folder`, `link`, `other`, `blocked`."""
        ...

    def modified(self, paths: Iterable[bytes]) -> dict[bytes, int]:
        """When what stands at them was modified, nanoseconds since 1970; without what an interrupted run left unfinished."""
        ...

    def holds(self, path: bytes, size: int, mtime_ns: int, digest: bytes | None) -> bool:
        """Whether a file of this size (bytes), time and content (BLAKE3) stands at `path`."""
        ...

    def link_points_to(self, path: bytes) -> bytes | None:
        """Where the symbolic link at `path` points to; None where there is none."""
        ...

    def free_name(self, path: bytes, day: date, *, taken: Container[bytes] = ()) -> bytes:
        """A path beside `path` that nothing stands at and that is not in `taken`. Raises `TargetError` where there is none."""
        ...


class Nothing:
    """A place where nothing stands: an archive that is yet to be written."""

    def existing(self, paths: Iterable[bytes]) -> dict[bytes, str]:
        """Nothing."""
        return {}

    def modified(self, paths: Iterable[bytes]) -> dict[bytes, int]:
        """Nothing."""
        return {}

    def holds(self, path: bytes, size: int, mtime_ns: int, digest: bytes | None) -> bool:
        """No."""
        return False

    def link_points_to(self, path: bytes) -> bytes | None:
        """Nowhere."""
        return None

    def free_name(self, path: bytes, day: date, *, taken: Container[bytes] = ()) -> bytes:
        """Every name is free."""
        return path
