"""What requests to S3 share: the pages of a listing, and checksums as S3 writes them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping

from vault.errors import StorageError
from vault.storage.s3_client import Answer


def listing_pages(request: Callable[[Mapping[str, str]], Answer], what: str) -> Iterator[Answer]:
    """Every page of a listing.

    - `request`: sends ListObjectsV2 with these further parameters
    - `what`: is listed, for error messages

    Raises `StorageError` where the store repeats a continuation token or gives none, besides what `request` raises.
    """
    tokens: set[str] = set()
    parameters: dict[str, str] = {}
    while True:
        page = request(parameters)
        yield page
        if not page.get("IsTruncated"):
            return
        token = page.get("NextContinuationToken")
        if not isinstance(token, str) or token in tokens:
            raise StorageError(f"the store's listing of {what} does not come to an end")
        tokens.add(token)
        parameters = {"ContinuationToken": token}


def version_pages(request: Callable[[Mapping[str, str]], Answer], what: str) -> Iterator[Answer]:
    """Every page of a listing of versions.

    - `request`: sends ListObjectVersions with these further parameters
    - `what`: is listed, for error messages

    Raises `StorageError` where the store repeats a place in it or gives none, besides what `request` raises.
    """
    seen: set[tuple[str, str]] = set()
    parameters: dict[str, str] = {}
    while True:
        page = request(parameters)
        yield page
        if not page.get("IsTruncated"):
            return
        place = (str(page.get("NextKeyMarker") or ""), str(page.get("NextVersionIdMarker") or ""))
        if not place[0] or place in seen:
            raise StorageError(f"the store's listing of the versions of {what} does not come to an end")
        seen.add(place)
        parameters = {"KeyMarker": place[0]} | ({"VersionIdMarker": place[1]} if place[1] else {})


def sha256_checksum(digest: bytes) -> dict[str, str]:
    """The parameter of an upload that lets the store verify its SHA-256."""
    return {"ChecksumSHA256": base64.b64encode(digest).decode("ascii")}


def md5_checksum(digest: bytes) -> dict[str, str]:
    """The parameter of an upload that lets the store verify its MD5."""
    return {"ContentMD5": base64.b64encode(digest).decode("ascii")}
