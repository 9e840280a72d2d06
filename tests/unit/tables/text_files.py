"""What tests of text tables share: a file from bytes, bytes from a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias

from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.write_options import WriteOptions

Lost: TypeAlias = list[tuple[str, str, int]]
"""What, in which column, how many cells."""


class ForwardOnly(BytesIO):
    """A stream that can only be written to its end, as a pipe."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise OSError("this is a pipe")


def file_of(folder: Path, data: bytes) -> Path:
    path = folder / "table"
    path.write_bytes(data)
    return path


def written(
    write: Callable[[Sequence[Table], BinaryIO, WriteOptions, LossReport], None],
    *tables: Table,
    options: WriteOptions | None = None,
) -> tuple[bytes, Lost]:
    """What a writer makes of tables, and what that lost."""
    out, losses = ForwardOnly(), LossReport()
    write(tables, out, options or WriteOptions(), losses)
    return out.getvalue(), lost(losses)


def lost(losses: LossReport) -> Lost:
    return [(loss.what, loss.column, loss.cells) for loss in losses.all()]
