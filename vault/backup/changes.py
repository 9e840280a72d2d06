"""What a new snapshot does to the items of the one before, found by columns while both manifests are at hand.

rewritten   content against content; where both versions of a table were looked into, rows against rows, else chunks against
            chunks: a file of one chunk that changed has kept nothing, as far as that tells
vanished    what is not moved: content that the source still has under another name is not lost
folders,    of which no file is left. What they lost is counted over a week, so that one that is emptied file by file is
periods     found when the last one goes, as if it had gone at once
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from classify.period_columns import MTIME
from vault.backup.table_profiles import TableProfile, from_row, remaining_share
from vault.format.changes import LONGEST_NAME, MOST_EXAMPLES, MOST_GROUPS, Changes, VanishedGroup
from vault.format.manifest import FILE
from vault.problems import printable

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ["path", "type", "size", "blake3", "format", "vanished_at", "chunks", "profile"]
"""Of the manifest before."""

_CONTENT = ["path", "size", "blake3", "format", "chunks", "profile"]
_PLACE = ["path", "size", "blake3", "vanished_at", "period_start", "period_end", "period_origin"]
"""Of the new one: a million of its rows with all their columns must not be in memory twice."""

NEXT_TO_NOTHING = 10
"""A file that has a tenth of its bytes or rows, or a column that has a tenth of its cells, is emptied."""

SMALLEST = 256
"""Bytes; of smaller files only their rows tell."""

STAYED = 0.5
"""A file of whose rows or bytes less stays is rewritten as a whole."""

FEWEST_CELLS = 5
"""In a column that was emptied."""

ENOUGH = 16
"""Tables of a format that were looked into, by which the others of it are judged."""

RECENT = timedelta(days=7)


class _Rewritten(Struct):
    """Counters, while pairs of versions are gone through."""

    numbers: Counter[str] = field(default_factory=Counter)
    examples: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def count(self, name: str, path: bytes) -> None:
        self.numbers[name] += 1
        if len(self.examples[name]) < MOST_EXAMPLES:
            self.examples[name].append(_name(path))


def changes(before: pa.Table, after: pa.Table, taken_at: datetime, zone: ZoneInfo, since: datetime) -> Changes:
    """before: `COLUMNS` of the manifest that the new one follows · after: the new manifest · zone: of its periods · since: the
    oldest snapshot of this source that is known of."""
    import pyarrow as pa
    import pyarrow.compute as pc

    files = before.filter(pc.and_(pc.equal(before["type"], FILE), pc.is_null(before["vanished_at"])))
    moment = pa.scalar(taken_at, after.schema.field("seen_at").type)
    is_file, is_here = pc.equal(after["type"], FILE), pc.is_null(after["vanished_at"])
    read = pc.and_(pc.and_(is_file, is_here), pc.equal(after["seen_at"], moment))
    found = _rewritten(files, after.select(_CONTENT), read) if len(files) else _Rewritten()
    after = after.select(_PLACE)
    gone = after.filter(pc.and_(is_file, pc.greater(after["vanished_at"], pa.scalar(taken_at - RECENT, moment.type))))
    any_now = pc.any(pc.equal(gone["vanished_at"], moment)).as_py()
    present = after.filter(pc.and_(is_file, is_here)) if any_now else after.slice(0, 0)
    lost = _lost(gone, present) if any_now else gone.slice(0, 0)
    at_once = lost.filter(pc.equal(lost["vanished_at"], moment))
    for path in at_once["path"].slice(0, MOST_EXAMPLES).to_pylist():
        found.examples["vanished"].append(_name(path))
    return Changes(
        files=len(files),
        **found.numbers,
        vanished=len(at_once),
        moved=(pc.sum(pc.equal(gone["vanished_at"], moment)).as_py() or 0) - len(at_once),
        folders=_most(_folders(present["path"], lost["path"], at_once["path"])),
        periods=_most(_periods(present, lost, at_once, zone)),
        examples={name: tuple(paths) for name, paths in found.examples.items()},
        since=since,
    )


def unchanged(last: Changes | None, files: int, since: datetime) -> Changes:
    """Of a snapshot in which nothing changed. last: of the one before, if it says so."""
    return Changes(files=files, since=last.since if last and last.since else since)


def _rewritten(files: pa.Table, after: pa.Table, read: pa.ChunkedArray) -> _Rewritten:
    """What became of the content of files. files: of the snapshot before · after: of the new one · read: which rows of it the
    run has read."""
    import pyarrow.compute as pc

    new = after.filter(read)  # few of a million, but for the first time
    at = pc.index_in(new["path"], value_set=files["path"].combine_chunks())
    both, old = new.filter(pc.is_valid(at)), files.take(at.drop_null())
    differs = pc.fill_null(pc.not_equal(_whole(both, "blake3"), _whole(old, "blake3")), fill_value=False)
    both, old = both.filter(differs), old.filter(differs)
    found = _Rewritten()
    if not len(both):
        return found
    found.numbers["rewritten"] = len(both)
    _count_formats(found, old, both)
    little = pc.less_equal(pc.multiply(_whole(both, "size"), NEXT_TO_NOTHING), _whole(old, "size"))
    emptied = pc.and_(little, pc.greater_equal(_whole(old, "size"), SMALLEST)).to_pylist()
    kept = _kept_bytes(old, both)
    looked: Counter[str] = Counter()
    went: Counter[str] = Counter()
    dark: Counter[str] = Counter()
    profiles = _profiles(old, both)
    for row, (path, format_) in enumerate(zip(both["path"].to_pylist(), both["format"].to_pylist(), strict=True)):
        pair = profiles.get(row)
        if pair is not None:
            looked[str(format_)] += 1
            gone, empty = _compare(found, path, *pair)
            went[str(format_)] += gone
        else:
            gone, empty = kept[row] < STAYED, False
            if gone:
                dark[str(format_)] += 1
        if empty or emptied[row]:
            found.count("emptied", path)
        if gone and (pair is not None or not emptied[row]) and len(found.examples["went"]) < MOST_EXAMPLES:
            found.examples["went"].append(_name(path))
    found.numbers["looked"] = looked.total()
    found.numbers["went"] = went.total() + round(sum(number * _share(looked[one], went[one]) for one, number in dark.items()))
    if not found.numbers["went"]:
        found.examples.pop("went", None)
    return found


def _share(looked: int, went: int) -> float:
    """Of tables that were not looked into: the share that is rewritten as a whole, by those of their format that were."""
    return went / looked if looked >= ENOUGH else 1.0


def _count_formats(found: _Rewritten, old: pa.Table, new: pa.Table) -> None:
    import pyarrow.compute as pc

    from classify.format import BINARY  # with all that tells formats

    formed = pc.fill_null(pc.not_equal(_whole(old, "format"), BINARY), fill_value=False)
    unformed = pc.and_(formed, pc.fill_null(pc.equal(_whole(new, "format"), BINARY), fill_value=False))
    found.numbers["formed"] = pc.sum(formed).as_py() or 0
    for path in new.filter(unformed)["path"].to_pylist():
        found.count("unformed", path)


def _compare(found: _Rewritten, path: bytes, old: TableProfile, new: TableProfile) -> tuple[bool, bool]:
    """Whether a table was rewritten as a whole, and whether it was emptied."""
    if old.rows is None:
        return False, False
    if new.rows is None:
        found.count("unreadable", path)
        return True, False
    empty = old.rows > 0 and new.rows * NEXT_TO_NOTHING <= old.rows
    if not empty and _emptied_columns(old, new):
        found.count("columns", path)
    return remaining_share(old, new) < STAYED, empty


def _emptied_columns(old: TableProfile, new: TableProfile) -> int:
    """How many columns have next to nothing of their cells any more; one that has another name now has them."""
    there = dict(zip(new.columns, new.filled, strict=False))
    before = dict(zip(old.columns, old.filled, strict=False))
    full = {name: cells for name, cells in before.items() if cells >= FEWEST_CELLS}
    emptied = sum(name in there and there[name] * NEXT_TO_NOTHING <= cells for name, cells in full.items())
    missing = sum(name not in there for name in full)
    renamed = sum(name not in before and cells >= FEWEST_CELLS for name, cells in there.items())
    return emptied + max(0, missing - renamed)


def _profiles(old: pa.Table, new: pa.Table) -> dict[int, tuple[TableProfile, TableProfile]]:
    """Both versions' profiles, by row, where both were looked into."""
    import pyarrow.compute as pc

    rows = pc.indices_nonzero(pc.and_(pc.is_valid(_whole(old, "profile")), pc.is_valid(_whole(new, "profile"))))
    pairs = zip(rows.to_pylist(), *(_whole(one, "profile").take(rows).to_pylist() for one in (old, new)), strict=True)
    known = ((row, from_row(one), from_row(other)) for row, one, other in pairs)
    return {row: (one, other) for row, one, other in known if one is not None and other is not None}


