"""What a snapshot has of items that could not be read as they should be.

A file of which no reading was of one moment keeps its last version that was; where there is none, its last reading is kept and
marked as inconsistent, which is more than nothing. Problems say which of the two it is, or that there is neither.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from vault.format import manifest

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.problems import Problem

READ_WITH_PROBLEM = frozenset({"attribute-too-large"})
"""Problems of items that were read."""

NO_ATTRIBUTES = "attributes-unreadable"
"""The problem of a folder that could not be opened, so that no more is known of it than its own folder says."""

CHANGED = "changed-while-read"
"""The problem of a file that was never of one moment."""

UNLISTED = "unlisted"
"""The problem of a folder whose content is unknown."""

_ASKING = frozenset({CHANGED, UNLISTED, "unreadable", "vanished-while-read", "size-mismatch"})
"""Problems of items after which one asks what the snapshot has instead."""

COLUMNS = ["path", "seen_at", "consistency"]
"""What `explain` needs of a manifest."""


def prefer_sound_versions(read: pa.Table, last: pa.Table, failed: frozenset[bytes]) -> tuple[pa.Table, frozenset[bytes]]:
    """What was read, without what is worse than the last manifest has it, and the paths whose row in the last manifest stays.
    failed: paths with problems while they were read, which may have rows all the same."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not failed:
        return read, failed
    paths = pa.array(sorted(failed), pa.binary())
    of_failed = last.filter(pc.is_in(last["path"], value_set=paths))
    sound = pc.and_not(pc.is_null(of_failed["vanished_at"]), manifest.is_inconsistent(of_failed))
    types = {row["path"]: row["type"] for row in of_failed.filter(sound).select(["path", "type"]).to_pylist()}
    rows = read.filter(pc.is_in(read["path"], value_set=paths)).select(["path", "type"]).to_pylist()
    worse = [row["path"] for row in rows if types.get(row["path"]) == row["type"]]
    read = read.filter(pc.invert(pc.is_in(read["path"], value_set=pa.array(worse, pa.binary()))))
    return read, failed - ({row["path"] for row in rows} - set(worse))


def any_to_explain(problems: Iterable[Problem]) -> bool:
    """Whether there is anything for `explain` to explain."""
    return any(map(_asks, problems))


def explain(problems: Iterable[Problem], table: pa.Table) -> list[Problem]:
    """The same problems, each with what the snapshot has of its item. table: `COLUMNS` of the snapshot's manifest."""
    paths = _Paths(table["path"].combine_chunks())
    return [replace(one, message=f"{one.message}; {_has(one, table, paths)}") if _asks(one) else one for one in problems]


def _asks(problem: Problem) -> bool:
    return problem.what in _ASKING


def _has(problem: Problem, table: pa.Table, paths: _Paths) -> str:
    if problem.what == UNLISTED:
        below = bisect_left(paths, problem.path + b"/")
        known = below < len(paths) and paths[below].startswith(problem.path + b"/")
        return "what the last snapshot had of it is kept" if known else "nothing that is in it is in this snapshot"
    row = bisect_left(paths, problem.path)
    if row == len(paths) or paths[row] != problem.path:
        return "nothing of it is in this snapshot"
    if table["consistency"][row].as_py() not in (None, manifest.PREFIX):
        return "what the last reading gave is kept, marked as inconsistent"
    return f"its version of {table['seen_at'][row].as_py():%Y-%m-%d %H:%M} UTC is kept"


class _Paths:
    """Paths in order, each a Python object only while it is looked at."""

    def __init__(self, paths: pa.Array) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, place: int) -> bytes:
        path: bytes = self._paths[place].as_py()
        return path
