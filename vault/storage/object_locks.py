"""Object Lock: what a store may offer besides keeping objects, so that they can be deleted by nobody for some time.

A *retention* keeps an object until a moment, and is only ever made longer. A *legal hold* keeps it until it is taken off. Both
are on the version of an object that was written under its name last. A store that offers this has a property `locks`; whoever
wraps it passes that on in its own way. Nothing has to be overwritten or deleted for any of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from vault.storage.contract import Store

Mode = Literal["governance", "compliance"]

NO_OBJECT_LOCK = (
    "Object Lock is a property that a bucket is made with: use one that has it, or leave `lock` out of the settings; "
    "`strongroom doctor` says what a bucket has"
)
"""The hint where something cannot be locked."""

UNTIL_RELEASED = datetime.max.replace(tzinfo=UTC)
"""Takes the place of the end of a legal hold, which has none."""


class Retention(Struct, frozen=True):
    """mode: `governance` can be lifted with a special right, `compliance` by nobody · until: with a time zone."""

    mode: Mode
    until: datetime


class LockState(Struct, frozen=True):
    """What keeps an object from being deleted. retention: None where it has none."""

    retention: Retention | None = None
    legal_hold: bool = False

    def at(self, now: datetime) -> datetime | None:
        """Until when it cannot be deleted; None where it can be now."""
        if self.legal_hold:
            return UNTIL_RELEASED
        until = None if self.retention is None else self.retention.until
        return until if until is not None and until > now else None


class Locks(Protocol):
    """Used from several threads at once. What leaves it is a `StorageError`."""

    def available(self) -> bool | None:
        """Whether Object Lock is on in this place; None where the store does not say."""
        ...

    def lock_uploads(self, folder: str, choose: Callable[[], Retention]) -> None:
        """From now on what is uploaded below `folder` is locked with it."""
        ...

    def retain(self, name: str, retention: Retention) -> None:
        """Lock an existing object. The caller has made sure that its retention becomes longer by that."""
        ...

    def kept(self, name: str) -> LockState:
        """What keeps an object. Raises `ObjectNotFound`."""
        ...

    def put_legal_hold(self, name: str) -> None:
        """Keep an existing object until `lift_legal_hold`."""
        ...

    def lift_legal_hold(self, name: str) -> None:
        """Take the legal hold off an existing object."""
        ...


@runtime_checkable
class OffersLocks(Protocol):
    """A store with Object Lock, or one round such a store."""

    @property
    def locks(self) -> Locks | None:
        """None where what it wraps has none."""
        ...


def locks_of(store: Store) -> Locks | None:
    """The locks that a store offers, if it does."""
    return store.locks if isinstance(store, OffersLocks) else None
