"""What a WebDAV server shows beside its files: owners and sharing rights, against a double of a server that shows them."""

from __future__ import annotations

from contextlib import closing

from tests.support.dav_double import BASE, DavDouble, dav_double
from tests.support.places import checked, made_on
from vault.backup import run
from vault.clock import SystemClock
from vault.progress import never
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.project import Project
from vault.source.patterns import Rules
from vault.source.webdav.client import DavAddress, DavClient
from vault.source.webdav.source import DavSource
from vault.storage.memory import MemoryStore

SHAREES = "".join(
    f"<nc:sharee><nc:id>{name}</nc:id><nc:type>{kind}</nc:type></nc:sharee>" for name, kind in (("petro", 0), ("it", 1))
)
SHARE_TYPES = "".join(f"<oc:share-type>{kind}</oc:share-type>" for kind in (0, 3))
TOLD = {
    "": {"oc:owner-id": "olena"},
    "2024": {
        "oc:permissions": "SRGDNVCK",
        "oc:share-types": SHARE_TYPES,
    },
    "2024/a.csv": {
        "d:owner": "<d:href>/principals/users/olena/</d:href>",
        "oc:owner-id": "olena",
        "oc:owner-display-name": "Олена &amp; Co",
        "oc:permissions": "RGDNVW",
        "ocs:share-permissions": "19",
        "nc:sharees": SHAREES,
    },
    "b.csv": {},
}
FILE = {
    "source.webdav.owner": "/principals/users/olena/",
    "source.webdav.owner-id": "olena",
    "source.webdav.owner-name": "Олена & Co",
    "source.webdav.permissions": "RGDNVW",
    "source.webdav.share-permissions": "19",
    "source.webdav.sharees": '[{"id": "petro", "type": "0"}, {"id": "it", "type": "1"}]',
}


def source(double: DavDouble) -> DavSource:
    client = DavClient(DavAddress("http", "127.0.0.1", double.port, BASE), SystemClock())
    return DavSource(client, b"raw", Rules(), SystemClock())


def backed_up(project: Project, double: DavDouble) -> run.BackupReport:
    return run.back_up(project, run.Source("dav", "raw", source(double)), run.BackupOptions())


def attributes(project: Project) -> dict[bytes, dict[str, str]]:
    record = snapshots.heads(snapshots.read_all(project), "dav")[-1]
    rows = snapshots.read_manifest(MetaReader(project), record).to_pylist()
    return {row["path"]: {one["name"].decode(): one["value"].decode() for one in row["xattrs"] or ()} for row in rows}


def test_owners_and_rights_of_files_and_folders_are_kept_as_attributes() -> None:
    with dav_double(files={"2024/a.csv": b"1", "b.csv": b"2", "2024/large": b"x" * 2_000_000}, properties=TOLD) as double:
        project = made_on(MemoryStore())
        report = backed_up(project, double)
        assert report.problems == ()
        found = attributes(project)
        again = backed_up(project, double)
        assert (again.record.counts.read_bytes, again.record.counts.changed) == (0, 0)
        assert double.count("PROPFIND") == 2 * 2 + 3 + 1, "each folder at each scan, each file before, a large one after"
    assert found == {
        b"raw": {"source.webdav.owner-id": "olena"},
        b"raw/2024": {"source.webdav.permissions": "SRGDNVCK", "source.webdav.share-types": '["0", "3"]'},
        b"raw/2024/a.csv": FILE,
        b"raw/2024/large": {},
        b"raw/b.csv": {},
    }
    coverage = report.record.coverage
    assert coverage is not None and "permissions" in coverage.entities[0].fields
    assert not any("owners" in gap for gap in coverage.gaps)
    assert checked(project).sound


def test_a_right_that_changes_makes_a_version_of_the_item_and_of_no_other() -> None:
    with dav_double(files={"2024/a.csv": b"1", "b.csv": b"2"}, properties=dict(TOLD)) as double:
        project = made_on(MemoryStore())
        backed_up(project, double)
        double.properties["2024/a.csv"] = {"oc:owner-id": "petro"}
        double.properties["2024"] = {}
        report = backed_up(project, double)
        assert report.record.counts.changed == 2
        found = attributes(project)
    assert found[b"raw/2024/a.csv"] == {"source.webdav.owner-id": "petro"} and found[b"raw/2024"] == {}


def test_a_server_that_does_not_understand_the_question_is_asked_plainly_and_that_is_stated() -> None:
    with dav_double(files={"a": b"1", "f/b": b"2"}, properties=TOLD, refuses_unknown=True) as double:
        with closing(source(double)) as one:
            found = one.scan(never)
        assert found.table.num_rows == 4 and double.count("PROPFIND") == 3
    assert found.coverage is not None
    assert "owners, sharing rights" in found.coverage.gaps[0] and found.coverage.entities[0].fields == ("content", "time")


def test_what_is_too_large_is_left_out_and_said() -> None:
    properties = {"a": {"oc:owner-id": "olena", "nc:note": "x" * 70_000}}
    with dav_double(files={"a": b"1"}, properties=properties) as double:
        project = made_on(MemoryStore())
        (problem,) = backed_up(project, double).problems
    assert (problem.path, problem.what) == (b"raw/a", "attribute-too-large")
    assert attributes(project)[b"raw/a"] == {"source.webdav.owner-id": "olena"}
