"""Which chunks manifests need, kept in this machine's cache: a prune a week would else decode years of manifests each time, of
which all but a week's say what they said before.

Snapshots are taken together by source and days, so that what is forgotten or new costs its own days again. A group is known by
the roots of its manifests and lists of packs, which are made of keyed hashes of their content: what was read of them once is
right for ever. The file is sealed and tagged with the project's keys, as the ledgers of the history are: who can write to the
cache can neither read it nor have it believed. It may be deleted at any time; what cannot be read counts as not there.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from blake3 import blake3

from vault.errors import Damaged
from vault.format import envelope, parquet
from vault.format.chunks import ID_SIZE
from vault.format.snapshot_record import Record
from vault.format.tree import Tree
from vault.progress import Stop
from vault.repository.project import Project
from vault.repository.state_files import StateFiles
from vault.storage.caching import derived_files

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = timedelta(days=4)
"""Of what is forgotten one by one, as retention does, so many days are read again."""

LARGEST_FILE = 1 << 28
"""Bytes; more is not kept."""

MOST_ROWS = 1 << 26

_TAG = _KEY = 32
_VERSION = b"strongroom live chunks 2\n"
"""Files of the first form may have been written by a program that took one group's chunks for another's."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WHAT = "what this machine keeps of manifests"

Roots = tuple[Tree, Tree]
"""Of a manifest, and of the list of packs beside it."""

Read = Callable[[Collection[Record]], "pa.Array"]
"""The chunks that some snapshots need, each once (32 bytes)."""


class _Kept(NamedTuple):
    """chunks: each once · groups: where in these the chunks of each group are."""

    chunks: pa.Array
    groups: Mapping[bytes, pa.Array]


def chunks_of(project: Project, records: Iterable[Record], read: Read, stop: Stop) -> pa.Array:
    """The chunks that these snapshots need, each once. read: reads those of a group of which nothing is kept; may raise
    `Damaged`, `StorageError`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    groups = _groups(records)
    file = _file(project)
    before = None if file is None else _load(project, file)
    kept = _only(before, groups.keys())
    found: dict[bytes, pa.Array] = {}
    try:
        for key, some in groups.items():
            if key not in kept.groups:
                stop()
                found[key] = read(some)
    finally:  # what was read before an interruption is not read again
        if file is not None and (found or before is None or len(kept.groups) < len(before.groups)):
            with suppress(OSError):
                _save(project, file, kept, found)
    return pc.unique(pa.concat_arrays([kept.chunks, *found.values()]))


def _only(kept: _Kept | None, groups: Container[bytes]) -> _Kept:
    """What is kept of these groups."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if kept is None:
        return _Kept(pa.array([], pa.binary(ID_SIZE)), {})
    left = {key: places for key, places in kept.groups.items() if key in groups}
    if len(left) == len(kept.groups):
        return kept
    used = pc.unique(pa.concat_arrays([pa.array([], pa.int32()), *left.values()])).sort()
    now = pc.index_in(pa.array(range(len(kept.chunks)), pa.int32()), value_set=used)
    return _Kept(kept.chunks.take(used), {key: now.take(places) for key, places in left.items()})


def _groups(records: Iterable[Record]) -> dict[bytes, list[Record]]:
    """Snapshots of one source and some days, each manifest once, by what tells the group from others; by time."""
    together: dict[tuple[str, int], dict[Roots, Record]] = {}
    for one in records:
        together.setdefault((one.source, (one.taken_at - _EPOCH) // GROUP), {}).setdefault((one.manifest, one.packs), one)
    return {_key(some): list(some.values()) for some in together.values()}


def _key(roots: Iterable[Roots]) -> bytes:
    digest = blake3()
    for one in sorted(msgspec.msgpack.encode(pair) for pair in roots):
        digest.update(len(one).to_bytes(8, "little") + one)
    return digest.digest()


def _load(project: Project, file: Path) -> _Kept | None:
    try:
        if file.stat().st_size > LARGEST_FILE:
            return None
        plain = memoryview(project.open_catalogue(file.read_bytes()))
        os.utime(file)  # the cache is thinned by last use
        body = bytes(plain[_TAG:])
        if not hmac.compare_digest(bytes(plain[:_TAG]), _tag(project, body)) or not body.startswith(_VERSION):
            return None
        return _decode(memoryview(body)[len(_VERSION) :])
    except (OSError, Damaged):
        return None


def _decode(body: memoryview) -> _Kept:
    """Two tables: the chunks, and of each group where its chunks are in the first, group after group. Raises `Damaged`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    size = int.from_bytes(body[:8], "little")
    chunks = parquet.read(bytes(body[8 : 8 + size]), _chunks_schema(), WHAT, most_rows=MOST_ROWS)["chunk"].combine_chunks()
    table = parquet.read(bytes(body[8 + size :]), _places_schema(), WHAT, most_rows=MOST_ROWS)
    places = table["place"].combine_chunks()
    runs = pc.run_end_encode(table["group"].combine_chunks(), run_end_type=pa.int64())  # `group_by` promises no order
    keys, ends = runs.values.to_pylist(), runs.run_ends.to_pylist()
    if len(set(keys)) != len(keys):
        raise Damaged(f"{WHAT} names a group twice")
    return _Kept(chunks, {key: places.slice(at, end - at) for key, at, end in zip(keys, [0, *ends], ends, strict=False)})


def _save(project: Project, file: Path, kept: _Kept, found: Mapping[bytes, pa.Array]) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    chunks = pc.unique(pa.concat_arrays([kept.chunks, *found.values()]))  # those that were kept keep their places
    groups = dict(kept.groups) | {key: pc.index_in(one, value_set=chunks).sort() for key, one in found.items()}
    groups = {key: places for key, places in groups.items() if len(places)}
    if sum(map(len, groups.values())) > MOST_ROWS or not groups:
        return
    keys = pa.concat_arrays([pa.repeat(pa.scalar(key, pa.binary(_KEY)), len(places)) for key, places in groups.items()])
    first = parquet.write(
        pa.table([chunks], schema=_chunks_schema()), use_dictionary=False, compression="none", write_statistics=False
    )
    second = parquet.write(
        pa.table([keys, pa.concat_arrays(list(groups.values()))], schema=_places_schema()),
        use_dictionary=["group"],
        column_encoding={"place": "DELTA_BINARY_PACKED"},
        compression="zstd",
        compression_level=1,
        write_statistics=False,
    )
    body = _VERSION + len(first).to_bytes(8, "little") + bytes(first) + bytes(second)
    if len(body) <= LARGEST_FILE * 9 // 10:
        sealed = project.seal_catalogue(_tag(project, body) + body)
        StateFiles(file.parent, project.services.randomness).write_file(file, sealed)


def _chunks_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([pa.field("chunk", pa.binary(ID_SIZE), nullable=False)])


def _places_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([pa.field("group", pa.binary(_KEY), nullable=False), pa.field("place", pa.int32(), nullable=False)])


def _file(project: Project) -> Path | None:
    folder = derived_files(project.store)
    return None if folder is None else folder / f"{project.id}.live"


def _tag(project: Project, body: bytes) -> bytes:
    return envelope.tag(body, project.capability.tag_key, "history/live", project.id)
