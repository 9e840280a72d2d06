"""Answers to PROPFIND, read with suspicion: XML without entities, of the DAV: namespace, about what was asked for.

Besides what a file is, servers are asked whose it is and who may do what with it, as far as they show that: the owner of RFC
3744, and what ownCloud and Nextcloud say of rights and shares.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from vault.errors import SourceError

_DAV = "{DAV:}"
_OWNCLOUD, _NEXTCLOUD = "{http://owncloud.org/ns}", "{http://nextcloud.org/ns}"
_SHARING = "{http://open-collaboration-services.org/ns}"

SHOWN = {
    "owner": f"{_DAV}owner",
    "owner-id": f"{_OWNCLOUD}owner-id",
    "owner-name": f"{_OWNCLOUD}owner-display-name",
    "permissions": f"{_OWNCLOUD}permissions",
    "share-types": f"{_OWNCLOUD}share-types",
    "share-permissions": f"{_SHARING}share-permissions",
    "sharees": f"{_NEXTCLOUD}sharees",
    "access-list": f"{_NEXTCLOUD}acl-list",
    "note": f"{_NEXTCLOUD}note",
}
"""Properties that are kept beside a content, by the names that they have as attributes."""

MOST_PARTS = 1000
"""Parts of such a property."""


def _body(shown: Iterable[str]) -> bytes:
    own = "<d:resourcetype/><d:getcontentlength/><d:getlastmodified/><d:getetag/>"
    others = "".join(f'<x:{tag[tag.index("}") + 1 :]} xmlns:x="{tag[1 : tag.index("}")]}"/>' for tag in shown)
    text = f'<?xml version="1.0"?><d:propfind xmlns:d="DAV:"><d:prop>{own}{others}</d:prop></d:propfind>'
    return text.encode("ascii")


PLAIN, BODY = _body(()), _body(SHOWN.values())
"""What is asked for: what a file is; that, and whose it is."""


class DavEntry(NamedTuple):
    """A file or a collection. path: whole, decoded, without a slash at its end · etag: empty where there is none · mtime: whole
    seconds since 1970, 0 where it is not said · properties: whose it is and who may do what, names and values."""

    path: bytes
    is_folder: bool
    size: int
    etag: str
    mtime: int
    properties: tuple[tuple[str, str], ...] = ()


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
    properties: dict[str, str] = {}
    for part in response.iterfind(f"{_DAV}propstat"):
        if " 200" not in (part.findtext(f"{_DAV}status") or ""):
            continue
        for prop in part.iterfind(f"{_DAV}prop"):
            is_folder |= prop.find(f"{_DAV}resourcetype/{_DAV}collection") is not None
            length = (prop.findtext(f"{_DAV}getcontentlength") or "").strip()
            size = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else size
            etag = (prop.findtext(f"{_DAV}getetag") or etag).strip()
            mtime = _moment(prop.findtext(f"{_DAV}getlastmodified")) or mtime
            properties |= {name: _text(found) for name, tag in SHOWN.items() if (found := prop.find(tag)) is not None}
    shown = tuple((name, value) for name, value in sorted(properties.items()) if value)
    return DavEntry(path.rstrip(b"/"), is_folder, size, etag, mtime, shown)


def _text(element: Element) -> str:
    """A property as text: its own; of an address that; of a list of parts, or of parts with fields, as JSON."""
    parts = list(element)[:MOST_PARTS]
    if not parts:
        return (element.text or "").strip()
    if len(parts) == 1 and parts[0].tag == f"{_DAV}href":
        return (parts[0].text or "").strip()
    values = [
        {field.tag[field.tag.find("}") + 1 :]: (field.text or "").strip() for field in list(part)[:MOST_PARTS]}
        if len(part)
        else (part.text or "").strip()
        for part in parts
    ]
    return json.dumps(values, ensure_ascii=False)


def _moment(text: str | None) -> int:
    try:
        return int(parsedate_to_datetime(text).timestamp()) if text else 0
    except (TypeError, ValueError, OverflowError):
        return 0


def _odd(where: str, what: str) -> SourceError:
    return SourceError(f"{where} answers {what}", hint="is it the address of a WebDAV collection?")
