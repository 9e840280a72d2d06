"""Items that somebody picked one by one, by folder and by period, of one moment or of several.

    picks = (Pick(items=(b"reports/2024-05.csv",)), Pick(periods=("2024-06",), at="2026-11-01"))
    selected = select_picked(context, project, picks)

Unlike the parts of a `SelectionOptions`, which narrow one another, picks unite. Where several mean one item, the most exact of
them tells its version: the item itself before a folder, that before a period; of two alike the last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from strongroom import command_log
from strongroom.selection import AmbiguousSource, SelectedItems, SelectionOptions, Unmatched
from vault.errors import NothingFound
from vault.problems import printable
from vault.progress import Stop, never

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.selection.query import ItemQuery
    from restore.selection.select import Selection
    from strongroom.context import Context
    from vault.repository.project import Project

Deleted = Literal["without", "only", "with"]

NAMES_LOGGED = 100
LONGEST_NAME = 300
"""Of what was picked, so many names of so many characters are in the log and in reports, and a SHA-256 of all."""


class Pick(Struct, frozen=True):
    """What was picked of one moment.

    items: paths as stored, each with its kind in front, whether the source still has them or not · folders: paths likewise,
    with all that is below them; b"" for everything · periods: as people write them · kinds: of the periods, empty for all ·
    at: as `SelectionOptions.at`; None for now · deleted: of folders and periods, what the source no longer had: without it,
    only it, or with it
    """

    items: tuple[bytes, ...] = ()
    folders: tuple[bytes, ...] = ()
    periods: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    at: str | None = None
    deleted: Deleted = "without"

    def as_json(self) -> dict[str, Any]:
        """For the log and reports; what is empty is left out."""
        found = {
            "items": _logged(self.items),
            "folders": _logged(self.folders),
            "periods": list(self.periods),
            "kinds": list(self.kinds),
            "at": self.at,
            "deleted": "" if self.deleted == "without" else self.deleted,
        }
        return {name: value for name, value in found.items() if value}


class NothingPicked(NothingFound):
    """Nothing of what was picked is there."""

    def __init__(self, unmatched: tuple[Unmatched, ...]) -> None:
        super().__init__("nothing that was picked is there", hint="pick something else, or another moment")
        self.unmatched = unmatched


class PickedOptions(SelectionOptions, frozen=True):
    """The picks of a selection, in place of the options of one query."""

    picks: tuple[Pick, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As they were picked."""
        return {"picked": [one.as_json() for one in self.picks]}


def select_picked(
    context: Context,
    project: Project,
    picks: Sequence[Pick],
    *,
    within: Callable[[pa.Table], pa.Table] = lambda table: table,
    sources_apart: bool = False,
    names_only: bool = False,
    stop: Stop = never,
) -> SelectedItems:
    """The items that are meant, each once.

    within: leaves out rows of manifests that whoever asks may not have: what is picked of them counts as not there ·
    sources_apart: for a restore in place · names_only: for a plan that
    somebody else carries out, which takes no key to content · stop: called between moments; what it raises ends the work.

    Raises `NothingPicked` where nothing of it is there, `UsageError`, `AmbiguousSource`, `KeyRefused`, `Damaged`,
    `StorageError`.
    """
    from restore.selection.duplicates import shared, without_duplicate_folders

    if not names_only:
        command_log.require_reading(context, project, "read")
    missing = tuple(context.gone_as_reader(project))
    united = _Union()
    for at in dict.fromkeys(one.at for one in picks):
        stop()
        query = SelectionOptions(at=at, with_deleted=True).query(context, project)
        united.add(_of_moment(project, query, [(rank, one) for rank, one in enumerate(picks) if one.at == at], within))
    unmatched = united.unmatched()
    selection = united.selection()
    if not sources_apart:
        selection = without_duplicate_folders(selection)
        found = shared(selection)
        if found is not None:
            raise AmbiguousSource(*found)
    query = SelectionOptions(with_deleted=True).query(context, project)
    return SelectedItems(
        selection,
        replace(query, periods=_periods(picks)),
        PickedOptions(picks=tuple(picks)),
        context.zone(project.name),
        missing,
        unmatched,
    )


