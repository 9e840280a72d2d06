"""Answers to PROPFIND, read with suspicion: XML without entities, of the DAV: namespace, about what was asked for."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from vault.errors import SourceError

BODY = (
    b'<?xml version="1.0"?><d:propfind xmlns:d="DAV:"><d:prop><d:resourcetype/><d:getcontentlength/><d:getlastmodified/>'
    b"<d:getetag/></d:prop></d:propfind>"
)
_DAV = "{DAV:}"


class DavEntry(NamedTuple):
    """A file or a collection. path: whole, decoded, without a slash at its end · etag: empty where there is none · mtime: whole
    seconds since 1970, 0 where it is not said."""

    path: bytes
    is_folder: bool
    size: int
    etag: str
    mtime: int


def entries(data: bytes, where: str) -> list[DavEntry]:
    """What an answer tells of. where: for messages. Raises `SourceError` where it is no such answer."""
    root = _parsed(data, where)
    if root.tag != f"{_DAV}multistatus":
        raise _odd(where, "an answer that is not a listing")
    return [_entry(one, where) for one in root.iterfind(f"{_DAV}response")]


def _parsed(data: bytes, where: str) -> Element:
    def refuse(*_: object) -> None:
        raise _odd(where, "XML with entities")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    builder = TreeBuilder()
    parser.StartElementHandler = lambda tag, attributes: builder.start(_name(tag), attributes)
    parser.EndElementHandler = lambda tag: builder.end(_name(tag))
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)  # noqa: FBT003 (expat's own form)
        return builder.close()
    except (expat.ExpatError, AssertionError) as error:
        raise _odd(where, "something else than XML") from error


def _name(tag: str) -> str:
    return f"{{{tag}" if "}" in tag else tag


def _entry(response: Element, where: str) -> DavEntry:
    href = (response.findtext(f"{_DAV}href") or "").strip()
    if not href:
        raise _odd(where, "a listing with an entry that has no name")
    path = unquote_to_bytes(urlsplit(href).path if "://" in href else href)
    is_folder, size, etag, mtime = path.endswith(b"/"), 0, "", 0
    for part in response.iterfind(f"{_DAV}propstat"):
        if " 200" not in (part.findtext(f"{_DAV}status") or ""):
            continue
        for prop in part.iterfind(f"{_DAV}prop"):
            is_folder |= prop.find(f"{_DAV}resourcetype/{_DAV}collection") is not None
            length = (prop.findtext(f"{_DAV}getcontentlength") or "").strip()
            size = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else size
            etag = (prop.findtext(f"{_DAV}getetag") or etag).strip()
            mtime = _moment(prop.findtext(f"{_DAV}getlastmodified")) or mtime
    return DavEntry(path.rstrip(b"/"), is_folder, size, etag, mtime)


def _moment(text: str | None) -> int:
    try:
        return int(parsedate_to_datetime(text).timestamp()) if text else 0
    except (TypeError, ValueError, OverflowError):
        return 0


def _odd(where: str, what: str) -> SourceError:
    return SourceError(f"{where} answers {what}", hint="is it the address of a WebDAV collection?")
