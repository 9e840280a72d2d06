"""Bases of deltas: earlier versions of workbooks and other containers, in their inflated form, kept on this machine.

A writer cannot read content back, and a reader would have to fetch it: so what a later version may be a delta to is kept in a
file of the cache, as compressed as it is stored. Where that is lost, whoever may read content reads it again from the
repository; elsewhere the next version becomes a base itself, which costs no more than storing it whole.

    file of a source    age, sealed to the project's catalogue: for each base its chunk (32 bytes), size and length (u32 each),
                        and the frame; those that were used last first
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from vault.backup.small_files import NO_BASE, DeltaBase
from vault.errors import Damaged, StorageError, StrongroomError
from vault.format import frames
from vault.format.chunks import ID_SIZE
from vault.format.inflated import LARGEST_FORM
from vault.repository.chunk_index import ChunkIndex
from vault.repository.pack_reader import PackReader, by_pack
from vault.repository.project import Project
from vault.repository.state_files import StateFiles
from vault.source.contract import SMALL

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("xlsx", "xlsb", "docx", "pptx", "ods", "odt", "odp", "epub", "zip", "gzip")
"""What `classify.format` calls files that may hold deflate streams."""

MOST_KEPT = 64 * 1024 * 1024
"""Bytes of frames that are kept for a source: about three thousand workbooks of 400 rows."""

_HEAD = struct.Struct("<32sII")


class DeltaBases:
    """The bases for what one run reads.

    - `earlier`: of files that had another version before: by path, the chunk that is its dictionary, b"" where it has none
    - `kept`: the bases that are at hand, by chunk
    """

    def __init__(self, earlier: Mapping[bytes, bytes], kept: Mapping[bytes, DeltaBase]) -> None:
        self._earlier = earlier
        self._kept = kept
        self._room = MOST_KEPT
        self.used: dict[bytes, DeltaBase] = {}
        """Those that were asked for or are new."""

    def has(self, path: bytes) -> bool:
        """Whether a file of this path may be stored as a delta."""
        return path in self._earlier

    def of(self, paths: Iterable[bytes]) -> dict[bytes, DeltaBase]:
        """The bases of those of the paths that may be stored as deltas; `NO_BASE` where none is at hand."""
        if not self._earlier:
            return {}
        found = {path: self._kept.get(self._earlier[path], NO_BASE) for path in paths if path in self._earlier}
        self.used.update((one.chunk, one) for one in found.values() if one.chunk)
        return found

    def add(self, base: DeltaBase) -> None:
        """A new one; it is kept while there is room."""
        if base.chunk not in self.used and self._room > len(base.frame):
            self._room -= len(base.frame)
            self.used[base.chunk] = base


class BaseFile:
    """The bases of a source in a file of the cache. folder: of the repository's cache."""

    def __init__(self, project: Project, source: str, folder: Path) -> None:
        self._project = project
        self._files = StateFiles(folder, project.services.randomness)
        name = blake3(source.encode(), key=project.capability.chunk_id_key).hexdigest(length=16)
        self._file = folder / "bases" / project.id / name

    def load(self) -> dict[bytes, DeltaBase]:
        """What is kept; nothing where there is no file that can be used."""
        try:
            with self._file.open("rb") as file:
                sealed = file.read(2 * MOST_KEPT + 1)
            os.utime(self._file)  # the cache is thinned by last use
            return _decoded(self._project.open_catalogue(sealed))
        except (OSError, Damaged):
            return {}

    def save(self, bases: Iterable[DeltaBase]) -> None:
        """Keep as many as there is room for, the first ones first. A cache that cannot be written is no failure."""
        pieces, size = [], 0
        for base in bases:
            size += len(base.frame)
            if size > MOST_KEPT:
                break
            pieces += [_HEAD.pack(base.chunk, base.size, len(base.frame)), base.frame]
        self._files.write_file(self._file, self._project.seal_catalogue(b"".join(pieces)))


def _decoded(plain: bytearray) -> dict[bytes, DeltaBase]:
    found: dict[bytes, DeltaBase] = {}
    at = 0
    while at + _HEAD.size <= len(plain):
        chunk, size, length = _HEAD.unpack_from(plain, at)
        at += _HEAD.size
        if at + length > len(plain) or size > LARGEST_FORM:
            return {}
        found[chunk] = DeltaBase(chunk, size, bytes(plain[at : at + length]))
        at += length
    return found


def earlier_versions(last: Callable[[list[str]], pa.Table], fresh: pa.ChunkedArray, index: ChunkIndex) -> dict[bytes, bytes]:
    """See `DeltaBases`. last: columns of the last manifest; that of the chunks is read only where it is needed · fresh: paths
    that will be read · index: of what may be referred to."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = last(["path", "format", "size"])
    wanted = pc.and_(pc.is_in(known["format"], value_set=pa.array(FORMATS)), pc.less_equal(known["size"], SMALL))
    paths = known["path"].filter(pc.fill_null(wanted, fill_value=False))
    paths = paths.filter(pc.is_in(paths, value_set=fresh.combine_chunks())).combine_chunks()
    if not len(paths):
        return {}
    rows = last(["path", "chunks"])
    rows = rows.filter(pc.is_in(rows["path"], value_set=paths))
    single = rows.filter(pc.equal(pc.list_value_length(rows["chunks"]), 1))
    ids = single["chunks"].combine_chunks().flatten().field("id")
    dictionaries = index.locate(ids)["dictionary"].to_pylist()
    found = dict.fromkeys(rows["path"].to_pylist(), b"")
    found |= {path: one or b"" for path, one in zip(single["path"].to_pylist(), dictionaries, strict=True)}
    return found


def at_hand(
    project: Project, wanted: Collection[bytes], kept: Mapping[bytes, DeltaBase], index: ChunkIndex
) -> dict[bytes, DeltaBase]:
    """The bases that these chunks are, as far as they can be had: those that are kept, and what the repository has of the
    others, where this client may read it. Whether one is what it says is looked at where it is used. index: of what may be
    referred to."""
    import pyarrow as pa

    stored = frozenset(index.locate(pa.array(sorted(wanted), pa.binary(ID_SIZE)))["chunk"].to_pylist()) - {None}
    good = {chunk: kept[chunk] for chunk in stored if chunk in kept}
    if good.keys() == stored or project.capability.content_identity is None:
        return good
    reader, compressor, size = PackReader(project, index), frames.Compressor(), sum(len(one.frame) for one in good.values())
    for pack in by_pack(index, stored - good.keys()):
        with suppress(Damaged, StorageError):
            for place, content in reader.chunks(pack):
                if isinstance(content, StrongroomError) or content.startswith(frames.TRAINED) or size > MOST_KEPT:
                    continue
                good[place.chunk] = DeltaBase(place.chunk, len(content), compressor.frame(content))
                size += len(good[place.chunk].frame)
    return good
