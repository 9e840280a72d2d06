"""Restores by the library, without a terminal: to a folder, in place, an archive, a bucket, a stream. Planned, then done."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from restore.planning.conflict_policy import ConflictPolicy
from strongroom.destinations import Archive, Bucket, Folder, InPlace, TableFile, opened_bucket
from strongroom.restore import restore, stream
from strongroom.restore_options import RestoreOptions
from strongroom.selection import SelectionOptions
from strongroom.table_options import TableOptions
from tests.support.store_fixtures import BUCKET
from tests.unit.library.repositories import EVERYTHING, MAY, NOTES, OpenProject, contents, restorable
from vault.errors import Damaged, Interrupted, RefusedByRule, TargetError, UsageError
from vault.storage.address import BucketAddress

ONE = SelectionOptions(patterns=["reports/notes.txt"])
TABLES = SelectionOptions(formats=["csv"])


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    """Shared: a restore alters nothing of a repository."""
    with restorable(tmp_path_factory.mktemp("library")) as opened:
        yield opened


class Recorder:
    """A `vault.progress.Progress` that remembers."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int, int]] = []
        self.items = self.size = 0

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        self.phases.append((name, items, size))

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        self.items += items
        self.size += size


def test_everything_comes_back_to_a_folder_as_the_plan_says(acme: OpenProject, tmp_path: Path) -> None:
    target = tmp_path / "back"
    planned = acme.plan(Folder(target))
    size = sum(map(len, EVERYTHING.values()))
    assert not target.exists()
    assert (planned.files, planned.bytes_to_write, planned.replacing) == (4, size, 0)
    assert planned.where == str(target) and planned.shortage is None and planned.estimate.seconds > 0
    recorder = Recorder()
    result = restore(planned, progress=recorder)
    assert contents(target) == EVERYTHING
    assert (result.files, result.bytes, result.problems) == (4, size, []) and result.outcomes is None
    assert recorder.phases == [("restoring", 4, size)] and (recorder.items, recorder.size) == (4, size)
    again = acme.restore(Folder(target))
    assert (again.files, again.already_there, again.problems) == (0, 4, [])


def test_the_values_say_the_same_as_the_command_line(acme: OpenProject, tmp_path: Path) -> None:
    target = tmp_path / "back"
    command = ("restore", "acme", "--to", str(target), "--json")
    planned = acme.plan(Folder(target))
    shown = acme.desk.call(*command, "--dry-run").document
    assert shown == {"schema": "strongroom.plan/1", "plan": planned.as_json(), "missing_snapshots": []}
    done = acme.desk.call(*command).document
    again = acme.restore(Folder(tmp_path / "other")).as_json()
    assert {**done, "seconds": 0} == {"schema": "strongroom.restore/1", **again, "seconds": 0} and done["files"] == 4


def test_what_is_gone_comes_back_in_place_and_what_is_newer_stays_and_is_a_problem(acme: OpenProject) -> None:
    gone, changed = acme.reports / "2024-05/a.csv", acme.reports / "notes.txt"
    kept = changed.stat()
    gone.unlink()
    changed.write_bytes(b"written since the backup")
    try:
        planned = acme.plan(InPlace(), sources_apart=True)
        assert [part.source_root.source for part in planned.parts if part.source_root] == ["reports", "tickets"]
        assert planned.where == f"{acme.reports} and {acme.desk.folder / 'tickets'}" and planned.files == 1
        result = restore(planned)
        assert gone.read_bytes() == MAY and changed.read_bytes() == b"written since the backup"
        assert [(one.path, one.what) for one in result.problems] == [(b"reports/notes.txt", "newer")]
        document = result.as_json()
        assert [one["source"] for one in document["sources"]] == ["reports", "tickets"]
        assert document["files"] == 1 == document["sources"][0]["files"] and document["newer"] == 1
    finally:
        changed.write_bytes(NOTES)
        os.utime(changed, ns=(kept.st_atime_ns, kept.st_mtime_ns))


