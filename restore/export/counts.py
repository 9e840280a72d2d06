"""How much of which kind, period and format was asked for, by columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from vault.format import manifest

if TYPE_CHECKING:
    import pyarrow as pa

MONTHS_SHOWN = 24
"""More months than this are counted as years."""

NONE = "none"


def counted(items: pa.Table, zone: ZoneInfo) -> dict[str, Any]:
    """Files and bytes: all, by kind, by month or year of their period's beginning, by format; folders and links."""
    import pyarrow.compute as pc

    types = items["type"]
    files = items.filter(pc.equal(types, manifest.FILE)).select(["kind", "format", "size", "period_start"])
    return {
        "files": files.num_rows,
        "bytes": pc.sum(files["size"]).as_py() or 0,
        "folders": pc.sum(pc.equal(types, manifest.FOLDER)).as_py() or 0,
        "links": pc.sum(pc.equal(types, manifest.LINK)).as_py() or 0,
        "by_kind": _by(files["kind"], files["size"]),
        "by_period": _by(_periods(files["period_start"], zone), files["size"]),
        "by_format": _by(files["format"], files["size"]),
    }


def _periods(starts: pa.ChunkedArray, zone: ZoneInfo) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    local = starts.cast(pa.timestamp("us", zone.key))
    months = pc.strftime(local, "%Y-%m")
    return months if pc.count_distinct(months).as_py() <= MONTHS_SHOWN else pc.strftime(local, "%Y")


def _by(groups: pa.ChunkedArray, sizes: pa.ChunkedArray) -> dict[str, dict[str, int]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.table({"group": pc.fill_null(groups, NONE), "size": sizes})
    found = table.group_by("group", use_threads=False).aggregate([("size", "count"), ("size", "sum")]).sort_by("group")
    return {one["group"]: {"files": one["size_count"], "bytes": one["size_sum"]} for one in found.to_pylist()}
