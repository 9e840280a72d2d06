"""What a plan must know of the place that is restored into: a folder, a bucket, or one where nothing stands yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from restore.local_fs import Inspection, TargetItem


class Destination(Protocol):
    """Looked at while a plan is made; nothing is written. `restore.local_fs.Target` is one."""

    def existing(self, paths: Iterable[bytes]) -> dict[bytes, str]:
        """What stands at those of the paths where something does: `file`, `folder`, `link`, `other`, `blocked`."""
        ...

    def modified(self, paths: Iterable[bytes]) -> dict[bytes, int]:
        """When what stands at them was modified, nanoseconds since 1970; without what an interrupted run left unfinished."""
        ...

    def compare(self, items: Iterable[TargetItem]) -> Iterator[Inspection]:
        """How what stands at the items' paths compares with them, one answer for each."""
        ...


class EmptyDestination:
    """A place where nothing stands: an archive that is yet to be written."""

    def existing(self, paths: Iterable[bytes]) -> dict[bytes, str]:
        """Nothing."""
        return {}

    def modified(self, paths: Iterable[bytes]) -> dict[bytes, int]:
        """Nothing."""
        return {}

    def compare(self, items: Iterable[TargetItem]) -> Iterator[Inspection]:
        """Nothing is the same."""
        return (Inspection(same=False) for _ in items)
