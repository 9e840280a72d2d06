"""What goes up with an object beside its content: of what a bucket has shown of it once, that which a bucket takes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct, field

from restore.local_fs import Attributes
from vault.source.attributes import SHOWN

_S3 = SHOWN + b"s3."
_METADATA, _TAG = "metadata.", "tag."
_HEADERS = {
    "content-type": "ContentType",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "content-disposition": "ContentDisposition",
    "cache-control": "CacheControl",
    "website-redirect-location": "WebsiteRedirectLocation",
}
_MOST_METADATA = 2048
"""Bytes of user metadata that S3 takes."""


class ObjectHeaders(Struct, frozen=True):
    """metadata: the user's own · parameters: others, as `S3Objects.put` takes them · lost: names of what cannot be sent."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()


def headers_of(attributes: Attributes) -> ObjectHeaders:
    """Of an item that came out of a bucket; nothing of others."""
    found = {name: value for name, value in bucket_properties(attributes) if value.isascii() and value.isprintable()}
    odd = [name for name, value in bucket_properties(attributes) if name not in found and _goes_back(name)]
    metadata = {name.removeprefix(_METADATA): value for name, value in found.items() if name.startswith(_METADATA)}
    if sum(len(name) + len(value) for name, value in metadata.items()) > _MOST_METADATA:
        odd, metadata = [*odd, *(f"{_METADATA}{name}" for name in metadata)], {}
    parameters = {_HEADERS[name]: value for name, value in found.items() if name in _HEADERS}
    tags = {name.removeprefix(_TAG): value for name, value in bucket_properties(attributes) if name.startswith(_TAG)}
    if tags:
        parameters["Tagging"] = urlencode(tags)
    return ObjectHeaders(metadata, parameters, tuple(odd))


def bucket_properties(attributes: Attributes) -> Iterable[tuple[str, str]]:
    """What a bucket showed of an item, names and values."""
    for name, value in attributes.extended or ():
        if name.startswith(_S3):
            yield name.removeprefix(_S3).decode("utf-8", "replace"), value.decode("utf-8", "replace")


def _goes_back(name: str) -> bool:
    return name in _HEADERS or name.startswith(_METADATA)
