"""Buckets as a source: versions, what stands beside contents, servers that answer nonsense or are busy, credentials that
expire."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import StillClock
from tests.support.places import checked, made_on, restore
from tests.support.randomness import SeededChance
from tests.support.s3_double import BUCKET, Asked, Reply, S3Double, fault, s3_double
from tests.support.trees import contents
from vault.backup import run
from vault.clock import Clock, SystemClock
from vault.errors import SourceDenied, SourceError
from vault.progress import never
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.project import Project
from vault.source import bucket_versions
from vault.source.bucket import BucketOptions, BucketSource
from vault.source.bucket_versions import EarlierVersion
from vault.source.contract import Scan
from vault.source.patterns import Rules
from vault.storage.memory import MemoryStore
from vault.storage.retrying import RetryPolicy
from vault.storage.s3_client import S3Options
from vault.storage.s3_source_objects import S3SourceObjects

HTML = b"<html><body>Please log in</body></html>"


def source(double: S3Double, clock: Clock | None = None, per_second: float = 0.0, **options: Any) -> BucketSource:
    made = (BUCKET, "in", S3Options(double.url), RetryPolicy.network(300.0), clock or StillClock(), SeededChance("bucket"))
    return BucketSource(S3SourceObjects(*made, per_second=per_second), b"raw", Rules(), SystemClock(), BucketOptions(**options))


def scanned(double: S3Double, clock: Clock | None = None, per_second: float = 0.0, **options: Any) -> Scan:
    """What a source finds that is closed afterwards."""
    with closing(source(double, clock, per_second, **options)) as one:
        return one.scan(never)


def paths(found: Scan) -> list[bytes]:
    return [path for path in found.table["path"].to_pylist() if path != b"raw"]


def backed_up(project: Project, double: S3Double, **options: Any) -> run.BackupReport:
    return run.back_up(project, run.Source("bucket", "raw", source(double, **options)), run.BackupOptions())


def attributes(project: Project) -> dict[bytes, dict[str, str]]:
    """Of the newest snapshot's items."""
    record = snapshots.heads(snapshots.read_all(project), "bucket")[-1]
    rows = snapshots.read_manifest(MetaReader(project), record).to_pylist()
    return {row["path"]: {one["name"].decode(): one["value"].decode() for one in row["xattrs"] or ()} for row in rows}


def test_earlier_versions_and_markers_of_deletion_are_items_of_their_own(tmp_path: Path) -> None:
    with s3_double(page=2) as double:
        for number in range(3):
            double.put("in/calls-2024-05.csv", b"%d" % number)
        double.put("in/gone/звіт", b"gone")
        double.delete("in/gone/звіт")
        project = made_on(MemoryStore())
        report = backed_up(project, double, versions=None)
        assert report.problems == () and report.record.counts.files == 5
        restore(project, tmp_path / "back")
        again = backed_up(project, double, versions=None)
        assert (again.record.counts.read_bytes, again.record.counts.changed) == (0, 0)
    back = contents(tmp_path / "back/raw")
    assert back.pop("calls-2024-05.csv") == b"2"
    earlier = sorted((Path(name).parent.name, Path(name).name.endswith(".deleted"), data) for name, data in back.items())
    assert earlier == [
        ("calls-2024-05.csv", False, b"0"),
        ("calls-2024-05.csv", False, b"1"),
        ("звіт", False, b"gone"),
        ("звіт", True, b""),
    ]
    assert all(name.startswith(".versions/") for name in back)
    coverage = report.record.coverage
    assert coverage is not None and "earlier versions" in [one.name for one in coverage.entities]
    assert checked(project).sound


def test_of_each_object_as_many_earlier_versions_are_taken_as_are_asked_for() -> None:
    with s3_double(page=3) as double:
        for number in range(6):
            double.put("in/a", b"a%d" % number)
            double.put("in/b", b"b%d" % number)
        assert len(paths(scanned(double, versions=2))) == 2 + 2 * 2
        assert len(paths(scanned(double, versions=None))) == 2 * 6
        assert paths(scanned(double)) == [b"raw/a", b"raw/b"]