class _Part(Struct, frozen=True):
    """Rows that one way of picking means. exactness: which of several counts, the largest · unmatched: what was picked in this
    way, and is not there."""

    exactness: tuple[int, int]
    table: pa.Table
    unmatched: tuple[Unmatched, ...] = ()


class _Moment(Struct, frozen=True):
    """What was picked of a moment. whole: the selection of all that there is at it."""

    whole: Selection
    parts: tuple[_Part, ...]


def _of_moment(
    project: Project, query: ItemQuery, picks: Sequence[tuple[int, Pick]], within: Callable[[pa.Table], pa.Table]
) -> _Moment:
    from restore.selection.select import select

    whole = select(project, query)
    visible = within(whole.table)
    parts = [part for rank, pick in picks for part in _parts(whole, visible, query, pick, rank)]
    return _Moment(whole, tuple(parts))


def _parts(whole: Selection, visible: pa.Table, query: ItemQuery, pick: Pick, rank: int) -> Iterator[_Part]:
    """By the three ways of picking."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pick.items:
        exact = pc.is_in(visible["path"], value_set=pa.array(sorted(set(pick.items)), pa.binary()))
        found = visible.filter(exact)
        there = set(pc.unique(found["path"]).to_pylist())
        yield _Part((2, rank), found, _unmatched("item", (one for one in pick.items if one not in there), pick))
    if not (pick.folders or pick.periods):
        return
    rows = _alive(visible, pick.deleted)
    if pick.folders:
        found = rows.filter(_below(rows, pick.folders))
        there = _folders_of(found["path"].filter(pc.not_equal(found["type"], "folder")).to_pylist())
        yield _Part((1, rank), found, _unmatched("folder", (one for one in pick.folders if one not in there), pick))
    if pick.periods:
        yield _Part((0, rank), *_by_period(whole, rows, query, pick))


def _folders_of(paths: Sequence[bytes]) -> set[bytes]:
    """The paths of files, and all folders above them; b"" where there are any."""
    found = set(paths)
    above = found
    while above := {one.rpartition(b"/")[0] for one in above if one} - found:
        found |= above
    return found


def _unmatched(sort: Literal["item", "folder", "period"], names: Iterable[bytes], pick: Pick) -> tuple[Unmatched, ...]:
    kinds = pick.kinds if sort == "period" else ()
    return tuple(Unmatched(sort, name, pick.at, pick.deleted, kinds) for name in dict.fromkeys(names))


def _by_period(whole: Selection, rows: pa.Table, query: ItemQuery, pick: Pick) -> tuple[pa.Table, tuple[Unmatched, ...]]:
    """What lies within the periods, and those within which no file does. Raises `UsageError` for what is no period."""
    import pyarrow.compute as pc

    found = rows.filter(_in_periods(whole, rows, query, pick))
    files = found.filter(pc.not_equal(found["type"], "folder"))
    empty = [one for one in pick.periods if not _has_any(whole, files, query, replace(pick, periods=(one,)))]
    return found, _unmatched("period", (one.encode() for one in empty), pick)


def _has_any(whole: Selection, rows: pa.Table, query: ItemQuery, pick: Pick) -> bool:
    import pyarrow.compute as pc

    return bool(len(rows)) and bool(pc.any(_in_periods(whole, rows, query, pick)).as_py())


def _alive(table: pa.Table, deleted: Deleted) -> pa.Table:
    import pyarrow.compute as pc

    if deleted == "with":
        return table
    gone = pc.is_valid(table["vanished_at"])
    return table.filter(gone if deleted == "only" else pc.invert(gone))


def _below(table: pa.Table, folders: Sequence[bytes]) -> pa.ChunkedArray:
    """Rows of the folders themselves, and all below them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    mask = pa.chunked_array([pa.repeat(b"" in folders, len(table))])
    for folder in sorted(set(folders) - {b""}):
        mask = pc.or_(mask, pc.or_(pc.equal(table["path"], folder), pc.starts_with(table["path"], folder + b"/")))
    return mask