def _kept_bytes(old: pa.Table, new: pa.Table) -> dict[int, float]:
    """The share of each old version's bytes whose chunks are among those of the new versions."""
    import pyarrow as pa
    import pyarrow.compute as pc

    chunks, new_chunks = (pc.list_flatten(_whole(one, "chunks")) for one in (old, new))
    there = pc.is_in(chunks.field("id"), value_set=new_chunks.field("id"))
    lengths = chunks.field("length")
    held = pc.multiply(lengths, there.cast(pa.int64()))
    sums = pa.table({"row": pc.list_parent_indices(_whole(old, "chunks")), "all": lengths, "held": held})
    sums = sums.group_by("row").aggregate([("all", "sum"), ("held", "sum")])
    shares = dict.fromkeys(range(len(old)), 0.0)
    for row, whole, stays in zip(*(sums[name].to_pylist() for name in ("row", "all_sum", "held_sum")), strict=True):
        shares[row] = stays / max(1, whole)
    return shares


def _lost(gone: pa.Table, present: pa.Table) -> pa.Table:
    """Those of the vanished files whose content the source has nowhere else."""
    import pyarrow.compute as pc

    there = present["blake3"].combine_chunks()
    elsewhere = pc.and_(pc.is_in(gone["blake3"], value_set=there), pc.greater(gone["size"], 0))
    return gone.filter(pc.invert(elsewhere))


