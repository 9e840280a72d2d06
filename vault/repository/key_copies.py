"""Copies of the key objects that a machine uses, sealed as they are in the store, for when those are damaged, lost or put back
to an older state. They lie in this machine's state folder; one that cannot be written is no failure.

A copy says in its name of which epoch it is: no key object of an earlier one is believed on this machine any more.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from vault.format.granted_fields import LARGEST_KEY_OBJECT
from vault.randomness import Randomness
from vault.repository.state_files import StateFiles

FOLDER = "keys"

_NAME = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{32})\.([0-9]{1,9})\.age\Z")


class KeyCopy(NamedTuple):
    """epoch: of its keys · file: where it lies."""

    scope: str
    id: str
    epoch: int
    file: Path

    def read(self) -> bytes | None:
        """The sealed bytes; None where they cannot be read."""
        try:
            if self.file.stat().st_size > LARGEST_KEY_OBJECT:
                return None
            return self.file.read_bytes()
        except OSError:
            return None


class KeyCopies(Struct, frozen=True):
    """folder: of the memory of one address."""

    folder: Path
    randomness: Randomness

    def of(self, scope: str, key_id: str) -> KeyCopy | None:
        """The newest copy of a key object; None where there is none. scope: the project's id."""
        found = [one for one in self.all() if (one.scope, one.id) == (scope, key_id)]
        return max(found, key=lambda one: one.epoch, default=None)

    def all(self) -> list[KeyCopy]:
        """Every copy."""
        try:
            files = sorted((self.folder / FOLDER).iterdir())
        except OSError:
            return []
        matches = ((file, _NAME.match(file.name)) for file in files)
        return [KeyCopy(found[1], found[2], int(found[3]), file) for file, found in matches if found is not None]

    def delete_all(self) -> None:
        """They are of a repository that is no more."""
        for one in self.all():
            with suppress(OSError):
                one.file.unlink()

    def delete(self, scope: str) -> None:
        """Those of a project that was erased."""
        for one in self.all():
            if one.scope == scope:
                with suppress(OSError):
                    one.file.unlink()

    def save(self, scope: str, key_id: str, epoch: int, data: bytes) -> None:
        """Keep this in the place of what was kept of earlier epochs."""
        file = self.folder / FOLDER / f"{scope}.{key_id}.{epoch}.age"
        before = KeyCopy(scope, key_id, epoch, file).read()
        if before != data:
            StateFiles(self.folder, self.randomness).write_file(file, data)
        for one in self.all():
            if (one.scope, one.id) == (scope, key_id) and one.epoch < epoch and file.is_file():
                with suppress(OSError):
                    one.file.unlink()
