"""Interfaces that answer nonsense: an error or a problem, never an empty snapshot, and no secret goes astray."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import StillClock
from tests.support.places import made_on
from tests.support.rest_double import Answered, Asked, ModelDesk, RestDouble, form, serving
from tests.support.rest_sources import COMMENTS, FILES, INCREMENTAL, as_backup, described, lines, read, source_of
from vault.backup import run
from vault.errors import Interrupted, SourceError
from vault.progress import never
from vault.repository import snapshots
from vault.source.rest.client import Question, RestClient
from vault.source.rest.credentials import Credentials
from vault.source.rest.description_parsing import parse
from vault.storage.memory import MemoryStore

SECRET = "geheimes-wort-7291"


@pytest.fixture
def desk() -> Iterator[ModelDesk]:
    with serving(ModelDesk()) as one:
        for number in range(250):
            one.add(title=f"{number}")
        yield one


TRAPS = [
    ("html", "page", "something else than JSON"),
    ("cut", "page", "broke off"),
    ("empty-page", "page", "empty page"),
    ("empty-page", "offset", "empty page"),
    ("same-page", "page", "leads back|same records|page after page"),
    ("same-cursor", "cursor", "leads back"),
    ("same-cursor", "next", "leads back"),
    ("twice", "page", "twice in one answer"),
    ("no-record", "page", "no record"),
    ("huge", "page", "more than 1 MiB"),
    ("deep", "page", "deep"),
    ("many", "page", "values"),
    ("elsewhere", "page", "sends us to http://localhost:1"),
    ("next-elsewhere", "next", "elsewhere.invalid"),
    ("next-elsewhere", "link", "elsewhere.invalid"),
    ("forbidden", "page", "may not read"),
]


@pytest.mark.parametrize(("trap", "style", "message"), TRAPS)
def test_nonsense_is_an_error_and_what_was_there_stays(
    desk: ModelDesk, tmp_path: Path, trap: str, style: str, message: str
) -> None:
    description = described(style, limits={"largest_answer": 1 if trap == "huge" else 32})
    project = made_on(MemoryStore())
    first = run.back_up(project, as_backup(source_of(desk, description, tmp_path)), run.BackupOptions())
    assert first.problems == () and first.record.counts.files == 1
    desk.traps.add(trap)
    if trap == "same-page":
        desk.traps.add("no-total")
    desk.edit(3, title="another")
    with pytest.raises(SourceError, match=message):
        run.back_up(project, as_backup(source_of(desk, description, tmp_path)), run.BackupOptions())
    assert [one.id for one in snapshots.read_all(project)] == [first.record.id]
    desk.traps.clear()
    _, contents = read(source_of(desk, description, tmp_path))
    assert lines(contents) == [desk.kept(number) for number in sorted(desk.tickets)]


def test_the_host_that_a_next_page_names_gets_no_request(desk: ModelDesk, tmp_path: Path) -> None:
    class Stranger(RestDouble):
        def answer(self, asked: Asked) -> Answered:
            return Answered(b"{}")

    with serving(Stranger()) as stranger:
        other = stranger.url.replace("127.0.0.1", "localhost")
        desk.between = lambda _: None
        original = desk._answered
        desk._answered = lambda asked: original(asked)._replace(  # type: ignore[method-assign]
            body=json.dumps({"results": [], "next": f"{other}next/tickets"}).encode()
        )
        with pytest.raises(SourceError, match="sends us to localhost"):
            read(source_of(desk, described("next"), tmp_path))
        assert stranger.asked == []


def test_a_record_without_a_key_is_a_problem_and_the_others_are_kept(desk: ModelDesk, tmp_path: Path) -> None:
    desk.traps.add("no-key")
    found, contents = read(source_of(desk, described("none"), tmp_path))
    assert [one.what for one in found.problems] == ["unusable-record"] and "has no 'id'" in found.problems[0].message
    assert len(lines(contents)) == 249


def test_a_record_without_a_time_is_kept_apart_and_said(desk: ModelDesk, tmp_path: Path) -> None:
    desk.traps.add("no-time")
    for _ in range(2):
        found, contents = read(source_of(desk, described("none"), tmp_path))
        assert len(contents["tickets/undated.jsonl"].splitlines()) == 1
        assert "1 record has no 'created'" in found.problems[0].message
    assert read(source_of(desk, described("none", time_may_be_missing=True), tmp_path))[0].problems == []


def test_a_resource_that_cannot_be_read_is_a_problem_beside_others(desk: ModelDesk, tmp_path: Path) -> None:
    value = {
        "title": "two",
        "resources": {
            "tickets": {"path": "page/tickets", "records": "results", "time": "created", "paging": {"type": "none"}},
            "people": {"path": "people", "records": "results"},
        },
    }
    desk.traps.add("no-paging")
    found, contents = read(source_of(desk, parse(value), tmp_path))
    assert [one.what for one in found.problems] == ["unlisted"] and "there is no people" in found.problems[0].message
    assert found.unlisted == [b"tickets/people", b"tickets/people.jsonl"] and contents


def test_redirects_within_the_host_are_followed_and_not_for_ever(tmp_path: Path) -> None:
    class Moved(RestDouble):
        def answer(self, asked: Asked) -> Answered:
            if asked.path == "/api/old":
                return Answered(b"", 301, {"Location": "/api/new?a=1"})
            if asked.path == "/api/round":
                return Answered(b"", 302, {"Location": "/api/round"})
            return Answered(json.dumps({"at": asked.path, "query": asked.query}).encode())

    with serving(Moved()) as moved:
        client = RestClient(parse({"title": "x", "resources": {"a": {"path": "a"}}}), moved.url, Credentials(), StillClock())
        assert client.ask(Question("old")).value == {"at": "/api/new", "query": {"a": "1"}}
        with pytest.raises(SourceError, match="round in circles"):
            client.ask(Question("round"))
        client.close()


# limits


def test_a_server_that_is_busy_is_waited_for_as_long_as_it_asks(desk: ModelDesk, tmp_path: Path) -> None:
    for trap in ("busy-429", "busy-503"):
        clock = StillClock()
        desk.traps, desk.busy_answers = {trap}, 9
        _, contents = read(source_of(desk, described("page"), tmp_path / trap, clock=clock))
        assert len(lines(contents)) == 250 and 63 <= sum(clock.slept) < 300


def test_a_server_that_stays_busy_is_an_error_in_the_end_and_a_stop_is_heard(desk: ModelDesk, tmp_path: Path) -> None:
    clock = StillClock()
    desk.busy_answers = 10_000
    with pytest.raises(SourceError, match="answers 429"):
        read(source_of(desk, described("page"), tmp_path, clock=clock))
    assert 800 < sum(clock.slept) < 1000

    def stop() -> None:
        if sum(clock.slept) > 1000:
            raise Interrupted("stopped")

    clock.sleep(100)
    source = source_of(desk, described("page"), tmp_path, clock=clock)
    with pytest.raises(Interrupted):
        source.scan(stop)
    source.close()


def test_requests_keep_to_the_pace_and_the_burst_that_are_allowed(desk: ModelDesk, tmp_path: Path) -> None:
    clock = StillClock()
    description = described("keyset", size=5, limits={"requests_per_second": 2, "burst": 10})
    read(source_of(desk, description, tmp_path, clock=clock))
    sent = len(desk.asked)
    assert sent == 102 and (sent - 10) / 2 - 1 <= sum(clock.slept) <= (sent - 10) / 2 + 1


def test_the_operating_time_of_a_server_is_minded(tmp_path: Path) -> None:
    clock = StillClock()

    class Worked(RestDouble):
        used = 0.0

        def answer(self, asked: Asked) -> Answered:
            self.used += 100
            reset = clock.now().timestamp() + 60
            if self.used > 480:
                self.used = 0
                return Answered(json.dumps({"time": {"operating_reset_at": reset}}).encode(), 429)
            return Answered(json.dumps({"result": [], "time": {"operating": self.used, "operating_reset_at": reset}}).encode())

    limits = {"operating": {"used": "time.operating", "reset_at": "time.operating_reset_at", "most": 400}}
    value: dict[str, Any] = {"title": "x", "resources": {"a": {"path": "a"}}, "limits": limits}
    with serving(Worked()) as worked:
        client = RestClient(parse(value), worked.url, Credentials(), clock)
        for _ in range(4):
            client.ask(Question("a"))
        assert 59 <= sum(clock.slept) <= 61
        client.ask(Question("a"))
        assert 118 <= sum(clock.slept) <= 125
        client.close()


def test_an_error_in_an_answer_with_a_good_status_is_one(tmp_path: Path) -> None:
    codes = ["QUERY_LIMIT_EXCEEDED", "QUERY_LIMIT_EXCEEDED", "ACCESS_DENIED"]

    class Telling(RestDouble):
        def answer(self, asked: Asked) -> Answered:
            return Answered(json.dumps({"error": codes.pop(0), "error_description": SECRET}).encode())

    value: dict[str, Any] = {"title": "x", "resources": {"a": {"path": "a"}}, "errors": {"at": "error"}}
    value["limits"] = {"busy_errors": ["QUERY_LIMIT_EXCEEDED"]}
    with serving(Telling()) as telling:
        client = RestClient(parse(value), telling.url, Credentials(), StillClock())
        with pytest.raises(SourceError, match="answers ACCESS_DENIED") as error:
            client.ask(Question("a"))
        assert SECRET not in str(error.value)
        client.close()


# compressed answers


def test_a_compressed_answer_is_expanded_and_a_bomb_is_not(tmp_path: Path) -> None:
    class Squeezed(RestDouble):
        body = b""

        def answer(self, asked: Asked) -> Answered:
            return Answered(gzip.compress(self.body), headers={"Content-Encoding": "gzip"})

    value: dict[str, Any] = {"title": "x", "resources": {"a": {"path": "a"}}, "limits": {"largest_answer": 1}}
    with serving(Squeezed()) as squeezed:
        client = RestClient(parse(value), squeezed.url, Credentials(), StillClock())
        squeezed.body = b'{"a": "b"}'
        assert client.ask(Question("a")).value == {"a": "b"}
        squeezed.body = b" " * 200_000_000
        with pytest.raises(SourceError, match="more than 1 MiB"):
            client.ask(Question("a"))
        client.close()


# secrets


def authorised(
    kind: dict[str, Any], double: RestDouble, credentials: Credentials, clock: StillClock | None = None
) -> RestClient:
    value = {"title": "x", "resources": {"a": {"path": "a"}}, "auth": kind}
    return RestClient(parse(value), double.url, credentials, clock or StillClock())


class Echo(RestDouble):
    """Answers what it was asked."""

    status = 200

    def answer(self, asked: Asked) -> Answered:
        found = {
            "path": asked.path,
            "query": asked.query,
            "auth": asked.headers.get("authorization"),
            "key": asked.headers.get("x-key"),
        }
        return Answered(json.dumps(found).encode(), self.status)


@pytest.mark.parametrize(
    ("kind", "place", "expected"),
    [
        ({"type": "bearer"}, "auth", f"Bearer {SECRET}"),
        ({"type": "basic"}, "auth", "Basic bWU6Z2VoZWltZXMtd29ydC03Mjkx"),
        ({"type": "header", "name": "X-Key", "prefix": "key "}, "key", f"key {SECRET}"),
        ({"type": "query", "name": "accessKey"}, "query", {"accessKey": SECRET}),
        ({"type": "path"}, "path", f"/api/{SECRET}/a"),
    ],
)
def test_a_secret_goes_where_it_belongs_and_into_no_message(kind: dict[str, Any], place: str, expected: object) -> None:
    with serving(Echo()) as echo:
        client = authorised(kind, echo, Credentials(SECRET, "me"))
        assert client.ask(Question("a")).value[place] == expected
        for status in (401, 403, 404, 418, 500, 503):
            echo.status = status
            with pytest.raises(SourceError) as error:
                client.ask(Question("a"))
            assert SECRET not in f"{error.value} {error.value.hint} {error.value!r} {error.value.__cause__!r}"
        assert SECRET not in repr(client._authorization._credentials)
        client.close()


class TokenServer(RestDouble):
    """OAuth 2: tokens that run out, refresh tokens that are given anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self.valid, self.refresh, self.count = "", "first", 0
        self.rotates = False

    def answer(self, asked: Asked) -> Answered:
        if asked.path == "/api/token":
            sent = form(asked)
            if sent["grant_type"] == "refresh_token" and sent["refresh_token"] != self.refresh:
                return Answered(b'{"error": "invalid_grant"}', 400)
            self.count += 1
            self.valid = f"token-{self.count}"
            answer: dict[str, Any] = {"access_token": self.valid, "expires_in": 3600}
            if self.rotates:
                self.refresh = f"refresh-{self.count}"
                answer["refresh_token"] = self.refresh
            return Answered(json.dumps(answer).encode())
        if asked.headers.get("authorization") != f"Bearer {self.valid}":
            return Answered(b"{}", 401)
        return Answered(b'{"fine": true}')