@pytest.mark.parametrize(("name", "packing"), [("back.zip", "zip"), ("back.tar", "none"), ("back.tar.gz", "gzip")])
def test_an_archive_holds_everything_and_one_that_exists_stays(
    acme: OpenProject, tmp_path: Path, name: str, packing: str
) -> None:
    path = tmp_path / name
    result = acme.restore(Archive(path, packing))
    assert (result.files, result.problems) == (4, [])
    if packing == "zip":
        with zipfile.ZipFile(path) as zipped:
            found = {name: zipped.read(name) for name in zipped.namelist() if not name.endswith("/")}
    else:
        with tarfile.open(path) as tarred:
            files = [(one.name, tarred.extractfile(one)) for one in tarred.getmembers() if one.isfile()]
            found = {name: file.read() for name, file in files if file is not None}
    assert found == EVERYTHING
    before = path.read_bytes()
    with pytest.raises(TargetError, match="is there already"):
        acme.plan(Archive(path, packing))
    assert path.read_bytes() == before
    planned = acme.plan(Archive(path, packing), RestoreOptions(on_conflict=ConflictPolicy.REPLACE), ONE)
    assert planned.replacing == 1
    assert restore(planned).files == 1 and path.read_bytes() != before


def test_one_file_goes_to_a_stream_and_several_are_refused(acme: OpenProject) -> None:
    out = io.BytesIO()
    result = stream(acme.context, acme.select(ONE), out)
    assert out.getvalue() == NOTES and not out.closed
    assert (result.files, result.bytes, result.problems) == (1, len(NOTES), [])
    with pytest.raises(UsageError, match="4 files match"):
        stream(acme.context, acme.select(), out)
    assert out.getvalue() == NOTES


def test_a_table_goes_to_a_stream_in_another_format(acme: OpenProject) -> None:
    out = io.BytesIO()
    june = acme.select(SelectionOptions(periods=["2024-06"]))
    result = stream(acme.context, june, out, RestoreOptions(tables=TableOptions(format="jsonl")))
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [{"id": "3", "amount": "30"}]
    assert result.outcomes is not None and [one.target for one in result.outcomes] == ["jsonl"]


def test_tables_are_converted_and_the_rest_comes_as_it_is(acme: OpenProject, tmp_path: Path) -> None:
    result = acme.restore(Folder(tmp_path / "back"), RestoreOptions(tables=TableOptions(format="jsonl")))
    found = contents(tmp_path / "back")
    report = json.loads(found.pop("strongroom-report.json"))
    assert found == {
        "reports/2024-05/a.jsonl": b'{"id":"1","amount":"10"}\n{"id":"2","amount":"20"}\n',
        "reports/2024-06/b.jsonl": b'{"id":"3","amount":"30"}\n',
        "reports/notes.txt": NOTES,
        "tickets/t1.jsonl": b'{"ticket":1}\n',
    }
    assert result.problems == [] and result.outcomes is not None
    assert result.as_json()["export"] == report["counts"] and (report["counts"]["converted"], result.files) == (3, 4)


def test_many_tables_become_one_with_a_report_beside_it(acme: OpenProject, tmp_path: Path) -> None:
    options = RestoreOptions(tables=TableOptions(merge=True))
    result = acme.restore(TableFile(tmp_path / "all.csv", "csv"), options, TABLES)
    rows = (tmp_path / "all.csv").read_text().splitlines()
    assert rows[0] == "id,amount,source" and rows[3:] == ["3,30,reports/2024-06/b.csv"] and len(rows) == 4
    report = json.loads((tmp_path / "all.csv.report.json").read_text())
    assert report["asked"]["merge"] is True and report["counts"]["rows"] == 3 and result.problems == []
    with pytest.raises(UsageError, match="2 files match"):
        acme.plan(TableFile(tmp_path / "two.csv", "csv"), None, TABLES)
    with pytest.raises(UsageError, match="which says csv, contradict"):
        acme.plan(TableFile(tmp_path / "two.csv", "csv"), RestoreOptions(tables=TableOptions(format="xlsx")), TABLES)


