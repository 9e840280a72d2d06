"""Descriptions of vendors' interfaces that come with the package, against doubles with the traps of the documentation."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from strongroom.source_kinds import rest
from tests.support.clock import StillClock
from tests.support.rest_double import Answered, Asked, RestDouble, serving
from tests.support.rest_sources import PREFIX, lines, read
from tests.support.vendor_doubles import (
    NOW,
    BitrixDouble,
    FreshdeskDouble,
    JiraDouble,
    NaumenDouble,
    NetBoxDouble,
    SpeechDouble,
    ZendeskDouble,
    iso,
)
from vault.source.contract import Scan
from vault.source.rest.client import RestClient
from vault.source.rest.credentials import Credentials
from vault.source.rest.description import Description
from vault.source.rest.source import RestOptions, RestSource

SECRET = "a secret of the tests"


class Reading:
    """A vendor's description over a double, read again and again with one mirror."""

    def __init__(
        self, name: str, double: RestDouble, folder: Path, *resources: str, secret: str = SECRET, user: str = ""
    ) -> None:
        self.description = rest.described(f"rest:{name}", folder)
        self._double, self._folder, self._resources = double, folder, resources
        self._credentials = Credentials(secret, user)
        self.clock = StillClock(NOW)
        self.scan: Scan | None = None

    def changed(self, change: Callable[[Description], Description]) -> Reading:
        self.description = change(self.description)
        return self

    def read(self) -> dict[str, bytes]:
        client = RestClient(self.description, self._double.url, self._credentials, self.clock)
        options = RestOptions(self.description, self._double.url, self._folder / "mirror", self._resources)
        self.scan, contents = read(RestSource(options, client, PREFIX, self.clock))
        assert self.scan.problems == []
        return contents

    def records(self, name: str) -> list[dict[str, Any]]:
        contents = self.read()
        return [json.loads(line) for line in lines({path: data for path, data in contents.items() if path.startswith(name)})]


class Files(RestDouble):
    """Another host, which must see no credentials."""

    def answer(self, asked: Asked) -> Answered:
        assert "authorization" not in asked.headers
        return Answered(b"the recording")


def hosts(description: Description, name: str, *known: str) -> Description:
    """With the doubles' host in the place of the vendor's."""
    resource = description.resources[name]
    assert resource.attachments is not None
    attachments = replace(resource.attachments, hosts=list(known))
    return replace(description, resources=description.resources | {name: replace(resource, attachments=attachments)})


def test_zendesk_has_archived_and_deleted_tickets_and_comments_with_attachments(tmp_path: Path) -> None:
    with serving(Files()) as files:
        elsewhere = files.url.replace("127.0.0.1", "localhost")
        with serving(ZendeskDouble(elsewhere)) as desk:
            for number in range(1, 8):
                desk.put(number, subject=f"ticket {number}")
            desk.put(2, status="closed")  # archived: in no listing
            url = f"{desk.url}attachments/1"
            desk.comments[3] = [
                {"id": 9, "body": "hi", "attachments": [{"id": 1, "file_name": "a.wav", "content_url": url, "size": 13}]}
            ]
            desk.now += timedelta(minutes=10)
            reading = Reading("zendesk", desk, tmp_path, user="me@example.com/token")
            reading.changed(lambda one: hosts(one, "tickets", "localhost"))
            contents = reading.read()
            assert contents["tickets/attachments/3/1-a.wav"] == b"the recording"
            found = [json.loads(line) for line in lines(contents)]
            assert [one["id"] for one in found] == list(range(1, 8)) and found[2]["comments"][0]["body"] == "hi"
            assert sum(reading.clock.slept) > 18  # ten pages a minute, and what the server asked for
            desk.now += timedelta(minutes=1)
            desk.put(4, status="deleted")
            desk.put(8, subject="too new")
            asked = len(desk.asked)
            assert len(reading.records("tickets/2")) == 7  # the last minute is left out
            assert sum("comments" in one.path for one in desk.asked[asked:]) == 0
            desk.now += timedelta(minutes=5)
            found = reading.records("tickets/2")
            assert (
                [one["id"] for one in found] == list(range(1, 9))
                and found[3]["status"] == "deleted"
                and not found[3]["comments"]
            )


