"""Descriptions of vendors' interfaces that come with the package create records, in doubles after the public documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from strongroom.source_kinds import rest
from tests.support.kept_records import ListedRecords, Restoring
from tests.support.rest_double import serving
from tests.support.vendor_creations import BitrixCreating, CreatingDouble, JiraCreating, ZendeskCreating

SECRET = "a-secret-of-the-tests"


def restoring(name: str, records: ListedRecords, double: CreatingDouble, folder: Path) -> Restoring:
    return Restoring(records, double, folder, rest.described(f"rest:{name}", folder), SECRET, "somebody")


def again(work: Restoring, double: CreatingDouble) -> None:
    """Nothing is written any more: on this machine, and on another one."""
    writes = double.writes
    assert work.run().created == 0 and double.writes == writes
    work.forget()
    assert work.run().created == 0 and double.writes == writes


@pytest.mark.parametrize("storm", ["", "429", "cut-done"])
def test_bitrix_creates_companies_contacts_and_deals_that_refer_to_one_another(tmp_path: Path, storm: str) -> None:
    records: dict[str, list[dict[str, Any]]] = {
        "deals": [{"ID": "7", "TITLE": "велика", "CONTACT_ID": "5", "COMPANY_ID": "3", "UF_CRM_1": "x", "OPPORTUNITY": "1.10"}],
        "contacts": [{"ID": "5", "NAME": "Олена", "COMPANY_ID": "3", "DATE_CREATE": "2024-05-01T10:00:00+03:00"}],
        "companies": [{"ID": "3", "TITLE": "ACME", "ASSIGNED_BY_ID": "1", "LOGO": {"id": "9"}}],
    }
    with serving(BitrixCreating()) as double:
        double.first = 100
        double.storm = {1: storm, 2: storm} if storm else {}
        work = restoring("bitrix24", ListedRecords(records), double, tmp_path)
        losses = {one.resource: one.losses for one in work.plan().resources}
        assert "LOGO of 1 record" in losses["companies"] and double.writes == 0
        done = work.run()
        assert (done.created, done.problems) == (3, [])
        (deal,) = double.records["deal"].values()
        assert (deal["TITLE"], deal["OPPORTUNITY"], deal["UF_CRM_1"]) == ("велика", "1.10", "x")
        assert (deal["COMPANY_ID"], deal["CONTACT_ID"]) == ("100", "101") and double.records["contact"][101][
            "COMPANY_ID"
        ] == "100"
        again(work, double)
        del double.records["contact"][101]
        assert work.run().created == 1


def adf(text: str) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]}


@pytest.mark.parametrize("storm", ["", "cut-done"])
def test_jira_creates_issues_with_comments_and_files_though_its_search_is_late(tmp_path: Path, storm: str) -> None:
    fields = {
        "project": {"key": "SD", "id": "1"},
        "issuetype": {"name": "Task", "id": "2"},
        "summary": "Посилка",
        "description": adf("де?"),
        "labels": ["late"],
        "status": {"name": "Done"},
        "customfield_10010": "x",
        "attachment": [{"id": "70", "filename": "a.txt", "size": 9, "mimeType": "text/plain", "content": "…"}],
    }
    comments = [{"id": str(number), "body": adf(text)} for number, text in ((4, "ok"), (9, "ok"), (11, "знайшли"))]
    issue = {"id": "4711", "key": "SD-1", "fields": fields, "comments": comments, "history": [{"id": "1"}], "worklogs": []}
    with serving(JiraCreating()) as double:
        double.storm = dict.fromkeys(range(1, 20, 2), storm) if storm else {}
        work = restoring(
            "jira-service-management", ListedRecords({"issues": [issue]}, {"4711/70-a.txt": b"the bytes"}), double, tmp_path
        )
        (plan,) = work.plan().resources
        assert (plan.children, plan.files) == (4, 1) and "fields.customfield_10010 of 1 record" in plan.losses
        done = work.run()
        assert (done.created, done.problems) == (1, [])
        ((number, made),) = double.records["issue"].items()
        assert (made["summary"], made["description"], made["project"]) == ("Посилка", adf("де?"), {"key": "SD"})
        assert made["labels"][1:] == ["late"] and made["labels"][0].startswith("strongroom:issues/4711/")
        assert [one["body"] for one in double.comments[number]] == [adf("ok"), adf("ok"), adf("знайшли")]
        assert double.files[number] == [("a.txt", b"the bytes")]
        again(work, double)


@pytest.mark.parametrize("storm", ["", "cut-done"])
def test_zendesk_imports_tickets_with_authors_times_and_files(tmp_path: Path, storm: str) -> None:
    files = [{"id": 8, "file_name": "a.wav", "content_type": "audio/wav", "content_url": "https://x/8", "size": 3}]
    comments = [
        {"id": 1, "author_id": 50, "body": "where?", "public": True, "created_at": "2024-05-01T10:00:00Z",
         "attachments": files},
        {"id": 2, "author_id": 51, "body": "found", "public": False, "created_at": "2024-05-02T10:00:00Z", "attachments": []},
    ]  # fmt: skip
    ticket = {"id": 4711, "subject": "Посилка", "requester_id": 50, "status": "solved", "tags": ["x"], "comments": comments,
              "created_at": "2024-05-01T10:00:00Z", "custom_fields": [{"id": 9, "value": "v"}], "brand_id": 3}  # fmt: skip
    records = {
        "tickets": [ticket, {"id": 5, "status": "deleted"}],
        "users": [{"id": 50, "email": "client@example.com"}, {"id": 51, "email": "agent@example.com"}],
    }
    with serving(ZendeskCreating()) as double:
        double.users = {900: "client@example.com"}
        double.storm = {2: storm} if storm else {}
        work = restoring("zendesk", ListedRecords(records, {"4711/8-a.wav": b"wav"}), double, tmp_path)
        (plan,) = work.plan().resources
        assert (plan.missing, plan.left_out, plan.files) == (1, 1, 1) and "brand_id of 1 record" in plan.losses
        assert [text.partition(":")[0] for text in plan.unresolved] == [
            "comments.author_id 51 of 1 record",
            "custom_fields.id 9 of 1 record",
        ]
        done = work.run()
        assert (done.created, done.problems) == (1, [])
        (made,) = double.records["ticket"].values()
        assert (made["subject"], made["requester_id"], made["status"]) == ("Посилка", 900, "solved") and made[
            "custom_fields"
        ] == []
        assert [(one.get("author_id"), one["value"], one["public"]) for one in made["comments"]] == [
            (900, "where?", True),
            (None, "found", False),
        ]
        assert [double.uploads[token] for token in made["comments"][0]["uploads"]] == [("a.wav", b"wav")]
        again(work, double)
