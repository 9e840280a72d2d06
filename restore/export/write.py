"""A bag as a folder, or as a ZIP file with the bag's folder in it (RFC 8493, section 4).

A folder has a note in it until the bag is whole (see `folder`); a ZIP file has a temporary name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from restore.export import folder
from restore.export.bag import Bag
from restore.export.payload_names import portable
from restore.export.report import Exported
from restore.export.request import ExportRequest
from restore.export.signature import BagSigner
from restore.local_fs import Target
from restore.outputs.archive_file import whole_file
from restore.outputs.conversion import Conversion
from restore.outputs.folder_sink import FolderSink
from restore.outputs.scratch_dir import scratch_dir
from restore.outputs.sink import OutputSink
from restore.outputs.write_items import OutputOptions
from restore.outputs.zip_sink import zip_sink
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.plan import RestorePlan
from restore.selection.select import Selection
from vault.progress import Progress


class ExportOptions(Struct, frozen=True):
    """What is to be exported. plan: of the selection, for a place where nothing stands · conversion: of tables, None to give
    everything as it is · merged: name of the one table that all become · signer: None where nobody
    signs the bag."""

    request: ExportRequest
    selection: Selection
    plan: RestorePlan
    conversion: Conversion | None = None
    merged: bytes | None = None
    signer: BagSigner | None = None

    @property
    def fingerprint(self) -> str:
        """Of the request, for `folder`."""
        return self.request.fingerprint(self.selection.project.id)


def to_folder(
    order: ExportOptions, path: Path, stop: Callable[[], None] = lambda: None, progress: Progress | None = None
) -> Exported:
    """A folder that is empty, not there yet, or left by an interrupted export of the same request, becomes the bag.

    Raises `TargetError`, `StorageError`."""
    folder.begin(path, order.fingerprint)
    with Target(os.fsencode(path)) as target:
        target.prepare()
        exported = _fill(order, FolderSink(target), "", path, stop, progress)
    folder.end(path)
    return exported


def to_zip(
    order: ExportOptions, path: Path, stop: Callable[[], None] = lambda: None, progress: Progress | None = None
) -> Exported:
    """A new ZIP file; the bag's folder has its name. Raises `TargetError`, `StorageError`."""
    base = portable(os.fsencode(path.stem)) + "/"
    with whole_file(path, ConflictPolicy.REFUSE) as out, zip_sink(out, order.request.zone) as zipped:
        return _fill(order, zipped, base, path.parent, stop, progress)


def _fill(
    order: ExportOptions, sink: OutputSink, base: str, beside: Path, stop: Callable[[], None], progress: Progress | None
) -> Exported:
    with scratch_dir(beside) as scratch:
        options = OutputOptions(scratch, order.conversion, order.merged, order.request.zone)
        return Bag(sink, base, order.request, order.selection, order.signer).fill(order.plan, options, stop, progress)
