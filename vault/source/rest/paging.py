"""The pages of a listing, one after another, with suspicion: cursors that come back, pages that only repeat, and pages that are
empty before the end are no listing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from vault.progress import Stop
from vault.source.rest import exact_json, templates
from vault.source.rest.client import Nonsense, Question, Reply, RestClient, parameters
from vault.source.rest.description import Paging, Parameters

_LINK = re.compile(r"<([^<>]*)>([^<]*)")
MOST_EMPTY = 100
"""Empty pages one after another that a cursor may lead through."""


class PageState(Struct, frozen=True):
    """Where a listing goes on.

    - `number`: of the page, or the offset · `cursor`: the cursor, the next URL or the last key; empty at the beginning
    - `read`: records that the listing had up to there · `pages`: since it began, or began anew
    - `since`: seconds since 1970 that it is asked from; None for all
    - `newest`: seconds since 1970 of the newest modification that it had
    """

    number: int = 0
    cursor: str = ""
    read: int = 0
    pages: int = 0
    since: float | None = None
    newest: float | None = None

    def as_text(self) -> str:
        """JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def of_text(cls, text: str) -> PageState:
        """Raises `msgspec.DecodeError`."""
        return msgspec.json.decode(text, type=cls)


class Page(Struct, frozen=True):
    """records: as they were listed · total: that the answer announces · following: where it goes on; None at the end."""

    records: list[dict[str, Any]]
    total: int | None
    following: PageState | None
    server_time: float


class ListingQuestion(Struct, frozen=True):
    """What is listed. path: encoded · own: parameters, filled in · body: of a POST, filled in · key: pointer of `keyset`."""

    path: str
    own: Parameters
    body: dict[str, Any] | None
    records: str
    paging: Paging
    key: str = ""
    records_in: str = ""
    map: bool = False


class Listing:
    """One listing, from its beginning or from where another one stopped."""

    def __init__(self, client: RestClient, question: Callable[[PageState], ListingQuestion], name: str) -> None:
        """question: what is asked in a state · name: for people."""
        self._client = client
        self._question = question
        self._name = name
        self._seen: set[bytes] = set()
        self._empty = 0

    def altered(self, change: Callable[[ListingQuestion], ListingQuestion]) -> Listing:
        """Another one, of which something is asked otherwise."""
        return Listing(self._client, lambda state: change(self._question(state)), self._name)

    def page(self, state: PageState) -> Page:
        """The page of a state. Raises `SourceError`, `Nonsense` among it."""
        question = self._question(state)
        reply = self._client.ask(self._request(question, state))
        records = self._records(question, reply)
        total = _total(question.paging, reply)
        read = state.read + len(records)
        following = self._following(question, replace(state, read=read, pages=state.pages + 1), records, reply, total)
        if following is not None:
            self._refuse_repeated(following)
        return Page(records, total, following, reply.server_time)

    def total(self) -> int | None:
        """How many records there are by now; None where the interface does not say."""
        question = self._question(PageState())
        if not question.paging.total and not question.paging.total_header:
            return None
        small = replace(question, paging=replace(question.paging, size=1)) if question.paging.size_parameter else question
        small = replace(small, own=small.own | question.paging.total_parameters)
        return _total(question.paging, self._client.ask(self._request(small, PageState())))

    def _request(self, question: ListingQuestion, state: PageState) -> Question:
        paging = question.paging
        if state.cursor and paging.type in ("next", "link"):
            return self._client.own_path(state.cursor)
        paged: dict[str, Any] = {paging.size_parameter: paging.size} if paging.size_parameter else {}
        if paging.type == "page":
            paged[paging.parameter] = (1 if paging.start == "" else int(paging.start)) + state.number
        elif paging.type == "offset":
            paged[paging.parameter] = int(paging.start or 0) + state.number
        elif paging.type == "cursor" and (state.cursor or paging.start):
            paged[paging.parameter] = state.cursor or paging.start
        elif paging.type == "keyset" and (state.cursor or paging.start != ""):
            last = state.cursor or str(paging.start)
            paged[paging.parameter] = templates.values(paging.value, lambda _: last)
        if question.body is not None:
            return Question(question.path, parameters(question.own), question.body | paged)
        return Question(question.path, parameters(dict(question.own) | paged))

    def _records(self, question: ListingQuestion, reply: Reply) -> list[dict[str, Any]]:
        found = exact_json.at(reply.value, question.records)
        if question.map and isinstance(found, dict):
            found = list(found.values())
        if not isinstance(found, list):
            place = f"no list at {question.records!r}" if question.records else "no list"
            raise Nonsense(
                f"{self._client.text} answers {place} to {self._name}", hint="is `records` of the description right?"
            )
        records = [exact_json.at(one, question.records_in) for one in found]
        if not all(isinstance(one, dict) for one in records):
            raise Nonsense(f"{self._client.text} lists something that is no record in {self._name}")
        if not records and found:
            raise Nonsense(f"{self._client.text} lists nothing that is a record in {self._name}")
        return records

    def _following(
        self, question: ListingQuestion, state: PageState, records: list[dict[str, Any]], reply: Reply, total: int | None
    ) -> PageState | None:
        paging = question.paging
        if paging.type == "none":
            return None
        if paging.type in ("next", "link", "cursor"):
            return self._by_cursor(paging, state, reply, is_empty=not records)
        if not records and total is not None and total > state.read:
            raise Nonsense(f"{self._client.text} gives an empty page of {self._name}, and announces {total} records")
        if _ends(paging, reply, len(records), state, total):
            return None
        if paging.type == "page":
            return replace(state, number=state.number + 1)
        if paging.type == "offset":
            return replace(state, number=state.number + len(records))
        last = exact_json.as_text(exact_json.at(records[-1], question.key))
        if last is None or not _grows(state.cursor, last):
            raise Nonsense(f"{self._client.text} does not list {self._name} by growing keys")
        return replace(state, cursor=last)

    def _by_cursor(self, paging: Paging, state: PageState, reply: Reply, *, is_empty: bool) -> PageState | None:
        value = _next_link(reply.headers.get("link", "")) if paging.type == "link" else exact_json.at(reply.value, paging.next)
        if _flag_says_end(paging, reply) or value in (None, "", False):
            return None
        cursor = exact_json.as_text(value)
        if cursor is None:
            raise Nonsense(f"{self._client.text} gives something as the next page of {self._name} that is none")
        self._empty = self._empty + 1 if is_empty else 0
        if self._empty > MOST_EMPTY:
            raise Nonsense(f"{self._client.text} gives {MOST_EMPTY} empty pages of {self._name}, one after another")
        return replace(state, cursor=cursor)

    def _refuse_repeated(self, following: PageState) -> None:
        place = f"{following.number} {following.cursor} {following.since}".encode("utf-8", "surrogatepass")
        mark = blake2b(place, digest_size=12).digest()
        if mark in self._seen:
            raise Nonsense(f"{self._client.text} leads back to a page of {self._name} that was read before")
        self._seen.add(mark)