def test_freshdesk_is_walked_in_windows_and_gives_more_than_thirty_days(tmp_path: Path) -> None:
    with serving(FreshdeskDouble()) as desk:
        for number in range(1, 12):
            moment = iso(NOW - timedelta(days=400 - number))
            desk.tickets.append({"id": number, "created_at": moment, "updated_at": moment})

        def small(one: Description) -> Description:
            resource = one.resources["tickets"]
            paging = replace(resource.paging, size=2, most_pages=2)
            return replace(one, resources=one.resources | {"tickets": replace(resource, paging=paging)})

        reading = Reading("freshdesk", desk, tmp_path, "tickets").changed(small)
        contents = reading.read()
        found = [json.loads(line) for line in lines(contents)]
        assert [one["id"] for one in found] == list(range(1, 12)) and found[0]["description"] == "text 1"
        assert (
            contents["tickets/attachments/3/3-3.txt"] == b"bytes 3"
            and contents["tickets/attachments/3/103-103.txt"] == b"bytes 103"
        )
        assert "Signature" not in json.dumps(found)
        assert reading.read() == contents  # addresses that differ each time are no change
        desk.tickets[4] |= {"updated_at": iso(NOW), "priority": 4}
        assert [one["id"] for one in reading.records("tickets/2") if one.get("priority") == 4] == [5]


def test_freshdesk_says_that_more_tickets_are_of_one_moment_than_it_gives(tmp_path: Path) -> None:
    with serving(FreshdeskDouble()) as desk:
        desk.tickets = [{"id": number, "created_at": iso(NOW), "updated_at": iso(NOW)} for number in range(9)]

        def small(one: Description) -> Description:
            resource = one.resources["tickets"]
            paging = replace(resource.paging, size=2, most_pages=2)
            return replace(one, resources={"tickets": replace(resource, paging=paging)})

        reading = Reading("freshdesk", desk, tmp_path, "tickets").changed(small)
        with pytest.raises(Exception, match="of one moment"):
            reading.read()


def test_jira_gives_all_comments_and_what_looks_change_is_no_change(tmp_path: Path) -> None:
    with serving(JiraDouble()) as desk:
        for number in range(1, 6):
            desk.issues[number] = {"id": number, "summary": f"issue {number}", "updated": "2024-05-20T10:00"}
        desk.comments[2] = [{"id": str(number), "body": "text"} for number in range(1, 6)]
        reading = Reading("jira-service-management", desk, tmp_path, user="me@example.com")
        contents = reading.read()
        issues = [
            json.loads(line) for line in lines({name: data for name, data in contents.items() if name.startswith("issues/2")})
        ]
        assert [len(one["comments"]) for one in issues] == [0, 5, 0, 0, 0]
        assert contents["issues/attachments/2/7-a.txt"] == b"the bytes" and "statuses.jsonl" in contents
        again = reading.read()
        assert again == contents
        del desk.issues[5]
        desk.issues[1] |= {"summary": "changed", "updated": "2024-05-20T11:00"}
        issues = reading.records("issues/2")
        assert issues[0]["fields"]["summary"] == "changed" and len(issues) == 5
        reading.clock.sleep(90_000)
        assert [one["id"] for one in reading.records("issues/2")] == ["1", "2", "3", "4"]


