"""What somebody downloads is planned first and comes over a stream that need not seek."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom import audit
from strongroom.audited_projects import AuditedProject
from strongroom.download import PlannedDownload, download, plan_download
from strongroom.picked import Pick, select_picked
from strongroom.restore_options import RestoreOptions
from strongroom.table_options import TableOptions
from tests.unit.library.repositories import EVERYTHING, MAY, OpenProject, restorable
from vault.errors import Damaged, Interrupted


class Pipe(io.RawIOBase):
    """Takes bytes, as a socket does: it cannot be sought in, and nobody can ask how far it is."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += memoryview(data)  # type: ignore[arg-type]
        return len(memoryview(data))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    with restorable(tmp_path_factory.mktemp("download")) as opened:
        yield opened


def planned(acme: OpenProject, pick: Pick, tables: TableOptions | None = None, *, compressed: bool = False) -> PlannedDownload:
    selected = select_picked(acme.context, acme.project, [pick])
    return plan_download(acme.context, selected, RestoreOptions(tables=tables or TableOptions()), compressed=compressed)


def given(plan: PlannedDownload) -> bytes:
    pipe = Pipe()
    assert download(plan, pipe).problems == []  # type: ignore[arg-type]
    return bytes(pipe.data)


def test_several_files_come_as_an_archive_with_their_paths(acme: OpenProject) -> None:
    for compressed in (False, True):
        plan = planned(acme, Pick(folders=(b"",)), compressed=compressed)
        assert (plan.form, plan.name, plan.size, plan.files) == ("zip", b"acme.zip", None, len(EVERYTHING))
        with zipfile.ZipFile(io.BytesIO(given(plan))) as archive:
            assert archive.testzip() is None
            found = {one.filename: archive.read(one) for one in archive.infolist() if not one.is_dir()}
        assert found == EVERYTHING


def test_what_is_not_compressed_has_its_length_and_checksum_before_it(acme: OpenProject) -> None:
    data, at, found = given(planned(acme, Pick(folders=(b"",)))), 0, {}
    while data[at : at + 4] == b"PK\x03\x04":  # as a reader does that has no end to look at
        _, flags, method, _, _, checksum, stored, size, name_size, more = struct.unpack_from("<5H3I2H", data, at + 4)
        begin = at + 30 + name_size + more
        content = data[begin : begin + size]
        assert method == 0 and not flags & 8 and stored == size and zlib.crc32(content) == checksum
        found[data[at + 30 : at + 30 + name_size].decode()] = content
        at = begin + size
    assert {name: content for name, content in found.items() if not name.endswith("/")} == EVERYTHING


def test_one_file_comes_as_it_is_or_converted_under_a_name_of_its_own(acme: OpenProject) -> None:
    one = Pick(items=(b"reports/2024-05/a.csv",))
    plan = planned(acme, one)
    assert (plan.form, plan.name, plan.size) == ("file", b"a.csv", len(MAY)) and given(plan) == MAY
    plan = planned(acme, one, TableOptions(format="jsonl"))
    assert (plan.form, plan.name) == ("table", b"a.jsonl") and given(plan).startswith(b'{"id":"1"')
    plan = planned(acme, one, TableOptions(format="xlsx"))
    assert (plan.form, plan.name) == ("table", b"a.xlsx")
    assert "xl/workbook.xml" in zipfile.ZipFile(io.BytesIO(given(plan))).namelist()
    plan = planned(acme, Pick(items=(b"reports/notes.txt",)), TableOptions(format="xlsx"))
    assert plan.form == "zip"  # it is no table: it stays what it is, and the report beside it says so


def test_tables_of_periods_come_as_one(acme: OpenProject) -> None:
    plan = planned(acme, Pick(periods=("2024-05", "2024-06")), TableOptions(format="csv", merge=True))
    assert (plan.form, plan.name) == ("table", b"acme-2024-05-2024-06.csv")
    rows = given(plan).decode().split()
    assert [row.partition(",source")[0].removesuffix(",reports/2024-05/a.csv") for row in rows][:3] == [
        "id,amount",
        "1,10",
        "2,20",
    ]
    assert rows[3:] == ["3,30,reports/2024-06/b.csv"]


def test_it_is_recorded_with_what_was_picked_and_how_much_it_was(acme: OpenProject) -> None:
    given(planned(acme, Pick(items=(b"reports/notes.txt", b"tickets/t1.json"))))
    entry = audit.read_log(acme.context, [AuditedProject.of_project(acme.project)]).entries[-1].entry
    assert entry.action == "restore" and entry.outcome is not None
    assert entry.what["selection"] == {"picked": [{"items": ["reports/notes.txt", "tickets/t1.json"]}]}
    assert entry.outcome.counts["files"] == 2 and entry.outcome.result == "ok"


def test_who_ends_it_has_half_an_archive_that_says_so(acme: OpenProject) -> None:
    def stop() -> None:
        raise Interrupted("cancelled")

    pipe = Pipe()
    with pytest.raises(Interrupted):
        download(planned(acme, Pick(folders=(b"",))), pipe, stop=stop)  # type: ignore[arg-type]
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(bytes(pipe.data)))


def test_what_is_missing_is_refused_or_told_in_the_archive(tmp_path: Path) -> None:
    with restorable(tmp_path) as opened:
        packs = (opened.desk.folder / "repository/projects").glob("*/packs/*/*")
        max(packs, key=lambda pack: pack.stat().st_mtime_ns).unlink()  # the second backup's: the notes
        plan = planned(opened, Pick(folders=(b"reports",)))
        with pytest.raises(Damaged, match="1 item cannot be restored"):
            plan.refuse()
        with pytest.raises(Damaged, match="1 item cannot be restored"):
            download(plan, Pipe())  # type: ignore[arg-type]
        selected = select_picked(opened.context, opened.project, [Pick(folders=(b"reports",))])
        pipe = Pipe()
        result = download(plan_download(opened.context, selected, RestoreOptions(incomplete=True)), pipe)  # type: ignore[arg-type]
        assert [one.path for one in result.problems] == [b"reports/notes.txt"]
        with zipfile.ZipFile(io.BytesIO(bytes(pipe.data))) as archive:
            assert "reports/notes.txt" not in archive.namelist() and archive.read("reports/2024-05/a.csv") == MAY
            assert b"reports/notes.txt: missing:" in archive.read("strongroom-problems.txt")
