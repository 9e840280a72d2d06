"""A double of a help desk that creates tickets: numbers of its own, references, comments with files, a field for the number
that a ticket had elsewhere. Nothing of it is a vendor's.

    GET, POST /api/tickets            `ref`: those with this external id; `page`, `size`
    GET, PATCH /api/tickets/ID
    GET, POST /api/tickets/ID/comments      a form with files
    GET /api/queues
    GET /api/files/ID
    POST /api/token                   the secret of the moment, for OAuth 2

- `storm`: what happens to a request that changes something, by its number among these, once: `429`, `503`, `500`, `401`, `cut`
  (nothing is done), and with `-done` the same after it was done; `html-done` answers with a page
- `refused`: texts that are not taken, wherever they stand
- `before_write`, `after_write`: called with the number of such a request
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.rest_double import Answered, Asked, RestDouble

DESCRIPTION = """
title = "the desk that creates"

[auth]
type = "bearer"

[resources.tickets]
path = "tickets"
records = "results"
time = "created"
detail = "tickets/{key}"
drop = ["ref"]

[resources.tickets.paging]
type = "page"
parameter = "page"
size_parameter = "size"
total = "count"

[resources.tickets.children.comments]
path = "tickets/{key}/comments"
records = "results"

[resources.tickets.attachments]
records = "comments.files"
url = "url"

[resources.tickets.create]
path = "tickets"
body = { ref = "{unfinished}" }
fields = ["title", "queue", "custom"]
id = "ticket.id"
find = { parameters = { ref = "{finished},{unfinished}" }, at = "ref" }
losses = ["when tickets were created"]

[resources.tickets.create.references]
"record.queue" = { resource = "queues", by = "name" }
"record.parent" = { resource = "tickets" }
"record.linked" = { resource = "tickets" }

[resources.tickets.create.children.comments]
records = "comments"
path = "tickets/{new}/comments"
format = "multipart"
body = { text = "{child.text}", public = "{child.public}" }
id = "comment.id"
files = { records = "child.files", field = "files[]" }

[resources.tickets.create.then.state]
path = "tickets/{new}"
body = { ref = "{finished}" }
fields = ["status", "parent", "linked"]