def _in_periods(whole: Selection, table: pa.Table, query: ItemQuery, pick: Pick) -> pa.ChunkedArray:
    """Rows that lie within the periods, each in the calendar of its snapshot. Raises `UsageError` for what is no period."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from restore.selection import filters

    asked = replace(query, periods=pick.periods)
    mask = pa.chunked_array([pa.repeat(pa.scalar(value=False), len(table))])
    for record in whole.records:
        periods = filters.periods_of(asked, filters.zone_of(record.zone, asked))
        mine = pc.and_(pc.equal(table["source"], record.source), filters.within(table, periods))
        mask = pc.or_(mask, pc.fill_null(mine, fill_value=False))
    if pick.kinds:
        mask = pc.and_(mask, pc.is_in(table["kind"], value_set=pa.array(pick.kinds, pa.string())))
    return mask


class _Union:
    """The selections of several moments as one."""

    def __init__(self) -> None:
        self._moments: list[_Moment] = []

    def add(self, moment: _Moment) -> None:
        self._moments.append(moment)

    def unmatched(self) -> tuple[Unmatched, ...]:
        """What was picked and is not there, in no way."""
        return tuple(each for moment in self._moments for one in moment.parts for each in one.unmatched)

    def selection(self) -> Selection:
        """Each item once, in order. Raises `NothingPicked`."""
        parts = sorted((one for moment in self._moments for one in moment.parts), key=lambda one: one.exactness, reverse=True)
        table = _first_of_each([one.table for one in parts if one.table.num_rows])
        if table is None:
            raise NothingPicked(self.unmatched())
        above = _first_of_each([found for one in self._moments if (found := self._above(one, table)).num_rows])
        records = {record.id: record for one in self._moments for record in one.whole.records}
        damage = {problem: None for one in self._moments for problem in one.whole.damage}
        last = self._moments[-1].whole
        return replace(
            last,
            table=table,
            above=table.slice(0, 0) if above is None else above,
            records=tuple(records.values()),
            damage=tuple(damage),
        )

    def _above(self, moment: _Moment, table: pa.Table) -> pa.Table:
        """The folders that lead to what was picked of a moment, but for those that were picked themselves."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from restore.selection.select import folders_above

        mine = pa.concat_tables([one.table for one in moment.parts]) if moment.parts else table.slice(0, 0)
        if mine.num_rows >= moment.whole.table.num_rows:
            return table.slice(0, 0)
        above = folders_above(moment.whole.table, mine)
        return above.filter(pc.invert(pc.is_in(_keys(above), value_set=_keys(table))))


def _first_of_each(tables: Sequence[pa.Table]) -> pa.Table | None:
    """Rows of all tables by path; of several with one path and source that of the first table. None where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not tables:
        return None
    kept = [tables[0]]
    seen = _keys(tables[0])
    for table in tables[1:]:
        keys = _keys(table)
        fresh = pc.invert(pc.is_in(keys, value_set=seen))
        kept.append(table.filter(fresh))
        seen = pa.concat_arrays([seen, keys.filter(fresh)])
    whole = pa.concat_tables(kept)
    return whole.take(pc.sort_indices(whole, sort_keys=[("path", "ascending"), ("source", "ascending")])).combine_chunks()


def _keys(table: pa.Table) -> pa.Array:
    """Path and source of each row, as one value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    joined = pc.binary_join_element_wise(table["path"], table["source"].cast(pa.binary()), b"\0")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _periods(picks: Sequence[Pick]) -> tuple[str, ...]:
    """What the selection is about, where it was picked by periods alone."""
    if any(one.items or one.folders for one in picks):
        return ()
    return tuple(dict.fromkeys(period for one in picks for period in one.periods))


def _logged(paths: Sequence[bytes]) -> list[Any]:
    """Names for the log: the first of them, and what tells that all are the same."""
    names: list[Any] = [printable(path)[:LONGEST_NAME] for path in paths[:NAMES_LOGGED]]
    if len(paths) > NAMES_LOGGED or any(len(printable(path)) > LONGEST_NAME for path in paths[:NAMES_LOGGED]):
        digest = hashlib.sha256(b"\0".join(paths)).hexdigest()
        names.append({"all": len(paths), "sha256_of_names_joined_by_nul": digest})
    return names