def test_a_token_is_asked_for_once_and_again_when_it_has_run_out() -> None:
    clock = StillClock()
    with serving(TokenServer()) as server:
        client = authorised({"type": "oauth2", "token_url": "token"}, server, Credentials(SECRET, "me"), clock)
        for _ in range(3):
            assert client.ask(Question("a")).value == {"fine": True}
        assert server.count == 1
        clock.sleep(3590)
        client.ask(Question("a"))
        assert server.count == 2
        server.valid = "revoked"  # before its time
        client.ask(Question("a"))
        assert server.count == 3
        client.close()


def test_a_refresh_token_that_is_given_anew_is_kept_or_the_run_says_that_it_cannot() -> None:
    kind = {"type": "oauth2", "token_url": "token", "grant": "refresh_token", "client_parameters": True}
    kept: list[str] = []
    with serving(TokenServer()) as server:
        server.rotates = True
        client = authorised(kind, server, Credentials(SECRET, "me", "first", kept.append))
        client.ask(Question("a"))
        assert kept == ["refresh-1"]
        server.valid = "revoked"
        client.ask(Question("a"))
        assert kept == ["refresh-1", "refresh-2"]
        client.close()
        nowhere = authorised(kind, server, Credentials(SECRET, "me", "refresh-2"))
        with pytest.raises(SourceError, match="another refresh token"):
            nowhere.ask(Question("a"))
        nowhere.close()
        late = authorised(kind, server, Credentials(SECRET, "me", "first"))
        with pytest.raises(SourceError, match="answers 400 to the request for a token"):
            late.ask(Question("a"))
        late.close()


