"""Roll-ups: what many snapshots of one source say of their items, as one Parquet table.

A row is a *version*: an item that stayed the same from one snapshot to another. So a thousand manifests, which say mostly the
same, are one table and a few requests for who asks about all of them. A roll-up says nothing that the manifests do not say; it
may be missing, and is made anew.

A roll-up's name is the keyed BLAKE3 of its plain bytes: whoever lacks the project's chunk-id key cannot make one that a client
would believe.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from blake3 import blake3
from msgspec import Struct

from vault.errors import Damaged
from vault.format import manifest, parquet, strict_json
from vault.format.snapshot_record import Record, decode_record

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 1 << 24
LARGEST_HEAD = 1 << 26
"""Bytes of the records in a roll-up."""

ATTRIBUTES_SIZE = 16
"""Bytes of `extended`."""

VERSION = 1
"""Of what makes a version of an item; a roll-up of another one counts as not there."""

_HEAD = b"strongroom.rollup"
_FROM_MANIFEST = {
    *("path", "kind", "type", "size", "mtime", "mtime_nanos", "mode", "uid", "gid", "link_target", "blake3"),
    *("period_start", "period_end", "format", "seen_at", "last_seen_at", "vanished_at", "consistency"),
}
_REPEATING = ["kind", "type", "mode", "uid", "gid", "format", "seen_at", "last_seen_at", "vanished_at", "first", "last"]
_EXPECTED = parquet.ExpectedTable(optional=manifest.OPTIONAL)
WHAT = "a roll-up"


class Rollup(Struct, frozen=True):
    """records: the snapshots, of one source, by time, without what they say of problems · rows: of `schema()`, by path and
    time; a version's `first` and `last` count these records from 0."""

    records: tuple[Record, ...]
    rows: pa.Table


class EncodedRollup(Struct, frozen=True):
    """A roll-up whose rows are still Parquet, a tenth of what they take as a table. data: its plain bytes."""

    records: tuple[Record, ...]
    data: bytes | bytearray

    def decoded(self) -> Rollup:
        """With its rows. Raises `Damaged`."""
        rows = parquet.read(self.data, schema(), WHAT, most_rows=MOST_ROWS, expected=_EXPECTED)
        _refuse_nonsense(len(self.records), rows)
        return Rollup(self.records, rows)


@cache
def schema() -> pa.Schema:
    """The columns of a version: those of a manifest that tell one version of an item from another, and
    extended: a hash of the extended attributes, or null · first, last: between which snapshots every manifest has this row."""
    import pyarrow as pa

    return pa.schema(
        [
            *(field for field in manifest.schema() if field.name in _FROM_MANIFEST),
            pa.field("extended", pa.binary(ATTRIBUTES_SIZE)),
            pa.field("first", pa.int32(), nullable=False),
            pa.field("last", pa.int32(), nullable=False),
        ]
    )


def encode(rollup: Rollup) -> bytes:
    """The plain bytes of a roll-up."""
    records = [record.as_json() | {"problems": []} for record in rollup.records]
    notes = {_HEAD: strict_json.dump({"version": VERSION, "records": records})}
    rows = manifest.without_empty(rollup.rows)
    return bytes(parquet.write(rows, notes=notes, compression="zstd", use_dictionary=_REPEATING, write_statistics=False))


def head_size(records: Iterable[Record]) -> int:
    """About how many bytes records take in a roll-up."""
    return sum(len(strict_json.dump(record.as_json() | {"problems": []})) + 1 for record in records)


def name(data: bytes | bytearray, key: bytes) -> bytes:
    """The id of a roll-up from its plain bytes (32 bytes). key: the capability's roll-up key."""
    return blake3(data, key=key).digest()


def decode(data: bytes | bytearray, key: bytes, rollup_id: bytes) -> Rollup | None:
    """Read back, and check that it was written by a holder of the chunk-id key; None where it is of another version. Raises
    `Damaged`."""
    found = decode_head(data, key, rollup_id)
    return None if found is None else found.decoded()


def decode_head(data: bytes | bytearray, key: bytes, rollup_id: bytes) -> EncodedRollup | None:
    """As `decode`, but the rows, which a holder of the key has written."""
    records = decode_records(data, key, rollup_id)
    return None if records is None else EncodedRollup(records, data)


def decode_records(data: bytes | bytearray, key: bytes, rollup_id: bytes) -> tuple[Record, ...] | None:
    """As `decode`, the records alone."""
    if name(data, key) != rollup_id:
        raise Damaged(f"{WHAT} was not written with this project's keys, or was swapped for another")
    head = strict_json.load(parquet.note(data, _HEAD, WHAT), WHAT, largest=LARGEST_HEAD)
    if strict_json.count(head, "version", WHAT) != VERSION:
        return None
    records = tuple(_record(one) for one in strict_json.field(head, "records", list, WHAT))
    times = [(one.taken_at, one.id) for one in records]
    if any(one >= other for one, other in pairwise(times)) or len({one.source for one in records}) != 1:
        raise Damaged(f"{WHAT} does not hold the snapshots of one source by time")
    return records


def _record(value: object) -> Record:
    if not isinstance(value, dict):
        raise Damaged(f"{WHAT} holds something that is no record")
    record = decode_record(value, strict_json.field(value, "id", str, WHAT))
    if record is None:
        raise Damaged(f"{WHAT} holds the record of something that is no snapshot")
    return record


def _refuse_nonsense(snapshots: int, rows: pa.Table) -> None:
    import pyarrow.compute as pc

    if not len(rows):
        return
    least = pc.min(pc.subtract(rows["last"], rows["first"])).as_py()
    if least < 0 or pc.min(rows["first"]).as_py() < 0 or pc.max(rows["last"]).as_py() >= snapshots:
        raise Damaged(f"{WHAT} counts snapshots that it does not hold")