@pytest.mark.parametrize(
    ("policy", "files"),
    [
        (ConflictPolicy.SKIP, {"notes.txt": b"mine"}),
        (ConflictPolicy.NEWER, {"notes.txt": b"mine"}),
        (ConflictPolicy.REPLACE, {"notes.txt": NOTES}),
        (ConflictPolicy.KEEP_BOTH, {"notes.txt": b"mine", "beside": NOTES}),
    ],
)
def test_what_exists_is_treated_as_the_policy_says(
    acme: OpenProject, tmp_path: Path, policy: ConflictPolicy, files: dict[str, bytes]
) -> None:
    existing = tmp_path / "reports/notes.txt"
    existing.parent.mkdir()
    existing.write_bytes(b"mine")
    os.utime(existing, (4_000_000_000, 4_000_000_000))
    planned = acme.plan(Folder(tmp_path), RestoreOptions(on_conflict=policy), ONE)
    planned.refuse()
    assert planned.replacing == (policy is ConflictPolicy.REPLACE) and existing.read_bytes() == b"mine"
    result = restore(planned)
    found = {"notes.txt" if name == "notes.txt" else "beside": data for name, data in contents(existing.parent).items()}
    assert found == files
    assert [one.what for one in result.problems] == (["newer"] if policy is ConflictPolicy.NEWER else [])


def test_what_exists_is_refused_unless_somebody_decides_and_nothing_is_written(acme: OpenProject, tmp_path: Path) -> None:
    existing = tmp_path / "reports/notes.txt"
    existing.parent.mkdir()
    existing.write_bytes(b"mine")
    planned = acme.plan(Folder(tmp_path))
    assert [one.path for one in planned.plans[0].conflicts] == [b"reports/notes.txt"]
    for refuse in (planned.refuse, lambda: restore(planned)):
        with pytest.raises(TargetError, match="1 item is in the way"):
            refuse()
    assert contents(tmp_path) == {"reports/notes.txt": b"mine"}


def test_converted_tables_replace_nothing_that_the_plan_does_not_count(acme: OpenProject, tmp_path: Path) -> None:
    existing = tmp_path / "reports/2024-05/a.jsonl"
    existing.parent.mkdir(parents=True)
    existing.write_bytes(b"mine")
    tables = TableOptions(format="jsonl")
    with pytest.raises(TargetError, match="1 item is in the way"):
        acme.plan(Folder(tmp_path), RestoreOptions(tables=tables), TABLES)
    assert contents(tmp_path) == {"reports/2024-05/a.jsonl": b"mine"}
    planned = acme.plan(Folder(tmp_path), RestoreOptions(tables=tables, on_conflict=ConflictPolicy.REPLACE), TABLES)
    assert planned.replacing == 1
    assert restore(planned).files == 2 and existing.read_bytes() == b'{"id":"1","amount":"10"}\n{"id":"2","amount":"20"}\n'
    again = acme.restore(Folder(tmp_path), RestoreOptions(tables=tables, on_conflict=ConflictPolicy.SKIP), TABLES)
    assert again.already_there == 2


def test_an_older_state_and_older_versions_are_restored(acme: OpenProject, tmp_path: Path) -> None:
    versions = SelectionOptions(patterns=["reports/notes.txt"], versions=None)
    result = acme.restore(Folder(tmp_path / "versions"), None, versions)
    found = contents(tmp_path / "versions/reports")
    assert found.pop("notes.txt") == NOTES and [*found.values()] == [b"remember nothing\n"] and result.files == 2
    first = min(acme.select().selection.records, key=lambda one: one.taken_at)
    before = SelectionOptions(patterns=["reports/notes.txt"], before=first.id)
    acme.restore(Folder(tmp_path / "before"), None, before)
    assert contents(tmp_path / "before") == {"reports/notes.txt": b"remember nothing\n"}


