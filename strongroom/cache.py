"""This machine's cache: what lies in it for each repository, and clearing it.

Everything in it can be fetched or made anew, but for the folder `saved`: whole copies of objects that are damaged or gone in
the store (see `vault.storage.saved_copies`). They are cleared only where a person says so.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from strongroom import cache_folder, environment, store_access
from strongroom.settings import Settings
from vault.errors import StrongroomError, UsageError
from vault.problems import Problem
from vault.storage import cache_lock
from vault.storage.saved_copies import FOLDER as SAVED

HISTORY = "history"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CachePart(Struct, frozen=True):
    """Of a repository's cache: `objects` (stored bytes as they are in the store), `history` (what was read of snapshots), or
    `saved` (copies of what is damaged or gone in the store). size: bytes · oldest, last_used: of its files."""

    name: str
    files: int
    size: int
    oldest: datetime | None
    last_used: datetime | None

    def as_json(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "bytes": self.size,
            "oldest": self.oldest and self.oldest.isoformat(),
            "last_used": self.last_used and self.last_used.isoformat(),
        }


class CachedRepository(Struct, frozen=True):
    """repository: its id · address: where the settings or an option name it; None where nothing here says it · in_use: a
    command uses it now."""

    repository: str
    address: str | None
    folder: Path
    parts: tuple[CachePart, ...]
    in_use: bool

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(part.size for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        return {
            "repository_id": self.repository,
            "address": self.address,
            "folder": str(self.folder),
            "bytes": self.size,
            "in_use": self.in_use,
            "parts": {part.name: part.as_json() for part in self.parts},
        }


class Cleared(Struct, frozen=True):
    """freed: bytes that went, or would · files: how many · kept: copies in `saved` that stayed · problems: what could not be
    deleted."""

    repository: str
    address: str | None
    freed: int
    files: int
    kept: int
    problems: tuple[Problem, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        return {
            "repository_id": self.repository,
            "address": self.address,
            "freed_bytes": self.freed,
            "files": self.files,
            "kept_copies": self.kept,
            "problems": len(self.problems),
            "problem_list": [one.as_json() for one in self.problems],
        }


def folder_of(settings: Settings) -> Path | None:
    """The folder of the store that settings name, as far as this machine knows it; the store is not asked."""
    address = store_access.settings_address(settings)
    repository = store_access.memory_of_settings(settings).repository()
    return None if repository is None else cache_folder.known(repository, store_access.memory_key(address, settings.repository))


def info(settings: Settings | None) -> list[CachedRepository]:
    """The caches of all repositories and their copies, the largest first. settings: whose addresses are told."""
    named = {} if settings is None else _addresses(settings)
    root, found = environment.cache_folder(), []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        name = cache_folder.NAME.match(folder.name)
        if name is not None and folder.is_dir() and not folder.is_symlink():
            parts = tuple(_part(folder, part) for part in ("objects", HISTORY, SAVED))
            found.append(CachedRepository(name["repository"], named.get(folder), folder, parts, cache_lock.is_used(folder)))
    return sorted(found, key=lambda one: one.size, reverse=True)


def _addresses(settings: Settings) -> dict[Path, str]:
    """The addresses of the repository and its copies, by their folders."""
    stores = [settings, *(settings.of_copy(name) for name in settings.copies)]
    folders = ((folder_of(one), one.repository.address) for one in reversed(stores))
    return {folder: address for folder, address in folders if folder is not None}


def chosen(settings: Settings) -> list[CachedRepository]:
    """The cache of the repository that settings name; none where this machine has not kept anything of it. Raises
    `UsageError` where this machine does not know the repository at all."""
    own = folder_of(settings)
    if own is None:
        raise UsageError(
            f"this machine has not opened the repository at {settings.repository.address} yet, so it keeps nothing of it",
            hint="`strongroom cache info` shows what is kept of others",
        )
    return [one for one in info(settings) if one.folder == own]


def clear(one: CachedRepository, *, force: bool = False, dry_run: bool = False) -> Cleared:
    """Delete what is kept of a repository. force: copies of what is damaged or gone in the store too. Raises `Busy` where a
    command uses it, `StrongroomError`."""
    try:
        with cache_lock.alone(one.folder):
            return _cleared(one, force=force, dry_run=dry_run)
    except OSError as error:
        raise StrongroomError(
            f"the cache {one.folder} cannot be cleared: {error.strerror}", hint="run this as the user whose cache it is"
        ) from error


def _cleared(one: CachedRepository, *, force: bool, dry_run: bool) -> Cleared:
    freed, files, kept, problems = 0, 0, 0, []
    for path, status in _files(one.folder):
        if not force and _is_part(one.folder, path, SAVED):
            kept += 1
            continue
        try:
            if not dry_run:
                path.unlink()
        except OSError as error:
            problems.append(Problem(os.fsencode(path), "cannot-delete", error.strerror or str(error)))
        else:
            freed, files = freed + status.st_size, files + 1
    if not dry_run:
        _drop_empty_folders(one.folder)
    return Cleared(one.repository, one.address, freed, files, kept, tuple(problems))


def _part(folder: Path, name: str) -> CachePart:
    found = [status for path, status in _files(folder) if _is_part(folder, path, name)]
    times = sorted(status.st_mtime_ns for status in found)
    oldest, newest = (_moment(times[0]), _moment(times[-1])) if times else (None, None)
    return CachePart(name, len(found), sum(status.st_size for status in found), oldest, newest)


def _is_part(folder: Path, path: Path, name: str) -> bool:
    first = path.relative_to(folder).parts[0]
    return first == name if name in (HISTORY, SAVED) else first not in (HISTORY, SAVED)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file of a repository's cache but its lock and whose it is; links are not followed."""
    for above, _, names in os.walk(folder):
        for name in names:
            path = Path(above, name)
            if path in (folder / cache_lock.NAME, folder / cache_folder.OWNER):
                continue
            try:
                status = path.lstat()
            except OSError:  # it has just gone
                continue
            if not stat.S_ISDIR(status.st_mode):
                yield path, status


def _drop_empty_folders(folder: Path) -> None:
    for above, _, _ in os.walk(folder, topdown=False):
        if Path(above) != folder:
            try:
                Path(above).rmdir()
            except OSError:  # something is kept in it
                continue


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
