"""Which items are meant: a project, a moment, patterns on paths.

A pattern is matched on the item's path (KIND/relative/path) from its beginning. `*` and `?` stay within a part of the path,
`**` does not, `[…]` is a set of characters. A pattern that matches a folder means all that is in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from vault.errors import Damaged, UsageError
from vault.format import manifest
from vault.problems import Problem
from vault.repository import snapshots
from vault.repository.adopt import healed
from vault.repository.chunk_index import ChunkIndex
from vault.repository.meta import MetaReader
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.format.record import Record

_SETS = "a set is written [a-z]; for a name that holds a [, write ? in its place"


_WIDE = "[\\xc0-\\xff][\\x80-\\xbf]*"
"""In a regular expression on bytes: a character of several."""

_MOST_IN_RANGE = 4096


@dataclass(frozen=True, slots=True)
class Selection:
    """Items of a project at a moment. table: rows of manifests, sorted by path · above: rows of the folders that lead to
    them and are not meant themselves · records: the snapshots they are from · index: of the project · damage: records and
    index segments that could not be used, so that a newer state than this one may be lost."""

    project: Project
    records: tuple[Record, ...]
    table: pa.Table
    above: pa.Table
    index: ChunkIndex
    damage: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. patterns: any of them; none means everything · at: the moment, None for now ·
    deleted: only items that the source no longer had · source: of one source only."""

    patterns: tuple[str, ...] = ()
    at: datetime | None = None
    deleted: bool = False
    source: str | None = None


def select(project: Project, wish: Wish) -> Selection:
    """The items that are meant. Raises `UsageError` where there is no snapshot, or nothing matches; `Damaged`."""
    import pyarrow as pa

    index = healed(project, ChunkIndex.load(project))
    committed = snapshots.committed(project)
    damage = (*committed.damaged, *index.damaged)
    records = [one for one in snapshots.at(committed.records, wish.at) if wish.source in (None, one.source)]
    if not records and committed.damaged:
        raise Damaged(committed.damaged[0].message)
    if not records:
        when = f" up to {wish.at:%Y-%m-%d %H:%M:%S %Z}" if wish.at else ""
        raise UsageError(
            f"project {project.name!r} has no snapshot{when}", hint=f"see what there is: `strongroom list {project.name}`"
        )
    reader = MetaReader(project, index)
    whole = pa.concat_tables([snapshots.read_manifest(reader, one) for one in records])
    table = _matching(whole, wish)
    if not table.num_rows:
        raise _nothing(project, wish)
    above = _above(whole, table)
    del whole
    if len(records) > 1:  # one manifest is sorted already
        table, above = _by_path(table), _by_path(above)
    return Selection(project, tuple(records), table, above, index, damage)


def _matching(table: pa.Table, wish: Wish) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if wish.deleted or table["vanished_at"].null_count < len(table):  # else all are meant, and a copy is spared
        table = table.filter(pc.is_valid(table["vanished_at"]) if wish.deleted else pc.is_null(table["vanished_at"]))
    if not wish.patterns:
        return table
    regex = "|".join(map(pattern_regex, wish.patterns))
    try:
        # bytes of a name that are no text come from the command line as surrogates
        return table.filter(pc.match_substring_regex(table["path"], regex.encode("utf-8", "surrogateescape")))
    except pa.ArrowInvalid as error:
        raise UsageError(f"not a pattern: {' or '.join(map(repr, wish.patterns))}", hint=_SETS) from error


def _above(whole: pa.Table, picked: pa.Table) -> pa.Table:
    """The folders that lead to what was picked, for the sake of their modes and times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if picked.num_rows == whole.num_rows:
        return whole.slice(0, 0)
    above: set[bytes] = set()
    parents = pc.unique(pc.replace_substring_regex(picked["path"], "(?s)/[^/]*$", "")).to_pylist()
    for folder in parents:
        while folder and folder not in above:
            above.add(folder)
            folder = folder.rpartition(b"/")[0]
    wanted = pc.is_in(whole["path"], value_set=pa.array(sorted(above), pa.binary()))
    meant = pc.is_in(whole["path"], value_set=picked["path"].combine_chunks())
    return whole.filter(pc.and_(pc.and_not(wanted, meant), pc.equal(whole["type"], manifest.FOLDER)))


def _by_path(table: pa.Table) -> pa.Table:
    import pyarrow.compute as pc

    return table.take(pc.sort_indices(table["path"]))


def _nothing(project: Project, wish: Wish) -> UsageError:
    what = "no deleted item" if wish.deleted else "no item"
    patterns = f" that matches {' or '.join(map(repr, wish.patterns))}" if wish.patterns else ""
    hint = f"see what there is: `strongroom ls {project.name}`"
    if not wish.deleted:
        hint += "; what the source no longer has is found with --deleted, earlier moments with --at"
    return UsageError(f"{what} of project {project.name!r}{patterns}", hint=hint)


def pattern_regex(pattern: str) -> str:
    """A pattern as a regular expression (RE2, on bytes). Raises `UsageError` for a set of characters that is none."""
    clean = pattern.strip("/")
    if not clean:
        return "(?s)^"
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", clean)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": f"(?:[^/\\x80-\\xff]|{_WIDE})"}
    out = []
    for part in parts:
        if part in wild:
            out.append(wild[part])
        elif part.startswith("[") and len(part) > 2:
            out.append(_set(part[1:-1], pattern))
        else:
            out.append(re.escape(part))
    # a path means itself too, whatever its characters mean in a pattern
    return f"(?s)^(?:{''.join(out)}|{re.escape(clean)})(?:/|$)"


def _set(inner: str, pattern: str) -> str:
    """One character out of a set, or one that is not in it; in bytes, so that a character of several is an alternative."""
    negated = inner.startswith("!")
    members = _members(inner[negated:], pattern) - {"/"}
    narrow = "".join(f"\\x{ord(char):02x}" for char in sorted(members) if char.isascii())
    wide = [re.escape(char) for char in sorted(members) if not char.isascii()]
    if not members or (negated and wide):
        what = "leaves out characters beyond ASCII, which no pattern can" if members else "holds a set without characters"
        raise UsageError(f"the pattern {pattern!r} {what}", hint=_SETS)
    if negated:
        return f"(?:[^/\\x80-\\xff{narrow}]|{_WIDE})"
    return f"(?:{'|'.join([f'[{narrow}]'] * bool(narrow) + wide)})"


def _members(chars: str, pattern: str) -> set[str]:
    members: set[str] = set()
    at = 0
    while at < len(chars):
        first, last, step = chars[at], chars[at], 1
        if chars[at + 1 : at + 2] == "-" and at + 2 < len(chars):
            last, step = chars[at + 2], 3
        if not 0 <= ord(last) - ord(first) < _MOST_IN_RANGE:
            raise UsageError(f"the pattern {pattern!r} holds a range of characters that makes no sense", hint=_SETS)
        members.update(map(chr, range(ord(first), ord(last) + 1)))
        at += step
    return members
