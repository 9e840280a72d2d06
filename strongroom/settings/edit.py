"""Changing the settings file as a whole: to the names of today, and by what a person has typed.

A file is replaced in one step, with the mode and the owner that it had, and only while it still is what was read before:
whoever has changed it meanwhile keeps that change.
"""

from __future__ import annotations

import difflib
import fcntl
import os
import tomllib
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom.settings import LARGEST
from vault.errors import RefusedByRule, SettingsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from strongroom.settings.errors import PlacedFault

_RETRY = "look at what it says now, and begin again"


class SettingsFile(Struct, frozen=True):
    """A settings file as it was read. file: with links followed, so that a link stays one · text: every character of it."""

    file: Path
    text: str

    @classmethod
    def read(cls, file: Path) -> SettingsFile:
        """Raises `SettingsError`."""
        try:
            target = file.resolve(strict=True)
            with target.open("rb") as opened:
                data = opened.read(LARGEST + 1)
            if len(data) > LARGEST:
                raise SettingsError(f"{file} is too large for a settings file: more than {LARGEST >> 20} MiB")
            return cls(target, data.decode("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            hint = "settings are TOML, which is UTF-8 text; name another file with --config FILE"
            raise SettingsError(f"{file} cannot be read: {error}", hint=hint) from error

    def replace(self, text: str) -> None:
        """Put another text in its place. Raises `RefusedByRule` where the file is no longer what was read, `UsageError` where
        it cannot be written with its mode and its owner."""
        half = self.file.with_name(f".{self.file.name}.{os.getpid()}.new")
        try:
            with self._unchanged() as status:
                half.unlink(missing_ok=True)  # whatever it is: it may be a link
                handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                with os.fdopen(handle, "wb") as out:
                    out.write(text.encode("utf-8"))
                    out.flush()
                    if (status.st_uid, status.st_gid) != (os.fstat(handle).st_uid, os.fstat(handle).st_gid):
                        os.fchown(handle, status.st_uid, status.st_gid)
                    os.fchmod(handle, status.st_mode & 0o7777)
                    os.fsync(handle)
                half.replace(self.file)
                _sync(self.file.parent)
        except OSError as error:
            raise UsageError(
                f"{self.file} cannot be replaced: {error.strerror}; it is as it was",
                hint="run this as its owner, with the right to write into its folder",
            ) from error
        finally:
            with suppress(OSError):
                half.unlink(missing_ok=True)

    def keep_copy(self, now: datetime) -> Path:
        """A copy beside it that only its owner may read; gives its name. Raises `UsageError`."""
        copy = self.file.with_name(f"{self.file.name}.{now:%Y%m%dT%H%M%SZ}.bak")
        try:
            handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.write(self.text.encode("utf-8"))
                out.flush()
                os.fsync(handle)
        except OSError as error:
            raise UsageError(
                f"no copy of {self.file} can be kept as {copy.name}: {error.strerror}",
                hint="free some room, or run this as somebody who may write there",
            ) from error
        return copy

    @contextmanager
    def _unchanged(self) -> Iterator[os.stat_result]:
        """While nobody else who goes by this rule may replace it. Raises `RefusedByRule`, `OSError`."""
        handle = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            mine, there = os.fstat(handle), self.file.stat()
            same_file = (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
            if not same_file or os.pread(handle, LARGEST + 1, 0) != self.text.encode("utf-8"):
                raise RefusedByRule(f"{self.file} was changed by somebody else meanwhile; it was left alone", hint=_RETRY)
            yield mine
        finally:
            os.close(handle)


class Migration(Struct, frozen=True):
    """What `settings migrate` would do. renamed: old and new names of the keys, and where they stand."""

    source: SettingsFile
    text: str
    renamed: tuple[tuple[str, str, int | None], ...]

    @property
    def diff(self) -> list[str]:
        """As `diff -u` shows it."""
        name = str(self.source.file)
        return list(difflib.unified_diff(self.source.text.splitlines(), self.text.splitlines(), name, name, lineterm=""))

    def as_json(self) -> dict[str, Any]:
        return {
            "file": str(self.source.file),
            "settings": [{"setting": key, "name": new, "line": line} for key, new, line in self.renamed],
        }


def migration(file: Path) -> Migration:
    """The names of today for a settings file. Raises `SettingsError`, also where a table has an old name and its new one."""
    from strongroom.settings import reader, renamed
    from strongroom.settings.errors import written
    from strongroom.settings.toml_positions import places

    source = SettingsFile.read(file)
    try:
        names = renamed.with_new_names(tomllib.loads(source.text))
        if names.both:
            reader.read(file, source.text)  # which says where, and what to do
        made = renamed.migrated(source.text)
    except tomllib.TOMLDecodeError:
        reader.read(file, source.text)
        raise
    except ValueError as error:
        raise SettingsError(f"{file}: {error}", hint="write the new names by hand; docs/settings.md has them") from error
    known = places(source.text)
    found = [(written(key), renamed.new_name(key[:-1], str(key[-1])), known.get(key)) for key in names.old]
    return Migration(source, made, tuple(found))


class Checked(Struct, frozen=True):
    """What a check of a settings text has found."""

    errors: Sequence[PlacedFault]
    warnings: Sequence[PlacedFault]


def check(file: Path, text: str, now: datetime) -> Checked:
    """What `settings check` says of a text, as if the file held it: what no command could use, and what looks odd."""
    from strongroom.settings import lint, reader
    from strongroom.settings.effective import Settings
    from strongroom.settings.errors import SettingsInvalid, placed
    from strongroom.settings.toml_positions import Key, places

    old: list[Key] = []
    try:
        found = Settings(file, text, reader.read(file, text, old.append))
    except SettingsInvalid as error:
        return Checked(error.faults, ())
    known = places(text)
    return Checked(placed(lint.failing(found), known), placed([*lint.old_names(old), *lint.odd(found, now)], known))


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system that cannot do that for folders
            os.fsync(handle)
    finally:
        os.close(handle)
