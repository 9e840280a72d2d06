"""Things given into sinks: what is damaged or gone costs itself alone, and is told; nothing half is ever given."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, BinaryIO, cast
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from restore.execution.ordered_reader import HeldContent
from restore.local_fs import Attributes, Target
from restore.outputs.archive_file import whole_file
from restore.outputs.conflict_guard import ConflictGuard, KeptCounts
from restore.outputs.conversion import Conversion
from restore.outputs.folder_sink import FolderSink
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.sink import OutputEntry, OutputSink
from restore.outputs.stream_sink import StreamSink
from restore.outputs.tar_sink import tar_sink
from restore.outputs.write_items import OutputOptions, OutputReport, write_items
from restore.outputs.zip_sink import NOT_COMPRESSED, zip_sink
from restore.planning.chunk_locations import locate
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.destination import EmptyDestination
from restore.planning.plan import RestorePlan, make_plan
from restore.selection.select import ItemQuery, select
from tests.support.coverage_notes import not_covered
from tests.support.places import TODAY, back_up, made_on
from tests.support.trees import contents, look_at, text, write_tree
from vault.errors import Damaged, TargetError, UsageError
from vault.format import layout
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

UTC = ZoneInfo("UTC")
Opened = Callable[[io.BytesIO], AbstractContextManager[OutputSink]]
SINKS: dict[str, Opened] = {"tar": lambda out: tar_sink(out, "none"), "zip": lambda out: zip_sink(out, UTC)}


class Shop:
    """Three files in packs of their own, in a store that can be hurt."""

    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore()
        self.project: Project = made_on(self.store)
        self.source = folder / "source"
        for name in ("a.csv", "b.csv", "c.csv"):
            write_tree(self.source, {name: b"id,text\n1," + text(name, 3000) + b"\n"})
            back_up(self.project, self.source)

    def back_up(self) -> None:
        back_up(self.project, self.source)

    def plan(self, *patterns: str) -> RestorePlan:
        return make_plan(select(self.project, ItemQuery(patterns=patterns)), EmptyDestination(), ConflictPolicy.REFUSE, TODAY)

    def pack_of(self, path: str) -> str:
        one = select(self.project, ItemQuery(patterns=(path,)))
        pack = locate(one.table, one.index)["pack"][0].as_py()
        return layout.pack_name(self.project.id, layout.CONTENT_TIER, pack)

    def damage(self, path: str) -> None:
        name = self.pack_of(path)
        data = bytearray(self.store.get(name))
        for at in range(len(data) // 3, len(data)):
            data[at] ^= 1
        self.store.put(name, bytes(data))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir(mode=0o700)
    return tmp_path / "room"


def names_in(data: bytes) -> list[str]:
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as zipped:
            assert zipped.testzip() is None
            return zipped.namelist()
    with tarfile.open(fileobj=io.BytesIO(data)) as tarred:
        return tarred.getnames()


def given(plan: RestorePlan, opened: Opened, giving: OutputOptions) -> tuple[OutputReport, bytes]:
    out = io.BytesIO()
    with opened(out) as sink:
        outcome = write_items(plan, sink, giving)
    return outcome, out.getvalue()


@pytest.mark.parametrize("opened", SINKS.values(), ids=SINKS.keys())
def test_a_damaged_item_is_left_out_of_an_archive_and_told(shop: Shop, room: Path, opened: Opened) -> None:
    plan = shop.plan()
    shop.damage("reports/b.csv")
    outcome, data = given(plan, opened, OutputOptions(room))
    assert [(one.path, one.what) for one in outcome.report.problems] == [(b"reports/b.csv", "damaged")]
    assert [name for name in names_in(data) if name.endswith(".csv")] == ["reports/a.csv", "reports/c.csv"]
    assert outcome.report.files == 2 and list(room.iterdir()) == []


@pytest.mark.parametrize("opened", SINKS.values(), ids=SINKS.keys())
def test_what_is_missing_is_refused_or_given_up_but_never_given_as_zeros(shop: Shop, room: Path, opened: Opened) -> None:
    shop.store.delete(shop.pack_of("reports/b.csv"))
    plan = shop.plan()
    with pytest.raises(Damaged, match="1 item cannot be restored"):
        given(plan, opened, OutputOptions(room))
    outcome, data = given(plan.without_missing(), opened, OutputOptions(room))
    assert [one.path for one in outcome.report.problems] == [b"reports/b.csv"]
    assert "reports/b.csv" not in names_in(data) and "reports/c.csv" in names_in(data)


def test_a_damaged_file_costs_a_merged_table_its_own_rows_alone(shop: Shop, room: Path) -> None:
    plan = shop.plan("reports/*.csv")
    shop.damage("reports/b.csv")
    out = io.BytesIO()
    outcome = write_items(plan, StreamSink(out), OutputOptions(room, Conversion("csv"), b"all.csv"))
    assert [one.path for one in outcome.report.problems] == [b"reports/b.csv"]
    lines = out.getvalue().decode().splitlines()
    assert [line.rpartition(",")[2] for line in lines] == ["source", "reports/a.csv", "reports/c.csv"]
    assert list(room.iterdir()) == []


def test_a_stream_takes_one_file_only(shop: Shop, room: Path) -> None:
    with pytest.raises(UsageError, match="more than one file"):
        write_items(shop.plan(), StreamSink(io.BytesIO()), OutputOptions(room))


def test_a_tar_archive_keeps_attributes_of_any_bytes_and_names_those_that_it_cannot(shop: Shop, room: Path) -> None:
    file = shop.source / "a.csv"
    try:
        os.setxattr(file, "user.note", b"\xff\0binary")
        os.setxattr(file, "user.a=b", b"x")
    except OSError:
        not_covered("extended attributes in tar archives: the file system of the tests has none")
        pytest.skip("no extended attributes here")
    back_up(shop.project, shop.source)
    outcome, data = given(shop.plan("reports/a.csv"), SINKS["tar"], OutputOptions(room))
    assert [(one.what, "user.a=b" in one.message) for one in outcome.report.problems] == [("attributes", True)]
    assert outcome.report.files == 1
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        value = archive.getmember("reports/a.csv").pax_headers["SCHILY.xattr.user.note"]
    assert os.fsencode(value) == b"\xff\0binary"


@pytest.mark.parametrize(
    ("existing", "left", "names"),
    [
        (ConflictPolicy.SKIP, KeptCounts(skipped=1, files=1), {"a.jsonl": b"mine"}),
        (ConflictPolicy.NEWER, KeptCounts(newer=1), {"a.jsonl": b"mine"}),
        (ConflictPolicy.REFUSE, KeptCounts(), {"a.jsonl": b"mine"}),
        (ConflictPolicy.KEEP_BOTH, KeptCounts(), {"a.jsonl": b"mine", "a (restored 2126-01-01).jsonl": b""}),
        (ConflictPolicy.REPLACE, KeptCounts(), {"a.jsonl": b""}),
    ],
)
def test_what_stands_in_the_way_of_a_made_file_is_met_when_it_is_made(
    shop: Shop, room: Path, tmp_path: Path, existing: ConflictPolicy, left: KeptCounts, names: dict[str, bytes]
) -> None:
    to = write_tree(tmp_path / "to", {"reports/a.jsonl": b"mine"})
    os.utime(to / "reports/a.jsonl", (4_000_000_000, 4_000_000_000))
    with Target(os.fsencode(to)) as target:
        target.prepare()
        guard = ConflictGuard(FolderSink(target), target, existing, TODAY)
        outcome = write_items(shop.plan("reports/a.csv"), guard, OutputOptions(room, Conversion("jsonl")))
    found = contents(to / "reports")
    assert set(found) == set(names) and all(found[name] == content for name, content in names.items() if content)
    assert [one.what for one in outcome.report.problems] == {
        ConflictPolicy.REFUSE: ["exists"],
        ConflictPolicy.NEWER: ["newer"],
    }.get(existing, [])
    assert replace(guard.left, bytes=0) == left


def test_what_is_given_as_it_is_among_converted_things_never_takes_their_name(shop: Shop, room: Path, tmp_path: Path) -> None:
    write_tree(
        shop.source, {"x.csv": b"a\n1\n", "x.json": b'{"a": [broken', "x.jsonl": b'{"a":1}\n', "y.parquet": b"PAR1 no PAR1"}
    )
    (shop.source / "l").symlink_to("x.csv")
    back_up(shop.project, shop.source)
    to = tmp_path / "to"
    with Target(os.fsencode(to)) as target:
        target.prepare()
        outcome = write_items(shop.plan("reports/[xyl]*"), FolderSink(target), OutputOptions(room, Conversion("jsonl")))
    found = contents(to / "reports")
    assert found["x.jsonl"] == b'{"a":1}\n' and found["x.csv.jsonl"] == b'{"a":"1"}\n'
    assert found["y.parquet"] == b"PAR1 no PAR1"
    assert look_at(to)[b"reports/l"].points_to == b"x.csv"
    assert sorted(path for one in outcome.outcomes for path in one.outputs) == sorted(
        b"reports/" + name.encode() for name in found if name != "l"
    )


class Zeros(io.RawIOBase):
    """So many of them, in no memory."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        piece = bytes(min(size, self._left))
        self._left -= len(piece)
        return piece


