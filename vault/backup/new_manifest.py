"""The manifest of a new snapshot: the rows of what was read, merged with those of the manifests before that stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from vault.backup import item_classification, manifest_rows, table_profiles
from vault.backup.comparison import Comparison
from vault.backup.manifest_rows import SharedColumns, Unvanished
from vault.progress import release_memory, run_phase

if TYPE_CHECKING:
    import pyarrow as pa

    from classify.period import Period
    from vault.backup.base_snapshots import BaseSnapshots
    from vault.backup.read_results import ReadResults


class ItemRetirement(Struct, frozen=True):
    """Which items have outlived their retention, by the caller's rules and holds.

    - `columns`: of the manifest, that `outlived` needs
    - `outlived`: gives a boolean for each row of a manifest
    """

    columns: Sequence[str]
    outlived: Callable[[pa.Table], pa.Array]

    def retired(self, table: pa.Table) -> pa.ChunkedArray:
        """A boolean for each row: whether the new manifest drops it. Only vanished items are dropped."""
        import pyarrow.compute as pc

        if table["vanished_at"].null_count == table.num_rows:
            return pc.is_valid(table["vanished_at"])
        return pc.and_(self.outlived(table), pc.is_valid(table["vanished_at"]))


class Description(Struct, frozen=True):
    """How items are described.

    - `of_content`: periods that were found in contents, by path
    - `profiles`: of tables, by path
    - `anew`: whether items that were described before are described again, since the settings have changed
    - `doubtful`: takes the paths that can be read as several periods
    - `before`: `item_classification.BEFORE` of rows that these options have described
    """

    options: item_classification.ClassifyOptions
    of_content: dict[bytes, Period]
    profiles: dict[bytes, table_profiles.TableProfile]
    anew: bool
    doubtful: list[bytes] = field(default_factory=list)
    before: pa.Table | None = None


def new_rows(results: ReadResults, scan: pa.Table, shared: SharedColumns, description: Description) -> pa.Table:
    """Manifest rows of what was read. scan: `path`, `type` and `size` of the scan; `results` are empty afterwards."""
    rows = run_phase(lambda: results.take_table(scan, shared))
    known = description.of_content, description.doubtful, description.before
    rows = item_classification.with_periods(rows, description.options, *known)
    release_memory()
    return table_profiles.with_profiles(rows, description.profiles)


def merge(
    rows: pa.Table, base: BaseSnapshots, difference: Comparison, unvanished: Unvanished, shared: SharedColumns
) -> pa.Table:
    """`rows` of what was read, and the rows of the base snapshots that stay.

    - `difference`: between the scan and the last base snapshot
    - `unvanished`: what has not vanished though it was not read
    """
    if not base.bases:
        return rows
    table = manifest_rows.merge_last(base.manifest(base.bases[-1]), difference, rows, unvanished, shared)
    for head in base.bases[:-1]:
        other = base.manifest(head)
        table = manifest_rows.merge_other(table, other, unvanished, replace(shared, last_seen_at=head.taken_at))
    return table


def finish(table: pa.Table, description: Description, retire: ItemRetirement | None) -> pa.Table:
    """The merged manifest, described anew where the settings have changed, and without items that are retired."""
    import pyarrow.compute as pc

    if description.anew:
        description.doubtful.clear()  # the rows of what was read are among these
        table = item_classification.with_periods(table, description.options, description.of_content, description.doubtful)
    if retire is None:
        return table
    retired = retire.retired(table)
    return table.filter(pc.invert(retired)) if pc.any(retired).as_py() else table