def _folders(present: pa.ChunkedArray, lost: pa.ChunkedArray, at_once: pa.ChunkedArray) -> Mapping[str, int]:
    """The topmost folders of which no file is left, and how many they lost. The source's own folder is none of them."""
    if not len(at_once):
        return {}
    living = {folder for parent in _parents(present) for folder in _above(parent)}
    now = {_topmost(parent, living) for parent in _parents(at_once)} - {None}
    counts = Counter(_topmost(path.rpartition(b"/")[0], living) for path in lost.to_pylist())
    return {_name(folder): counts[folder] for folder in now if folder is not None}


def _parents(paths: pa.ChunkedArray) -> list[bytes]:
    import pyarrow as pa
    import pyarrow.compute as pc

    parents = pc.replace_substring_regex(paths.cast(pa.large_binary()), pattern=r"/[^/]*$", replacement="")
    unique: list[bytes] = pc.unique(parents).to_pylist()
    return unique


def _above(folder: bytes) -> Iterator[bytes]:
    """A folder and those that it is in, below KIND."""
    while b"/" in folder:
        yield folder
        folder = folder.rpartition(b"/")[0]


def _topmost(folder: bytes, living: set[bytes]) -> bytes | None:
    dead = [one for one in _above(folder) if one not in living]
    return dead[-1] if dead else None


def _periods(present: pa.Table, lost: pa.Table, at_once: pa.Table, zone: ZoneInfo) -> Mapping[str, int]:
    """The days and months about which no file is left, and how many files they lost. A day within such a month is not named."""
    if not len(at_once):
        return {}
    found: dict[str, int] = {}
    for pattern, longest in (("%Y-%m", timedelta(days=32)), ("%Y-%m-%d", timedelta(hours=26))):
        living = set(_labels(present, pattern, longest, zone))
        counts = _labels(lost, pattern, longest, zone)
        now = _labels(at_once, pattern, longest, zone)
        found |= {one: counts[one] for one in now if one not in living and one[:7] not in found}
    return found


def _labels(table: pa.Table, pattern: str, longest: timedelta, zone: ZoneInfo) -> Counter[str]:
    """How many files are about each day or month, by what they are about; the time of their modification says nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lasts = pc.subtract(table["period_end"].cast(pa.int64()), table["period_start"].cast(pa.int64()))
    counts = pc.and_(pc.not_equal(table["period_origin"], MTIME), pc.less_equal(lasts, longest // timedelta(microseconds=1)))
    starts = pc.value_counts(table["period_start"].filter(pc.fill_null(counts, fill_value=False)).cast(pa.int64()))
    labels: Counter[str] = Counter()
    for start, number in zip(starts.field("values").to_pylist(), starts.field("counts").to_pylist(), strict=True):
        labels[_label(start, pattern, zone)] += number
    return labels


def _label(start: int, pattern: str, zone: ZoneInfo) -> str:
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start)).astimezone(zone).strftime(pattern)
    except (OverflowError, ValueError):  # before the year 1 or after 9999
        return "beyond the calendar"


def _most(groups: Mapping[str, int]) -> tuple[VanishedGroup, ...]:
    """The largest ones, by name."""
    largest = sorted(groups.items(), key=lambda one: -one[1])[:MOST_GROUPS]
    return tuple(VanishedGroup(name, files) for name, files in sorted(largest))


def _name(path: bytes) -> str:
    text = printable(path)
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"


def _whole(table: pa.Table, name: str) -> pa.Array:
    column: pa.Array | pa.ChunkedArray = table[name]
    return column.combine_chunks()