def test_the_name_of_an_earlier_version_leads_back_to_it_and_says_no_period() -> None:
    from zoneinfo import ZoneInfo

    from classify.period_recognizer import PeriodRecognizer

    recognizer, chance = PeriodRecognizer(ZoneInfo("UTC")), SeededChance("ids")
    plain = recognizer.find(b"raw/2024/calls-2024-05.csv")
    assert plain is not None
    for number in range(500):
        name = chance.token(16).hex() if number % 2 else f"{number}-{chance.token(8).hex()}/+=.mai"
        one = EarlierVersion(b"2024/calls-2024-05.csv", name, 1_700_000_000 + number * 86_400, number % 3 == 0)
        path = bucket_versions.path_of(one)
        assert path is not None and bucket_versions.at(path) == one
        found = recognizer.find(b"raw/" + path)
        assert found is not None and found.period == plain.period
    assert bucket_versions.path_of(EarlierVersion(b"a", "x" * 101, 0, is_marker=False)) is None
    assert all(bucket_versions.at(path) is None for path in (b"a", b".versions/a/b", b".versions/abcdefghij-ab", b"x/a-b"))


def test_what_the_store_says_beside_a_content_is_kept_with_it() -> None:
    with s3_double() as double:
        double.put("in/a", b"1", content_type="text/csv", cache_control="no-store", x_amz_meta_client="Olena")
        double.tags["in/a"] = {"stage": "raw"}
        project = made_on(MemoryStore())
        backed_up(project, double, tags=True, rights=True)
        assert attributes(project)[b"raw/a"] == {
            "source.s3.cache-control": "no-store",
            "source.s3.content-type": "text/csv",
            "source.s3.metadata.client": "Olena",
            "source.s3.tag.stage": "raw",
            "source.s3.owner": "olena",
            "source.s3.grants": "[]",
        }
        double.put("in/a", b"1", content_type="text/plain")
        report = backed_up(project, double)
        assert report.record.counts.changed == 1
        assert attributes(project)[b"raw/a"] == {"source.s3.content-type": "text/plain"}


def test_an_object_and_a_folder_s_marker_of_one_name_are_the_object() -> None:
    with s3_double(page=2) as double:
        for key in ("in/a", "in/a-b", "in/a/", "in/a/c", "in/d/"):
            double.put(key, b"" if key.endswith("/") else b"1")
        found = scanned(double)
    types = dict(zip(found.table["path"].to_pylist(), found.table["type"].to_pylist(), strict=True))
    assert types == {b"raw": 1, b"raw/a": 0, b"raw/a-b": 0, b"raw/a/c": 0, b"raw/d": 1}


def test_tags_that_may_not_be_read_are_said_at_once() -> None:
    def refused(_: int, asked: Asked) -> Reply | None:
        return fault(403, "AccessDenied") if "tagging" in asked.query else None

    with s3_double(before=refused) as double:
        double.put("in/a", b"1")
        with pytest.raises(SourceDenied, match="cannot read the tags of a"):
            backed_up(made_on(MemoryStore()), double, tags=True)


def _page(rows: str, token: str = "", count: int | None = None, prefix: str = "in/") -> Reply:
    more = f"<IsTruncated>{'true' if token else 'false'}</IsTruncated>"
    more += f"<NextContinuationToken>{token}</NextContinuationToken>" * bool(token)
    more += "" if count is None else f"<KeyCount>{count}</KeyCount>"
    inside = f"<Name>{BUCKET}</Name><Prefix>{prefix}</Prefix>{more}{rows}"
    return Reply(200, f"<ListBucketResult>{inside}</ListBucketResult>".encode())


ROW = "<Contents><Key>in/{}</Key><Size>1</Size><ETag>&quot;e&quot;</ETag></Contents>"
NONSENSE: dict[str, list[Reply]] = {
    "a page for people": [Reply(200, HTML)],
    "nothing": [Reply(200)],
    "XML of another kind": [Reply(200, b"<ListAllMyBucketsResult><Owner/></ListAllMyBucketsResult>")],
    "a place that repeats": [_page(ROW.format("a"), "same"), _page(ROW.format("b"), "same")],
    "a key that repeats": [_page(ROW.format("a"), "one"), _page(ROW.format("a"))],
    "a listing that begins anew": [_page(ROW.format("a") + ROW.format("b"), "one"), _page(ROW.format("a"))],
    "fewer rows than it says": [_page(ROW.format("a"), count=2)],
    "an empty page that says it is not": [_page("", count=1)],
    "the listing of another prefix": [_page(ROW.format("a"), prefix="out/")],
    "an entry without a key": [_page("<Contents><Size>1</Size></Contents>")],
    "an entry of another prefix": [_page("<Contents><Key>out/a</Key><Size>1</Size></Contents>")],
    "an empty page in the middle": [_page(ROW.format("a"), "one"), _page(""), _page(ROW.format("b"))],
}


