"""Files onto a WebDAV server: each under a temporary name first, and moved to its own once it is there whole.

What takes something's place does so only where that is still what the plan saw, by its ETag. Folders are made as they are
needed. A time of modification is asked for as Nextcloud and ownCloud understand it; others put the moment of the restore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from urllib.parse import quote

from blake3 import blake3

from restore.execution.verification import NO_CHECKSUM, NOT_THERE, OTHER_CONTENT, Verification
from restore.local_fs import Inspection, TargetItem
from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry
from vault.errors import SourceError, TargetError
from vault.format import manifest
from vault.problems import Problem, printable
from vault.progress import NoProgress, Progress
from vault.source.webdav.client import CutShort, DavClient
from vault.source.webdav.collection import DavCollection, as_text, same_etag
from vault.source.webdav.multistatus import DavEntry

_MADE, _CHANGED, _FULL = (200, 201, 204), 412, 507
_FOLDER_STANDS = 405
_MISREAD = (b"?", b"#", b"%", b";")
_CHANGED_MEANWHILE = "something was put there, or changed, since the plan was made; it was left alone"


@contextmanager
def target_errors() -> Iterator[None]:
    """What the client says of a server, as an error of a destination."""
    try:
        yield
    except SourceError as error:
        raise TargetError(str(error), hint=error.hint) from error


class DavPlace:
    """What stands on the server, for a plan: a `restore.planning.destination.Destination`."""

    def __init__(self, client: DavClient, seen: dict[bytes, dict[bytes, DavEntry] | None] | None = None) -> None:
        """seen: by an earlier one, for the plan that is carried out."""
        self._client = client
        self._folders: dict[bytes, dict[bytes, DavEntry] | None] = {} if seen is None else seen

    def reached_by(self, client: DavClient) -> DavPlace:
        """The same, over another connection."""
        return DavPlace(client, self._folders)

    def existing(self, paths: Iterable[bytes]) -> dict[bytes, str]:
        """Folders are listed once, whatever is asked of them; one that is not there has nothing in it."""
        found = {}
        with target_errors():
            for path in paths:
                entry = self.entry(path)
                if entry is not None:
                    found[path] = "folder" if entry.is_folder else "file"
                elif self._is_blocked(path):
                    found[path] = "blocked"
        return found

    def modified(self, paths: Iterable[bytes]) -> dict[bytes, int]:
        """As the server says, in whole seconds."""
        with target_errors():
            entries = {path: self.entry(path) for path in paths}
        return {path: entry.mtime * 1_000_000_000 for path, entry in entries.items() if entry is not None}

    def compare(self, items: Iterable[TargetItem]) -> Iterator[Inspection]:
        """A file of the same size is fetched and compared; times and modes are the server's own."""
        return (Inspection(same=self._holds(item)) for item in items)

    def entry(self, path: bytes) -> DavEntry | None:
        """What stands at a path. Raises `SourceError`."""
        folder, _, _ = path.rpartition(b"/")
        if folder not in self._folders:
            above = self.entry(folder) if folder else None
            if folder and (above is None or not above.is_folder):
                self._folders[folder] = None
            else:
                listing = DavCollection(self._client).listing(folder)
                self._folders[folder] = None if listing is None else dict(listing.below)
        return (self._folders[folder] or {}).get(path)

    def _is_blocked(self, path: bytes) -> bool:
        """Whether something that is no folder stands where one above would be."""
        while b"/" in path:
            path = path.rpartition(b"/")[0]
            entry = self.entry(path)
            if entry is not None:
                return not entry.is_folder
        return False

    def _holds(self, item: TargetItem) -> bool:
        with target_errors():
            entry = self.entry(item.path)
            if entry is None or entry.is_folder != (item.kind == manifest.FOLDER):
                return False
            if item.kind != manifest.FILE:
                return entry.is_folder
            return entry.size == item.size and item.digest is not None and _digest(self._client, item.path) == item.digest


