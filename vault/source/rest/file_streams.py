"""The bytes of files: from the interface itself, or without credentials from other hosts that its description names."""

from __future__ import annotations

import fnmatch
import http.client
from collections.abc import Generator
from urllib.parse import urljoin, urlsplit

from vault.source.rest import exact_json
from vault.source.rest.client import LARGEST_ERROR, MOST_REDIRECTS, Nonsense, Question, RestClient, kind_of
from vault.source.rest.connections import IDENTITY, Connections, CutShort, Origin, Request, Sent


class FileStreams:
    """Files of one interface."""

    def __init__(self, client: RestClient) -> None:
        self._client = client
        self._others: dict[Origin, Connections] = {}

    def close(self) -> None:
        """Close the connections to other hosts; they are made again where they are needed."""
        for one in self._others.values():
            one.close()

    def stream(
        self, url: str, hosts: list[str], *, may_be_page: bool = False, impatient: bool = False
    ) -> Generator[bytes, None, None]:
        """The bytes at an address, or at a path below the base. hosts: patterns of others, which get no credentials ·
        may_be_page: whether a page of HTML is wanted. Raises `SourceError` as `ask` does, OSError where it is cut short."""
        parts = urlsplit(url)
        if parts.scheme or url.startswith("//"):
            origin = self._origin(url)
            if origin != self._client.origin:
                if not any(fnmatch.fnmatchcase(origin.host, one.lower()) for one in hosts):
                    raise Nonsense(f"an attachment lies at {origin.host}, which the description does not name in hosts")
                yield from self._from_other(origin, url, hosts, may_be_page=may_be_page)
                return
            question = Question(parts.path or "/", parts.query)
        else:
            question = Question(parts.path, parts.query)

        def read(sent: Sent) -> tuple[Sent | bytes | CutShort, float | None]:
            return self._file_or_error(question, sent, may_be_page=may_be_page)

        found = self._client.fetch(question, read, hosts, impatient=impatient)
        if isinstance(found, CutShort):
            raise found
        if isinstance(found, bytes):
            yield found
        elif 300 <= found.status < 400:
            where = found.header("Location")
            found.end()
            target = self._client.address(where, question)
            yield from self.stream(target, hosts, may_be_page=may_be_page, impatient=impatient)
        else:
            yield from self._client.pieces(found)

    def _file_or_error(
        self, question: Question, sent: Sent, *, may_be_page: bool
    ) -> tuple[Sent | bytes | CutShort, float | None]:
        """A file, yet to be read or read already: an error, or a page that asks for a login, is none, whatever its status is.
        What has a name of its own (`Content-Disposition`) is believed to be one."""
        if 300 <= sent.status < 400 or sent.header("Content-Disposition"):
            return sent, None
        refuse_page(sent, question.text, may_be_page=may_be_page)
        length = sent.answer.length
        if (
            not self._client.description.errors.at
            or kind_of(sent) != "application/json"
            or length is None
            or length > LARGEST_ERROR
        ):
            return sent, None
        try:
            data = self._client.whole(sent, LARGEST_ERROR)
        except CutShort as error:
            return error, None  # one file is not worth the patience of the whole
        try:
            value = exact_json.parse(data)
        except exact_json.NotJson:
            return data, None
        return data, self._client.busy_error(question, value)

    def _origin(self, url: str) -> Origin:
        try:
            return Origin.of(self._client.address(url))
        except ValueError:
            raise Nonsense("an attachment has an address that is none") from None

    def _from_other(self, origin: Origin, url: str, hosts: list[str], *, may_be_page: bool) -> Generator[bytes, None, None]:
        """Bytes that lie elsewhere, without credentials."""
        for _ in range(MOST_REDIRECTS):
            if not any(fnmatch.fnmatchcase(origin.host, one.lower()) for one in hosts):
                raise Nonsense(f"an attachment lies at {origin.host}, which the description does not name in hosts")
            connections = self._others.setdefault(origin, Connections(origin, self._client.certificates))
            parts = urlsplit(url)
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            self._client.pace.wait_for_turn()
            try:
                sent = connections.send(Request("GET", target, {"User-Agent": "strongroom"} | IDENTITY))
            except http.client.HTTPException as error:
                raise OSError(0, f"{origin.text} answers something else than HTTP") from error
            if not 300 <= sent.status < 400:
                if sent.status != 200:
                    sent.end()
                    raise OSError(0, f"{origin.text} answers {sent.status}")
                if not sent.header("Content-Disposition"):
                    refuse_page(sent, "a file", may_be_page=may_be_page)
                yield from connections.pieces(sent)
                return
            url = urljoin(url, sent.header("Location"))
            sent.end()
            origin = self._origin(url)
        raise OSError(0, f"{origin.text} sends us round in circles")


def refuse_page(sent: Sent, what: str, *, may_be_page: bool) -> None:
    """Raises `Nonsense` for a page of HTML in the place of a file."""
    if kind_of(sent) == "text/html" and not may_be_page:
        sent.end()
        raise Nonsense(f"a page of HTML was sent in the place of {what}", hint="is a login asked for?")