def test_netbox_is_read_by_growing_ids_and_its_changelog_tells_deletions(tmp_path: Path) -> None:
    with serving(NetBoxDouble()) as box:
        box.objects["devices"] = [
            {"id": number, "name": f"device {number}", "last_updated": iso(NOW)} for number in range(1, 1203)
        ]
        box.objects["object-changes"] = [{"id": 1, "time": iso(NOW), "action": {"value": "delete"}, "changed_object_id": 7}]
        reading = Reading("netbox", box, tmp_path, "devices", "changes")
        contents = reading.read()
        assert len(contents["devices.jsonl"].splitlines()) == 1202 and b'"delete"' in contents["changes/2024-06.jsonl"]
        assert len(box.asked) <= 9
        box.objects["devices"][600] |= {"name": "changed", "last_updated": iso(NOW + timedelta(hours=1))}
        asked = len(box.asked)
        assert b'"changed"' in reading.read()["devices.jsonl"] and len(box.asked) - asked <= 10


def test_bitrix_is_read_after_the_last_id_within_its_limits(tmp_path: Path) -> None:
    with serving(Files()) as files, serving(BitrixDouble()) as portal:
        portal.files = files.url.replace("127.0.0.1", "localhost")
        portal.deals = [
            {"ID": str(number), "TITLE": f"угода {number}", "DATE_CREATE": "2024-05-01T12:00:00+03:00", "DATE_MODIFY": iso(NOW)}
            for number in range(1, 176)
        ]
        reading = Reading(
            "bitrix24", portal, tmp_path, "deals", "open-lines", "calls", "tasks", "users", secret="webhook-secret"
        )
        contents = reading.changed(lambda one: hosts(one, "calls", "localhost")).read()
        deals = [json.loads(line) for line in contents["deals/2024-05.jsonl"].splitlines()]
        assert [int(one["ID"]) for one in deals] == list(range(1, 176))
        assert contents["calls/attachments/5/5-call.mp3"] == b"the recording"
        (line,) = [json.loads(line) for line in contents["open-lines/2024-06.jsonl"].splitlines()]
        assert [one["text"] for one in line["messages"]] == ["one", "two"]
        assert sum(reading.clock.slept) >= 90  # the time of operation was used up, and the reset waited for
        portal.deals[3] |= {"TITLE": "змінена", "DATE_MODIFY": iso(NOW + timedelta(hours=1))}
        del portal.deals[10]
        deals = reading.records("deals")
        assert len(deals) == 175 and deals[3]["TITLE"] == "змінена"
        reading.clock.sleep(90_000)
        assert len(reading.records("deals")) == 174


def test_bitrix_gives_files_of_the_disk_of_tasks_and_of_activities(tmp_path: Path) -> None:
    """Folders to the bottom in pages of two, attached objects by id, addresses with the webhook's code in them."""
    with serving(BitrixDouble()) as portal:
        portal.folders = {
            100: [101, (1, "price.xlsx", b"PK"), (2, "empty.txt", b""), 102],
            101: [103, (3, "contract.pdf", b"%PDF")],
            102: [],
            103: [(4, "recording.wav", b"RIFF")],
        }
        portal.attached = {7: ("act.pdf", b"%PDF-act"), 8: ("mail.eml", b"Subject: x")}
        task = {"id": "5", "title": "task", "createdDate": iso(NOW), "changedDate": iso(NOW), "commentsCount": "0"}
        portal.tasks = [task | {"ufTaskWebdavFiles": [7, 99]}, task | {"id": "6", "ufTaskWebdavFiles": False}]
        portal.activities = [
            {"ID": "3", "CREATED": iso(NOW), "LAST_UPDATED": iso(NOW), "FILES": [{"id": 8, "url": "https://x"}]}
        ]
        reading = Reading("bitrix24", portal, tmp_path, "disk", "tasks", "activities", secret="webhook-secret")
        contents = reading.read()
        assert {name: data for name, data in contents.items() if "/attachments/" in name} == {
            "disk/attachments/100/1-price.xlsx": b"PK",
            "disk/attachments/100/2-empty.txt": b"",
            "disk/attachments/100/3-contract.pdf": b"%PDF",
            "disk/attachments/100/4-recording.wav": b"RIFF",
            "tasks/attachments/5/7-act.pdf": b"%PDF-act",
            "activities/attachments/3/8-mail.eml": b"Subject: x",
        }
        (storage,) = map(json.loads, contents["disk.jsonl"].splitlines())
        assert [one["ID"] for one in storage["objects"]] == ["1", "2", "3", "4", "101", "102", "103"]
        tasks = [json.loads(line) for line in contents["tasks/2024-06.jsonl"].splitlines()]
        assert [[file["NAME"] for file in one["files"]] for one in tasks] == [["act.pdf"], []]  # the other one is gone
        assert not [name for name, data in contents.items() if b"webhook-secret" in data or b"token=" in data]
        reading.clock.sleep(90_000)
        assert reading.read() == contents  # addresses that differ each time are no change
        portal.folders[103].append(101)
        reading.clock.sleep(90_000)
        with pytest.raises(Exception, match="round in circles"):
            Reading("bitrix24", portal, tmp_path / "other", "disk", secret="webhook-secret").read()


