"""What an encoder accepts, its decoder accepts; what would pass a bound is refused before it is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.places import identity, made_on
from tests.support.randomness import SeededChance
from vault import age
from vault.age import HybridIdentity
from vault.errors import Damaged, Unstorable, UnsupportedFormat
from vault.format import envelope, hold, index, layout, manifest, pack, parquet, snapshot_record, strict_json, tree
from vault.format.capability import Capability
from vault.format.chunks import ChunkerParams
from vault.format.claim import Eviction
from vault.format.descriptor import LARGEST_PACK, Descriptor, FormatLimits
from vault.format.forget_note import ForgetNote, ForgottenSnapshot, GivenUpContent
from vault.format.hold import HeldPeriod, Hold, Release, Scope
from vault.format.log_entry import MOST_PROJECTS, Actor, LogEntry, LoggedProject, Outcome
from vault.format.log_entry import NAMESPACE as LOG
from vault.format.log_head import LogHead
from vault.format.mark import MAX_PACKS_IN_MARK, Mark
from vault.format.moved_packs import MovedPacks
from vault.format.principal import Principal, sign
from vault.format.settings_copy import LARGEST as LARGEST_COPY
from vault.format.settings_copy import MOST_RECIPIENTS, SettingsCopy
from vault.format.snapshot_record import Counts, Record
from vault.format.tree import ChunkRef, Tree
from vault.problems import Problem
from vault.repository.forget_notes import read_all as read_notes
from vault.repository.gc.forget import put_notes
from vault.storage.memory import MemoryStore

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
    return snapshot_record.decode_record(envelope.decode(stored, KEY, NAME, PROJECT, "it"), one.id)


@usual
@given(found=st.lists(problems, max_size=12), times=st.integers(1, 40))
def test_a_record_with_any_problems_is_read_again(found: list[Problem], times: int) -> None:
    one = replace(RECORD, problems=snapshot_record.recorded_problems(found * times))
    snapshot_record.verify_readable(one)
    assert reread(one) == one
    assert len(one.problems) <= snapshot_record.MAX_PROBLEMS
    assert bool(one.problems) == bool(found)


@pytest.mark.parametrize("byte", [0, 1, 0x1B, 0x7F, 0x80, 0xFF])
def test_names_of_control_characters_do_not_fill_a_record(byte: int) -> None:
    found = [Problem(bytes([byte]) * 4096, "unreadable", "it cannot be read: " + "\x00" * 4096) for _ in range(5000)]
    one = replace(RECORD, problems=snapshot_record.recorded_problems(found))
    assert reread(one) == one
    assert len(envelope.encode(one.as_json(), KEY, NAME, PROJECT)) < envelope.LARGEST // 4
    assert one.problems[0]["path"].endswith("…")


@usual
@given(text=st.text(st.characters(categories=["Cs", "Cc", "Ll"]), max_size=20), packs=st.integers(0, 3))
def test_what_is_committed_as_a_record_can_be_read(text: str, packs: int) -> None:
    one = replace(RECORD, source=text, own_packs=(b"p" * 32,) * packs)
    try:
        snapshot_record.verify_readable(one)
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
        snapshot_record.verify_readable(one)
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


texts = st.text(max_size=40) | st.text(st.characters(categories=["Cs", "Cc", "Lo"]), max_size=40)
hexes = st.binary(min_size=16, max_size=16).map(bytes.hex)
shas = st.binary(min_size=32, max_size=32)
ids = st.builds(
    layout.snapshot_id,
    st.datetimes(datetime(1000, 1, 1), datetime(9999, 1, 1)).map(lambda when: when.replace(tzinfo=UTC)),
    st.binary(min_size=8, max_size=8),
)
moments = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(lambda when: when.replace(tzinfo=UTC))
forgotten = st.builds(ForgottenSnapshot, ids, texts, moments, st.lists(ids, max_size=3).map(tuple))
given_up = st.builds(GivenUpContent, shas, texts, texts)
periods = st.builds(HeldPeriod, texts, st.none() | moments, st.none() | moments)
scopes = st.builds(Scope, st.none() | texts, st.none() | periods, st.none() | texts, st.none() | ids)
housekept = st.one_of(
    st.builds(Mark, hexes, st.lists(shas, max_size=3).map(tuple), texts, moments, st.lists(ids, max_size=3).map(tuple)),
    st.builds(ForgetNote, hexes, st.lists(forgotten, max_size=3).map(tuple), texts, texts, moments, texts),
    st.builds(ForgetNote, hexes, st.just(()), texts, texts, moments, texts, contents=st.lists(given_up, max_size=3).map(tuple)),
    st.builds(MovedPacks, ids, st.dictionaries(shas, st.lists(shas, max_size=3).map(tuple), max_size=3)),
    st.builds(Eviction, ids),
    st.builds(Hold, hexes, scopes, texts, texts, moments, st.none() | moments),
    st.builds(Release, hexes, hexes, texts, texts, moments),
)
Housekept = Mark | ForgetNote | MovedPacks | Eviction | Hold | Release


def read_housekept(value: dict[str, Any], one: Housekept) -> object:
    match one:
        case Mark():
            return Mark.from_json(value, one.id)
        case ForgetNote():
            return ForgetNote.from_json(value, one.id)
        case MovedPacks() | Eviction():
            return snapshot_record.decode_stored(value, one.id)
        case Hold() | Release():
            return hold.read(value, one.id)


@usual
@given(one=housekept)
def test_what_housekeeping_writes_it_reads_again(one: Housekept) -> None:
    try:
        stored = envelope.encode(one.as_json(), KEY, NAME, PROJECT)
    except Unstorable:
        with pytest.raises(UnicodeEncodeError):
            strict_json.dump(one.as_json())
        return
    value = envelope.decode(stored, KEY, NAME, PROJECT, "it")
    if isinstance(one, MovedPacks) and not {pack for new in one.packs.values() for pack in new}.isdisjoint(one.packs):
        with pytest.raises(Damaged):
            read_housekept(value, one)
    else:
        assert read_housekept(value, one) == one


def test_the_fullest_mark_can_be_read() -> None:
    packs = tuple(number.to_bytes(32, "big") for number in range(MAX_PACKS_IN_MARK))
    one = Mark("a" * 32, packs, "h" * 2000, NOW)
    assert (
        Mark.from_json(envelope.decode(envelope.encode(one.as_json(), KEY, NAME, PROJECT), KEY, NAME, PROJECT, "it"), one.id)
        == one
    )


@pytest.mark.parametrize(("count", "parents"), [(10_001, 1), (3_000, 60), (3, 30_000), (0, 0)])
def test_any_number_of_forgotten_snapshots_fits_into_notes(count: int, parents: int) -> None:
    project = made_on(MemoryStore())
    named = tuple(layout.snapshot_id(NOW, number.to_bytes(8, "big")) for number in range(max(count, parents)))
    gone = [ForgottenSnapshot(named[number], "s" * 100, NOW, named[:parents]) for number in range(count)]
    put_notes(project, gone, "r" * 2000, who="w" * 2000)
    found = read_notes(project)
    assert found.damaged == ()
    assert found.by_id == {one.id: one for one in gone}


OPERATOR = identity()
plain = st.none() | st.booleans() | st.integers(-(1 << 62), 1 << 62) | texts
values = st.dictionaries(texts, st.recursive(plain, lambda inner: st.lists(inner, max_size=3), max_leaves=4), max_size=3)
counts = st.dictionaries(texts, st.integers(0, 1 << 62), max_size=3)
outcomes = st.builds(
    Outcome,
    st.sampled_from(["ok", "problems", "refused", "failed", "interrupted"]),
    st.none() | st.integers(0, 255),
    st.none() | moments,
    counts,
    st.lists(values, max_size=2).map(tuple),
    texts,
)
logged = st.builds(
    LogEntry,
    id=st.builds(layout.entry_id, st.integers(1, layout.LAST_SEQUENCE), st.binary(min_size=8, max_size=8).map(bytes.hex)),
    repository=hexes,
    principal=hexes,
    before=st.none() | shas.map(bytes.hex),
    signing_key=st.just(Principal.of(OPERATOR).signing_key),
    at=moments,
    action=texts,
    phase=st.sampled_from(["intent", "outcome", "done"]),
    who=st.builds(Actor, texts, texts, texts, st.booleans()),
    projects=st.lists(st.builds(LoggedProject, texts, texts), max_size=MOST_PROJECTS + 1).map(tuple),
    what=values,
    outcome=st.none() | outcomes,
)


@usual
@given(one=logged)
def test_an_entry_of_the_log_that_is_written_can_be_read(one: LogEntry) -> None:
    try:
        data = one.encode(lambda body: sign(OPERATOR, body, LOG))
    except Unstorable:
        if len(one.projects) <= MOST_PROJECTS:
            with pytest.raises(UnicodeEncodeError):
                strict_json.dump(one.as_json())
    else:
        assert LogEntry.decode(data, one.principal, one.id, one.repository) == one


@usual
@given(head=st.none() | st.builds(LogHead, hexes, st.integers(1, layout.LAST_SEQUENCE), shas.map(bytes.hex)))
def test_the_head_of_a_log_in_a_record_is_read_again(head: LogHead | None) -> None:
    one = replace(RECORD, log=head)
    snapshot_record.verify_readable(one)
    assert reread(one) == one


CAPABILITY = Capability.generate("a" * 32, "b" * 32, "acme", SeededChance("capability"))


@usual
@given(name=texts | st.text(min_size=190, max_size=210), reads=st.booleans())
def test_a_capability_that_is_written_can_be_read(*, name: str, reads: bool) -> None:
    made = replace(CAPABILITY if reads else CAPABILITY.without_reading(), name=name)
    try:
        data = made.encode()
    except Unstorable:
        assert len(name) > 200 or any("\ud800" <= char <= "\udfff" for char in name)
    else:
        again = Capability.decode(data)
        assert (again.encode(), again.name, again.kind) == (data, name, made.kind)


@usual
@given(
    pack=st.integers(-1, 1 << 27),
    smallest=st.integers(0, 1 << 21),
    features=st.lists(texts, max_size=2),
    size=st.integers(0, 2),
)
def test_a_descriptor_that_is_written_can_be_read(pack: int, smallest: int, features: list[str], size: int) -> None:
    cutting = ChunkerParams(smallest, smallest * 4 + size, smallest * 16)
    made = Descriptor("a" * 32, NOW, content=cutting, limits=FormatLimits(pack), features=tuple(features))
    try:
        data = made.encode()
    except Unstorable:
        return
    if features:
        with pytest.raises(UnsupportedFormat):
            Descriptor.decode(data)
    else:
        assert Descriptor.decode(data) == made


def test_descriptors_of_the_usual_sizes_are_written() -> None:
    assert Descriptor.decode(Descriptor("a" * 32, NOW).encode()) == Descriptor("a" * 32, NOW)


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


COPY_NAME = f"settings/{'c' * 32}/{RECORD.id}"
COPY = SettingsCopy("5" * 32, RECORD.id, "here", "/etc/strongroom.toml", NOW, "strongroom", ("age1pq1x",), "")


@usual
@given(text=st.text(), host=st.text(), projects=st.lists(st.integers(0, 9), unique=True))
def test_a_copy_of_settings_comes_back_as_it_was_or_is_refused(text: str, host: str, projects: list[int]) -> None:
    keys = {str(number) * 32: bytes([number]) * 32 for number in projects}
    copy = replace(COPY, text=text, host=host)
    decoded = SettingsCopy.decode(copy.encode(COPY_NAME, keys), COPY_NAME, keys, COPY.repository)
    assert decoded == (copy, frozenset(keys))
    assert SettingsCopy.decode(copy.encode(COPY_NAME, keys), COPY_NAME, {}, COPY.repository).vouched == frozenset()


def test_a_copy_of_settings_at_the_bound_is_written_and_one_byte_more_is_not() -> None:
    room = LARGEST_COPY - len(COPY.encode(COPY_NAME, {}))
    fits = replace(COPY, text="x" * room)
    assert SettingsCopy.decode(fits.encode(COPY_NAME, {}), COPY_NAME, {}, COPY.repository).copy == fits
    with pytest.raises(Unstorable):
        replace(COPY, text="x" * (room + 1)).encode(COPY_NAME, {})
    with pytest.raises(Unstorable):
        replace(COPY, recipients=("age1pq1x",) * (MOST_RECIPIENTS + 1)).encode(COPY_NAME, {})
    with pytest.raises(Unstorable):
        replace(COPY, host="\udc80").encode(COPY_NAME, {})


def test_a_copy_of_settings_of_another_project_name_or_repository_is_refused() -> None:
    keys = {PROJECT: KEY}
    data = COPY.encode(COPY_NAME, keys)
    with pytest.raises(Damaged, match="not written with the keys"):
        SettingsCopy.decode(data, COPY_NAME, {PROJECT: b"o" * 32}, COPY.repository)
    with pytest.raises(Damaged, match="not written with the keys"):
        SettingsCopy.decode(data, COPY_NAME.replace("c" * 32, "d" * 32), keys, COPY.repository)
    with pytest.raises(Damaged, match="swapped"):
        SettingsCopy.decode(data, f"settings/{'c' * 32}/20270314t000000z-0123456789abcdef", {}, COPY.repository)
    with pytest.raises(Damaged, match="another repository"):
        SettingsCopy.decode(data, COPY_NAME, keys, "6" * 32)


def test_an_age_header_has_room_for_the_most_recipients_of_a_copy() -> None:
    recipients = [HybridIdentity.generate(SeededChance(number)).recipient for number in range(MOST_RECIPIENTS)]
    sealed = age.seal(b"x", recipients, SeededChance("seal"))
    assert bytes(sealed.reopen()) == b"x"
