"""`source test`: what a source's server says of limits, and what the credentials may not do, for all kinds in one way."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any

from tests.support.dav_double import Asked as DavAsked
from tests.support.dav_double import Reply as DavReply
from tests.support.dav_double import dav_double
from tests.support.desk import Desk, without_root_powers
from tests.support.s3_double import BUCKET, Asked, Reply, S3Double, fault, s3_double
from tests.support.trees import write_tree


def with_source(desk: Desk, url: str, *options: str) -> Desk:
    desk.init()
    desk.call("project", "add", "acme")
    words = [word for one in options for word in ("--option", one)]
    desk.call("source", "add", "acme", "raw", url, *words, "--yes")
    return desk


def bucket(desk: Desk, server: S3Double, *options: str) -> Desk:
    return with_source(desk, f"s3://{BUCKET}/in", f"endpoint={server.url}", *options)


def probed(desk: Desk, exits: int = 0) -> dict[str, Any]:
    (found,) = desk.call("source", "test", "acme", "--json", exits=exits).document["sources"]
    assert isinstance(found, dict)
    return found


def test_a_bucket_shows_its_limits_and_how_often_the_store_was_busy(desk: Desk) -> None:
    def busy(number: int, _: Asked) -> Reply | None:
        return fault(503, "SlowDown", Retry_After="1", X_RateLimit_Remaining="0") if number == 1 else None

    with s3_double() as server:
        server.put("in/a.csv", b"id\n1\n")
        bucket(desk, server, "requests_per_second=50")
        server.before, server.asked[:] = busy, []
        assert probed(desk)["rate_limits"] == {
            "requests_per_second": 50.0,
            "requests": 2,
            "refused_requests": 1,
            "longest_wait": 1.0,
            "stated": {"retry-after": "1", "x-ratelimit-remaining": "0"},
        }
        server.before = None
        shown = desk.call("source", "test", "acme").text
    assert "limits    at most 50 a second, by the settings; 1 request sent, none was refused as one too many" in shown


def test_a_webdav_server_shows_its_limits_and_a_folder_that_is_closed(desk: Desk) -> None:
    def closed(number: int, asked: DavAsked) -> DavReply | None:
        if number == 1:
            return DavReply(429, b"", {"Retry-After": "1", "RateLimit": '"default";r=0;t=1'})
        return DavReply(403) if asked.path == "closed" else None

    with dav_double(files={"a.csv": b"id\n1\n", "closed/b.csv": b"2"}) as server:
        with_source(desk, f"webdav://127.0.0.1:{server.port}/files")
        server.before = closed
        found = probed(desk, exits=3)
        assert [one["path"] for one in found["missing_rights"]] == ["raw/closed"]
        assert "may not be listed by this user" in found["missing_rights"][0]["message"]
        assert (found["rate_limits"]["refused_requests"], found["rate_limits"]["requests_per_second"]) == (1, None)
        assert found["rate_limits"]["stated"] == {"ratelimit": '"default";r=0;t=1', "retry-after": "1"}
        server.asked.clear()
        shown = desk.call("source", "test", "acme", exits=3).text
    assert "missing   raw/closed:" in shown and "the server refused 1 as too many, and asked to wait 1.0 s" in shown


def test_a_whole_source_or_an_item_that_may_not_be_read_is_a_missing_right(desk: Desk) -> None:
    def refused(_: int, asked: Asked) -> Reply | None:
        return fault(403, "AccessDenied") if asked.key or not only_items else None

    only_items = False
    with s3_double() as server:
        server.put("in/a.csv", b"1")
        bucket(desk, server)
        server.before = refused
        found = probed(desk, exits=1)
        assert [one["path"] for one in found["missing_rights"]] == [None] and found["error"]["what"] == "source-denied"
        only_items = True
        found = probed(desk, exits=1)
        assert found["files"] == 1 and "cannot look at a.csv" in found["missing_rights"][0]["message"]
        assert "missing" in desk.call("source", "test", "acme", exits=1).text


def test_a_webdav_file_that_may_not_be_read_is_a_missing_right(desk: Desk) -> None:
    with dav_double(files={"a.csv": b"1"}) as server:
        with_source(desk, f"webdav://127.0.0.1:{server.port}/files")
        server.before = lambda _, asked: DavReply(403) if asked.method == "GET" else None
        found = probed(desk, exits=3)
    assert [one["path"] for one in found["missing_rights"]] == ["raw/a.csv"]


def test_a_folder_or_a_file_that_may_not_be_read_is_a_missing_right(desk: Desk) -> None:
    folder = write_tree(desk.folder / "files", {"a.csv": b"1", "closed/b.csv": b"2"})
    with_source(desk, "files")
    (folder / "closed").chmod(0)
    (folder / "a.csv").chmod(0)
    try:
        result = desk.run("source", "test", "acme", "--json", exits=3, preexec_fn=without_root_powers)
    finally:
        (folder / "closed").chmod(0o700)
    (found,) = result.document["sources"]
    reason = os.strerror(13)
    assert {one["path"]: one["message"] for one in found["missing_rights"]} == {
        "raw/closed": "the folder may not be listed",
        "raw/a.csv": f"it cannot be read: {reason}",
    }
    assert found["rate_limits"] is None


def test_a_database_that_may_not_be_read_and_a_command_that_may_not_be_run_are_missing_rights(desk: Desk) -> None:
    with closing(sqlite3.connect(desk.folder / "calls.db")) as database:
        database.execute("create table calls (id integer primary key)")
    (desk.folder / "export.sh").write_text("#!/bin/sh\necho hello\n")
    with_source(desk, "sqlite:calls.db")
    desk.call("source", "add", "acme", "tickets", "command:./export.sh", "--yes")
    (desk.folder / "calls.db").chmod(0)
    result = desk.run("source", "test", "acme", "--json", exits=1, preexec_fn=without_root_powers)
    missing = [one["missing_rights"] for one in result.document["sources"]]
    assert [[one["path"] for one in rights] for rights in missing] == [[None], [None]]
    assert "may not be read by this user" in missing[0][0]["message"]
    assert "may not be run by this user" in missing[1][0]["message"]