@pytest.mark.slow
def test_a_zip_archive_holds_files_beyond_four_gigabytes(tmp_path: Path) -> None:
    size = (1 << 32) + 5
    told = ItemOutcome(0, b"large", None, outputs=[b"large"])
    with (tmp_path / "large.zip").open("w+b") as out, zip_sink(out, UTC) as sink:
        sink.file(
            OutputItem(b"large", cast(IO[bytes], Zeros(size)), size, told), OutputEntry(Attributes(mode=0o644, mtime_ns=0))
        )
        sink.file(OutputItem(b"after", io.BytesIO(b"after"), 5, told), OutputEntry(Attributes()))
    with zipfile.ZipFile(tmp_path / "large.zip") as archive:
        assert archive.getinfo("large").file_size == size and archive.read("after") == b"after"


class OneWay(io.RawIOBase):
    """Takes bytes as a connection does: nobody can go back in it."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += memoryview(data)  # type: ignore[arg-type]
        return len(memoryview(data))  # type: ignore[arg-type]


def test_what_is_not_compressed_is_stored_unless_it_is_too_large_to_be_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restore.outputs.zip_sink.LARGEST_STORED", 5000)
    held = HeldContent([b"piece", b"", b" by piece"])
    given: dict[str, IO[bytes]] = {
        "held": held,
        "in a file": io.BytesIO(b"x" * 5000),
        "large": io.BytesIO(b"y" * 5001),
        "empty": HeldContent([]),
    }
    out = OneWay()
    with zip_sink(cast(BinaryIO, out), UTC, NOT_COMPRESSED) as sink:
        sink.folder(b"folder", OutputEntry(Attributes()))
        sink.link(b"link", b"held", OutputEntry(Attributes()))
        for name, content in given.items():
            size = content.seek(0, os.SEEK_END)
            content.seek(0)
            told = ItemOutcome(0, name.encode(), None)
            sink.file(OutputItem(name.encode(), content, size, told), OutputEntry(Attributes()))
    with zipfile.ZipFile(io.BytesIO(bytes(out.data))) as archive:
        assert archive.testzip() is None
        methods = {one.filename: (one.compress_type, one.flag_bits & 8) for one in archive.infolist()}
        assert methods.pop("large") == (zipfile.ZIP_DEFLATED, 8) and set(methods.values()) == {(zipfile.ZIP_STORED, 0)}
        assert methods.keys() == {"folder/", "link", "held", "in a file", "empty"}
        assert archive.read("held") == b"piece by piece" and archive.read("large") == b"y" * 5001


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_a_whole_file_is_private_and_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.zip"
    with whole_file(path, ConflictPolicy.REFUSE) as out:
        out.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half" and path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyboardInterrupt), whole_file(path, ConflictPolicy.REPLACE) as out:
        out.write(b"never")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"half" and list(path.parent.iterdir()) == [path]
    with pytest.raises(TargetError, match="there already"), whole_file(path, ConflictPolicy.REFUSE):
        pass
    other = tmp_path / "other"
    with pytest.raises(TargetError, match="cannot write"), whole_file(other, ConflictPolicy.REFUSE) as out:
        out.write(b"mine")
        other.write_bytes(b"somebody was faster")
    assert other.read_bytes() == b"somebody was faster"
