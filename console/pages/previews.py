"""Previews of items: a page with what can be shown of one, and the bytes of pictures, sound, film and PDF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from starlette.responses import Response, StreamingResponse

from console.gateway import previews
from console.gateway.previews import Bytes, ItemPlace, TableView, WantedRange
from console.routing import page
from console.visit import Visit

LONGEST_NAME = 200
LARGEST_NUMBER = 1_000_000_000
PIECE = 1 << 16

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'self'"
_PDF = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'self'"
"""A browser's own viewer of PDF does not run in a sandbox: what comes is a PDF by its type and its first bytes, and nothing in
it reaches the console or the network."""


def preview_page(visit: Visit) -> Response:
    """What can be shown of an item."""
    place = _place(visit)
    record = visit.asked("record")
    found = previews.preview(visit, place, _view(visit), _number(record) if record else None)
    here = {"path": place.quoted, "at": place.at, "source": place.source}
    return visit.render(
        "previews/preview.html",
        found=found,
        here=here,
        bytes_at=visit.path_to("projects", place.project, "item", "content", **here),
        shown_name=previews.shown_name,
        quoted=previews.quoted_path,
        view=_view(visit),
    )


def content(visit: Visit) -> Response:
    """The bytes of an item of a type that a browser may have."""
    asked = visit.request.headers
    found = previews.content(visit, _place(visit), wanted_range(asked.get("range", "")), asked.get("if-range", "").strip('"'))
    headers = {
        "content-security-policy": _PDF if found.sort == "pdf" else _SANDBOX,
        "x-frame-options": "SAMEORIGIN",
        "content-disposition": "inline",
        "accept-ranges": "bytes",
        "etag": f'"{found.tag}"',
    }
    if found.range is None:
        return _answer(found, 200, headers | {"content-length": str(found.size)})
    start, end = found.range
    if end <= start:
        return Response(status_code=416, headers=headers | {"content-range": f"bytes */{found.size}"})
    headers["content-length"] = str(end - start)
    return _answer(found, 206, headers | {"content-range": f"bytes {start}-{end - 1}/{found.size}"})


def wanted_range(header: str) -> WantedRange | None:
    """What a request's `Range` says; None for all of it. Several ranges, and what makes no sense, count for nothing: RFC 9110
    lets them."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    first, last = (int(one) if one else None for one in found.groups())
    return None if first is not None and last is not None and last < first else WantedRange(first, last)


def _answer(found: Bytes, status: int, headers: dict[str, str]) -> Response:
    if isinstance(found.content, bytes):
        return Response(found.content, status, headers, media_type=found.media_type)
    return StreamingResponse(_pieces(found.content), status, headers, media_type=found.media_type)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """The file is closed at its end, and when nobody listens any more."""
    with file:
        while piece := file.read(PIECE):
            yield piece


def _place(visit: Visit) -> ItemPlace:
    return ItemPlace.of(visit.value("project"), visit.asked("path"), visit.asked("at"), visit.asked("source"))


def _view(visit: Visit) -> TableView:
    return TableView(
        sheet=visit.asked("sheet")[:LONGEST_NAME],
        first=_number(visit.asked("first")),
        sort=visit.asked("sort")[:LONGEST_NAME],
        descending=visit.asked("descending") == "yes",
    )


def _number(text: str) -> int:
    """What is no number that can be meant counts as 0."""
    return min(int(text), LARGEST_NUMBER) if text.isascii() and text.isdigit() and len(text) < 12 else 0


ROUTES = (
    page("GET", "/projects/{project}/item/preview", preview_page),
    page("GET", "/projects/{project}/item/content", content),
)
