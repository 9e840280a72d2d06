"""`s3://bucket/prefix`: the objects of a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from strongroom.settings import secrets
from strongroom.source_kinds import options as option
from vault.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.source.bucket import BucketSource
    from vault.storage.address import BucketAddress
    from vault.storage.s3_client import S3Options
    from vault.storage.s3_source_objects import S3SourceObjects

WHAT = "a bucket"
EXAMPLE = "s3://recordings/2026"
OPTIONS = {
    "endpoint": "URL of an S3 server other than AWS",
    "region": "the bucket's region",
    "path_style": "the bucket in the path instead of the host's name: `yes` or `no` (default: `yes` with an endpoint)",
    "profile": "a profile of the AWS configuration files",
    "versions": "earlier versions of objects too: `all`, or how many of each (default: `current`, none)",
    "tags": "the tags of each object, with one more request each: `yes` or `no` (default: `no`)",
    "rights": "owner and access list of each object, with one more request each: `yes` or `no` (default: `no`)",
    "requests_per_second": "at most so many; where it is not said: as many as it answers",
    "restore_profile": "the profile of who puts objects back with `--in-place`; where it is not said: `profile`",
}


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    address_of(url)
    if "endpoint" in options:
        secrets.plain_url(options["endpoint"])
    for name in ("path_style", "tags", "rights"):
        option.flag(options, name)
    option.number(options, "requests_per_second", 1, most=10_000)
    _versions(options)


def make(source: SourceSettings, context: SourceContext) -> BucketSource:
    """See `registry.SourceKind`."""
    from vault.source.bucket import BucketOptions, BucketSource
    from vault.source.patterns import Rules

    own = source.options
    options = BucketOptions(_versions(own), tags=option.flag(own, "tags"), rights=option.flag(own, "rights"))
    rules = Rules(include=source.include, exclude=source.exclude)
    return BucketSource(objects(source, context), source.kind.encode(), rules, context.clock, options)


def objects(source: SourceSettings, context: SourceContext) -> S3SourceObjects:
    """The bucket of a source; the caller closes it."""
    from vault.storage.retrying import MINUTES, RetryPolicy
    from vault.storage.s3_source_objects import S3SourceObjects

    options = source.options
    address, s3 = address_of(source.url or ""), s3_options(options)
    limit = float(option.number(options, "requests_per_second", 1, most=10_000)) if "requests_per_second" in options else 0.0
    patience = RetryPolicy.network(MINUTES)
    made = (address.bucket, address.prefix, s3, patience, context.clock, context.randomness)
    return S3SourceObjects(*made, per_second=limit)


def address_of(url: str) -> BucketAddress:
    """Bucket and prefix of a URL. Raises `SettingsError`."""
    from vault.storage.address import BucketAddress, parse_address

    try:
        address = parse_address(url)
    except UsageError as error:
        raise SettingsError("is not the address of a bucket", hint=f"for example {EXAMPLE}") from error
    if not isinstance(address, BucketAddress):
        raise SettingsError("is not the address of a bucket", hint=f"for example {EXAMPLE}")
    return address


def s3_options(options: Mapping[str, str]) -> S3Options:
    """How the server is reached."""
    from vault.storage.s3_client import S3Options

    path_style = option.flag(options, "path_style") if "path_style" in options else None
    return S3Options(options.get("endpoint"), options.get("region"), path_style, options.get("profile"))


def _versions(options: Mapping[str, str]) -> int | None:
    """How many earlier versions of each object; None for all. Raises `UsageError`."""
    text = options.get("versions", "current")
    if text in ("all", "current"):
        return None if text == "all" else 0
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise SettingsError("must be all, current, or how many earlier versions of each object")
    return int(text)
