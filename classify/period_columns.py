"""Periods of many paths at once, and where each came from: the columns of a manifest.

    finders = [*layouts, PeriodRecognizer(zone)]      the first that knows a path's period decides
    columns(paths, finders)                     -> period_start, period_end, period_origin

What no finder knows is null: its period may come from its content or its modification time, which this room does not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from classify.period import Period

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUT, NAME, FOLDER, CONTENT, MTIME = "layout", "name", "folder", "content", "mtime"
"""Where a period came from: the layout in the settings, the file's own name (with its folders'), its folders' names alone, a
time column of its content, its modification time."""

_SLICE = 1 << 16


class PeriodColumns(NamedTuple):
    """A period, and where it came from. doubtful: the path can be read in several ways, and the period covers them all."""

    period: Period
    origin: str
    doubtful: bool = False


class PeriodFinder(Protocol):
    """Knows the period of some paths."""

    def find(self, path: bytes) -> PeriodColumns | None:
        """The period of the item at a path below its kind, None where this one does not know. Raises nothing."""


def columns(
    paths: pa.Array | pa.ChunkedArray | Sequence[bytes],
    finders: Sequence[PeriodFinder],
    *,
    skip: int = 0,
    doubtful: list[bytes] | None = None,
) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Start, end (microseconds, UTC) and origin for each path, null where unknown. skip: bytes that stand before every path,
    such as `reports/` · doubtful: takes the paths that can be read in several ways."""
    import pyarrow as pa

    slices = (paths[at : at + _SLICE] for at in range(0, len(paths) or 1, _SLICE))
    parts = [_of_slice(part if isinstance(part, Sequence) else part.to_pylist(), finders, skip, doubtful) for part in slices]
    start, end, origin = (pa.concat_arrays(column) for column in zip(*parts, strict=True))
    return start, end, origin


def _of_slice(
    paths: Sequence[bytes], finders: Sequence[PeriodFinder], skip: int, doubtful: list[bytes] | None
) -> tuple[pa.Array, pa.Array, pa.Array]:
    import pyarrow as pa

    starts: list[int | None] = []
    ends: list[int | None] = []
    origins: list[str | None] = []
    for path in paths:
        found = None
        for finder in finders:
            found = finder.find(path[skip:])
            if found is not None:
                if found.doubtful and doubtful is not None:
                    doubtful.append(path)
                break
        starts.append(found.period.start if found else None)
        ends.append(found.period.end if found else None)
        origins.append(found.origin if found else None)
    moment = pa.timestamp("us", tz="UTC")
    return pa.array(starts, pa.int64()).cast(moment), pa.array(ends, pa.int64()).cast(moment), pa.array(origins, pa.string())
