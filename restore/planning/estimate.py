"""What a plan comes to, for people: counts by kind and period, and about how long it will take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from classify.period import Period
from classify.period_grammar import written
from restore.planning.plan import RestorePlan
from vault.format import manifest

if TYPE_CHECKING:
    import pyarrow as pa

MOST_LINES = 24

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_MONTH = 32 * 86_400_000_000
"""Microseconds; with a night in autumn."""


class EstimateRow(Struct, frozen=True):
    """Files of a kind that are about a month, or something in it, or a longer period; or a year, and something that begins in
    it. An empty period: of none, or of all."""

    kind: str
    period: str
    files: int
    bytes: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"kind": self.kind, "period": self.period or None, "files": self.files, "bytes": self.bytes}


def by_period(plans: Sequence[RestorePlan], zone: ZoneInfo) -> list[EstimateRow]:
    """Counts by kind and month, or year where these are too many, or kind alone; the newest period of each kind first."""
    import pyarrow as pa

    parts = [_counted(plan.items, zone) for plan in plans]
    table = pa.concat_tables(parts)
    for length in (len("2024-05"), len("2024"), 0):
        lines = _summed(table, length)
        if len(lines) <= MOST_LINES:
            break
    return lines


def _counted(items: pa.Table, zone: ZoneInfo) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = ["kind", "period_start", "period_end", "size", "type"]
    files = items.select(columns).filter(pc.equal(items["type"], manifest.FILE))
    months = _months(files["period_start"].cast(pa.int64()), zone)
    start, end = (files[name].cast(pa.int64()) for name in ("period_start", "period_end"))
    long = pc.fill_null(pc.greater(pc.subtract(end, start), _LONGEST_MONTH), fill_value=False)
    if pc.any(long).as_py():
        named = pa.table({"start": start, "end": end}).filter(long).group_by(["start", "end"]).aggregate([])
        for one in named.to_pylist() if len(named) <= MOST_LINES else ():
            this = pc.and_(long, pc.and_(pc.equal(start, one["start"]), pc.equal(end, one["end"])))
            months = pc.if_else(pc.fill_null(this, fill_value=False), written(Period(one["start"], one["end"]), zone), months)
    return pa.table({"kind": files["kind"], "period": months, "size": files["size"]})


def _months(starts: pa.ChunkedArray, zone: ZoneInfo) -> pa.Array:
    """The months in which these moments (microseconds since 1970) lie, as 2024-05; empty where there is none. Files have few
    different ones; Arrow takes a hundredth of a second to load its own time zones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    different = pc.unique(starts)
    words = pa.array([_month(one, zone) for one in different.to_pylist()], pa.string())
    return words.take(pc.index_in(starts.combine_chunks(), value_set=different))


def _month(moment: int | None, zone: ZoneInfo) -> str:
    if moment is None:
        return ""
    try:
        local = (_EPOCH + timedelta(microseconds=moment)).astimezone(zone)
    except OverflowError:
        return ""
    return f"{local.year:04}-{local.month:02}"


def _summed(table: pa.Table, length: int) -> list[EstimateRow]:
    import pyarrow.compute as pc

    cut = pc.utf8_slice_codeunits(table["period"], 0, length)
    table = table.set_column(table.schema.get_field_index("period"), "period", cut)
    grouped = table.group_by(["kind", "period"]).aggregate([("size", "count"), ("size", "sum")])
    grouped = grouped.sort_by([("kind", "ascending"), ("period", "descending")])
    names = ("kind", "period", "size_count", "size_sum")
    return [EstimateRow(*row) for row in zip(*(grouped[name].to_pylist() for name in names), strict=True)]


class Throughput(Struct, frozen=True):
    """Seconds for each part of the work: to begin, a request, a byte that is read, a byte and a file that are written."""

    start: float
    request: float
    read: float
    write: float
    file: float


BESIDE = Throughput(start=0.5, request=0.002, read=1 / 640e6, write=1 / 570e6, file=0.00018)
"""For a store on this machine or beside it. Fitted to the restores from S3 in docs/benchmarks.md (two cores, 98 to 20,000
files), within a tenth of each; those from a folder took from half as long to as long."""

REMOTE = Throughput(start=1.0, request=0.03, read=1 / 40e6, write=1 / 570e6, file=0.00018)
"""For a store behind a network: its line is not known, so 40 MB/s and 60 ms a round trip, two at a time, are assumed."""


class RestoreCost(Struct, frozen=True):
    """What a restore has to do. read, write: bytes."""

    requests: int
    read: int
    write: int
    files: int

    def seconds(self, pace: Throughput) -> float:
        """About how long it takes, the start apart."""
        return self.requests * pace.request + self.read * pace.read + self.write * pace.write + self.files * pace.file


def cost_of(plan: RestorePlan) -> RestoreCost:
    """Of a plan."""
    return RestoreCost(plan.requests, plan.bytes_to_read, plan.bytes_to_write, plan.files)


def throughput_of(store: str) -> Throughput:
    """store: the repository's address."""
    return REMOTE if store.startswith("s3:") else BESIDE


def seconds(plans: Sequence[RestorePlan], pace: Throughput) -> float:
    """About how long the plans will take."""
    return pace.start + sum(cost_of(plan).seconds(pace) for plan in plans)


def measured(whole: RestoreCost, sample: RestoreCost, took: float, pace: Throughput) -> float:
    """About how long all of it takes, in seconds, where a sample of it took so long. A small sample is mostly its start and its
    requests, which do not grow with the bytes: so what was expected of each is compared, not their sizes."""
    expected = pace.start + sample.seconds(pace)
    return (pace.start + whole.seconds(pace)) * took / expected
