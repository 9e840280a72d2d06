"""What an encoder accepts, its decoder accepts; what would pass a bound is refused before it is stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.chance import SeededChance
from vault.errors import Damaged, Unstorable
from vault.format import envelope, index, manifest, pack, parquet, record, strict_json, tree
from vault.format.descriptor import LARGEST_PACK
from vault.format.record import Counts, Record
from vault.format.tree import ChunkRef, Tree
from vault.problems import Problem

usual = settings(deadline=None)
KEY, NAME, PROJECT = b"k" * 32, "projects/x/snapshots/y", "a" * 32
NOW = datetime(2026, 3, 14, tzinfo=UTC)
RECORD = Record(
    id="20260314t000000z-0123456789abcdef",
    source="files",
    kind="reports",
    taken_at=NOW,
    finished_at=NOW,
    host="here",
    writer="strongroom",
    parents=(),
    manifest=Tree(0, 0, ()),
    packs=Tree(0, 0, ()),
    own_packs=(),
    counts=Counts(*range(10)),
)

paths = st.binary(max_size=4096) | st.integers(0, 255).map(lambda byte: bytes([byte]) * 4096)
problems = st.builds(
    Problem, paths, st.text(max_size=20), st.text(max_size=100) | st.text(max_size=5).map(lambda text: text * 9000)
)


def reread(one: Record) -> Record | None:
    stored = envelope.encode(one.as_json(), KEY, NAME, PROJECT)
    return record.read_record(envelope.decode(stored, KEY, NAME, PROJECT, "it"), one.id)


@usual
@given(found=st.lists(problems, max_size=12), times=st.integers(1, 40))
def test_a_record_with_any_problems_is_read_again(found: list[Problem], times: int) -> None:
    one = replace(RECORD, problems=record.told(found * times))
    record.refuse_unreadable(one)
    assert reread(one) == one
    assert len(one.problems) <= record.MOST_PROBLEMS
    assert bool(one.problems) == bool(found)


@pytest.mark.parametrize("byte", [0, 1, 0x1B, 0x7F, 0x80, 0xFF])
def test_names_of_control_characters_do_not_fill_a_record(byte: int) -> None:
    found = [Problem(bytes([byte]) * 4096, "unreadable", "it cannot be read: " + "\x00" * 4096) for _ in range(5000)]
    one = replace(RECORD, problems=record.told(found))
    assert reread(one) == one
    assert len(envelope.encode(one.as_json(), KEY, NAME, PROJECT)) < envelope.LARGEST // 4
    assert one.problems[0]["path"].endswith("…")


@usual
@given(text=st.text(st.characters(categories=["Cs", "Cc", "Ll"]), max_size=20), packs=st.integers(0, 3))
def test_what_is_committed_as_a_record_can_be_read(text: str, packs: int) -> None:
    one = replace(RECORD, source=text, own_packs=(b"p" * 32,) * packs)
    try:
        record.refuse_unreadable(one)
    except Unstorable:
        with pytest.raises(UnicodeEncodeError):
            text.encode()
        with pytest.raises(Unstorable):
            envelope.encode(one.as_json(), KEY, NAME, PROJECT)
    else:
        assert reread(one) == one


def test_a_record_that_nobody_could_read_is_refused() -> None:
    one = replace(RECORD, own_packs=(b"p" * 32,) * 70_000)
    with pytest.raises(Unstorable):
        record.refuse_unreadable(one)
    with pytest.raises(Unstorable):
        envelope.encode(one.as_json(), KEY, NAME, PROJECT)


numbers = st.integers(-(1 << 31), (1 << 31) - 1) | st.sampled_from([0, 1, LARGEST_PACK, pack.LARGEST_FRAME])


@usual
@given(tier=st.integers(0, 255) | st.integers(0, 1), row=st.tuples(numbers, numbers, numbers, numbers))
def test_a_segment_that_is_written_can_be_read(tier: int, row: tuple[int, int, int, int]) -> None:
    values = [b"c" * 32, b"p" * 32, tier, *row, None]
    table = pa.Table.from_arrays(
        [pa.array([value], kind.type) for value, kind in zip(values, index.schema(), strict=True)], schema=index.schema()
    )
    try:
        data = index.encode(table, bytes(index.NONCE_SIZE))
    except Unstorable:
        data = bytes(parquet.write(table))
        with pytest.raises(Damaged):
            index.decode(data, KEY, index.name(data, KEY))
    else:
        assert index.decode(data, KEY, index.name(data, KEY)) == table


@usual
@given(count=st.integers(0, 6), plain=st.integers(0, 20))
def test_a_pack_that_is_made_can_be_read(count: int, plain: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack, "MOST_CHUNKS", 4)
        patch.setattr(pack, "LARGEST_CHUNK", 16)
        builder = pack.PackBuilder()
        for number in range(count):
            builder.add(bytes([number]) * 32, b"frame", plain)
        try:
            contents = builder.finish()
        except Unstorable:
            assert count > 4 or plain > 16
        else:
            assert count <= 4
            assert plain <= 16 or not count
            assert pack.read_contents(builder.plain) == contents


@usual
@given(size=st.integers(0, 4000), longest=st.integers(0, 4000), deepest=st.integers(0, 3))
def test_a_tree_that_is_built_can_be_read(size: int, longest: int, deepest: int) -> None:
    kept: dict[bytes, bytes] = {}

    def store(data: tree.Buffer) -> list[ChunkRef]:
        parts = [bytes(data[start : start + 120]) for start in range(0, len(data), 120)]
        refs = [(len(kept).to_bytes(32, "big"), len(part)) for part in parts]
        for number, part in enumerate(parts):
            refs[number] = ((len(kept)).to_bytes(32, "big"), len(part))
            kept[refs[number][0]] = part
        return refs

    data = SeededChance(str(size)).token(size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "LONGEST", longest)
        patch.setattr(tree, "DEEPEST", deepest)
        try:
            root = tree.build(data, store)
        except Unstorable:
            assert size > longest or size > 120 * tree.MOST_IN_RECORD
        else:
            again = Tree.from_json(strict_json.load(strict_json.dump(root.as_json()), "it", largest=1 << 20), "it")
            assert tree.read(again, lambda refs: [kept[chunk] for chunk, _ in refs], "it") == data


def test_a_manifest_of_too_many_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "MOST_ROWS", 2)
    kinds = manifest.schema()
    blank = {"binary": b"", "string": "", "timestamp[us, tz=UTC]": NOW}
    row = {one.name: None if one.nullable else blank.get(str(one.type), 0) for one in kinds} | {"type": "file"}
    for count in (2, 3):
        table = pa.Table.from_pylist([row] * count, schema=kinds)
        if count == 2:
            assert manifest.decode(manifest.encode(table)).num_rows == count
        else:
            with pytest.raises(Unstorable):
                manifest.encode(table)


def test_a_small_forged_segment_with_a_million_rows_is_refused_before_it_is_expanded() -> None:
    """Whoever may write could otherwise make every reader take two gigabytes for a few kilobytes."""
    count = 1_000_000
    values = [b"c" * 32, b"p" * 32, 0, 100, 0, 10, 10, None]
    columns = [pa.repeat(pa.scalar(value, kind.type), count) for value, kind in zip(values, index.schema(), strict=True)]
    data = bytes(parquet.write(pa.Table.from_arrays(columns, schema=index.schema()), compression="zstd"))
    assert len(data) < 1_000_000
    before = pa.total_allocated_bytes()
    del columns
    with pytest.raises(Damaged, match="rows"):
        index.decode(data, KEY, index.name(data, KEY))
    with pytest.raises(Damaged, match="rows"):
        pack.decode_contents(data, 1000)
    assert pa.total_allocated_bytes() <= before


def test_a_file_that_expands_to_far_more_than_it_is_is_refused() -> None:
    table = pa.table({"path": pa.array([bytes(64 << 20)], pa.binary())})
    data = parquet.write(table, compression="zstd", use_dictionary=False)
    assert len(data) < 100_000
    with pytest.raises(Damaged, match="expands"):
        parquet.read(data, table.schema, "it", most_rows=10)
