"""The one tree of errors.

    StrongroomError                 exit 1      anything that ends a command
    ├── UsageError                  exit 2      what was asked makes no sense; nothing was tried
    │   ├── SettingsError           exit 2      the settings file cannot be used (file, line, key)
    │   └── NothingFound            exit 1      it makes sense, and nothing is there that it means
    ├── SourceError                 exit 1      the place that is backed up is gone, empty or unreadable
    │   └── SourceDenied                        the credentials do not allow reading it
    ├── TargetError                 exit 1      the place that is restored into cannot be written
    ├── NoRepository                exit 10     nothing of ours at this address
    ├── UnsupportedFormat           exit 1      made by a newer version; named, never guessed at
    ├── Busy                        exit 11     somebody else's work is in the way
    ├── KeyRefused                  exit 12     no identity opens this, or the passphrase is wrong
    ├── Damaged                     exit 20     stored bytes are not what was stored
    ├── Unstorable                  exit 1      larger or otherwise than any reader takes; it was not stored
    ├── RefusedByRule               exit 21     a rule forbids it
    ├── StorageError                exit 30     the store did not do what it was asked
    │   ├── ObjectNotFound
    │   ├── ObjectExists
    │   ├── StorageDenied
    │   ├── StorageFull
    │   ├── StorageAway                         the whole store is out of reach
    │   └── TransientStorageError               worth another try
    └── Interrupted                 exit 130    Ctrl-C or SIGTERM

Foreign exceptions are translated by the room that meets them and stay attached as the cause.
A *problem* (see `vault.problems`) is not an error: it is one thing that went wrong and did not stop the run.
"""

from __future__ import annotations

import re
from typing import Any


class StrongroomError(Exception):
    """The root. `exit_code` is what the process returns, `hint` what the person may do next."""

    exit_code = 1
    hint: str | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint

    @property
    def what(self) -> str:
        """A short stable word for programs: `usage-error`, `key-refused`, …: the nearest name in this module's tree."""
        name = next(one.__name__ for one in type(self).__mro__ if one.__module__ == __name__)
        return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"what": self.what, "message": str(self), "hint": self.hint, "exit_code": self.exit_code}


class UsageError(StrongroomError):
    """What was asked makes no sense; nothing was tried."""

    exit_code = 2


class SettingsError(UsageError):
    """The settings file cannot be used; the message says file, line and key."""


class NothingFound(UsageError):
    """What was asked makes sense, and nothing is there that it means."""

    exit_code = 1


class SourceError(StrongroomError):
    """The place that is backed up is gone, empty where it was not, or unreadable."""


class SourceDenied(SourceError):
    """The credentials do not allow reading the place that is backed up, or a part of it."""


class TargetError(StrongroomError):
    """The place that is restored into cannot be written."""


class NoRepository(StrongroomError):
    """Nothing of ours is stored at this address."""

    exit_code = 10
    hint = "check the address, or make a repository there with `strongroom init ADDRESS`"


class UnsupportedFormat(StrongroomError):
    """The repository asks for a format or a feature that this version does not know."""

    hint = "update Strongroom on this machine"


class Busy(StrongroomError):
    """Somebody else's work is in the way."""

    exit_code = 11


class KeyRefused(StrongroomError):
    """No identity at hand opens this."""

    exit_code = 12
    hint = "name the right identity with --identity FILE"


class Damaged(StrongroomError):
    """Stored bytes are not what was stored."""

    exit_code = 20
    hint = "run `strongroom check` to see which items this costs"


class Unstorable(StrongroomError):
    """What was to be stored is larger than any reader takes, or of another form. Nothing was committed."""

    hint = "nothing was committed; split the source into several, and report this to the makers of Strongroom"


class RefusedByRule(StrongroomError):
    """A rule forbids it."""

    exit_code = 21


class StorageError(StrongroomError):
    """The store did not do what it was asked."""

    exit_code = 30


class ObjectNotFound(StorageError):
    """No object of this name."""


class ObjectExists(StorageError):
    """Create-once met an object that is already there."""


class StorageDenied(StorageError):
    """The credentials do not allow it."""

    hint = "check the credentials and the bucket's policy; `strongroom doctor` says what they allow"


class StorageFull(StorageError):
    """No room is left."""

    hint = "free some room; what was stored is kept and the next run goes on from there"


class StorageAway(StorageError):
    """The store that was opened is not there any more, as a whole: a disk that is no longer mounted."""

    hint = "check that the disk is still mounted, then run the same command again"


class TransientStorageError(StorageError):
    """It may work a moment later: a time-out, a reset connection, a 503, a cut body."""

    hint = "try again later; a backup goes on from what is stored already"
    retry_after = 0.0
    """Seconds that the store asked us to wait; 0 where it did not."""


class Interrupted(StrongroomError):
    """Ctrl-C or SIGTERM."""

    exit_code = 130
    hint = "what was stored is kept; run the same command again to go on"
