"""Feather (an Arrow IPC file), read record batch by record batch.

A record batch is in memory whole: the format has it so, and `feather_bounds` looks how large that will be. What a file says
about lengths and offsets is checked before a cell is looked at (`arrow_source` validates every batch in full).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from restore.tables.guards import HINT
from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.readers.arrow_source import ArrowTable, translated
from restore.tables.readers.feather_bounds import check_claims
from vault.errors import Damaged

if TYPE_CHECKING:
    import pyarrow as pa

_WHAT = "Feather"
_OLD = b"FEA1"


def read_feather(path: Path, losses: LossReport) -> list[Table]:
    """The table of a Feather file."""
    import pyarrow as pa

    with path.open("rb") as file:
        if file.read(len(_OLD)) == _OLD:
            raise Damaged(
                "the file is Feather version 1, which is no longer read", hint="rewrite it with an older pandas or pyarrow"
            )
    with translated(_WHAT), pa.OSFile(str(path)) as opened, pa.ipc.open_file(opened) as reader:
        schema = reader.schema
    check_claims(path, schema, HINT)

    def read() -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(path)) as opened, pa.ipc.open_file(opened) as reader:
            for place in range(reader.num_record_batches):
                yield reader.get_batch(place)

    return [ArrowTable(_WHAT, schema, read, losses)]