@pytest.mark.parametrize("name", NONSENSE)
def test_an_answer_that_is_nonsense_is_an_error_and_never_an_empty_table(name: str) -> None:
    answers = iter(NONSENSE[name])
    last = NONSENSE[name][-1]
    with s3_double(before=lambda _number, _asked: next(answers, last)) as double, pytest.raises(SourceError):
        scanned(double)


def test_a_last_page_that_is_empty_because_the_rest_was_deleted_is_whole() -> None:
    def deleting(number: int, _: Asked) -> None:
        if number == 2:
            double.delete("in/b")

    with s3_double(page=1) as double:
        double.put("in/a", b"1")
        double.put("in/b", b"2")
        double.before = deleting
        assert paths(scanned(double)) == [b"raw/a"]


def test_a_listing_of_versions_that_goes_in_circles_is_an_error() -> None:
    with s3_double(page=1) as double:
        for number in range(3):
            double.put("in/a", b"%d" % number)
        first = double.answer(Asked("GET", "", {"versions": "", "prefix": "in/"}, {}))
        double.before = lambda _number, _asked: first
        with pytest.raises(SourceError, match="does not come to an end"):
            scanned(double, versions=None)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_busy_is_waited_for_as_long_as_it_asks(status: int) -> None:
    def busy(number: int, _: Asked) -> Reply | None:
        return fault(status, "SlowDown", Retry_After="7", X_RateLimit_Limit="100") if number == 1 else None

    clock = StillClock()
    with s3_double(before=busy) as double:
        double.put("in/a", b"1")
        found = scanned(double, clock)
    assert paths(found) == [b"raw/a"] and clock.slept == [7.0]
    limits = found.rate_limits
    assert limits is not None and (limits.refusals, limits.longest_wait, limits.requests) == (1, 7.0, 2)
    assert dict(limits.stated) == {"retry-after": "7", "x-ratelimit-limit": "100"}


def test_patience_with_a_server_that_stays_busy_comes_to_an_end() -> None:
    clock = StillClock()
    busy = s3_double(before=lambda *_: fault(503, "SlowDown", Retry_After="90"))
    with busy as double, pytest.raises(SourceError, match="SlowDown"):
        scanned(double, clock)
    assert 0 < sum(clock.slept) <= 300


def test_requests_keep_to_the_limit_of_the_settings() -> None:
    clock = StillClock()
    with s3_double(page=1) as double:
        for name in "abcde":
            double.put(f"in/{name}", b"1")
        found = scanned(double, clock, 2.0)
    assert sum(clock.slept) == pytest.approx(2.0) and len(double.asked) == 5
    assert found.rate_limits is not None and found.rate_limits.per_second == 2.0


@pytest.mark.parametrize("expires_at", range(1, 12))
def test_credentials_that_expire_in_the_middle_are_looked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expires_at: int
) -> None:
    """Whatever request is the first that the old ones do not do for."""
    file = tmp_path / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def write(name: str) -> None:
        fresh = tmp_path / "fresh"
        fresh.write_text(f"[default]\naws_access_key_id = {name}\naws_secret_access_key = x\naws_session_token = {name}\n")
        fresh.rename(file)  # as those who renew them do: whole or not at all

    def expiring(number: int, asked: Asked) -> Reply | None:
        if number < expires_at or "Credential=NEW" in asked.headers["authorization"]:
            return None
        write("NEW")
        return Reply(400) if asked.method == "HEAD" else fault(400, "ExpiredToken")

    write("OLD")
    with s3_double(page=2) as double:
        for name in "abcde":
            double.put(f"in/{name}", name.encode() * 10)
        double.before = expiring
        report = backed_up(made_on(MemoryStore()), double)
        assert report.problems == () and report.record.counts.files == 5
        assert "Credential=NEW" in double.asked[-1].headers["authorization"]


def test_credentials_that_stay_expired_are_an_error_with_a_hint() -> None:
    with s3_double(before=lambda *_: fault(400, "ExpiredToken")) as double, pytest.raises(SourceDenied) as caught:
        scanned(double)
    assert "ExpiredToken" in str(caught.value)