def test_whoever_stops_a_restore_is_obeyed_and_the_next_one_goes_on(acme: OpenProject, tmp_path: Path) -> None:
    calls: list[int] = []

    def stop() -> None:
        calls.append(1)
        raise Interrupted("somebody has had enough")

    with pytest.raises(Interrupted, match="enough"):
        restore(acme.plan(Folder(tmp_path)), stop=stop)
    assert calls and contents(tmp_path) != EVERYTHING
    result = acme.restore(Folder(tmp_path))
    assert contents(tmp_path) == EVERYTHING and result.problems == []


def test_options_that_make_no_sense_are_refused_before_anything_is_read_or_written(acme: OpenProject, tmp_path: Path) -> None:
    for destination, options in (
        (InPlace(), TableOptions(format="csv")),
        (Folder(tmp_path / "x"), TableOptions(rows_in_period=True)),
        (Folder(tmp_path / "x"), TableOptions(time_column="when")),
        (Archive(tmp_path / "x.zip", "zip"), TableOptions(format="original", merge=True)),
    ):
        with pytest.raises(UsageError):
            acme.plan(destination, RestoreOptions(tables=options))
    with pytest.raises(UsageError, match="skip means nothing"):
        acme.plan(Archive(tmp_path / "x.zip", "zip"), RestoreOptions(on_conflict=ConflictPolicy.SKIP))
    assert contents(tmp_path) == {}


def test_nothing_is_restored_into_the_repository(acme: OpenProject) -> None:
    with pytest.raises(RefusedByRule, match="lies in the repository"):
        acme.plan(Folder(acme.desk.folder / "repository"))
    with pytest.raises(RefusedByRule, match="lies in the repository"):
        acme.plan(Archive(acme.desk.folder / "repository/projects/x.zip", "zip"))


def test_content_that_is_missing_is_refused_or_given_up(tmp_path: Path) -> None:
    with restorable(tmp_path) as opened:
        packs = (opened.desk.folder / "repository/projects").glob("*/packs/*/*")
        max(packs, key=lambda pack: pack.stat().st_mtime_ns).unlink()  # the second backup's: the notes
        planned = opened.plan(Folder(tmp_path / "back"))
        assert [one.path for one in planned.plans[0].missing] == [b"reports/notes.txt"]
        with pytest.raises(Damaged, match="1 item cannot be restored"):
            restore(planned)
        assert not (tmp_path / "back").exists()
        result = opened.restore(Folder(tmp_path / "back"), RestoreOptions(incomplete=True))
        assert [one.path for one in result.problems] == [b"reports/notes.txt"]
        assert contents(tmp_path / "back") == {name: data for name, data in EVERYTHING.items() if data != NOTES}
        with pytest.raises(Damaged, match="gone from the repository"):
            stream(opened.context, opened.select(ONE), io.BytesIO())


def test_objects_of_a_bucket_are_written_once_and_known_again(acme: OpenProject, moto_endpoint: str) -> None:
    bucket = Bucket(BucketAddress(BUCKET, "library-restore"), moto_endpoint, "us-east-1")
    result = acme.restore(bucket)
    assert (result.files, result.problems) == (4, [])
    again = acme.restore(bucket)
    assert (again.files, again.already_there) == (0, 4)
    tables = RestoreOptions(tables=TableOptions(format="jsonl"))
    converted = acme.restore(bucket, tables, TABLES)
    assert converted.files == 2 and converted.problems == []
    assert acme.restore(bucket, tables, TABLES).already_there == 2
    with opened_bucket(acme.context, acme.project, bucket) as objects:
        assert {*objects.sizes()} == {
            *EVERYTHING,
            "reports/2024-05/a.jsonl",
            "reports/2024-06/b.jsonl",
            "strongroom-report.json",
        }
