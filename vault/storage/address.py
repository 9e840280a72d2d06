"""Where a repository lies, as a value, and how to open the store there.

    /var/backups/calls      a folder; a relative path too       file:/var/backups/calls     the same, as a URL
    s3://bucket/prefix      a place in a bucket

Secrets have no place in an address: addresses are shown, logged and kept in settings files.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from msgspec import Struct, field

from vault.clock import Clock
from vault.errors import UsageError
from vault.randomness import Randomness
from vault.storage.contract import Checksum, Store
from vault.storage.local import LocalStore
from vault.storage.retrying import RetryingStore, RetryPolicy
from vault.storage.s3_client import S3Options

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C:\ is a drive
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}\Z")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'() -]+(?:/[A-Za-z0-9!_.*'() -]+)*\Z")
_LONGEST_PREFIX = 500
_FORMS = "write a folder's path, file:/path, or s3://bucket/prefix"


class FolderAddress(Struct, frozen=True):
    """A folder of a file system."""

    path: Path

    @property
    def text(self) -> str:
        text = str(self.path)
        return f"./{text}" if _SCHEME.match(text) else text  # or it would read back as a URL


class BucketAddress(Struct, frozen=True):
    """A place in a bucket; `prefix` has no slash at either end and is "" for the whole bucket."""

    bucket: str
    prefix: str

    @property
    def text(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}"


Address = FolderAddress | BucketAddress


class StoreOptions(Struct, frozen=True):
    """What an address does not say. `checksum`: what the descriptor recorded, "both" before it is read."""

    s3: S3Options = field(default_factory=S3Options)
    checksum: Checksum = "both"
    patience: RetryPolicy = field(default_factory=RetryPolicy.network)


def parse_address(text: str) -> Address:
    """Raises `UsageError` with a hint for whatever is not one of the forms above."""
    if not text.strip() or any(not char.isprintable() for char in text):
        raise UsageError("the address is empty or holds characters that cannot be printed", hint=_FORMS)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _folder(text)
    rest = text[scheme.end() :]
    match scheme.group(1).lower():
        case "s3":
            return _bucket(rest)
        case "file":
            return _file_url(rest)
        case "http" | "https":
            raise UsageError(
                "this is the address of a server, not of a bucket",
                hint="write s3://bucket/prefix as the address, and the server's URL as the endpoint in the settings",
            )
        case other:
            # the text itself is not repeated: it may hold a password
            raise UsageError(
                f"addresses that begin with {other}: are not supported",
                hint=f"{_FORMS}; a folder whose name has a colon is written ./{other}:…",
            )


def open_bare_store(
    address: Address, options: StoreOptions, clock: Clock, randomness: Randomness, *, create_missing: bool = False
) -> Store:
    """The store at an address, each request sent once; for the probe. Raises as `open_store` does."""
    if isinstance(address, FolderAddress):
        return LocalStore(address.path, clock=clock, randomness=randomness, create_missing=create_missing)
    # botocore takes a quarter of a second to import; a repository in a folder does not wait for it
    from vault.storage.s3 import S3Store

    return S3Store(address.bucket, address.prefix, options.s3, checksum=options.checksum)


def open_store(
    address: Address, options: StoreOptions, clock: Clock, randomness: Randomness, *, create_missing: bool = False
) -> Store:
    """The store at an address, with patience.

    A folder that is not there is made only for `create_missing` (that is `init`); otherwise it raises `NoRepository`,
    so that a disk that is not mounted is told from an empty repository. No request is sent to a bucket: the first use
    shows whether it is there. Raises `StorageError` where the settings cannot be used.
    """
    inner = open_bare_store(address, options, clock, randomness, create_missing=create_missing)
    return RetryingStore(inner, options.patience, clock, randomness)


def _folder(text: str) -> FolderAddress:
    if text.startswith("~"):
        raise UsageError(f"the address {text} is not expanded here", hint="write the folder's full path")
    if "\0" in text:
        raise UsageError("the address holds a NUL, which no path may have", hint=_FORMS)
    return FolderAddress(Path(text))


def _file_url(rest: str) -> FolderAddress:
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in {"", "localhost"} or not slash:
            raise UsageError("the file: address names another host", hint="write file:/path")
        rest = f"/{path}"
    if not rest:
        raise UsageError("the address file: has no path", hint="write file:/path")
    return _folder(unquote(rest))


def _bucket(rest: str) -> BucketAddress:
    if "@" in rest or "?" in rest:
        raise UsageError(
            "the s3: address holds credentials or options, which do not belong there",
            hint="write s3://bucket/prefix; credentials come from where the AWS tools find them",
        )
    if not rest.startswith("//"):
        raise UsageError(f"the address s3:{rest} is incomplete", hint="write s3://bucket/prefix")
    bucket, _, prefix = rest[2:].partition("/")
    prefix = prefix.removesuffix("/")
    if _BUCKET.match(bucket) is None:
        raise UsageError(f"the address s3:{rest} does not name a bucket", hint="write s3://bucket/prefix")
    parts = prefix.split("/")
    if prefix and (_PREFIX.match(prefix) is None or "." in parts or ".." in parts or len(prefix) > _LONGEST_PREFIX):
        raise UsageError(
            f"the address s3:{rest} has a prefix that not every store can hold",
            hint="use letters, digits, . _ - and single slashes between",
        )
    return BucketAddress(bucket, prefix)
