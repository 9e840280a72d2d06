"""The two stores of a copy, and how far a run may go."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct, field
from msgspec.structs import replace

from vault.errors import StorageError
from vault.process import UnknownProcesses
from vault.progress import NoProgress, Progress, Stop, never
from vault.repository.project import Project
from vault.storage.contract import Buffer, Store

SOURCE = "(copy)"
"""What the claim of a copy says in place of a source."""

LOOK_EVERY = 10.0
"""Seconds between two looks at the marks of prunes."""


class CopyPair(Struct, frozen=True):
    """A project in two stores, with the same keys.

    - `first`: where it is copied from
    - `second`: where it is copied to; its small objects may be kept in a cache
    - `target`: the second store without a cache: packs go there, which need not be kept on this machine
    """

    first: Project
    second: Project
    target: Store

    @classmethod
    def of(cls, first: Project, second: Store, target: Store) -> CopyPair:
        """The claims of a copy name no process: they protect what an interrupted run has stored until it goes on, or for a
        day."""
        services = replace(first.services, processes=UnknownProcesses())
        return cls(first, replace(first, store=second, services=services), target)

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        """Store an object in the second store, past the cache. Raises `StorageError`, which says whose."""
        try:
            self.target.put(name, data, sha256=sha256)
        except StorageError as error:
            raise of_the_copy(error, self.target) from error


def of_the_copy(error: StorageError, store: Store) -> StorageError:
    """The error of a store, saying that it is the copy's."""
    return type(error)(f"the copy at {store.describe()}: {error}", hint=error.hint)


def nobody(_claims: Iterable[str]) -> None:
    """The default for `CopyOptions.remember_claims`: a claim that stays is a day old before it goes."""


class CopyOptions(Struct, frozen=True):
    """How far a run goes.

    - `max_bytes`: of packs that are copied, at most
    - `max_seconds`: after so many nothing new is begun
    - `wait`: seconds for prunes of the second store, which are about to delete what is needed
    - `damaged`: packs that are known to be damaged in the second store
    - `left_claims`: of runs on this machine that were interrupted: they go once this one has a claim of its own
    - `remember_claims`: hears which claims of this machine stand
    - `stop`: called often; what it raises ends the run · `progress`: hears how far it is
    """

    max_bytes: int | None = None
    max_seconds: float | None = None
    wait: float = 600.0
    damaged: frozenset[bytes] = frozenset()
    left_claims: tuple[str, ...] = ()
    remember_claims: Callable[[Iterable[str]], None] = nobody
    stop: Stop = never
    progress: Progress = field(default_factory=NoProgress)
