"""Attachments: what comes with status 200 and is no file, and secrets that an interface repeats."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import StillClock
from tests.support.rest_double import Answered, Asked, ModelDesk, serving
from tests.support.rest_sources import FILES, PREFIX, described, lines, read, source_of
from vault.problems import Problem
from vault.progress import never
from vault.source.contract import Content
from vault.source.rest.description_parsing import parse

SECRET = "geheimes-wort-7291"
LOGIN = b"<!DOCTYPE html><title>Please log in</title>"
BUSY = b'{"error": "QUERY_LIMIT_EXCEEDED"}'
DENIED = b'{"error": "ACCESS_DENIED"}'


class FileDesk(ModelDesk):
    """Gives what it is told to in the place of a file."""

    file: Callable[[], Answered] = staticmethod(lambda: Answered(b"RIFF"))

    def _answered(self, asked: Asked) -> Answered:
        return self.file() if "/files/" in asked.path else super()._answered(asked)


@pytest.fixture
def desk() -> Iterator[FileDesk]:
    with serving(FileDesk()) as one:
        one.add(title="a")
        yield one


def fetched(desk: FileDesk, name: str, **attachments: Any) -> bytes | str:
    """The bytes of one attachment, or what is wrong with it."""
    desk.attach(1, name, b"RIFF")
    value = {
        "title": "x",
        "errors": {"at": "error"},
        "limits": {"busy_errors": ["QUERY_LIMIT_EXCEEDED"]},
        "resources": {"tickets": {"path": "page/tickets", "records": "results", "attachments": FILES | attachments}},
    }
    source = source_of(desk, parse(value), None)
    source.scan(never)
    with source.reader() as reader:
        (found,) = reader.contents([PREFIX + f"/tickets/attachments/1/1-{name}".encode()])
    source.close()
    if isinstance(found, Problem):
        return found.message
    assert isinstance(found, Content)
    return found.data


def typed(body: bytes, kind: str, **headers: str) -> Answered:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answered(body, headers={"Content-Type": kind} | more)


def test_an_error_with_a_good_status_is_waited_for_or_named_and_kept_as_no_file(desk: FileDesk) -> None:
    answers = [typed(BUSY, "application/json"), typed(b"RIFF", "audio/wav")]
    desk.file = lambda: answers.pop(0)
    assert fetched(desk, "a.wav") == b"RIFF" and not answers
    desk.tickets[1]["files"] = []
    desk.files.clear()
    desk.file = lambda: typed(DENIED, "application/json; charset=utf-8")
    assert "ACCESS_DENIED" in str(fetched(desk, "a.wav"))


def test_a_login_page_is_no_recording(desk: FileDesk) -> None:
    desk.file = lambda: typed(LOGIN, "text/html; charset=utf-8")
    assert "a page of HTML was sent in the place of" in str(fetched(desk, "a.wav"))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("page.html", typed(LOGIN, "text/html")),
        ("page.wav", typed(LOGIN, "text/html", Content_Disposition='attachment; filename="page.wav"')),
        ("log.json", typed(b'{"level": "error"}', "application/json")),
        ("list.json", typed(b'{"error": null}', "application/json")),
        ("cut.json", typed(b'{"error": "x', "application/json")),
        ("own.json", typed(DENIED, "application/json", Content_Disposition="attachment")),
        ("large.json", typed(b'{"error": "x", "y": "' + b"y" * 100_000 + b'"}', "application/json")),
    ],
)
def test_files_that_only_look_like_that_are_kept(desk: FileDesk, name: str, answer: Answered) -> None:
    desk.file = lambda: answer
    assert fetched(desk, name) == answer.body


@pytest.mark.parametrize(("size", "message"), [(4, ""), (3, "more bytes, and 3 were announced"), (5, "4 bytes, and 5 were")])
def test_a_file_has_as_many_bytes_as_were_announced(desk: FileDesk, size: int, message: str) -> None:
    original = desk.listed

    def listed(number: int) -> dict[str, Any]:
        one = original(number)
        return one | {"files": [file | {"size": size} for file in one["files"]]}

    desk.listed = listed  # type: ignore[method-assign]
    found = fetched(desk, "a.wav", size="size")
    assert message in found if isinstance(found, str) else found == b"RIFF" and not message


@pytest.mark.parametrize(
    "written",
    [SECRET, f"https://desk.example.com/{SECRET}/file", base64.b64encode(f"me:{SECRET}".encode()).decode()],
)
def test_a_secret_that_the_interface_repeats_in_a_record_is_not_kept(desk: FileDesk, tmp_path: Path, written: str) -> None:
    desk.edit(1, title=f"before {written} after", other="zwölf")
    found, contents = read(source_of(desk, described("page"), tmp_path, secret=SECRET, user="me"))
    (record,) = map(json.loads, lines(contents))
    assert written not in json.dumps(record) and "…" in record["title"] and record["other"] == "zwölf"
    assert found.coverage is not None and any("the secret" in gap for gap in found.coverage.gaps)
    assert SECRET.encode() not in (tmp_path / "mirror.sqlite").read_bytes()


def test_a_short_secret_is_a_word_like_others(desk: FileDesk, tmp_path: Path) -> None:
    desk.edit(1, title="the status is open")
    found, contents = read(source_of(desk, described("page"), tmp_path, secret="open", clock=StillClock()))
    assert json.loads(lines(contents)[0])["title"] == "the status is open"
    assert found.coverage is not None and not any("the secret" in gap for gap in found.coverage.gaps)


def test_a_file_that_breaks_off_is_asked_for_again_and_goes_on_behind_what_was_read(desk: FileDesk) -> None:
    data = bytes(range(256)) * 4000
    answers = [typed(data[:700_001], "audio/wav")._replace(announced=len(data)), typed(b"", "audio/wav")._replace(announced=9)]
    desk.file = lambda: answers.pop(0) if answers else typed(data, "audio/wav")
    assert fetched(desk, "a.wav") == data and not answers


def test_a_file_that_is_another_one_at_the_second_try_is_not_mixed(desk: FileDesk) -> None:
    answers = [typed(b"a" * 500_000, "audio/wav")._replace(announced=600_000)]
    desk.file = lambda: answers.pop(0) if answers else typed(b"b" * 600_000, "audio/wav")
    assert "it changed while it was read" in str(fetched(desk, "a.wav"))
    desk.tickets[1]["files"] = []
    desk.files.clear()
    answers.append(typed(b"a" * 500_000, "audio/wav")._replace(announced=600_000))
    desk.file = lambda: answers.pop(0) if answers else typed(b"a" * 400_000, "audio/wav")
    assert "it changed while it was read" in str(fetched(desk, "a.wav"))


def test_files_that_a_server_gives_no_more_are_waited_for_once(desk: FileDesk, tmp_path: Path) -> None:
    """The records are kept, and each file is named; when the server is back, so are they."""
    clock = StillClock()
    for number in range(5):
        desk.attach(1, f"{number}.wav", b"RIFF")
    desk.file = lambda: Answered(b"busy", 503, {"Retry-After": "60"})
    source = source_of(desk, described("page", attachments=FILES), tmp_path, clock=clock)
    source.scan(never)
    wanted = [PREFIX + f"/tickets/attachments/1/{number + 1}-{number}.wav".encode() for number in range(5)]
    with source.reader() as reader:
        assert [getattr(one, "what", "") for one in reader.contents(wanted)] == ["unreadable"] * 5
        assert 800 < sum(clock.slept) < 1000
        desk.file = lambda: Answered(b"RIFF")
        assert [getattr(one, "data", b"") for one in reader.contents(wanted)] == [b"RIFF"] * 5
    source.close()