def test_attachments_elsewhere_are_fetched_without_credentials_from_named_hosts_alone(desk: ModelDesk, tmp_path: Path) -> None:
    desk.secret = SECRET
    value = {
        "title": "x",
        "auth": {"type": "bearer"},
        "resources": {
            "tickets": {"path": "page/tickets", "records": "results", "attachments": FILES | {"hosts": ["localhost"]}}
        },
    }

    class Files(RestDouble):
        def answer(self, asked: Asked) -> Answered:
            return Answered(b"the bytes", headers={"Content-Type": "text/plain"})

    with serving(Files()) as files:
        key = desk.attach(1, "a.txt", b"")
        desk.tickets[1]["files"][0]["url"] = files.url.replace("127.0.0.1", "localhost") + f"{key}"
        desk.attach(2, "b.txt", b"")
        desk.tickets[2]["files"][0]["url"] = "http://elsewhere.invalid/b"
        source = source_of(desk, parse(value), tmp_path, secret=SECRET)
        source.scan(never)
        with source.reader() as reader:
            first, second = reader.contents(
                [b"tickets/tickets/attachments/1/1-a.txt", b"tickets/tickets/attachments/2/2-b.txt"]
            )
        source.close()
        assert getattr(first, "data", None) == b"the bytes" and "authorization" not in files.asked[0].headers
        assert getattr(second, "what", None) == "unreadable" and "elsewhere.invalid" in second.message  # type: ignore[union-attr]


def test_a_comment_list_that_is_nowhere_names_it(desk: ModelDesk, tmp_path: Path) -> None:
    children = {"comments": COMMENTS["comments"] | {"path": "nowhere/{key}"}}
    with pytest.raises(SourceError, match="there is no nowhere/"):
        read(source_of(desk, described("page", size=300, children=children, incremental=INCREMENTAL), tmp_path))
