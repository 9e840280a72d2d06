"""Objects of a bucket, read as a source: listed with suspicion, read version by version, with what the store says beside them.

Credentials that expire in the middle are looked for anew where the AWS tools find them, once a request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from vault.clock import Clock
from vault.errors import ObjectNotFound, StorageError
from vault.problems import printable
from vault.randomness import Randomness
from vault.rate_limits import RateLimits, RequestPace, http_moment
from vault.storage.retrying import RequestRetries, RetryPolicy
from vault.storage.s3_body import ObjectReplaced, read_range
from vault.storage.s3_client import Answer, S3Client, S3Options, make_client
from vault.storage.s3_errors import EXPIRED, code_of, s3_errors, status_of
from vault.storage.s3_requests import listing_pages, version_pages

T = TypeVar("T")
IN_MEMORY = 8 * 1024 * 1024
"""Bytes of an object that are asked for with one request."""

HEADERS = {
    "ContentType": "content-type",
    "ContentEncoding": "content-encoding",
    "ContentLanguage": "content-language",
    "ContentDisposition": "content-disposition",
    "CacheControl": "cache-control",
    "WebsiteRedirectLocation": "website-redirect-location",
}
"""What is sent along with an object, as botocore names it, and as HTTP does."""

METADATA = "metadata."
"""What names of user metadata begin with."""

_SENT_BESIDE = {"StorageClass": "storage-class", "Expiration": "expiration", "ServerSideEncryption": "encryption"}
_REFUSED = (400, 401, 403)


class SourceObject(NamedTuple):
    """An object, or a version of one. token: its ETag, empty where there is none · mtime_ns: when it was written (nanoseconds
    since 1970), 0 where the store does not say · version: the id of one that is not asked for by its name alone · is_latest:
    whether it is what the name means now · is_marker: it says that the object was deleted."""

    name: str
    size: int
    token: str
    mtime_ns: int
    version: str = ""
    is_latest: bool = True
    is_marker: bool = False


class FoundObject(NamedTuple):
    """What the store says of one version. properties: what stands beside the content, by name."""

    version: SourceObject
    properties: tuple[tuple[str, str], ...]


class S3SourceObjects:
    """Objects under `prefix` ("" for the whole bucket) of `bucket`. Used by several threads.

    clock_difference: seconds that the server's clock was ahead of ours at the last answer; None where it did not say ·
    piece: bytes of an object that are asked for with one request
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        options: S3Options,
        patience: RetryPolicy,
        clock: Clock,
        randomness: Randomness,
        *,
        per_second: float = 0.0,
    ) -> None:
        self.clock_difference: float | None = None
        self.piece = IN_MEMORY
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._options = options
        self._clock = clock
        self._retries = RequestRetries(patience, clock, randomness)
        self._pace = RequestPace(clock, per_second)
        self._lock = threading.Lock()
        self._client: S3Client = make_client(options, self)

    def wait_for_turn(self) -> None:
        """Before each request."""
        self._pace.wait_for_turn()

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer has come."""
        self._pace.heard(status, headers)
        moment = next((http_moment(value) for name, value in headers.items() if name.lower() == "date"), None)
        if moment is not None:
            self.clock_difference = (moment - self._clock.now()).total_seconds()

    def limits(self) -> RateLimits:
        """What is known of the server's limits."""
        return self._pace.limits()

    def describe(self) -> str:
        """The address for people."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def objects(self) -> Iterator[SourceObject]:
        """Every object, as the listing has it. Raises `StorageError`, also where the answers are no whole listing."""
        last = ""
        for page in self._listed(listing_pages(self._page, self.describe())):
            for entry in page.get("Contents") or ():
                one = self._row(entry)
                last = one.name
                yield one
            if page.get("IsTruncated") is False and not page.get("Contents") and last:
                self._nothing_after(last)

    def all_versions(self) -> Iterator[SourceObject]:
        """Every version of every object, and the markers of deletion among them: by name, the newest first. Raises
        `StorageError` as `objects` does."""
        for page in self._listed(version_pages(self._version_page, self.describe())):
            rows = [(entry, self._row(entry, marker=False)) for entry in page.get("Versions") or ()]
            rows += [(entry, self._row(entry, marker=True)) for entry in page.get("DeleteMarkers") or ()]
            rows.sort(key=lambda row: _moment_of(row[0]), reverse=True)
            rows.sort(key=lambda row: (row[1].name.encode("utf-8", "surrogateescape"), not row[1].is_latest))
            yield from (one for _, one in rows)

    def look(self, name: str, version: str = "") -> FoundObject | None:
        """What stands under a name now, or one version of it; None where nothing does. Raises `StorageError`."""
        shown = _shown(name)

        def send(client: S3Client) -> Answer:
            with s3_errors("look at", shown):
                return client.head_object(Bucket=self._bucket, Key=self._prefix + name, **_of(version))

        try:
            answer = self._run(send)
        except ObjectNotFound:
            return None
        size = answer.get("ContentLength")
        if not isinstance(size, int):
            raise StorageError(f"the store does not say how long {shown} is")
        etag, modified = str(answer.get("ETag") or ""), nanoseconds(answer.get("LastModified"))
        return FoundObject(SourceObject(name, size, etag, modified, version), tuple(sorted(_properties(answer).items())))

    def read(self, one: SourceObject) -> Iterator[bytes]:
        """The content of one version, piece by piece; it ends early where another one takes its place. one: as `look` gave it.
        Raises `ObjectNotFound` and other `StorageError`s."""
        key, shown, etag = self._prefix + one.name, _shown(one.name), one.token or None
        for start in range(0, one.size, self.piece):
            length = min(self.piece, one.size - start)

            def send(client: S3Client, start: int = start, length: int = length) -> bytes:
                reader = _VersionClient(client, one.version) if one.version else client
                return read_range(reader, self._bucket, key, shown, start, length, etag=etag)

            try:
                yield self._run(send)
            except ObjectReplaced:
                return

    def tags(self, one: SourceObject) -> dict[str, str]:
        """The tags of a version. Raises `StorageError`."""

        def send(client: S3Client) -> Answer:
            with s3_errors("read the tags of", _shown(one.name)):
                return client.get_object_tagging(Bucket=self._bucket, Key=self._prefix + one.name, **_of(one.version))

        found = self._run(send).get("TagSet") or ()
        return {str(tag.get("Key")): str(tag.get("Value")) for tag in found}

    def rights(self, one: SourceObject) -> dict[str, Any]:
        """The owner of a version, and who may do what with it: `Owner` and `Grants`. Raises `StorageError`."""

        def send(client: S3Client) -> Answer:
            with s3_errors("read the rights of", _shown(one.name)):
                return client.get_object_acl(Bucket=self._bucket, Key=self._prefix + one.name, **_of(one.version))

        answer = self._run(send)
        return {"Owner": answer.get("Owner") or {}, "Grants": answer.get("Grants") or []}

    def close(self) -> None:
        """Close the connections; they are made again where they are needed."""
        self._client.close()

    def _run(self, action: Callable[[S3Client], T]) -> T:
        """Send what may be sent again. Credentials that have expired are looked for anew."""
        client = self._client
        try:
            return self._retries.run(partial(action, client))
        except StorageError as error:
            if not self._has_expired(client, error):
                raise
        return self._retries.run(partial(action, self._renewed(client)))

    def _has_expired(self, client: S3Client, error: StorageError) -> bool:
        """Whether a refusal is about credentials that were good once. An answer to HEAD has no body that says so: the store is
        asked another way."""
        if code_of(error) in EXPIRED:
            return True
        if status_of(error) not in _REFUSED or not code_of(error).isdigit():
            return False
        try:
            with s3_errors("list", self.describe()):
                client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        except StorageError as other:
            return code_of(other) in EXPIRED
        return False

    def _renewed(self, old: S3Client) -> S3Client:
        """A client with the credentials that are found by now; one for all who met the old one."""
        with self._lock:
            if self._client is old:
                self._client = make_client(self._options, self)
            return self._client

    def _page(self, parameters: Mapping[str, str]) -> Answer:
        def send(client: S3Client) -> Answer:
            with s3_errors("list", self.describe()):
                return client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, **parameters)

        return self._run(send)

    def _version_page(self, parameters: Mapping[str, str]) -> Answer:
        def send(client: S3Client) -> Answer:
            with s3_errors("list the versions of", self.describe()):
                return client.list_object_versions(Bucket=self._bucket, Prefix=self._prefix, **parameters)

        return self._run(send)

    def _listed(self, pages: Iterator[Answer]) -> Iterator[Answer]:
        """The pages, each once it is clear that it is one of this listing, and whole. Raises `StorageError`."""
        for page in pages:
            rows = [row for part in ("Contents", "Versions", "DeleteMarkers") for row in page.get(part) or ()]
            count, prefix = page.get("KeyCount"), page.get("Prefix")
            if not isinstance(page.get("IsTruncated"), bool):
                raise self._odd("something else than a listing")
            if isinstance(prefix, str) and prefix != self._prefix:
                raise self._odd("the listing of another prefix")
            if isinstance(count, int) and count != len(rows):
                raise self._odd(f"a page with {len(rows)} objects that says it has {count}")
            yield page

    def _nothing_after(self, last: str) -> None:
        """A page announced more, and the next one had nothing: the store is asked another way. Raises `StorageError`."""
        answer = self._page({"StartAfter": self._prefix + last})
        if answer.get("Contents"):
            raise self._odd("an empty page in the middle of the listing")

    def _row(self, entry: Any, *, marker: bool | None = None) -> SourceObject:  # noqa: ANN401 (whatever the store sent)
        """An entry of a listing; marker: None where versions are not listed."""
        key, size = entry.get("Key"), 0 if marker else entry.get("Size")
        if not isinstance(key, str) or not isinstance(size, int) or not key.startswith(self._prefix):
            raise self._odd("a listing with an entry that is none")
        name, etag, mtime_ns = key[len(self._prefix) :], str(entry.get("ETag") or ""), nanoseconds(entry.get("LastModified"))
        if marker is None:
            return SourceObject(name, size, etag, mtime_ns)
        latest = entry.get("IsLatest") is True
        return SourceObject(name, size, etag, mtime_ns, str(entry.get("VersionId") or ""), latest, marker)

    def _odd(self, what: str) -> StorageError:
        return StorageError(f"{self.describe()}: the store answers {what}", hint="is it the address of an S3 bucket?")


class _VersionClient:
    """Reads one version of whatever is asked for."""

    def __init__(self, client: S3Client, version: str) -> None:
        self._client = client
        self._version = version

    def get_object(self, **parameters: Any) -> Answer:  # noqa: ANN401
        return self._client.get_object(**parameters, VersionId=self._version)


def nanoseconds(moment: object) -> int:
    """A moment of an answer, in nanoseconds since 1970; 0 where it is none."""
    return int(moment.timestamp()) * 1_000_000_000 if isinstance(moment, datetime) else 0


def _moment_of(entry: Any) -> datetime:  # noqa: ANN401
    found = entry.get("LastModified")
    return found if isinstance(found, datetime) else datetime.min.replace(tzinfo=UTC)


def _properties(answer: Answer) -> dict[str, str]:
    """What stands beside an object's content."""
    found = {name: str(answer[key]) for key, name in (HEADERS | _SENT_BESIDE).items() if answer.get(key)}
    metadata = answer.get("Metadata")
    own = metadata if isinstance(metadata, dict) else {}
    return found | {f"{METADATA}{str(name).lower()}": str(own[name]) for name in own}


def _of(version: str) -> dict[str, str]:
    return {"VersionId": version} if version else {}


def _shown(name: str) -> str:
    return printable(name.encode("utf-8", "surrogateescape"))
