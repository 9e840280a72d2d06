"""Which items are meant: a project, a moment, patterns on paths.

A pattern is matched on the item's path (KIND/relative/path) from its beginning. `*` and `?` stay within a part of the path,
`**` does not, `[…]` is a set of characters. A pattern that matches a folder means all that is in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from vault.errors import UsageError
from vault.format import manifest
from vault.repository import snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.meta import MetaReader
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.format.record import Record


@dataclass(frozen=True, slots=True)
class Selection:
    """Items of a project at a moment. table: rows of manifests, sorted by path · above: rows of the folders that lead to
    them and are not meant themselves · records: the snapshots they are from · index: of the project."""

    project: Project
    records: tuple[Record, ...]
    table: pa.Table
    above: pa.Table
    index: ChunkIndex


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

    index = ChunkIndex.load(project)
    records = [one for one in snapshots.at(snapshots.read_all(project), wish.at) if wish.source in (None, one.source)]
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
    return Selection(project, tuple(records), _by_path(table), _by_path(above), index)


def _matching(table: pa.Table, wish: Wish) -> pa.Table:
    import pyarrow.compute as pc

    table = table.filter(pc.is_valid(table["vanished_at"]) if wish.deleted else pc.is_null(table["vanished_at"]))
    if not wish.patterns:
        return table
    return table.filter(pc.match_substring_regex(table["path"], "|".join(map(pattern_regex, wish.patterns))))


def _above(whole: pa.Table, picked: pa.Table) -> pa.Table:
    """The folders that lead to what was picked, for the sake of their modes and times."""
    import pyarrow as pa
    import pyarrow.compute as pc

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
    """A pattern as a regular expression (RE2, on bytes). Raises `UsageError` for a set of characters that never ends."""
    clean = pattern.strip("/")
    if not clean:
        return "(?s)^"
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", clean)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "(?:[^/\\x80-\\xff]|[\\xc0-\\xff][\\x80-\\xbf]*)"}
    out = []
    for part in parts:
        if part in wild:
            out.append(wild[part])
        elif part.startswith("[") and len(part) > 2:
            inner = part[1:-1].replace("\\", "\\\\")
            out.append(f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]")
        elif "[" in part:
            raise UsageError(f"the pattern {pattern!r} opens a set of characters and does not close it")
        else:
            out.append(re.escape(part))
    return f"(?s)^{''.join(out)}(?:/|$)"