def _ends(paging: Paging, reply: Reply, count: int, state: PageState, total: int | None) -> bool:
    """Whether a page by number, offset or key is the last one."""
    if not count:
        return True
    if paging.more or paging.last:
        return _flag_says_end(paging, reply)
    if total is not None and paging.type != "keyset":
        return state.read >= total
    return paging.short_is_last and count < paging.size


def _flag_says_end(paging: Paging, reply: Reply) -> bool:
    """Whether the answer says that it is the last one."""
    more = exact_json.at(reply.value, paging.more) if paging.more else True
    last = exact_json.at(reply.value, paging.last) if paging.last else False
    return more in (False, None, "", "false", "0") or last in (True, "true", "1")


def _total(paging: Paging, reply: Reply) -> int | None:
    found: Any = None
    if paging.total:
        found = exact_json.at(reply.value, paging.total)
    elif paging.total_header:
        found = reply.headers.get(paging.total_header.lower())
    return int(found) if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 16 else None


def _grows(before: str, last: str) -> bool:
    if not before:
        return True
    if before.isdigit() and last.isdigit() and before.isascii() and last.isascii():
        return (len(last), last) > (len(before), before)
    return before != last


def _next_link(header: str) -> str:
    """The address with the relation `next` in a header `Link`."""
    for address, about in _LINK.findall(header):
        if re.search(r"rel\s*=\s*\"?[^\"]*\bnext\b", about):
            return str(address)
    return ""


def all_records(listing: Listing, stop: Stop, most: int) -> Iterator[dict[str, Any]]:
    """The records of a short listing. Raises `Nonsense` above a number of them."""
    state: PageState | None = PageState()
    count = 0
    while state is not None:
        stop()
        page = listing.page(state)
        count += len(page.records)
        if count > most:
            raise Nonsense(f"a record has more than {most} of what belongs to it")
        yield from page.records
        state = page.following
