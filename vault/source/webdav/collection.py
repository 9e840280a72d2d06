"""A collection of a WebDAV server: what is in its folders, asked for with suspicion."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from vault.errors import SourceDenied, SourceError
from vault.problems import printable
from vault.source.webdav import multistatus
from vault.source.webdav.client import DavClient
from vault.source.webdav.multistatus import DavEntry

GONE = (404, 410)
_MULTI_STATUS, _FORBIDDEN = 207, 403
_NOT_UNDERSTOOD = (400, 422, 500, 501)
"""Answers of servers that do not know the properties of others, and say so otherwise than RFC 4918 asks for."""


class Forbidden(SourceDenied):
    """The user may not see what is at a path."""


class Listing(NamedTuple):
    """A folder itself, and what is directly in it, by relative path."""

    own: DavEntry
    below: list[tuple[bytes, DavEntry]]


class DavCollection(Struct, frozen=True):
    """What lies below the address of a client. Paths are relative, without a slash at either end; empty for the collection."""

    client: DavClient

    def entry(self, path: bytes) -> DavEntry | None:
        """A file or a folder; None where nothing is there. Raises `SourceError`."""
        answer = self._asked(path, "0")
        return next((one for one in answer or () if one.path == self._whole(path)), None)

    def listing(self, folder: bytes) -> Listing | None:
        """None where nothing is there. Raises `SourceError` where it is no folder, or the answer is about something else, so
        that nothing is taken for empty."""
        answer = self._asked(folder, "1")
        if answer is None:
            return None
        where, own, below, base = self.text(folder), None, [], self._whole(folder)
        for entry in answer:
            if entry.path == base:
                own = entry
                continue
            above, _, name = entry.path.rpartition(b"/")
            if above != base or not name:
                raise SourceError(f"{where} lists what is not in it", hint="is it the address of a WebDAV collection?")
            below.append((folder + b"/" + name if folder else name, entry))
        if own is None or not own.is_folder:
            raise SourceError(f"{where} is not a folder, or its listing is not whole", hint="is the address right?")
        return Listing(own, below)

    def text(self, path: bytes) -> str:
        """For people."""
        return f"{self.client.address.text}{printable(path)}"

    def _asked(self, path: bytes, depth: str) -> list[DavEntry] | None:
        name = as_text(path)
        headers = {"Depth": depth, "Content-Type": "application/xml"}
        path_there = f"{name}/" if name and depth == "1" else name
        answer = self.client.ask("PROPFIND", path_there, self._question, headers)
        if answer.status in _NOT_UNDERSTOOD and self._question != multistatus.PLAIN:
            plain = self.client.ask("PROPFIND", path_there, multistatus.PLAIN, headers)
            if plain.status == _MULTI_STATUS:
                self.client.asks_plainly, answer = True, plain
        if answer.status in GONE:
            return None
        where = self.client.address.text
        if answer.status == _FORBIDDEN:
            raise Forbidden(f"{self.text(path)} may not be listed by this user", hint="give the user the right to read it")
        if answer.status != _MULTI_STATUS:
            raise SourceError(f"{where} answers {answer.status} to a listing", hint="is it the address of a WebDAV collection?")
        return multistatus.entries(answer.body, where)

    @property
    def _question(self) -> bytes:
        return multistatus.PLAIN if self.client.asks_plainly else multistatus.BODY

    def _whole(self, path: bytes) -> bytes:
        base = self.client.address.base.encode("utf-8", "surrogateescape")
        return (base + path).rstrip(b"/")


def as_text(path: bytes) -> str:
    """A path as the client takes it."""
    return path.decode("utf-8", "surrogateescape")


def same_etag(one: str, other: str) -> bool:
    """Whether two ETags are of one version: some servers call one weak in one answer and not in the other."""
    return one.removeprefix("W/").strip('"') == other.removeprefix("W/").strip('"')
