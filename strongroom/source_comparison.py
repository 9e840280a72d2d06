"""A source compared with what was restored of it. The source is live: what changed in it since the walk before the backup is
said as such, and is no difference."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from strongroom.folder_comparison import CompareOptions, FolderDifference, Walk, WalkedItem, compare_items, paired, unexpected
from vault.progress import Stop

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from vault.progress import Progress
    from vault.source.patterns import Rules

MOST_NAMED = 1000
"""Differences, and changes, that are kept one by one; of more, how many there are."""

States = dict[bytes, bytes]
"""What each item was like, by path."""


class Named(Struct):
    """Items, the first ones by name. count: of all of them."""

    items: list[FolderDifference] = field(default_factory=list)
    count: int = 0

    def add(self, one: FolderDifference) -> None:
        """One more."""
        self.count += 1
        if len(self.items) < MOST_NAMED:
            self.items.append(one)


class SourceComparison(Struct):
    """What was compared. items, bytes: those that are as they were · left_out: not meant to be backed up: by patterns, without
    content, Strongroom's own, on another file system · changed: at the source since it was walked the first time · differences:
    what is not as it was."""

    items: int = 0
    bytes: int = 0
    left_out: int = 0
    changed: Named = field(default_factory=Named)
    differences: Named = field(default_factory=Named)


class LiveSource(Struct, frozen=True):
    """The folder of a source, and what of it is backed up. own: identities (device, inode) of what is Strongroom's own ·
    ignored: of the status, what says nothing on this file system: `inode`, `ctime`."""

    root: Path
    rules: Rules
    own: frozenset[tuple[int, int]]
    one_file_system: bool
    ignored: frozenset[str]

    @classmethod
    def of(cls, source: SourceSettings, own: tuple[bytes, ...]) -> LiveSource:
        """By the settings. own: paths of what is Strongroom's own. Raises `UsageError` for a pattern that is none."""
        from vault.source.patterns import Rules

        identities = frozenset(found for path in own if (found := _identity(path)) is not None)
        rules = Rules(include=source.include, exclude=source.exclude)
        return cls(source.folder, rules, identities, source.one_file_system, frozenset(source.ignore_changes_of))

    def walk(self, stop: Stop) -> tuple[Walk, Iterator[WalkedItem]]:
        """All items that a backup may have looked at. Raises OSError where the folder is not there."""
        device = self.root.stat().st_dev

        def enters(item: WalkedItem) -> bool:
            status = item.status
            elsewhere = self.one_file_system and status.st_dev != device
            return not elsewhere and (status.st_dev, status.st_ino) not in self.own and self.rules.enters(item.path)

        walk = Walk(enters, stop=stop)
        return walk, walk.items(self.root)

    def size(self, stop: Stop) -> int:
        """Bytes of all files. Raises OSError where the folder is not there."""
        _, items = self.walk(stop)
        return sum(item.status.st_size for item in items if item.kind == "file" and self.rules.takes(item.path))

    def states(self, stop: Stop) -> States:
        """What each item is like now. Raises OSError where the folder is not there."""
        _, items = self.walk(stop)
        return {item.path: self._state(item.status) for item in items}

    def compare(self, restored: Path, before: States, stop: Stop, progress: Progress) -> SourceComparison:
        """With what was restored. before: of `states`, before the backup. Raises OSError where a folder is not there."""
        done = SourceComparison()
        options = CompareOptions(owners=os.geteuid() == 0, attributes=True)
        walk, items = self.walk(stop)
        for wanted, found in paired(items, Walk(stop=stop).items(restored)):
            if wanted is None:
                if found is not None:
                    self._only_restored(found, before, done)
            elif before.get(wanted.path) != self._state(wanted.status):
                done.changed.add(_changed(wanted.path, "appeared" if wanted.path not in before else "changed"))
            elif found is None:
                self._only_in_source(wanted, done)
            else:
                self._both(wanted, found, options, done)
                progress.advance(items=1, size=wanted.status.st_size if wanted.kind == "file" else 0)
        for one in walk.unlisted:
            done.differences.add(one)
        return done

    def _only_restored(self, found: WalkedItem, before: States, done: SourceComparison) -> None:
        above = found.path.rpartition(b"/")[0]
        if found.path in before or before.get(above) != self._state_of(above):
            done.changed.add(_changed(found.path, "vanished"))
        else:
            done.differences.add(unexpected(found))

    def _only_in_source(self, wanted: WalkedItem, done: SourceComparison) -> None:
        if self._is_left_out(wanted):
            done.left_out += 1
        else:
            done.differences.add(FolderDifference(wanted.path, "missing", f"the {wanted.kind} was not restored"))

    def _both(self, wanted: WalkedItem, found: WalkedItem, options: CompareOptions, done: SourceComparison) -> None:
        try:
            differences = compare_items(wanted, found, options)
        except OSError as error:
            differences = [FolderDifference(wanted.path, "unreadable", f"it cannot be compared: {error.strerror}")]
        if self._state_of(wanted.path) != self._state(wanted.status):
            done.changed.add(_changed(wanted.path, "changed"))
            return
        for one in differences:
            done.differences.add(one)
        if not differences:
            done.items += 1
            done.bytes += wanted.status.st_size if wanted.kind == "file" else 0

    def _is_left_out(self, item: WalkedItem) -> bool:
        """Whether an item is not meant to be backed up. Of the folders above it, the walk has entered each."""
        if item.kind == "other" or (item.status.st_dev, item.status.st_ino) in self.own:
            return True
        if item.kind == "folder":
            return not self.rules.enters(item.path) or not self.rules.takes_folder(item.path)
        return not self.rules.takes(item.path)

    def _state_of(self, path: bytes) -> bytes | None:
        root = os.fsencode(self.root)
        try:
            return self._state(os.lstat(root + b"/" + path) if path else os.stat(root))  # noqa: PTH116 (bytes)
        except OSError:
            return None

    def _state(self, status: os.stat_result) -> bytes:
        """What tells one state of an item from another: as text, since no number has a bound on every file system."""
        inode = 0 if "inode" in self.ignored else status.st_ino
        changed = 0 if "ctime" in self.ignored else status.st_ctime_ns
        return b"%o %d %d %d %d" % (status.st_mode, status.st_size, status.st_mtime_ns, changed, inode)


def _changed(path: bytes, what: str) -> FolderDifference:
    return FolderDifference(path, what, f"it {what} at the source meanwhile")


def _identity(path: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 (bytes)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