[resources.queues]
path = "queues"
records = "results"
only_with_full_scan = true
"""

_PART = re.compile(rb'Content-Disposition: form-data; name="([^"]*)"(?:; filename="([^"]*)")?', re.DOTALL)


class CreatingDesk(RestDouble):
    """See this module's text. names: of its queues, by number."""

    def __init__(self, first: int = 1, queues: Mapping[int, str] | None = None) -> None:
        """first: number of the first ticket."""
        super().__init__()
        self.tickets: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.files: dict[int, bytes] = {}
        self.queues = {1: "General", 2: "Deliveries"} if queues is None else dict(queues)
        self.secret = "the-secret-of-the-desk-4711"
        self.storm: dict[int, str] = {}
        self.refused: set[str] = set()
        self.before_write: Callable[[int], None] = lambda _: None
        self.after_write: Callable[[int], None] = lambda _: None
        self.writes = 0
        self._next = first

    # what people see

    def add(self, **fields: Any) -> int:
        """A new ticket; its number."""
        number, self._next = self._next, self._next + 1
        usual = {
            "created": f"2024-05-{1 + number % 28:02}T12:00:00Z",
            "queue": 1,
            "status": "open",
            "parent": None,
            "linked": [],
        }
        self.tickets[number] = {"id": number} | usual | fields
        self.comments[number] = []
        return number

    def comment(self, number: int, text: str, files: Mapping[str, bytes] | None = None, *, public: bool = True) -> int:
        """A new comment; its number."""
        key = 10 * number + 1_000_000 + sum(map(len, self.comments.values()))
        kept = []
        for name, data in (files or {}).items():
            place = len(self.files) + 1
            self.files[place] = data
            kept.append({"id": place, "name": name, "url": f"{self.url}files/{place}"})
        self.comments[number].append({"id": key, "text": text, "public": public, "files": kept})
        return key

    def seen(self) -> list[dict[str, Any]]:
        """All tickets as people see them, without numbers: queues and references by what they lead to."""
        titles = {number: one["title"] for number, one in self.tickets.items()}
        return [
            {
                "title": one["title"],
                "queue": self.queues[one["queue"]],
                "status": one["status"],
                "custom": one.get("custom"),
                "parent": titles.get(one["parent"]),
                "linked": [titles[other] for other in one["linked"]],
                "comments": [
                    (two["text"], two["public"], [(file["name"], self.files[file["id"]]) for file in two["files"]])
                    for two in self.comments[number]
                ],
            }
            for number, one in sorted(self.tickets.items(), key=lambda pair: str(pair[1]["title"]))
        ]

    # requests

    def answer(self, asked: Asked) -> Answered:
        if asked.method == "GET":
            return self._wrong_secret(asked) or self._shown(asked)
        if asked.path.endswith("/token"):
            return _json({"access_token": self.secret, "expires_in": 3600})
        self.writes += 1
        self.before_write(self.writes)
        what = self.storm.pop(self.writes, "")
        refused = self._wrong_secret(asked)
        if refused is not None or (what and not what.endswith("-done")):
            return refused or _bad(what)
        answered = self._changed(asked)
        self.after_write(self.writes)
        return _bad(what.removesuffix("-done")) if what else answered

    def _wrong_secret(self, asked: Asked) -> Answered | None:
        if asked.headers.get("authorization") == f"Bearer {self.secret}":
            return None
        return _json({"error": f"who are you, {asked.headers.get('authorization')}?"}, 401)

    def _shown(self, asked: Asked) -> Answered:
        parts = asked.path.removeprefix("/api/").split("/")
        match parts:
            case ["tickets"]:
                return self._listing(asked)
            case ["tickets", number] if int(number) in self.tickets:
                return _json(self.tickets[int(number)])
            case ["tickets", number, "comments"] if int(number) in self.tickets:
                return _json({"results": self.comments[int(number)]})
            case ["queues"]:
                return _json({"results": [{"id": number, "name": name} for number, name in self.queues.items()]})
            case ["files", number] if int(number) in self.files:
                return Answered(self.files[int(number)], headers={"Content-Type": "application/octet-stream"})
        return _json({}, 404)

    def _listing(self, asked: Asked) -> Answered:
        refs = asked.query.get("ref", "")
        found = [one for one in self.tickets.values() if not refs or one.get("ref") in refs.split(",")]
        size, page = int(asked.query.get("size", 100)), int(asked.query.get("page", 1))
        return _json({"results": found[(page - 1) * size : page * size], "count": len(found)})

    def _changed(self, asked: Asked) -> Answered:
        if any(text.encode() in asked.body for text in self.refused):
            return _json({"errors": ["this is not taken here", asked.headers["authorization"]]}, 422)
        parts = asked.path.removeprefix("/api/").split("/")
        match asked.method, parts:
            case "POST", ["tickets"]:
                fields = json.loads(asked.body)
                if fields.get("queue") not in self.queues:
                    return _json({"errors": {"queue": "there is no such queue"}}, 422)
                number = self.add(**fields)
                return _json({"ticket": self.tickets[number]}, 201)
            case "PATCH", ["tickets", number] if int(number) in self.tickets:
                self.tickets[int(number)] |= json.loads(asked.body)
                return _json(self.tickets[int(number)])
            case "POST", ["tickets", number, "comments"] if int(number) in self.tickets:
                values, files = _form(asked)
                key = self.comment(int(number), values["text"], files, public=values["public"] == "true")
                return _json({"comment": {"id": key}}, 201)
        return _json({}, 404)


def _form(asked: Asked) -> tuple[dict[str, str], dict[str, bytes]]:
    boundary = asked.headers["content-type"].partition("boundary=")[2].encode()
    values: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for part in asked.body.split(b"--" + boundary)[1:-1]:
        head, _, body = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        found = _PART.search(head)
        if found is None:
            raise ValueError("a part has no name")
        data = body.removesuffix(b"\r\n")
        if found[2] is None:
            values[found[1].decode()] = data.decode()
        else:
            files[found[2].decode().replace("%22", '"')] = data
    return values, files


def _bad(what: str) -> Answered:
    if what in ("429", "503"):
        return Answered(b"busy", int(what), {"Retry-After": "1"})
    if what == "cut":
        return Answered(b"{", announced=1000)
    if what == "nothing":
        return Answered(status=0)
    if what == "html":
        return Answered(b"<!DOCTYPE html><title>Please log in</title>", 200, {"Content-Type": "text/html"})
    return Answered(b"{}", int(what))


def _json(value: object, status: int = 200) -> Answered:
    return Answered(json.dumps(value).encode(), status)
