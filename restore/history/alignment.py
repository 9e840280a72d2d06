"""Two tables of versions, both by path, laid beside each other: which row is whose, and which are equal.

Manifests of neighbouring hours have almost the same paths, so they are laid beside each other in runs, and the columns of a run
are compared where they lie: nothing is looked up or copied. Where there are too many runs, a hash table of paths answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from restore.history.versions import COMPARED, equal

if TYPE_CHECKING:
    import pyarrow as pa

MOST_RUNS = 24


class Match(Struct, frozen=True):
    """For each row: where the row of its path is in the other table (null where there is none), and whether they are
    equal. unmatched: which rows of the other table are equal to none."""

    where: pa.Array
    same: pa.Array
    unmatched: pa.Array


class _Run(NamedTuple):
    """Rows of one table that have the paths of as many of the other."""

    start: int
    other: int
    length: int


def match(rows: pa.Table, others: pa.Table, columns: tuple[str, ...] = COMPARED) -> Match:
    """Lay them beside each other. columns: that make rows equal."""
    import pyarrow as pa
    import pyarrow.compute as pc

    paths, other_paths = _flat(rows["path"]), _flat(others["path"])
    runs = _runs(paths, other_paths)
    if runs is None:
        where = pc.index_in(paths, value_set=other_paths)
        same = pc.and_(equal(rows, others.take(where), columns), pc.is_valid(where))
        return Match(where, same, pc.invert(pc.is_in(_numbers(len(others)), value_set=where.filter(same))))
    numbers, at, other_at = _numbers(len(others)), 0, 0
    places, flags, lone = [pa.nulls(0, pa.int32())], [pa.nulls(0, pa.bool_())], [pa.nulls(0, pa.bool_())]
    for run in [*runs, _Run(len(rows), len(others), 0)]:
        same = equal(rows.slice(run.start, run.length), others.slice(run.other, run.length), columns)
        places += [pa.nulls(run.start - at, pa.int32()), numbers.slice(run.other, run.length)]
        flags += [pa.repeat(pa.scalar(value=False), run.start - at), same]
        lone += [pa.repeat(pa.scalar(value=True), run.other - other_at), pc.invert(same)]
        at, other_at = run.start + run.length, run.other + run.length
    return Match(pa.concat_arrays(places), pa.concat_arrays(flags), pa.concat_arrays(lone))


def _runs(paths: pa.Array, others: pa.Array) -> list[_Run] | None:
    """The runs of equal paths, in order; None where there are too many. Both are in order, each path once."""
    import pyarrow.compute as pc

    runs: list[_Run] = []
    here = there = 0
    while here < len(paths) and there < len(others):
        if len(runs) == MOST_RUNS:
            return None
        length = min(len(paths) - here, len(others) - there)
        unequal = pc.index(pc.equal(paths.slice(here, length), others.slice(there, length)), value=False).as_py()
        run = _Run(here, there, length if unequal < 0 else unequal)
        runs.append(run)
        here, there = here + run.length, there + run.length
        if unequal >= 0:
            here, there = here + _below(paths.slice(here), others[there]), there + _below(others.slice(there), paths[here])
    return runs


def _below(paths: pa.Array, path: pa.Scalar) -> int:
    """How many of `paths` come before `path`."""
    import pyarrow.compute as pc

    found: int = pc.index(pc.less(paths, path), value=False).as_py()
    return len(paths) if found < 0 else found


def _numbers(count: int) -> pa.Array:
    """0, 1, 2, …"""
    import pyarrow as pa
    import pyarrow.compute as pc

    one = pa.scalar(1, pa.int32())
    return pc.subtract(pc.cumulative_sum(pa.repeat(one, count)), one)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
