"""Stored formats: what was written is read again, and nothing but our errors comes of bytes that are not ours."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.places import TINY, identity
from tests.support.randomness import SeededChance
from vault.errors import Damaged, Unstorable
from vault.format import envelope, frames, index, layout, pack, parquet, strict_json, tree
from vault.format.capability import Capability
from vault.format.chunks import chunk_id, cut
from vault.format.claim import Claim
from vault.format.descriptor import Descriptor, FormatLimits, Trust
from vault.format.forget_note import ForgetNote, ForgottenSnapshot
from vault.format.mark import Mark
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Counts, Record, decode_record, decode_stored
from vault.format.tree import Tree
from vault.repository import pack_sealing

usual = settings(derandomize=True, deadline=None, max_examples=100)
deep = settings(derandomize=True, deadline=None, max_examples=5000)

KEY = bytes(range(32))
SNAPSHOT = "20260314t120000z-0011223344556677"
NAME = f"projects/{'a' * 32}/snapshots/{SNAPSHOT}"

ids = st.binary(min_size=32, max_size=32)
small = st.integers(0, (1 << 31) - 1)
counts = st.integers(0, (1 << 63) - 1)
words = st.text(max_size=12)
moments = st.datetimes(datetime(1000, 1, 1), datetime(9000, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
refs = st.lists(st.tuples(ids, st.integers(1, 1 << 24)), max_size=tree.MOST_IN_RECORD).map(tuple)
trees = st.builds(Tree, st.integers(0, tree.DEEPEST), st.integers(0, tree.LONGEST), refs)
records = st.builds(
    Record,
    id=st.just(SNAPSHOT),
    source=words,
    kind=words,
    taken_at=moments,
    finished_at=moments,
    host=words,
    writer=words,
    parents=st.lists(words, max_size=3).map(tuple),
    manifest=trees,
    packs=trees,
    own_packs=st.lists(ids, max_size=3).map(tuple),
    counts=st.builds(Counts, *[counts] * len(Counts.__struct_fields__)),
    problems=st.lists(st.dictionaries(words, words, max_size=3), max_size=3).map(tuple),
)
forgotten = st.builds(ForgottenSnapshot, words, words, moments, st.lists(words, max_size=3).map(tuple))
claims = st.builds(Claim, words, words, words, words, moments, moments, words, counts, counts)


@usual
@given(record=records)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    stored = envelope.encode(record.as_json(), KEY, NAME, "a" * 32)
    assert decode_record(envelope.decode(stored, KEY, NAME, "a" * 32, "it"), SNAPSHOT) == record


@usual
@given(claim=claims)
def test_a_claim_is_read_as_it_was_written(claim: Claim) -> None:
    stored = envelope.encode(claim.as_json(), KEY, NAME, "a" * 32)
    assert Claim.from_json(envelope.decode(stored, KEY, NAME, "a" * 32, "it")) == claim


@usual
@given(mark=st.builds(Mark, words, st.lists(ids, max_size=5).map(tuple), words, moments))
def test_a_mark_is_read_as_it_was_written(mark: Mark) -> None:
    stored = envelope.encode(mark.as_json(), KEY, NAME, "a" * 32)
    assert Mark.from_json(envelope.decode(stored, KEY, NAME, "a" * 32, "it"), mark.id) == mark


@usual
@given(note=st.builds(ForgetNote, words, st.lists(forgotten, max_size=3).map(tuple), words, words, moments))
def test_a_note_of_forgotten_snapshots_is_read_as_it_was_written(note: ForgetNote) -> None:
    stored = envelope.encode(note.as_json(), KEY, NAME, "a" * 32)
    assert ForgetNote.from_json(envelope.decode(stored, KEY, NAME, "a" * 32, "it"), note.id) == note


def is_no_circle(packs: dict[bytes, tuple[bytes, ...]]) -> bool:
    return not packs.keys() & {new for targets in packs.values() for new in targets}


@usual
@given(packs=st.dictionaries(ids, st.lists(ids, max_size=3).map(tuple), max_size=3).filter(is_no_circle))
def test_a_record_of_moved_packs_is_read_as_it_was_written(packs: dict[bytes, tuple[bytes, ...]]) -> None:
    stored = envelope.encode(MovedPacks(SNAPSHOT, packs).as_json(), KEY, NAME, "a" * 32)
    assert decode_stored(envelope.decode(stored, KEY, NAME, "a" * 32, "it"), SNAPSHOT) == MovedPacks(SNAPSHOT, packs)


@usual
@given(record=records, key=ids, name=words, of=words, place=st.integers(0, 1 << 20), bit=st.integers(0, 7))
def test_a_record_of_another_key_name_or_project_or_with_a_flipped_bit_is_refused(
    record: Record, key: bytes, name: str, of: str, place: int, bit: int
) -> None:
    stored = envelope.encode(record.as_json(), KEY, NAME, "a" * 32)
    spoilt = bytearray(stored)
    spoilt[place % len(spoilt)] ^= 1 << bit
    for data, its_key, its_name, its_project in (
        (stored, key, NAME, "a" * 32),
        (stored, KEY, name, "a" * 32),
        (stored, KEY, NAME, of),
        (bytes(spoilt), KEY, NAME, "a" * 32),
    ):
        if (data, its_key, its_name, its_project) != (stored, KEY, NAME, "a" * 32):
            with pytest.raises(Damaged):
                envelope.decode(data, its_key, its_name, its_project, "it")


@usual
@given(
    repository=st.binary(min_size=16, max_size=16),
    created=moments,
    limit=st.integers(1, 48 << 20),
    trust=st.builds(Trust, st.booleans(), st.sampled_from(["sha256", "md5", "both"])),
)
def test_a_descriptor_is_read_as_it_was_written(repository: bytes, created: datetime, limit: int, trust: Trust) -> None:
    descriptor = Descriptor(repository.hex(), created, TINY, TINY, FormatLimits(limit), trust)
    assert Descriptor.decode(descriptor.encode()) == descriptor


@usual
@given(seed=st.integers(0, 20), name=st.text(max_size=200), reading=st.booleans())
def test_a_capability_is_read_as_it_was_written(*, seed: int, name: str, reading: bool) -> None:
    whole = Capability.generate("5" * 32, "b" * 32, name, SeededChance(seed))
    capability = whole if reading else whole.without_reading()
    again = Capability.decode(capability.encode())
    assert again.encode() == capability.encode()
    assert again.kind == ("read" if reading else "write")
    assert again.chunk_id_key == whole.chunk_id_key


@usual
@given(plain=st.binary(max_size=5000) | st.builds(bytes, st.integers(0, 200_000)))
def test_expanding_undoes_compressing(plain: bytes) -> None:
    frame = frames.Compressor().frame(plain)
    assert frames.Expander().expand(frame, len(plain)) == plain
    for wrong in {len(plain) + 1, max(0, len(plain) - 1)} - {len(plain)}:
        with pytest.raises(Damaged):
            frames.Expander().expand(frame, wrong)


@usual
@given(contents=st.lists(st.binary(max_size=500), max_size=12), dictionary=st.none() | ids)
def test_a_pack_tells_what_it_holds(contents: list[bytes], dictionary: bytes | None) -> None:
    builder, compressor, expander = pack.PackBuilder(dictionary), frames.Compressor(), frames.Expander()
    for content in contents:
        builder.add(chunk_id(KEY, content), compressor.frame(content), len(content))
    written = builder.finish()
    table = pack.read_contents(builder.plain)
    assert table.equals(written)
    for content, row in zip(contents, table.to_pylist(), strict=True):
        assert row["chunk"] == chunk_id(KEY, content)
        assert row["dictionary"] == dictionary
        assert expander.expand(builder.plain[row["offset"] : row["offset"] + row["stored"]], row["plain"]) == content


def test_a_pack_that_changed_while_it_was_sealed_is_not_stored() -> None:
    from vault import age

    builder = pack.PackBuilder()
    builder.add(chunk_id(KEY, b"something else"), frames.Compressor().frame(b"content"), len(b"content"))
    builder.finish()
    start = age.FileStart.new([identity().recipient], SeededChance("seal"))
    unsealed = pack_sealing.UnsealedPack.of(builder, start, pack_sealing.no_dictionary)
    with pytest.raises(Damaged):
        pack_sealing.OwnSealer().seal(unsealed, KEY)


def segment_of(rows: int) -> pa.Table:
    """A segment that makes sense."""
    columns = {
        "chunk": [bytes([row]) * 32 for row in range(rows)],
        "pack": [bytes([row // 3]) * 32 for row in range(rows)],
        "tier": [row % 2 for row in range(rows)],
        "pack_size": [50_000 + row for row in range(rows)],
        "offset": [row * 100 for row in range(rows)],
        "stored": [90 + row for row in range(rows)],
        "plain": [300 + row for row in range(rows)],
        "dictionary": [None if row % 2 else bytes([row]) * 32 for row in range(rows)],
    }
    return pa.table(columns, schema=index.schema())


@usual
@given(rows=st.integers(0, 60))
def test_an_index_segment_is_read_as_it_was_written(rows: int) -> None:
    data = index.encode(segment_of(rows), bytes(index.NONCE_SIZE))
    assert index.decode(data, KEY, index.name(data, KEY)).equals(segment_of(rows))
    with pytest.raises(Damaged):
        index.decode(data, bytes(32), index.name(data, KEY))


def test_no_two_segments_have_one_name_though_they_say_the_same() -> None:
    one, other = (index.encode(segment_of(3), bytes([number]) * index.NONCE_SIZE) for number in (1, 2))
    assert index.name(one, KEY) != index.name(other, KEY)


WRONG_ROWS = {
    "tier": [2, 255],
    "pack_size": [-1, 0, (1 << 31) - 1],
    "offset": [-1],
    "stored": [-1, 0],
    "plain": [-1, (1 << 31) - 1],
}


@pytest.mark.parametrize(("column", "value"), [(name, value) for name, values in WRONG_ROWS.items() for value in values])
def test_an_index_segment_that_makes_no_sense_is_refused(column: str, value: int) -> None:
    table = segment_of(3)
    place = table.schema.get_field_index(column)
    values = pa.array([*table[column].to_pylist()[:2], value], table.schema.field(column).type)
    wrong = table.set_column(place, table.schema.field(place), values)
    with pytest.raises(Unstorable):
        index.encode(wrong, bytes(index.NONCE_SIZE))
    data = bytes(parquet.write(wrong))
    with pytest.raises(Damaged, match="an invalid value"):
        index.decode(data, KEY, index.name(data, KEY))


@usual
@given(data=st.binary(max_size=60_000) | st.builds(lambda seed: SeededChance(seed).token(50_000), st.integers(0, 9)))
def test_long_data_in_a_tree_comes_back(data: bytes) -> None:
    kept: dict[bytes, bytes] = {}

    def store(content: bytes | bytearray | memoryview) -> list[tuple[bytes, int]]:
        pieces = [bytes(piece) for piece in cut(TINY.cutter(), content)]
        kept.update((chunk_id(KEY, piece), piece) for piece in pieces)
        return [(chunk_id(KEY, piece), len(piece)) for piece in pieces]

    def fetch(wanted: list[tuple[bytes, int]]) -> list[bytes]:
        return [kept[chunk] for chunk, _ in wanted]

    root = tree.build(data, store)
    assert len(root.chunks) <= tree.MOST_IN_RECORD
    assert (
        tree.read(Tree.from_json(strict_json.load(strict_json.dump(root.as_json()), "it", largest=9999), "it"), fetch, "it")
        == data
    )
    assert {chunk for chunk, _ in tree.reachable(root, fetch, "it")} == kept.keys()
    if data:
        with pytest.raises(Damaged):
            tree.read(replace(root, length=root.length + 1), fetch, "it")


@usual
@given(moment=moments, token=st.binary(min_size=8, max_size=8))
def test_ids_are_recognised_and_lead_to_names_that_every_store_holds(moment: datetime, token: bytes) -> None:
    from vault.storage.object_names import is_name

    snapshot = layout.snapshot_id(moment, token)
    assert layout.is_snapshot_id(snapshot)
    assert is_name(layout.snapshot_name("a" * 32, snapshot))
    assert layout.pack_sha256(layout.pack_name("a" * 32, layout.META_TIER, KEY)) == KEY
    assert layout.pack_sha256(layout.claim_name("a" * 32, snapshot)) is None
