"""A model desk with the traps of vendors' interfaces, each a switch; what they do is from the vendors' public documentation and
from public reports. It is no vendor's.

    clock = StillClock()
    with serving(TrapDesk(clock, {"last-minute", "paged-comments"})) as desk:
        desk.add(title="late")
        source_of(desk, described_for(desk, "next"), folder, clock=clock)
    desk.bites                  how often each trap changed an answer

In each of these the right description loses nothing. `described_for` gives it.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from tests.support.clock import StillClock
from tests.support.rest_double import Answered, Asked, ModelDesk, form
from tests.support.rest_sources import PAGING
from vault.source.rest.description import Description
from vault.source.rest.description_parsing import parse

TRAPS = {
    "request-bucket": "a bucket of requests that empties slowly, then 503 with an error's name and no Retry-After",
    "operating-time": "480 seconds of work in ten minutes, then 429 until the moment that an answer has named",
    "busy-with-200": "the error that means `later` comes with status 200",
    "fifty-a-page": "never more than so many records a page, whatever is asked for",
    "count-on-demand": "the count of all records is only told when it is asked for",
    "no-modified-since": "what was modified cannot be asked for: the parameter is ignored",
    "no-count": "nothing says how many records there are",
    "no-order": "records come in another order with each request",
    "key-in-query": "the key stands in the query",
    "last-minute": "what was modified within the last minute is not listed, neither as it is nor as it was",
    "archived": "archived records are in no listing, but in exports from a moment on",
    "deleted-with-status": "deleted records stay in exports, with their status and without comments",
    "overlapping-exports": "an export by cursor has some records twice",
    "thirty-days": "a listing without a moment has thirty days",
    "page-limit": "no page beyond the third is given",
    "other-addresses": "addresses of attachments differ each time",
    "views": "a field that changes by itself when somebody looks",
    "paged-comments": "comments come in pages of two",
    "files-with-login": "attachments want the same credentials, behind a redirection on the same host",
    "clock-ahead": "the server's clock is five hours ahead of the one that stamps records",
    "clock-behind": "the server's clock is five hours behind",
    "retry-date": "Retry-After names a moment, by the server's clock",
    "expiring-tokens": "a token is refused after some requests, before its time",
    "empty-pages": "a cursor leads through pages that have no records",
}
EXPORT = frozenset({"last-minute", "archived", "deleted-with-status", "overlapping-exports"})
"""What listings by a moment do."""

NAMED = frozenset({"no-order"})
"""With these it may be that nothing can be had, and that it is said."""

SECRET = "geheimes-wort-7291"
MOST_PAGES, MOST_RECORDS = 3, 5
BUCKET, A_SECOND = 12, 2.0


def fitting(style: str, traps: set[str]) -> set[str]:
    """Of some traps, those that an interface with this paging may have together."""
    found = set(traps)
    if style not in ("page", "offset"):
        found -= {"no-order", "page-limit"}
    if style != "page":
        found -= {"page-limit"}
    if style not in ("cursor", "next", "link"):
        found -= {"empty-pages", "overlapping-exports"}
    if style != "keyset":
        found -= {"count-on-demand"}
    if style == "none":
        found -= {"fifty-a-page"}
    if found & EXPORT or found & {"thirty-days", "page-limit"}:
        found -= {"no-modified-since", "no-order"}
    if "clock-ahead" in found:
        found -= {"clock-behind"}
    if "key-in-query" in found:
        found -= {"expiring-tokens"}
    if "no-count" in found:
        found -= {"count-on-demand"}
    return found


class TrapDesk(ModelDesk):
    """See this module's text. bites: by name of the trap."""

    def __init__(self, clock: StillClock, traps: set[str]) -> None:
        super().__init__()
        self.clock, self.traps = clock, set(traps)
        self.bites: Counter[str] = Counter()
        self._level, self._level_at = 0.0, clock.monotonic()
        self._worked, self._reset_at = 0.0, 0.0
        self._token, self._left, self._looks = "", 0, 0
        self._random = random.Random("the order of records")
        self._begun_at, self._now_at = clock.now(), self.now
        ahead = timedelta(hours=("clock-ahead" in traps) * 5 - ("clock-behind" in traps) * 5)
        self.clock_difference = ahead
        self.archive: set[int] = set()

    # time: what the client waits passes here, too

    @property
    def moment(self) -> datetime:
        """By the clock that stamps."""
        return max(self.now, self._now_at + (self.clock.now() - self._begun_at))

    def _tick(self) -> str:
        self.now = self.moment
        return super()._tick()

    # what happens to the desk

    def set_archived(self, number: int) -> None:
        self.archive.add(number)
        self.edit(number, status="archived")

    def delete(self, number: int) -> None:
        if "deleted-with-status" in self.traps:
            self.bites["deleted-with-status"] += 1
            self.tickets[number]["comments"] = []
            self.edit(number, status="deleted")
        else:
            super().delete(number)

    def merge(self, number: int, into: int) -> None:
        if "deleted-with-status" in self.traps:
            self.edit(number, status="merged")
            self.edit(into, merged=[number])
        else:
            super().merge(number, into)

    def clear(self, number: int) -> None:
        """A field loses its value, and nothing says so."""
        self.tickets[number] |= {"title": ""}
        self._note()

    # requests

    def answer(self, asked: Asked) -> Answered:
        self.between(len(self.asked))
        answered = self._refused(asked) or self._stormy() or self._trapped(asked) or self._answered(asked)
        for name in ("clock-ahead", "clock-behind"):
            self.bites[name] += name in self.traps
        date = format_datetime(self.moment + self.clock_difference, usegmt=True)
        return answered._replace(headers={"Date": date, **answered.headers})

    def _refused(self, asked: Asked) -> Answered | None:
        """What an interface says before it looks at the question."""
        traps = self.traps
        if asked.path == "/api/token":
            return self._new_token(asked)
        if "key-in-query" in traps:
            self.bites["key-in-query"] += 1
            if asked.query.get("accessKey") != SECRET:
                return Answered(b"<html>no</html>", 401)
        if "expiring-tokens" in traps:
            self._left -= 1
            if self._left < 0 or asked.headers.get("authorization") != f"Bearer {self._token}":
                self.bites["expiring-tokens"] += 1
                return Answered(b"{}", 401)
        if "retry-date" in traps and len(self.asked) % 7 == 0:
            self.bites["retry-date"] += 1
            until = self.moment + self.clock_difference + timedelta(seconds=20)
            return Answered(b"busy", 429, {"Retry-After": format_datetime(until, usegmt=True)})
        return self._emptied() or self._used_up()

    def _new_token(self, asked: Asked) -> Answered:
        if form(asked).get("client_secret") != SECRET:
            return Answered(b'{"error": "invalid_client"}', 401)
        self._token, self._left = f"a-token-of-the-desk-{len(self.asked)}", 9
        return Answered(json.dumps({"access_token": self._token, "expires_in": 3600}).encode())

    def _emptied(self) -> Answered | None:
        if not self.traps & {"request-bucket", "busy-with-200"}:
            return None
        now = self.clock.monotonic()
        self._level = max(0.0, self._level - (now - self._level_at) * A_SECOND) + 1
        self._level_at = now
        if self._level <= BUCKET:
            return None
        name = "busy-with-200" if "busy-with-200" in self.traps else "request-bucket"
        self.bites[name] += 1
        body = b'{"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}'
        return Answered(body, 200 if name == "busy-with-200" else 503)

    def _used_up(self) -> Answered | None:
        if "operating-time" not in self.traps:
            return None
        now = self._by_server()
        if now >= self._reset_at:
            self._worked, self._reset_at = 0.0, now + 600
        self._worked += 70
        if self._worked <= 480:
            return None
        self.bites["operating-time"] += 1
        return Answered(json.dumps({"error": "OPERATION_TIME_LIMIT", "time": self._time()}).encode(), 429)

    def _time(self) -> dict[str, Any]:
        return {"operating": self._worked, "operating_reset_at": self._reset_at}

    def _by_server(self) -> float:
        return (self.moment + self.clock_difference).timestamp()

    def _answered(self, asked: Asked) -> Answered:
        parts = asked.path.removeprefix("/api/").split("/")
        if parts[0] == "files" and "files-with-login" in self.traps and len(parts) == 2:
            self.bites["files-with-login"] += 1
            return Answered(b"", 302, {"Location": f"/api/files/{parts[1]}/bytes"})
        if parts[0] == "files":
            return super()._answered(asked._replace(path=f"/api/files/{parts[1]}"))
        if parts[-1] == "comments":
            return self._comments(int(parts[1]), asked)
        return super()._answered(asked)

    def _comments(self, number: int, asked: Asked) -> Answered:
        ticket = self.tickets.get(number)
        if ticket is None or ticket.get("status") == "deleted":
            return Answered(b"{}", 404)
        found = ticket["comments"]
        if "paged-comments" not in self.traps:
            return Answered(json.dumps({"results": found}).encode())
        at = int(asked.query.get("offset", 0))
        self.bites["paged-comments"] += len(found) > at + 2
        return Answered(json.dumps({"results": found[at : at + 2], "count": len(found)}).encode())

    def _listing(self, style: str, asked: Asked) -> Answered:
        traps, query = self.traps, dict(asked.query)
        if "no-modified-since" in traps and query.pop("modified_from", None) is not None:
            self.bites["no-modified-since"] += 1
            query.pop("order", None)
        size = int(query.get("size", 100))
        if "fifty-a-page" in traps and size > MOST_RECORDS:
            self.bites["fifty-a-page"] += 1
            size = MOST_RECORDS
        if "page-limit" in traps and int(query.get("page", 1)) > MOST_PAGES:
            self.bites["page-limit"] += 1
            return Answered(b'{"description": "Validation failed"}', 400)
        found = self._ordered(query)
        begin = self._begin(style, query, size)
        if style == "keyset":
            found, begin = [one for one in found if one["id"] > int(query.get("after", 0))], 0
        page = found if style == "none" else found[begin : begin + size]
        following = begin + size if begin + size < len(found) and style not in ("none", "keyset") else None
        answer: dict[str, Any] = {"results": [self._shown(one) for one in page]}
        if "no-count" in traps:
            self.bites["no-count"] += 1
        elif "count-on-demand" not in traps or query.get("count"):
            answer["count"] = len(found)
        else:
            self.bites["count-on-demand"] += 1
        if "operating-time" in traps:
            answer["time"] = self._time()
        return self._with_next(style, query, answer, following)

    def _begin(self, style: str, query: dict[str, str], size: int) -> int:
        if style == "page":
            return (int(query.get("page", 1)) - 1) * size
        return int(query.get("offset" if style == "offset" else "cursor", "0").lstrip("e"))

    def _ordered(self, query: dict[str, str]) -> list[dict[str, Any]]:
        since, traps = query.get("modified_from", ""), self.traps
        found = [self.listed(number) for number in self.tickets if self.tickets[number]["modified"] >= since]
        for name, is_there in (
            ("thirty-days", lambda one: since or one["modified"] >= _iso(self.moment - timedelta(days=30))),
            ("archived", lambda one: since or one["id"] not in self.archive),
            ("last-minute", lambda one: one["modified"] <= _iso(self.moment - timedelta(minutes=1))),
        ):
            if name in traps:
                left = [one for one in found if is_there(one)]
                self.bites[name] += len(found) - len(left)
                found = left
        found.sort(key=lambda one: (one[query.get("order", "id")], one["id"]))
        if "no-order" in traps and len(found) > 1:
            self.bites["no-order"] += 1
            self._random.shuffle(found)
        return found

    def _shown(self, one: dict[str, Any]) -> dict[str, Any]:
        self._looks += 1
        shown = dict(one)
        if "views" in self.traps:
            self.bites["views"] += 1
            shown["views"] = self._looks
        if "other-addresses" in self.traps and shown["files"]:
            self.bites["other-addresses"] += 1
            shown["files"] = [file | {"url": f"{file['url']}?signature={self._looks}"} for file in shown["files"]]
        return shown

    def _with_next(self, style: str, query: dict[str, str], answer: dict[str, Any], following: int | None) -> Answered:
        if style not in ("cursor", "next", "link"):
            return Answered(json.dumps(answer).encode())
        mark = "" if following is None else str(following)
        if "empty-pages" in self.traps and query.get("cursor", "e0")[0] != "e" and answer["results"]:
            # an empty page first, and then the records of the same place
            self.bites["empty-pages"] += 1
            answer["results"], mark = [], f"e{query['cursor']}"
        elif "overlapping-exports" in self.traps and following is not None and len(answer["results"]) > 1:
            self.bites["overlapping-exports"] += 1
            mark = str(following - 1)
        rest = "&".join(f"{name}={value}" for name, value in query.items() if name != "cursor")
        address = f"{self.url}{style}/tickets?cursor={mark}&{rest}" if mark else None
        headers = {"Link": f'<{address}>; rel="next"'} if style == "link" and address else {}
        answer["next"] = (mark or None) if style == "cursor" else address
        return Answered(json.dumps(answer).encode(), headers=headers)


