"""Content of chosen versions, spooled to private temporary files, so that tables can be opened and read again and again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.execution.stream import stream
from restore.selection.select import Selection
from vault.errors import Damaged, UsageError
from vault.format import manifest
from vault.format.snapshot_record import Record
from vault.problems import printable
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.orphan_packs import repaired_index
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST = 1 << 30
"""Bytes of a version that is spooled; larger ones are refused."""


class ItemVersion(Struct, frozen=True):
    """Items as a snapshot has them. rows: of its manifest."""

    record: Record
    rows: pa.Table


class VersionContents:
    """The content of items as snapshots have it. One index serves all."""

    def __init__(self, project: Project, stop: Callable[[], None]) -> None:
        self._project = project
        self._stop = stop
        self._index = repaired_index(project, ChunkIndex.load(project))
        self._reader = MetaReader(project, self._index)

    def rows(self, record: Record, paths: Iterable[bytes]) -> pa.Table:
        """The manifest's rows of these items."""
        import pyarrow as pa
        import pyarrow.compute as pc

        table = snapshots.read_manifest(self._reader, record)
        return table.filter(pc.is_in(table["path"], value_set=pa.array(sorted(paths), pa.binary())))

    @contextmanager
    def file(self, version: ItemVersion, path: bytes) -> Iterator[Path]:
        """A file with an item's content, gone afterwards. Raises `Damaged`, `UsageError`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        record = version.record
        one = version.rows.filter(pc.equal(version.rows["path"], pa.scalar(path, pa.binary())))
        if one.num_rows != 1:
            raise Damaged(f"the manifest of snapshot {record.id} has no item {printable(path)}")
        size = one["size"][0].as_py()
        if size > LARGEST:
            raise UsageError(f"{printable(path)} has {size} bytes: more than {LARGEST} are not compared row by row")
        selection = Selection(self._project, (record,), one, manifest.schema().empty_table(), self._index)
        folder = tempfile.mkdtemp(prefix="strongroom-")  # made 0700
        try:
            file = Path(folder) / "content"
            with file.open("wb") as out:
                stream(selection, out, self._stop)
            yield file
        finally:
            shutil.rmtree(folder, ignore_errors=True)
