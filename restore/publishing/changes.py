"""What a publication has to do: which items are new or changed, which files go, and what stands in the way. Nothing is written.

the state, the journal          what was published, and what an interrupted run has begun
rows of manifests               what shall be there
what stands there               what somebody else has put there or written to is left alone
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from restore.publishing.place import PublicationPlace, StandingFile
from restore.publishing.state import PublicationState, PublishedFile, PublishedItem
from vault.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

CHANGED_BY_OTHERS = "it was changed since it was published, and left alone: remove it, or take it over with --adopt"
NOT_OURS = "a file of this name is there already, and left alone: remove it, or take it over with --adopt"


class PublicationOptions(Struct, frozen=True):
    """keep_removed: files of what is no longer selected stay · adopt: files of others under the same names are replaced ·
    nothing_goes: the selection may lack something, so that nothing is deleted."""

    keep_removed: bool = False
    adopt: bool = False
    nothing_goes: bool = False


class PublicationChanges(Struct):
    """rows: of the items that are to be written · new, changed, unchanged: numbers of items · size: bytes of what is to be
    written, before it is converted · kept: what stays in the state as it is, by path · removed: files that go · left: files of
    items that are no longer selected, and stay · problems: what stands in the way."""

    rows: list[int] = field(default_factory=list)
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    size: int = 0
    kept: dict[bytes, PublishedItem] = field(default_factory=dict)
    removed: list[bytes] = field(default_factory=list)
    left: int = 0
    problems: list[Problem] = field(default_factory=list)


class OwnFiles:
    """Which files at a place are those of the publication, as it has written them."""

    def __init__(self, place: PublicationPlace, state: PublicationState) -> None:
        self._place = place
        self.versions = state.versions()
        self.standing = place.look(self.versions.keys())

    def intact(self, file: PublishedFile, *, read: bool = False) -> bool:
        """Whether it stands there as it was published. read: its content is looked at in any case."""
        there = self.standing.get(file.name)
        if there is None or there.size != file.size:
            return False
        return (not read and there.looks_like(file)) or self._place.has(file)

    def as_it_stands(self, file: PublishedFile) -> PublishedFile:
        """A file that is intact, with the time that it has there: file systems cut times off, and copying changes them."""
        there = self.standing.get(file.name)
        return file if there is None or there.mtime_ns is None else replace(file, mtime_ns=there.mtime_ns)

    def is_own(self, name: bytes) -> bool:
        """Whether nobody else has written what stands under a name."""
        there = self.standing.get(name)
        if there is None:
            return True
        versions = self.versions.get(name, ())
        if there.mtime_ns is not None and any(there.looks_like(one) for one in versions):
            return True
        return any(there.size == one.size and self._place.has(one) for one in versions)

    def look(self, name: bytes) -> StandingFile | None:
        """What stands under a name that may be none of the publication's."""
        if name not in self.standing and name not in self.versions:
            self.standing |= self._place.look([name])
        return self.standing.get(name)


def changes(
    items: pa.Table,
    tokens: Sequence[str],
    state: PublicationState,
    own: OwnFiles,
    options: PublicationOptions,
    as_it_is: Callable[[str | None], bool],
) -> PublicationChanges:
    """What has to be done so that all items stand there.

    items: rows of manifests, files alone · tokens: of each, what its content and its conversion are known by · as_it_is:
    whether an item of a format keeps its name
    """
    found = PublicationChanges()
    wanted: set[bytes] = set()
    facts = zip(*(items[name].to_pylist() for name in ("path", "size", "format")), strict=True)
    kept_names: dict[bytes, list[int]] = {}
    for row, (path, size, _) in enumerate(facts):
        wanted.add(path)
        known = state.items.get(path)
        files = _published(path, tokens[row], state, own)
        foreign = [] if files is not None or options.adopt else _foreign(known, own)
        if files is not None:
            found.kept[path] = PublishedItem(path, tokens[row], files)
            found.unchanged += 1
            for file in files:
                kept_names.setdefault(file.name.lower(), []).append(row)
        elif foreign and known is not None:
            found.problems += [Problem(file.name, "changed-by-others", CHANGED_BY_OTHERS) for file in foreign]
            found.kept[path] = replace(known, token="")  # told again, until somebody has looked
        else:
            found.rows.append(row)
            found.size += size
            found.new += known is None
            found.changed += known is not None
    _make_room(items, found, kept_names, as_it_is)
    _removals(state, own, wanted, found, options)
    return found


def _published(path: bytes, token: str, state: PublicationState, own: OwnFiles) -> tuple[PublishedFile, ...] | None:
    """The files of an item that stand there as they should; None where it is to be published."""
    known = state.items.get(path)
    if known is not None and known.token == token and all(own.intact(file) for file in known.files):
        return tuple(map(own.as_it_stands, known.files))
    begun = state.begun.get(path)
    if begun is None or begun[0] != token or not all(begun[1].values()):
        return None
    files = tuple(file for file in begun[1].values() if file is not None)
    return tuple(map(own.as_it_stands, files)) if all(own.intact(file, read=True) for file in files) else None


def _foreign(known: PublishedItem | None, own: OwnFiles) -> list[PublishedFile]:
    """The files of an item that somebody else has written to."""
    return [] if known is None else [file for file in known.files if not own.is_own(file.name)]


def _make_room(
    items: pa.Table,
    found: PublicationChanges,
    kept_names: dict[bytes, list[int]],
    as_it_is: Callable[[str | None], bool],
) -> None:
    """An item that is given as it is has its own name: where that is one of a converted item, this one is written again and
    gets another."""
    writing = set(found.rows)
    for row in found.rows[:]:
        path = items["path"][row].as_py()
        if not as_it_is(items["format"][row].as_py()):
            continue
        for other in kept_names.get(path.lower(), ()):
            if other != row and other not in writing:
                writing.add(other)
                del found.kept[items["path"][other].as_py()]
                found.unchanged -= 1
                found.changed += 1
                found.size += items["size"][other].as_py()
    found.rows = sorted(writing)


def _removals(
    state: PublicationState, own: OwnFiles, wanted: set[bytes], found: PublicationChanges, options: PublicationOptions
) -> None:
    """What is no longer selected."""
    for path, item in state.items.items():
        if path in wanted:
            continue
        if options.keep_removed or options.nothing_goes:
            found.kept[path] = replace(item, is_gone=True)
            found.left += len(item.files)
        else:
            removed, problems = removable([file.name for file in item.files], own, options)
            found.removed += removed
            found.problems += problems


def removable(names: Iterable[bytes], own: OwnFiles, options: PublicationOptions) -> tuple[list[bytes], list[Problem]]:
    """Those of some files of the publication that may be deleted, and problems for those that somebody else has written to."""
    removed: list[bytes] = []
    problems: list[Problem] = []
    for name in names:
        if options.adopt or own.is_own(name):
            removed.append(name)
        else:
            problems.append(Problem(name, "changed-by-others", "it was changed since it was published, and stays"))
    return removed, problems
