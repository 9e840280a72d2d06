"""Copies of objects that the cache had whole when the store's were found damaged or gone: perhaps the last good ones.

They lie in a folder of the cache as they are stored, under their own names, so that a person can put one back by hand. Nothing
reads them in place of the store. The thinning of the cache passes over them; who finds that one is needed no more discards it.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from vault.randomness import Randomness
from vault.storage.contract import Buffer

FOLDER = "saved"

_MAY_BE_SAVED = re.compile(
    r"projects/[0-9a-f]{32}/(?:meta/[0-9a-f]{2}/[0-9a-f]{64}|snapshots/[0-9a-z-]{1,64}|(?:forgotten|grants)/[0-9a-f]{32})\Z"
)
"""Names of catalogue packs, records, notes and grants: others are derived, and made anew."""


class SavedCopies:
    """cache: the folder of a repository's cache. One that cannot be written is no failure."""

    def __init__(self, cache: Path, randomness: Randomness) -> None:
        self._folder = cache / FOLDER
        self._randomness = randomness

    def save(self, name: str, data: Buffer) -> None:
        """Keep these bytes, unless a copy is kept already."""
        if not may_be_saved(name) or self.file(name).exists():
            return
        file = self.file(name)
        half = file.with_name(f"{file.name}.{self._randomness.token(4).hex()}")
        try:
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (*reversed(file.parents), file.parent):
                if folder.is_relative_to(self._folder):
                    folder.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(data)
            half.replace(file)
        except OSError:
            with suppress(OSError):
                half.unlink()

    def names(self, project: str) -> list[str]:
        """The objects of a project of which copies are kept. project: its folder in the store."""
        found = (str(file.relative_to(self._folder)) for file in (self._folder / project).rglob("*"))
        return sorted(name for name in found if may_be_saved(name))

    def read(self, name: str) -> bytes | None:
        """A copy, as it was kept; None where there is none."""
        try:
            return self.file(name).read_bytes()
        except OSError:
            return None

    def discard(self, name: str) -> None:
        """It is needed no more."""
        with suppress(OSError):
            self.file(name).unlink()

    def file(self, name: str) -> Path:
        """Where the copy of an object lies, or would."""
        return self._folder / name


def may_be_saved(name: str) -> bool:
    """Whether copies of an object of this name are kept."""
    return _MAY_BE_SAVED.match(name) is not None