def described_for(desk: TrapDesk, style: str, *, size: int = 4, comments: bool = False, files: bool = False) -> Description:
    """What a person would write who has read the documentation of an interface with these traps."""
    traps = desk.traps
    resource: dict[str, Any] = {"path": f"{style}/tickets", "records": "results", "time": "created", "drop": []}
    resource |= {"paging": _paging(style, size, traps), "incremental": _incremental(style, traps)}
    if "views" in traps:
        resource["drop"] += ["views"]
    if comments:
        child: dict[str, Any] = {"path": "tickets/{key}/comments", "records": "results", "unless": {"status": "deleted"}}
        if "paged-comments" in traps:
            child["paging"] = {"type": "offset", "parameter": "offset", "total": "count", "size": 2}
        resource["children"] = {"comments": child}
    if files:
        resource["attachments"] = {"records": "files", "url": "url"}
        resource["drop"] += ["files.url"]
    value: dict[str, Any] = {"title": "a desk with traps", "resources": {"tickets": resource}}
    return parse(value | _manners(traps))


def _paging(style: str, size: int, traps: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = PAGING[style] | {"size": 50 if "fifty-a-page" in traps else size, "size_parameter": "size"}
    if "count-on-demand" in traps:
        found["total_parameters"] = {"count": 1}
    if "page-limit" in traps:
        found["most_pages"] = MOST_PAGES
    if traps & {"no-count", "page-limit"}:
        found.pop("total", None)
    return found


def _incremental(style: str, traps: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"field": "modified", "overlap": "2 minutes"}
    found["parameters"] = {"modified_from": "{since}"} | ({} if style == "keyset" else {"order": "modified"})
    if traps & {"thirty-days", "archived", "page-limit"}:
        found["full_from"] = "2000-01-01T00:00:00Z"
    if "last-minute" in traps:
        found["leaves_out"] = "1 minute"
    if "deleted-with-status" in traps:
        found["shows_deletions"] = True
    return found


def _manners(traps: set[str]) -> dict[str, Any]:
    """How the interface wants to be asked."""
    limits: dict[str, Any] = {}
    found: dict[str, Any] = {"auth": {"type": "bearer"}, "limits": limits}
    if "key-in-query" in traps:
        found["auth"] = {"type": "query", "name": "accessKey"}
    elif "expiring-tokens" in traps:
        found["auth"] = {"type": "oauth2", "token_url": "token", "client_parameters": True}
    if traps & {"busy-with-200", "request-bucket"}:
        found["errors"] = {"at": "error"}
        limits["busy_errors"] = ["QUERY_LIMIT_EXCEEDED", "OPERATION_TIME_LIMIT"]
    if "operating-time" in traps:
        limits["operating"] = {"used": "time.operating", "reset_at": "time.operating_reset_at", "most": 450.0}
    return found


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
