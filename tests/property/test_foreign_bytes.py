"""Bytes that are not ours, offered as any stored object: nothing but our errors comes of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.property.test_formats import KEY, NAME, SNAPSHOT, segment_of
from tests.support.places import tiny_descriptor
from tests.support.randomness import SeededChance
from vault.age import HybridIdentity
from vault.errors import StrongroomError
from vault.format import envelope, frames, grant, index, key_object, layout, manifest, pack, strict_json, tree
from vault.format.capability import Capability
from vault.format.chunks import chunk_id
from vault.format.claim import Claim, Process
from vault.format.descriptor import Descriptor
from vault.format.epoch_keys import PendingEpoch
from vault.format.forget_note import ForgetNote, ForgottenSnapshot, GivenUpContent
from vault.format.granted_fields import GrantReference
from vault.format.log_entry import NAMESPACE, Actor, LogEntry, LoggedProject, Outcome
from vault.format.log_head import LogHead
from vault.format.log_stamp import LogStamp
from vault.format.mark import Mark
from vault.format.moved_packs import MovedPacks
from vault.format.principal import Principal, sign
from vault.format.settings_copy import SettingsCopy
from vault.format.snapshot_record import Counts, Record, decode_record, decode_stored
from vault.format.tree import Tree
from vault.repository.audit.draft import Draft, audiences

usual = settings(derandomize=True, deadline=None, max_examples=100)
deep = settings(derandomize=True, deadline=None, max_examples=5000)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@cache
def capability() -> Capability:
    """The secrets of a project."""
    return Capability.generate("5" * 32, "a" * 32, "acme", SeededChance("foreign"))


def settings_copy() -> SettingsCopy:
    moment = datetime(2026, 3, 14, tzinfo=UTC)
    return SettingsCopy("5" * 32, SNAPSHOT, "h", "/etc/s.toml", moment, "w", ("age1pq1x",), "[projects.acme]\n")


COPY_NAME = f"settings/{'c' * 32}/{SNAPSHOT}"
COPY_KEYS = {"a" * 32: KEY}


def copy_of(value: dict[str, Any]) -> object:
    """A copy of settings whose tag is right, whatever its first line says."""
    body = strict_json.dump(value)
    tags = {"tags": {"a" * 32: envelope.tag(body, KEY, COPY_NAME, "a" * 32).hex()}}
    return SettingsCopy.decode(body + b"\n" + strict_json.dump(tags) + b"\n", COPY_NAME, COPY_KEYS, "5" * 32)


ENTRY_ID = layout.entry_id(7, "0123456789abcdef")


@cache
def operator() -> HybridIdentity:
    return HybridIdentity.generate(SeededChance("operator"))


def log_entry() -> LogEntry:
    moment, key = datetime(2026, 3, 14, tzinfo=UTC), Principal.of(operator()).signing_key or b""
    about, outcome = (LoggedProject("a" * 32, "acme"),), Outcome("ok", 0, moment, {"files": 1}, ({"source": "s"},), "")
    who = Actor("u", "h", "p")
    return LogEntry(ENTRY_ID, "5" * 32, "c" * 32, "ab" * 32, key, moment, "backup", "done", who, about, {"x": [1]}, outcome)


def signed_entry(value: dict[str, Any]) -> object:
    """An entry of the log whose signature is right, whatever its first line says."""
    body = strict_json.dump(value) + b"\n"
    data = body + sign(operator(), body, NAMESPACE).encode()
    return LogEntry.decode(data, "c" * 32, ENTRY_ID, "5" * 32)


def log_stamp() -> LogStamp:
    head = LogHead("c" * 32, 7, "ab" * 32)
    return LogStamp(ENTRY_ID, "5" * 32, head, datetime(2026, 3, 14, tzinfo=UTC), "https://tsa", b"x")


def draft() -> Draft:
    entry, about = log_entry(), audiences([(LoggedProject("a" * 32, "acme"), operator().recipient)])
    process = Process("m", "b", "n", 1, 2)
    return Draft(entry.run, entry.action, entry.at, entry.who, about, entry.what, process, 1, entry.outcome)


def statements() -> dict[str, dict[str, Any]]:
    """A grant, a revocation and an epoch, signed."""
    me = HybridIdentity.generate(SeededChance("statements"))
    moment, own = datetime(2026, 3, 14, tzinfo=UTC), Principal.of(me)
    by, ids = grant.Signer("anna", own.signing_key or b""), ("5" * 32, "a" * 32, "c" * 32)
    keys = (me.recipient,) * 3
    return {
        "grant": grant.signed(grant.Grant(*ids, "anna", own, ("read",), by, moment, moment), me).as_json(),
        "revocation": grant.signed(grant.Revocation(*ids, "d" * 32, "r", ("e" * 32,), by, moment), me).as_json(),
        "epoch": grant.signed(grant.EpochStatement(*ids, 2, *keys, by, moment), me).as_json(),
    }


def granted_capability() -> Capability:
    """With everything that a key object may hold."""
    moment, chance = datetime(2026, 3, 14, tzinfo=UTC), SeededChance("granted")
    first = replace(capability(), pending=PendingEpoch.generate(2, chance))
    second = replace(first.next_epoch(moment), pending=PendingEpoch.generate(3, chance))
    reference = GrantReference("c" * 32, "anna", moment)
    return replace(second, rights=("read", "audit"), grant=reference, descriptors=(bytes(32), bytes(32)))


@cache
def valid_json() -> dict[str, dict[str, Any]]:
    """One of each object that is JSON, as its writer makes it."""
    moment = datetime(2026, 3, 14, tzinfo=UTC)
    root = Tree(1, 40, ((bytes(32), 30), (bytes(32), 10)))
    numbers = Counts(*range(len(Counts.__struct_fields__)))
    record = Record(SNAPSHOT, "s", "k", moment, moment, "h", "w", ("p",), root, root, (bytes(32),), numbers, ({"path": "x"},))
    claim = Claim(SNAPSHOT, "s", "h", "w", moment, moment, "n", 1, 2)
    return {
        "descriptor": strict_json.load(tiny_descriptor().encode(), "it", largest=9999),
        "capability": strict_json.load(capability().encode(), "it", largest=99_999),
        "record": record.as_json(),
        "claim": claim.as_json(),
        "mark": {"record": "mark", "packs": ["00" * 32]},
        "note": ForgetNote("b" * 32, (ForgottenSnapshot(SNAPSHOT, "s", moment, ("p",)),), "r", "h", moment).as_json(),
        "giving up": ForgetNote("b" * 32, (), "r", "h", moment, contents=(GivenUpContent(bytes(32), "s", "p"),)).as_json(),
        "moved": MovedPacks(SNAPSHOT, {bytes(32): (bytes(32),)}).as_json(),
        **statements(),
        "key object": strict_json.load(granted_capability().encode(), "it", largest=99_999),
        "settings": strict_json.load(settings_copy().encode(COPY_NAME, {}).split(b"\n")[0], "it", largest=9999),
        "log entry": log_entry().as_json(),
        "log stamp": strict_json.load(log_stamp().encode(), "it", largest=9999),
        "log draft": strict_json.load(draft().encode(), "it", largest=9999),
    }


JSON_READERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "descriptor": lambda value: Descriptor.decode(strict_json.dump(value)),
    "capability": lambda value: Capability.decode(strict_json.dump(value)),
    "record": lambda value: decode_record(value, SNAPSHOT),
    "claim": Claim.from_json,
    "mark": lambda value: Mark.from_json(value, "a" * 32),
    "note": lambda value: ForgetNote.from_json(value, "b" * 32),
    "giving up": lambda value: ForgetNote.from_json(value, "b" * 32),
    "moved": lambda value: decode_stored(value, SNAPSHOT),
    "settings": copy_of,
    "log entry": signed_entry,
    "log stamp": lambda value: LogStamp.decode(strict_json.dump(value), "c" * 32, ENTRY_ID, "5" * 32),
    "log draft": lambda value: Draft.decode(strict_json.dump(value)),
}


def places_in(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, one in inner for path in places_in(one, (*here, key)))]


def with_other(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """The same, with something else at one place."""
    if not path:
        return other
    if isinstance(value, dict):
        return {key: with_other(one, path[1:], other) if key == path[0] else one for key, one in value.items()}
    return [with_other(one, path[1:], other) if key == path[0] else one for key, one in enumerate(value)]


def only_ours(action: Callable[[], object]) -> None:
    """It may succeed; if it fails, then with one of our errors."""
    try:
        action()
    except StrongroomError:
        return


def mutate_json(sort: str, place: int, other: Any) -> None:
    value = valid_json()[sort]
    paths = places_in(value)[1:]
    only_ours(lambda: JSON_READERS[sort](with_other(value, paths[place % len(paths)], other)))


@pytest.mark.parametrize("sort", JSON_READERS)
@usual
@example(place=1, other=[{}])  # the features of a descriptor
@given(place=st.integers(0, 200), other=json_values)
def test_json_with_one_odd_value_raises_only_our_errors(sort: str, place: int, other: Any) -> None:
    mutate_json(sort, place, other)


@pytest.mark.slow
@pytest.mark.parametrize("sort", JSON_READERS)
@deep
@given(place=st.integers(0, 200), other=json_values)
def test_json_with_one_odd_value_raises_only_our_errors_at_depth(sort: str, place: int, other: Any) -> None:
    mutate_json(sort, place, other)


@cache
def valid_bytes() -> dict[str, bytes]:
    """One of each object that has a parser of bytes."""
    builder = pack.PackBuilder()
    for number in range(5):
        content = SeededChance(number).token(100)
        builder.add(chunk_id(KEY, content), frames.Compressor().frame(content), 100)
    builder.finish()
    row = {name: [None] for name in manifest.schema().names} | ODD_ROW
    return {
        "descriptor": tiny_descriptor().encode(),
        "capability": capability().encode(),
        "envelope": envelope.encode({"record": "claim"}, KEY, NAME, "a" * 32),
        "settings": settings_copy().encode(COPY_NAME, COPY_KEYS),
        "index": index.encode(segment_of(30), bytes(index.NONCE_SIZE)),
        "pack": bytes(builder.plain),
        "manifest": bytes(manifest.encode(pa.table(row, schema=manifest.schema()))),
        "frame": frames.Compressor().frame(bytes(range(256)) * 4),
        "list": b"".join(b"%s %d\n" % (b"ab" * 32, number) for number in range(1, 4)),
        "dictionary": SeededChance("dictionary").token(300),
    }


ODD_ROW: dict[str, list[Any]] = {
    **{name: [1] for name in ("size", "mtime", "mtime_nanos", "ctime_ns", "inode", "mode", "uid", "gid", "link_group")},
    **{name: ["word"] for name in ("source", "kind", "owner", "group", "format")},
    "path": [b"reports/a"],
    "type": ["file"],
    "xattrs": [[{"name": b"user.x", "value": b"y"}]],
    "blake3": [bytes(32)],
    "seen_at": [datetime(2026, 3, 14, tzinfo=UTC)],
    "chunks": [[{"id": bytes(32), "length": 1}]],
}

BYTE_READERS: dict[str, Callable[[bytes], object]] = {
    "descriptor": Descriptor.decode,
    "capability": Capability.decode,
    "envelope": lambda data: envelope.decode(data, KEY, NAME, "a" * 32, "it"),
    "settings": lambda data: SettingsCopy.decode(data, COPY_NAME, COPY_KEYS, "5" * 32),
    "index": lambda data: index.decode(data, KEY, index.name(data, KEY)).to_pylist(),
    "pack": lambda data: pack.read_contents(data).to_pylist(),
    "manifest": lambda data: manifest.decode(data).to_pylist(),
    "frame": lambda data: frames.Expander().expand(data, 1024),
    "list": lambda data: tree.read(Tree(1, 9, ((bytes(32), 9),)), lambda refs: [data] * len(refs), "it"),
    "dictionary": frames.dictionary,
}


def mutate_bytes(sort: str, edits: list[tuple[int, int]], cut_off: int) -> None:
    data = bytearray(valid_bytes()[sort])
    for place, value in edits:
        data[-1 - place % len(data)] ^= value
    only_ours(lambda: BYTE_READERS[sort](bytes(data[: len(data) - cut_off])))


edits = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 255)), max_size=3)


@pytest.mark.parametrize("sort", BYTE_READERS)
@usual
@given(data=st.binary(max_size=2000))
def test_arbitrary_bytes_raise_only_our_errors(sort: str, data: bytes) -> None:
    only_ours(lambda: BYTE_READERS[sort](data))


@pytest.mark.parametrize("sort", BYTE_READERS)
@usual
@given(edits=edits, cut_off=st.integers(0, 3))
def test_bytes_that_are_nearly_right_raise_only_our_errors(sort: str, edits: list[tuple[int, int]], cut_off: int) -> None:
    mutate_bytes(sort, edits, cut_off)


@pytest.mark.slow
@pytest.mark.parametrize("sort", BYTE_READERS)
@deep
@given(edits=edits, cut_off=st.integers(0, 3))
def test_bytes_that_are_nearly_right_raise_only_our_errors_at_depth(
    sort: str, edits: list[tuple[int, int]], cut_off: int
) -> None:
    mutate_bytes(sort, edits, cut_off)


def test_a_key_object_and_statements_are_read_as_they_were_written() -> None:
    """Whatever would pass a bound is refused before it is stored."""
    made = granted_capability()
    again = key_object.decode(made.encode())
    assert isinstance(again, Capability) and again.encode() == made.encode() and again.fingerprint == made.fingerprint
    for name, value in statements().items():
        assert grant.read(value, "c" * 32).as_json() == value, name
    with pytest.raises(StrongroomError):
        replace(made, former=made.former * 200).encode()
