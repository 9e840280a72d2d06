"""Doubles of vendors' interfaces, each after the vendor's public documentation, with the traps that it names switched on. They
are no vendor's software, and nobody has compared them with one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from tests.support.rest_double import Answered, Asked, RestDouble

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def answered(value: Any, status: int = 200, **headers: str) -> Answered:
    return Answered(json.dumps(value).encode(), status, {name.replace("_", "-"): text for name, text in headers.items()})


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class VendorDouble(RestDouble):
    """What the doubles have in common. refusal: each so manieth request is refused as one too many; 0 for none."""

    refusal = 0

    def answer(self, asked: Asked) -> Answered:
        if self.refusal and len(self.asked) % self.refusal == 0:
            return answered({}, 429, Retry_After="3")
        return self.of(asked, asked.path.removeprefix("/api/").split("/"), asked.query)

    def of(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        raise NotImplementedError


class ZendeskDouble(VendorDouble):
    """Incremental exports by cursor: pages of two, the last minute left out, archived and deleted tickets among them; comments
    of deleted ones are not there; attachments lie behind a redirection to another host."""

    refusal = 7

    def __init__(self, files: str = "") -> None:
        super().__init__()
        self.now = NOW
        self.files = files
        self.tickets: list[dict[str, Any]] = []
        self.comments: dict[int, list[dict[str, Any]]] = {}

    def put(self, number: int, **fields: Any) -> None:
        """A ticket as it is from now on."""
        old = next(
            (one for one in self.tickets if one["id"] == number), {"id": number, "created_at": iso(self.now), "status": "open"}
        )
        self.tickets = [one for one in self.tickets if one["id"] != number]
        self.tickets.append(old | {"updated_at": iso(self.now), "generated_timestamp": int(self.now.timestamp())} | fields)

    def of(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        if path[-3:] == ["incremental", "tickets", "cursor.json"]:
            if "cursor" in query and "start_time" in query:
                return answered({"error": "InvalidParameters"}, 400)
            since, at = (
                (int(part) for part in query["cursor"].split("-")) if "cursor" in query else (int(query["start_time"]), 0)
            )
            until = self.now.timestamp() - 60
            found = [one for one in self.tickets if since <= one["generated_timestamp"] <= until]
            page = found[at : at + 2]
            after = f"{self.url}api/v2/incremental/tickets/cursor.json?cursor={since}-{at + len(page)}"
            return answered({"tickets": page, "after_url": after, "end_of_stream": at + 2 >= len(found)})
        if path[-1] == "comments.json":
            number = int(path[-2])
            if any(one["id"] == number and one["status"] == "deleted" for one in self.tickets):
                return answered({"error": "RecordNotFound"}, 404)
            return answered({"comments": self.comments.get(number, []), "meta": {"has_more": False}, "links": {"next": None}})
        if path[0] == "attachments":
            return Answered(b"", 302, {"Location": f"{self.files}{path[-1]}"})
        if path[-1] in ("organizations.json", "groups.json", "ticket_fields.json"):
            return answered({path[-1].removesuffix(".json"): [], "meta": {"has_more": False}, "links": {}})
        if path[-3:] == ["incremental", "users", "cursor.json"]:
            return answered({"users": [], "after_url": None, "end_of_stream": True})
        return answered({}, 404)


class FreshdeskDouble(VendorDouble):
    """A listing without `updated_since` has thirty days; no page beyond the 300th (here: the second, of two) is given;
    addresses of attachments differ each time."""

    most_pages, size = 2, 2

    def __init__(self) -> None:
        super().__init__()
        self.tickets: list[dict[str, Any]] = []
        self.signature = 0

    def of(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        if path[-1] == "conversations":
            return answered([{"id": 1, "body": "hello", "attachments": [self._file(100 + int(path[-2]))]}])
        if path[:2] == ["files", "signed"]:
            return Answered(f"bytes {path[2]}".encode())
        if path[2] == "tickets" and len(path) == 4:
            (one,) = (one for one in self.tickets if one["id"] == int(path[3]))
            return answered(one | {"description": f"text {path[3]}", "attachments": [self._file(int(path[3]))]})
        if path[2] != "tickets":
            return answered([])
        since = query.get("updated_since") or iso(NOW - timedelta(days=30))
        number = int(query.get("page", 1))
        if number > self.most_pages:
            return answered({"description": "Validation failed"}, 400)
        found = sorted(
            (one for one in self.tickets if one["updated_at"] >= since), key=lambda one: (one["updated_at"], one["id"])
        )
        return answered(found[(number - 1) * self.size : number * self.size])

    def _file(self, number: int) -> dict[str, Any]:
        self.signature += 1
        url = f"{self.url}files/signed/{number}?Signature={self.signature}"
        return {
            "id": number,
            "name": f"{number}.txt",
            "size": len(f"bytes {number}"),
            "updated_at": iso(NOW),
            "attachment_url": url,
        }


class JiraDouble(VendorDouble):
    """Search by token, comments and changelog in pages of two, what is cut short within an issue, `lastViewed` that changes by
    itself, attachments with authentication."""

    def __init__(self) -> None:
        super().__init__()
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.views = 0

    def of(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        if path[-1] == "jql":
            self.views += 1
            since = query["jql"].split("'")[1] if query["jql"].startswith("updated") else ""
            found = [one for one in self.issues.values() if one["updated"].replace("T", " ") >= since]
            at = int(query.get("nextPageToken", "0"))
            page = [self._issue(one) for one in found[at : at + 2]]
            last = at + 2 >= len(found)
            return answered({"issues": page, "isLast": last} | ({} if last else {"nextPageToken": str(at + 2)}))
        if path[-1] in ("comment", "changelog", "worklog"):
            of = self.comments.get(int(path[-2]), []) if path[-1] == "comment" else []
            at = int(query.get("startAt", 0))
            name = {"comment": "comments", "changelog": "values", "worklog": "worklogs"}[path[-1]]
            return answered({name: of[at : at + 2], "startAt": at, "maxResults": 2, "total": len(of)})
        if path[-2] == "content":
            allowed = asked.headers.get("authorization", "").startswith("Basic ")
            return Answered(b"the bytes") if allowed else answered({}, 401)
        return answered([{"id": "1", "name": path[-1]}])

    def _issue(self, one: dict[str, Any]) -> dict[str, Any]:
        fields = {
            "summary": one["summary"],
            "created": "2024-05-01T10:00:00.000+0000",
            "updated": f"{one['updated']}:00.000+0000",
            "lastViewed": f"view {self.views}",
            "comment": {"comments": self.comments.get(one["id"], [])[:1], "total": 9},
            "attachment": [{"id": "7", "filename": "a.txt", "size": 9, "content": f"{self.url}content/7", "created": "x"}],
        }
        return {"id": str(one["id"]), "key": f"SD-{one['id']}", "expand": f"names,{self.views}", "fields": fields}


class NetBoxDouble(VendorDouble):
    """`limit`, `id__gt`, `last_updated__gte`; deletions stand in the changelog."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, list[dict[str, Any]]] = {}

    def of(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        found = [one for one in self.objects.get(path[2], []) if one["id"] > int(query.get("id__gt", 0))]
        since = query.get("last_updated__gte", query.get("time_after", ""))
        found = [one for one in found if one.get("last_updated", one.get("time", "")) >= since]
        return answered({"count": len(found), "next": None, "previous": None, "results": found[: int(query["limit"])]})


class BitrixDouble(VendorDouble):
    """A bucket of requests that is emptied slowly (`QUERY_LIMIT_EXCEEDED` with 503), the time of operation of each method,
    pages of 50 by greater ids; the webhook's code stands in the path, and in the addresses of files, which differ each time.

    - `folders`: of the disk, by id, what is in them: ids of folders, and names with contents
    - `attached`: files that tasks and activities have, by id
    """

    def __init__(self) -> None:
        super().__init__()
        self.deals: list[dict[str, Any]] = []
        self.files = ""
        self.level = 0
        self.operating = 0.0
        self.folders: dict[int, list[int | tuple[int, str, bytes]]] = {}
        self.attached: dict[int, tuple[str, bytes]] = {}
        self.tasks: list[dict[str, Any]] = []
        self.activities: list[dict[str, Any]] = []
        self._signature = 0

    def _file(self, number: int, name: str, data: bytes) -> dict[str, Any]:
        self._signature += 1
        url = f"{self.url}webhook-secret/download/{number}?token=disk{self._signature}"
        more = {"UPDATE_TIME": iso(NOW), "DETAIL_URL": f"{self.url}docs/{number}?s={self._signature}"}
        return {"ID": str(number), "NAME": name, "TYPE": "file", "SIZE": str(len(data)), "DOWNLOAD_URL": url} | more

    def _of_disk(self, method: str, query: dict[str, str]) -> Answered | None:
        if method == "disk.storage.getlist":
            found: Any = [{"ID": "1", "NAME": "Company", "ROOT_OBJECT_ID": "100"}] if self.folders else []
        elif method == "disk.folder.getchildren":
            at, inner = int(query.get("start", 0)), self.folders[int(query["id"])]
            found = [
                {"ID": str(one), "NAME": f"folder {one}", "TYPE": "folder", "DETAIL_URL": "x"}
                if isinstance(one, int)
                else self._file(*one)
                for one in inner[at : at + 2]
            ]
            return answered({"result": found, "total": len(inner)})
        elif method in ("disk.attachedObject.get", "disk.file.get"):
            if int(query["id"]) not in self.attached:
                return answered({"error": "ERROR_NOT_FOUND", "error_description": "Could not find"}, 400)
            found = self._file(int(query["id"]), *self.attached[int(query["id"])])
            if method == "disk.attachedObject.get":
                found["VIEW_URL"] = found.pop("DETAIL_URL")
        else:
            return None
        return answered({"result": found, "total": len(found)})

    def _bytes_of(self, number: int) -> bytes:
        inner = [one for all_ in self.folders.values() for one in all_ if not isinstance(one, int)]
        return ({key: data for key, _, data in inner} | {key: data for key, (_, data) in self.attached.items()})[number]

    def of(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        assert path[0] == "webhook-secret"
        self.level += 1
        if self.level % 6 == 0:
            return answered({"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}, 503)
        self.operating = 0.0 if self.operating > 400 else self.operating + 150
        if path[1] == "download":
            return Answered(self._bytes_of(int(path[2])), headers={"Content-Type": "application/octet-stream"})
        method = path[1].removesuffix(".json")
        of_disk = self._of_disk(method, query)
        if of_disk is not None:
            return of_disk
        return self._of_crm(method, query, {"operating": self.operating, "operating_reset_at": int(NOW.timestamp()) + 90})

    def _of_crm(self, method: str, query: dict[str, str], time: dict[str, Any]) -> Answered:
        found: list[dict[str, Any]] = []
        if method == "tasks.task.list" and not int(query.get("filter[>ID]", 0)):
            return answered({"result": {"tasks": self.tasks}, "time": time, "total": len(self.tasks)})
        if method == "crm.deal.list":
            since = query.get("filter[>=DATE_MODIFY]", "")
            after = int(query.get("filter[>ID]", 0))
            found = [one for one in self.deals if int(one["ID"]) > after and one["DATE_MODIFY"] >= since]
            total = {"total": len(found)} if query["start"] == "0" else {}
            return answered({"result": found[:50], "time": time} | total)
        if method == "crm.activity.list":
            if query.get("filter[PROVIDER_ID]") == "IMOPENLINES_SESSION" and not int(query.get("filter[>ID]", 0)):
                found = [{"ID": "9", "ASSOCIATED_ENTITY_ID": "77", "CREATED": iso(NOW), "LAST_UPDATED": iso(NOW)}]
            elif "filter[PROVIDER_ID]" not in query and not int(query.get("filter[>ID]", 0)):
                found = self.activities
            return answered({"result": found, "time": time})
        if method == "imopenlines.session.history.get":
            messages = {"12": {"id": "12", "text": "two"}, "3": {"id": "3", "text": "one"}}
            return answered({"result": {"sessionId": query["SESSION_ID"], "message": messages}, "time": time})
        if method == "voximplant.statistic.get" and not int(query.get("FILTER[>ID]", 0)):
            record = {"ID": "5", "CALL_ID": "call.mp3", "CALL_START_DATE": iso(NOW), "CALL_RECORD_URL": f"{self.files}rec"}
            return answered({"result": [record], "time": time})
        return answered({"result": {"tasks": []} if method == "tasks.task.list" else [], "time": time, "total": 0})


class NaumenDouble(VendorDouble):
    """Arrays by metaclass, the key in the query, times as `2024.05.17 10:00:00`, no order that is promised, bytes by
    `get-file`. ignored: parameters that the tenant does not know."""

    ignored: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.classes: dict[str, list[dict[str, Any]]] = {}

    def of(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        if query.get("accessKey") != "naumen-secret-key":
            return Answered(b"<html>no</html>", 401)
        if path[3] == "get-file":
            return Answered(f"bytes of {unquote(path[4])}".encode())
        if path[3] == "get":
            (one,) = (one for one in self.classes[path[4].partition("%24")[0]] if one["UUID"] == unquote(path[4]))
            return answered(one | {"solution": f"of {one['UUID']}"})
        found = self.classes.get(path[4], [])
        if len(path) > 5:
            source = unquote(path[5]).removeprefix("{source:").removesuffix("}")
            return answered([one for one in found if one.get("source") == source])
        at = 0 if "offset" in self.ignored else int(query["offset"])
        return answered(found[at:] if "limit" in self.ignored else found[at : at + int(query["limit"])])


class SpeechDouble(VendorDouble):
    """Calls by cursor, transcripts, recordings."""

    def of(self, asked: Asked, path: list[str], query: dict[str, str]) -> Answered:
        if path[-1] == "transcript":
            return answered({"segments": [{"from": 0, "text": "алло"}, {"from": 2.50, "text": "так"}]})
        if path[0] == "records":
            return Answered(b"RIFF")
        if path[0] == "calls":
            start = iso(NOW)
            call = {
                "id": "c-1",
                "started_at": start,
                "updated_at": start,
                "recording_url": f"{self.url}records/1",
                "file_name": "1.wav",
            }
            return answered({"data": [call], "next_cursor": None})
        return answered({"data": [{"id": 1}], "next_cursor": None})