def test_naumen_keeps_its_key_out_of_sight_and_gives_files_and_dictionaries(tmp_path: Path) -> None:
    with serving(NaumenDouble()) as desk:
        desk.classes["serviceCall"] = [
            {"UUID": f"serviceCall${number}", "creationDate": f"2024.0{1 + number % 3}.17 10:00:00", "title": f"№ {number}"}
            for number in range(230)
        ]
        desk.classes["comment"] = [{"UUID": "comment$1", "source": "serviceCall$7", "text": "привіт"}]
        desk.classes["file"] = [{"UUID": "file$1", "source": "serviceCall$7", "title": "акт.pdf", "size": 5}]
        desk.classes["team"] = [{"UUID": "team$1", "title": "перша лінія"}]
        reading = Reading("naumen", desk, tmp_path, "requests", "teams", secret="naumen-secret-key")
        contents = reading.read()
        found = [
            json.loads(line)
            for name in sorted(contents)
            if name.startswith("requests/2")
            for line in contents[name].splitlines()
        ]
        assert len(found) == 230 and {name for name in contents if name.startswith("requests/2")} == {
            f"requests/2024-0{month}.jsonl" for month in (1, 2, 3)
        }
        assert [one["comments"][0]["text"] for one in found if one["comments"]] == ["привіт"]
        assert contents["requests/attachments/serviceCall$7/file$1-акт.pdf"] == b"bytes of file$1"
        assert "перша лінія" in contents["teams.jsonl"].decode()
        wrong = Reading("naumen", desk, tmp_path / "other", "teams", secret="naumen-wrong-key")
        with pytest.raises(Exception, match="the credentials are refused") as error:
            wrong.read()
        assert "naumen-wrong-key" not in str(error.value)


def test_naumen_gives_more_of_each_request_where_it_is_asked_for(tmp_path: Path) -> None:
    with serving(NaumenDouble()) as desk:
        desk.classes["serviceCall"] = [
            {"UUID": f"serviceCall${number}", "creationDate": "2024.05.17 10:00:00"} for number in range(3)
        ]

        def detailed(one: Description) -> Description:
            resource = replace(one.resources["requests"], detail="sd/services/rest/get/{key}")
            return replace(one, resources=one.resources | {"requests": resource})

        reading = Reading("naumen", desk, tmp_path, "requests", secret="naumen-secret-key").changed(detailed)
        assert [one["solution"] for one in reading.records("requests/2")] == [f"of serviceCall${number}" for number in range(3)]


def test_speech_analytics_has_transcripts_in_order_and_recordings(tmp_path: Path) -> None:
    with serving(SpeechDouble()) as analytics:
        contents = Reading("speech-analytics", analytics, tmp_path).read()
        (call,) = [json.loads(line) for line in contents["calls/2024-06.jsonl"].splitlines()]
        assert [one["text"] for one in call["transcript"]] == ["алло", "так"] and b'"from":2.5,' in contents[
            "calls/2024-06.jsonl"
        ]
        assert contents["calls/attachments/c-1/c-1-1.wav"] == b"RIFF"
