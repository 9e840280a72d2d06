"""Feather (an Arrow IPC file), written batch by batch, compressed with zstd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.schema_cast import CastTable
from restore.tables.write_options import WriteOptions


def write_feather(tables: Sequence[Table], out: BinaryIO, options: WriteOptions, losses: LossReport) -> None:
    """One table; writes forward only. options: no choice of it matters here."""
    import pyarrow as pa

    del options
    (table,) = tables
    fitted = CastTable(table, losses, lambda _: True)
    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    with pa.ipc.new_file(pa.PythonFile(out, "w"), fitted.schema, options=options) as writer:
        for batch in fitted.batches():
            writer.write_batch(batch)
