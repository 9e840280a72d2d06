"""Sources over the model desk of `rest_double`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.clock import StillClock
from tests.support.rest_double import ModelDesk
from vault.backup import run
from vault.clock import Clock
from vault.progress import never
from vault.source.contract import Scan
from vault.source.rest.client import RestClient
from vault.source.rest.credentials import Credentials
from vault.source.rest.description import Description
from vault.source.rest.description_parsing import parse
from vault.source.rest.source import RestOptions, RestSource

PREFIX = b"tickets"
STYLES = ("none", "page", "offset", "cursor", "next", "link", "keyset")
PAGING: dict[str, dict[str, Any]] = {
    "none": {"type": "none"},
    "page": {"type": "page", "parameter": "page", "total": "count"},
    "offset": {"type": "offset", "parameter": "offset", "total": "count"},
    "cursor": {"type": "cursor", "parameter": "cursor", "next": "next", "total": "count"},
    "next": {"type": "next", "next": "next", "total": "count"},
    "link": {"type": "link", "total": "count"},
    "keyset": {"type": "keyset", "parameter": "after", "total": "count"},
}
INCREMENTAL = {"field": "modified", "parameters": {"modified_from": "{since}", "order": "modified"}, "overlap": "1 minute"}
COMMENTS = {"comments": {"path": "tickets/{key}/comments", "records": "results"}}
FILES = {"records": "files", "url": "url"}


def described(style: str = "page", *, size: int = 100, limits: dict[str, Any] | None = None, **more: Any) -> Description:
    """The interface of the model desk, with pages of a style. more: of the resource."""
    paging = PAGING[style] | {"size": size, "size_parameter": "size"}
    if style == "keyset" and "incremental" in more:
        more["incremental"] = more["incremental"] | {"parameters": {"modified_from": "{since}"}}
    resource = {"path": f"{style}/tickets", "records": "results", "time": "created", "paging": paging, **more}
    value = {"title": "the model desk", "resources": {"tickets": resource}, "limits": limits or {}}
    return parse(value)


def source_of(
    desk: ModelDesk,
    description: Description,
    state: Path | None,
    *,
    clock: Clock | None = None,
    secret: str | None = None,
    user: str = "",
    **more: Any,
) -> RestSource:
    """The desk as a source. state: the folder of its mirror."""
    own = clock or StillClock()
    client = RestClient(description, desk.url, Credentials(secret, user), own)
    return RestSource(RestOptions(description, desk.url, state, **more), client, PREFIX, own)


def contents_of(source: RestSource, found: Scan) -> dict[str, bytes]:
    """What a scan has listed, by relative path."""
    contents = {}
    with source.reader() as reader:
        for path, kind in zip(found.table["path"].to_pylist(), found.table["type"].to_pylist(), strict=True):
            if kind == 0:
                stream = reader.open_large(path)
                with stream:  # type: ignore[union-attr]
                    data, buffer = b"", bytearray(100_000)
                    while count := stream.readinto(buffer, len(data)):  # type: ignore[union-attr]
                        data += buffer[:count]
                contents[path.decode().removeprefix(f"{PREFIX.decode()}/")] = data
    return contents


def read(source: RestSource) -> tuple[Scan, dict[str, bytes]]:
    """A scan, and what it has listed; the source is closed."""
    try:
        found = source.scan(never)
        return found, contents_of(source, found)
    finally:
        source.close()


def lines(contents: dict[str, bytes]) -> list[str]:
    """The records of all items, in the order of their items."""
    return [line for name in sorted(contents) if name.endswith(".jsonl") for line in contents[name].decode().splitlines()]


def as_backup(source: RestSource) -> run.Source:
    """For `vault.backup.run.back_up`."""
    return run.Source("tickets", PREFIX.decode(), source)
