"""Former versions of objects: what a versioned bucket keeps of what was overwritten or deleted.

A store that keeps some has a property `versions`; whoever wraps it passes that on in its own way.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from vault.storage.contract import Store


class Versions(Protocol):
    """Used from several threads at once. What leaves it is a `StorageError`."""

    def kept(self) -> bool:
        """Whether this place keeps, or has kept, former versions."""
        ...

    def count(self, folder: str) -> int:
        """How many versions there are of objects below a folder. Raises `StorageDenied` where that may not
        be asked."""
        ...

    def names(self, folder: str) -> set[str]:
        """The names of objects below a folder of which there is any version, or a marker that it was deleted."""
        ...

    def delete(self, name: str) -> int:
        """Delete an object with all its versions and markers; gives how many there were. Raises `StorageDenied`."""
        ...


@runtime_checkable
class OffersVersions(Protocol):
    """A store with versions, or one round such a store."""

    @property
    def versions(self) -> Versions | None:
        """None where what it wraps has none."""
        ...


def versions_of(store: Store) -> Versions | None:
    """The versions that a store keeps; None where it keeps none. Raises `StorageError`."""
    found = store.versions if isinstance(store, OffersVersions) else None
    return found if found is not None and found.kept() else None
