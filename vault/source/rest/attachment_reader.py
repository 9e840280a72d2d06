"""The bytes of attachments, with the patience that one file is worth: what is wrong with it is that file's problem alone.

An answer that breaks off is asked for again, and goes on behind what was read if that is still the same. A server that gives no
file any more, though it was waited for, is not waited for again with each of the next ones.
"""

from __future__ import annotations

import base64
import binascii
import errno
import http.client
from collections.abc import Generator
from hashlib import blake2b

from vault.errors import SourceError
from vault.source.rest import exact_json
from vault.source.rest.attachments import AttachmentSource
from vault.source.rest.client import Away, Question, RestClient
from vault.source.rest.connections import CutShort
from vault.source.rest.description import Attachments
from vault.source.rest.file_streams import FileStreams
from vault.source.rest.mirror import StoredAttachment

TRIES = 3
PAUSE = 0.5
"""Seconds before the second one; twice as many before the third."""

PAGES = (".html", ".htm", ".xhtml")
CHANGED = "it changed while it was read"


class AttachmentReader:
    """Reads attachments of one interface."""

    def __init__(self, client: RestClient) -> None:
        self._client = client
        self._streams = FileStreams(client)
        self._is_away = False

    def close(self) -> None:
        """Close the connections to other hosts."""
        self._streams.close()

    def pieces(self, wanted: Attachments, stored: StoredAttachment) -> Generator[bytes, None, None]:
        """As many bytes as were announced. Raises OSError."""
        announced, count = AttachmentSource.of_text(stored.source).size, 0
        for piece in self._whole(wanted, stored):
            count += len(piece)
            if announced is not None and count > announced:
                break
            yield piece
        if announced is not None and count != announced:
            which = "more" if count > announced else f"{count}"
            raise OSError(errno.EIO, f"it has {which} bytes, and {announced} were announced")

    def _whole(self, wanted: Attachments, stored: StoredAttachment) -> Generator[bytes, None, None]:
        """With further tries where the server breaks off."""
        count, known = 0, blake2b()
        for attempt in range(TRIES):
            at, again = 0, blake2b()
            try:
                for piece in self._once(wanted, stored):
                    head, rest = piece[: max(0, count - at)], piece[max(0, count - at) :]
                    again.update(head)
                    at += len(head)
                    if rest and again.digest() != known.digest():
                        raise OSError(errno.EIO, CHANGED)
                    again.update(rest)
                    known.update(rest)
                    at += len(rest)
                    count = max(count, at)
                    if rest:
                        yield rest
            except CutShort as error:
                if attempt + 1 == TRIES:
                    raise OSError(errno.EIO, error.strerror) from error
                self._client.pace.sleep(PAUSE * 2**attempt)
                continue
            if at < count:
                raise OSError(errno.EIO, CHANGED)
            return

    def _once(self, wanted: Attachments, stored: StoredAttachment) -> Generator[bytes, None, None]:
        """Raises `CutShort`, and OSError for all else that is wrong."""
        try:
            if wanted.base64:
                yield self._decoded(wanted, AttachmentSource.of_text(stored.source))
            else:
                where, is_page = AttachmentSource.of_text(stored.source), stored.path.lower().endswith(PAGES)
                address = where.url or where.path
                yield from self._streams.stream(address, wanted.hosts, may_be_page=is_page, impatient=self._is_away)
            self._is_away = False
        except SourceError as error:
            self._is_away = self._is_away or isinstance(error, Away)
            raise OSError(errno.EIO, str(error)) from error
        except binascii.Error as error:
            raise OSError(errno.EIO, "the answer is not valid base64") from error
        except http.client.HTTPException as error:
            raise OSError(errno.EIO, type(error).__name__) from error

    def _decoded(self, wanted: Attachments, where: AttachmentSource) -> bytes:
        question = self._client.own_path(where.url) if where.url else Question(where.path)
        text = exact_json.at(self._client.ask(question, impatient=self._is_away).value, wanted.base64)
        if not isinstance(text, str):
            raise OSError(errno.EIO, "the answer has no content in it")
        return base64.b64decode("".join(text.split()), validate=True)
