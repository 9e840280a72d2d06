"""Doubles of vendors' interfaces that create records, each after the vendor's public documentation. They are no vendor's
software, and nobody has compared them with one.

`storm`: what happens to the request that changes something with a number, once: `cut-done` is done and not answered, `429` is
not done.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.rest_double import Answered, Asked
from tests.support.vendor_doubles import VendorDouble, answered


class CreatingDouble(VendorDouble):
    """What they have in common. records: by sort and number."""

    first = 1

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, dict[int, dict[str, Any]]] = {}
        self.storm: dict[int, str] = {}
        self.writes = 0

    def of(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        if not self.is_writing(asked, path):
            return self.shown(path, query)
        self.writes += 1
        what = self.storm.pop(self.writes, "")
        if what == "429":
            return answered({}, 429, Retry_After="1")
        found = self.changed(asked, path, query)
        return Answered(status=0) if what else found

    def put(self, sort: str, **fields: Any) -> int:
        """A new record; its number."""
        records = self.records.setdefault(sort, {})
        number = self.first + sum(map(len, self.records.values()))
        records[number] = fields
        return number

    def is_writing(self, asked: Asked, path: list[str]) -> bool:
        return asked.method != "GET"

    def shown(self, path: list[str], query: dict[str, str]) -> Answered:
        raise NotImplementedError

    def changed(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        raise NotImplementedError


class BitrixCreating(CreatingDouble):
    """`crm.ENTITY.add`, `get`, `list` with a filter; what is not there is a 400."""

    def shown(self, path: list[str], query: dict[str, str]) -> Answered:
        entity, method = path[1].removesuffix(".json").split(".")[1:3]
        records = self.records.get(entity, {})
        if method == "get":
            number = int(query["id"])
            if number not in records:
                return answered({"error": "", "error_description": "Not found"}, 400)
            return answered({"result": records[number] | {"ID": str(number)}})
        wanted = query.get("filter[ORIGIN_ID]")
        found = [one | {"ID": str(number)} for number, one in records.items() if wanted in (None, one.get("ORIGIN_ID"))]
        last = int(query.get("filter[>ID]", 0))
        return answered({"result": [one for one in found if int(one["ID"]) > last][:50]})

    def changed(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        entity, method = path[1].removesuffix(".json").split(".")[1:3]
        assert method == "add"
        return answered({"result": self.put(entity, **json.loads(asked.body)["fields"])})


class JiraCreating(CreatingDouble):
    """Issues with labels, comments in ADF, files that need `X-Atlassian-Token`; the search is some answers late."""

    late = 0

    def __init__(self) -> None:
        super().__init__()
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.files: dict[int, list[tuple[str, bytes]]] = {}

    def shown(self, path: list[str], query: dict[str, str]) -> Answered:
        issues = self.records.get("issue", {})
        if path[-1] == "jql":
            labels = re.findall(r"'([^']*)'", query["jql"])
            if self.late:
                self.late -= 1
                return answered({"issues": [], "isLast": True})
            found = [one for one in issues if set(labels) & set(issues[one]["labels"])]
            return answered(
                {"issues": [{"id": str(one), "fields": {"labels": issues[one]["labels"]}} for one in found], "isLast": True}
            )
        number = int(path[4])
        if number not in issues:
            return answered({"errorMessages": ["Issue does not exist"]}, 404)
        if len(path) == 5:
            files = [
                {"id": str(place), "filename": name, "size": len(data), "content": f"{self.url}content/{place}", "created": "x"}
                for place, (name, data) in enumerate(self.files.get(number, []), 100 * number)
            ]
            return answered({"id": str(number), "key": f"SD-{number}", "fields": issues[number] | {"attachment": files}})
        name = {"comment": "comments", "changelog": "values", "worklog": "worklogs"}[path[5]]
        of = self.comments.get(number, []) if name == "comments" else []
        at = int(query.get("startAt", 0))
        return answered({name: of[at : at + 2], "startAt": at, "maxResults": 2, "total": len(of)})

    def changed(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        if asked.method == "PUT":
            self.records["issue"][int(path[4])] |= json.loads(asked.body)["fields"]
            return Answered(b"", 204)
        if len(path) == 4:
            number = self.put("issue", **json.loads(asked.body)["fields"])
            return answered({"id": str(number), "key": f"SD-{number}"}, 201)
        number = int(path[4])
        if path[5] == "comment":
            kept = self.comments.setdefault(number, [])
            kept.append({"id": str(len(kept) + 1000 * number)} | json.loads(asked.body))
            return answered({"id": kept[-1]["id"]}, 201)
        assert asked.headers["x-atlassian-token"] == "no-check"
        self.files.setdefault(number, []).append(one_file(asked))
        return answered([{"id": "1"}], 200)


class ZendeskCreating(CreatingDouble):
    """Imports with comments, uploads by token, a listing by external id, users by export."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: dict[str, tuple[str, bytes]] = {}
        self.users: dict[int, str] = {}

    def shown(self, path: list[str], query: dict[str, str]) -> Answered:
        tickets = self.records.get("ticket", {})
        if path[-1] == "tickets.json":
            wanted = query.get("external_id")
            found = [{"id": number} | one for number, one in tickets.items() if one.get("external_id") == wanted]
            return answered({"tickets": found, "end_of_stream": True, "after_url": None})
        if path[2] == "incremental":
            users = [{"id": number, "email": email} for number, email in self.users.items()]
            assert int(query["start_time"]) > 0
            return answered({"users": users, "after_url": None, "end_of_stream": True})
        if path[2] == "tickets" and path[-1] == "comments.json":
            kept = tickets[int(path[3])]["comments"]
            comments = [{"id": number} | self._comment(one) for number, one in enumerate(kept, 1)]
            return answered({"comments": comments, "meta": {"has_more": False}, "links": {}})
        if path[2] == "tickets":
            number = int(path[3].removesuffix(".json"))
            if number not in tickets:
                return answered({"error": "RecordNotFound"}, 404)
            shown = {name: value for name, value in tickets[number].items() if name != "comments"}
            return answered({"ticket": {"id": number} | shown})
        return answered({path[-1].removesuffix(".json"): [], "meta": {"has_more": False}, "links": {}})

    def _comment(self, one: dict[str, Any]) -> dict[str, Any]:
        files = [{"id": number, "file_name": self.uploads[token][0]} for number, token in enumerate(one["uploads"])]
        return {"body": one["value"], "public": one["public"], "attachments": files}

    def changed(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        if path[-1] == "uploads.json":
            token = f"token-{len(self.uploads)}"
            self.uploads[token] = (query["filename"], asked.body)
            return answered({"upload": {"token": token}}, 201)
        assert path[2:] == ["imports", "tickets.json"]
        return answered({"ticket": {"id": self.put("ticket", **json.loads(asked.body)["ticket"])}}, 201)


def one_file(asked: Asked) -> tuple[str, bytes]:
    """The file of a multipart body."""
    boundary = asked.headers["content-type"].partition("boundary=")[2].encode()
    (part,) = asked.body.split(b"--" + boundary)[1:-1]
    head, _, body = part.partition(b"\r\n\r\n")
    found = re.search(rb'name="file"; filename="([^"]*)"', head)
    if found is None:
        raise ValueError("a part has no file")
    return found[1].decode(), body.removesuffix(b"\r\n")