class DavSink:
    """See this module's text. place: what stands there now · seen: what the plan saw; None for a plan that is as old."""

    def __init__(self, client: DavClient, place: DavPlace, seen: DavPlace | None = None) -> None:
        self._client = client
        self._place = place
        self._seen = seen or place
        self._folders: set[bytes] = {b""}
        self._sent: dict[bytes, int] = {}

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """A folder, and those above it."""
        with target_errors():
            reason = self._made_folder(path)
        return [Problem(path, "unwritable", reason)] if reason else []

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """Cannot be."""
        return [Problem(path, "not-carried", f"a WebDAV server holds no links; it points to {printable(points_to)}")]

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A file."""
        if item.content is None:
            return []
        with target_errors():
            reason = self._made_folder(item.path.rpartition(b"/")[0]) or self._put(item, entry, replace=replace)
        if not reason:
            self._sent[item.path] = item.size
        return [Problem(item.path, "unwritable", reason)] if reason else []

    def finish(self) -> list[Problem]:
        """Look whether everything stands under its name: some servers change names."""
        place, lost = DavPlace(self._client), []
        with target_errors():
            for path, size in self._sent.items():
                entry = place.entry(path)
                if entry is None or entry.size != size:
                    lost.append(path)
        return [Problem(path, "unwritable", "the server took it, and does not list it under its name") for path in lost]

    def _put(self, item: OutputItem, entry: OutputEntry, *, replace: bool) -> str:
        """What is wrong, or nothing."""
        headers = {"Content-Type": "application/octet-stream"}
        if entry.attributes.mtime_ns is not None:
            headers["X-OC-Mtime"] = str(entry.attributes.mtime_ns // 1_000_000_000)
        if any(sign in item.path for sign in _MISREAD):
            return self._put_directly(item, headers, replace=replace)
        folder, _, _ = item.path.rpartition(b"/")
        name = b".strongroom-" + blake2b(item.path, digest_size=8).hexdigest().encode() + b".part"
        half = folder + b"/" + name if folder else name
        reason = self._upload(half, item, headers)
        if not reason:
            there = DavCollection(self._client).entry(half)
            reason = "" if there is not None and there.size == item.size else "the server did not take it whole"
        reason = reason or self._move(half, item.path, replace=replace)
        if reason:
            self._client.ask("DELETE", as_text(half))
        return reason

    def _put_directly(self, item: OutputItem, headers: Mapping[str, str], *, replace: bool) -> str:
        """Without a temporary name: servers misread such a name where it is that of a move."""
        if not replace:
            return self._upload(item.path, item, {**headers, "If-None-Match": "*"})
        now = DavCollection(self._client).entry(item.path)
        if not self._is_as_planned(item.path, now):
            return _CHANGED_MEANWHILE
        strong = now is not None and now.etag and not now.etag.startswith("W/")
        return self._upload(item.path, item, {**headers, "If-Match": now.etag} if strong and now is not None else headers)

    def _upload(self, path: bytes, item: OutputItem, headers: Mapping[str, str]) -> str:
        """What is wrong, or nothing."""
        if item.content is None:
            return ""
        status = self._client.ask("PUT", as_text(path), item.content, headers).status
        if status == _FULL:
            raise TargetError(f"{self._client.address.text} has no room left", hint="make room and run it again")
        if status == _CHANGED:
            return _CHANGED_MEANWHILE
        return "" if status in _MADE else f"the server answers {status} to its content"

    def _is_as_planned(self, path: bytes, now: DavEntry | None) -> bool:
        """Whether a file is still what the plan saw."""
        seen = self._seen.entry(path)
        return seen is None or now is None or (same_etag(seen.etag, now.etag) and seen.size == now.size)

    def _move(self, half: bytes, path: bytes, *, replace: bool) -> str:
        """Give a file its name. replace: in the place of what the plan saw there, and of nothing else."""
        destination = self._address(path)
        headers = {"Destination": destination, "Overwrite": "T" if replace else "F"}
        if replace:
            now = DavCollection(self._client).entry(path)
            if not self._is_as_planned(path, now):
                return _CHANGED_MEANWHILE
            if now is not None and now.etag and not now.etag.startswith("W/"):
                headers["If"] = f"<{destination}> ([{now.etag}])"
        status = self._client.ask("MOVE", as_text(half), b"", headers).status
        if status == _CHANGED:
            return _CHANGED_MEANWHILE
        return "" if status in _MADE else f"the server answers {status} to its name"

    def _made_folder(self, path: bytes) -> str:
        """What is wrong, or nothing."""
        if path in self._folders:
            return ""
        entry = self._place.entry(path)
        if entry is None:
            reason = self._made_folder(path.rpartition(b"/")[0])
            if reason:
                return reason
            status = self._client.ask("MKCOL", as_text(path) + "/").status
            if status not in (*_MADE, _FOLDER_STANDS):
                return f"the server answers {status} to its folder {printable(path)}"
        elif not entry.is_folder:
            return f"its folder {printable(path)} is a file there"
        self._folders.add(path)
        return ""

    def _address(self, path: bytes) -> str:
        address = self._client.address
        port = "" if address.port == {"http": 80, "https": 443}[address.scheme] else f":{address.port}"
        return f"{address.scheme}://{address.host}{port}{quote(address.base + as_text(path), errors='surrogateescape')}"


def verify_dav(
    client: DavClient, items: Iterable[TargetItem], stop: Callable[[], None], progress: Progress | None = None
) -> Verification:
    """Fetch every file that was written for these items, and compare its content. Raises `TargetError`."""
    progress, found = progress or NoProgress(), Verification("webdav")
    files = [item for item in items if item.kind == manifest.FILE]
    progress.phase("verifying", items=len(files), size=sum(item.size for item in files))
    for item in files:
        stop()
        with target_errors():
            digest = _digest(client, item.path) if item.digest is not None else None
        if item.digest is None or digest is None:
            found.differ(item.path, NO_CHECKSUM if item.digest is None else NOT_THERE)
        elif digest != item.digest:
            found.differ(item.path, OTHER_CONTENT)
        else:
            found.agree(item)
        progress.advance(items=1, size=item.size)
    return found


def _digest(client: DavClient, path: bytes) -> bytes | None:
    """BLAKE3 of a file; None where it cannot be had whole."""
    body = client.stream(as_text(path))
    try:
        if body.status != _MADE[0]:
            return None
        digest = blake3()
        for piece in body:
            digest.update(piece)
        return digest.digest()
    except CutShort:
        return None
    finally:
        body.close()
