"""One file to a stream: nothing is written that was not verified, in order, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from restore.execution.ordered_reader import Room, pieces, whole_window
from restore.planning.chunk_locations import locate_standing
from restore.selection.select import Selection
from vault.errors import Damaged, StrongroomError, UsageError
from vault.format import manifest
from vault.problems import printable
from vault.repository.pack_reader import PackReader

if TYPE_CHECKING:
    import pyarrow as pa

ZEROS = bytes(1024 * 1024)


def stream(selection: Selection, out: BinaryIO, stop: Callable[[], None], room: Room = whole_window) -> int:
    """Write the content of the one file that is selected; gives its bytes. Raises `UsageError` where it is not one."""
    import pyarrow.compute as pc

    files = selection.table.filter(pc.equal(selection.table["type"], manifest.FILE))
    if files.num_rows != 1:
        some = ", ".join(printable(path) for path in files["path"].slice(0, 3).to_pylist())
        raise UsageError(
            f"{files.num_rows} files match, and one can be streamed ({some}…)"
            if files.num_rows
            else "no file matches, and one is to be written to standard output",
            hint="narrow the pattern down to one file, or restore to a folder",
        )
    return _write(files, selection, out, stop, room)


def _write(files: pa.Table, selection: Selection, out: BinaryIO, stop: Callable[[], None], room: Room) -> int:
    size: int = files["size"][0].as_py()
    reader = PackReader(selection.project, selection.index)
    references, _ = locate_standing(selection.project, files, selection.index, reader)
    if references["pack"].null_count:
        raise Damaged(f"{printable(files['path'][0].as_py())}: a part of its content is gone from the repository")
    at = 0
    for piece in pieces(references, reader, stop, room):
        if isinstance(piece.content, StrongroomError):
            raise piece.content
        _zeros(out, piece.position - at, stop)
        out.write(piece.content)
        at = piece.position + len(piece.content)
    _zeros(out, size - at, stop)
    out.flush()
    return size


def _zeros(out: BinaryIO, count: int, stop: Callable[[], None]) -> None:
    while count > 0:
        stop()
        out.write(ZEROS[:count])
        count -= len(ZEROS)
