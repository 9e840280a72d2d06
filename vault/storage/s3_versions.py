"""Former versions of the objects of a bucket, and delete markers, which are versions as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from vault.errors import StorageDenied, StorageError, TransientStorageError
from vault.storage.object_names import is_name, validate, validate_folder
from vault.storage.s3_client import Answer, S3Client
from vault.storage.s3_errors import s3_errors
from vault.storage.s3_requests import version_pages


class _Version(NamedTuple):
    """marker: it says that the object was deleted."""

    name: str
    id: str
    marker: bool


class S3Versions:
    """The `Versions` of a bucket. prefix: of all keys, with its slash · versioning: what the bucket says of itself."""

    def __init__(self, client: S3Client, bucket: str, prefix: str, versioning: Callable[[], str | None]) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._versioning = versioning

    def kept(self) -> bool:
        status = self._versioning()
        if status is not None:
            return status != "off"
        try:  # it does not say: where it lists versions, it may keep some
            return self.count("keys") >= 0
        except StorageDenied:
            return True
        except TransientStorageError:
            raise
        except StorageError:
            return False

    def count(self, folder: str) -> int:
        return sum(not one.marker for one in self._listed(f"{validate_folder(folder)}/"))

    def names(self, folder: str) -> set[str]:
        return {one.name for one in self._listed(f"{validate_folder(folder)}/")}

    def delete(self, name: str) -> int:
        found = [one for one in self._listed(validate(name)) if one.name == name]
        for one in found:
            with s3_errors("delete every version of", name):
                self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name, VersionId=one.id)
        return len(found)

    def _listed(self, start: str) -> Iterator[_Version]:
        """Those of all keys that begin so. Raises `StorageError` where the listing does not come to an end."""

        def request(parameters: Mapping[str, str]) -> Answer:
            with s3_errors("list the versions of", start):
                return self._client.list_object_versions(Bucket=self._bucket, Prefix=self._prefix + start, **parameters)

        for page in version_pages(request, start):
            yield from self._rows(page)

    def _rows(self, page: Any) -> Iterator[_Version]:  # noqa: ANN401 (whatever the store sent)
        for part in ("Versions", "DeleteMarkers"):
            for entry in page.get(part) or ():
                key, version = entry.get("Key"), entry.get("VersionId")
                if isinstance(key, str) and isinstance(version, str) and is_name(key[len(self._prefix) :]):
                    yield _Version(key[len(self._prefix) :], version, part == "DeleteMarkers")
