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
    from vault.storage.s3_objects import S3Objects

WHAT = "a bucket"
EXAMPLE = "s3://recordings/2026"
OPTIONS = {
    "endpoint": "URL of an S3 server other than AWS",
    "region": "the bucket's region",
    "path_style": "the bucket in the path instead of the host's name: `yes` or `no` (default: `yes` with an endpoint)",
    "profile": "a profile of the AWS configuration files",
}


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    from vault.storage.address import BucketAddress, parse_address

    try:
        address = parse_address(url)
    except UsageError as error:
        raise SettingsError("is not the address of a bucket", hint=f"for example {EXAMPLE}") from error
    if not isinstance(address, BucketAddress):
        raise SettingsError("is not the address of a bucket", hint=f"for example {EXAMPLE}")
    if "endpoint" in options:
        secrets.plain_url(options["endpoint"])
    option.flag(options, "path_style")


def make(source: SourceSettings, context: SourceContext) -> BucketSource:
    """See `registry.SourceKind`."""
    from vault.source.bucket import BucketSource
    from vault.source.patterns import Rules

    rules = Rules(include=source.include, exclude=source.exclude)
    return BucketSource(objects(source, context), source.kind.encode(), rules, context.clock)


def objects(source: SourceSettings, context: SourceContext) -> S3Objects:
    """The bucket of a source; the caller closes it."""
    from vault.storage.address import BucketAddress, parse_address
    from vault.storage.retrying import MINUTES, RetryPolicy
    from vault.storage.s3_client import S3Options
    from vault.storage.s3_objects import S3Objects

    address, options = parse_address(source.url or ""), source.options
    if not isinstance(address, BucketAddress):
        raise SettingsError("is not the address of a bucket", hint=f"for example {EXAMPLE}")
    path_style = option.flag(options, "path_style") if "path_style" in options else None
    s3 = S3Options(options.get("endpoint"), options.get("region"), path_style, options.get("profile"))
    patience = RetryPolicy.network(MINUTES)
    return S3Objects(address.bucket, address.prefix, s3, patience, context.clock, context.randomness)
