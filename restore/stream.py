"""One file to a stream: nothing is written that was not verified, in order, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from restore.plan import locate
from restore.select import Selection
from vault.errors import Damaged, StrongroomError, UsageError
from vault.format import manifest
from vault.format.layout import CONTENT_TIER
from vault.problems import printable
from vault.repository.pack_reader import PackReader, Place

if TYPE_CHECKING:
    import pyarrow as pa

ZEROS = bytes(1024 * 1024)


def stream(selection: Selection, out: BinaryIO, stop: Callable[[], None]) -> int:
    """Write the content of the one file that is selected; gives its bytes. Raises `UsageError` where it is not one."""
    import pyarrow.compute as pc

    files = selection.table.filter(pc.equal(selection.table["type"], manifest.FILE))
    if files.num_rows != 1:
        some = ", ".join(printable(path) for path in files["path"].slice(0, 3).to_pylist())
        raise UsageError(
            f"{files.num_rows} files match, and one can be streamed ({some}…)" if files.num_rows else "no file matches",
            hint="narrow the pattern down to one file, or restore to a folder",
        )
    return _write(files, selection, out, stop)


def _write(files: pa.Table, selection: Selection, out: BinaryIO, stop: Callable[[], None]) -> int:
    size: int = files["size"][0].as_py()
    reader = PackReader(selection.project, selection.index)
    at = 0
    for reference in locate(files, selection.index).to_pylist():
        stop()
        _zeros(out, reference["position"] - at, stop)
        content = _content(reader, reference, files["path"][0].as_py())
        out.write(content)
        at = reference["position"] + len(content)
    _zeros(out, size - at, stop)
    out.flush()
    return size


def _content(reader: PackReader, reference: dict[str, object], path: bytes) -> bytes:
    if reference["pack"] is None:
        raise Damaged(f"{printable(path)}: a part of its content is in no index segment")
    names = ("pack_size", "offset", "stored", "plain", "dictionary")
    place = Place(reference["chunk"], reference["pack"], CONTENT_TIER, *(reference[name] for name in names))  # type: ignore[arg-type]  # a row of the index
    content = next(iter(reader.chunks([place])))[1]
    if isinstance(content, StrongroomError):
        raise content
    return content


def _zeros(out: BinaryIO, count: int, stop: Callable[[], None]) -> None:
    while count > 0:
        stop()
        out.write(ZEROS[:count])
        count -= len(ZEROS)
