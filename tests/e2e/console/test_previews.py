"""Previews: what is in an item is seen in a browser by whoever may, as an entry in the log; and nothing in it is executed."""

from __future__ import annotations

import io
import json
import sqlite3
import struct
import wave
import zlib
from collections.abc import Iterator
from email.message import EmailMessage
from urllib.parse import quote

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import strongroom
from console.access.rights import Assignment, Person, Role
from strongroom.audit import LogSelection, read_log
from strongroom.audited_projects import audited_projects
from tests.support.console import ConsoleClient, console_of, person, text_of
from tests.support.desk import Desk, Place

PROJECT = "/projects/acme/item"
CSV = b"agent,calls\n" + b"".join(f"agent-{number:03},{number * 7 % 250}\n".encode() for number in range(250))
TICKET = {
    "id": 4711,
    "subject": "The report of May is wrong",
    "status": "open",
    "comments": [
        {
            "id": 1,
            "author": {"name": "Olena"},
            "created_at": "2024-05-17",
            "body": "<p>Look at <b>agent</b> 7</p><script>x()</script>",
        },
        {"id": 2, "author": "Ivan", "created_at": "2024-05-18", "body": "Mended", "public": True},
    ],
}
TRICKY = "tab\tquote'\"& line\nend-\u202egnp.csv"


def png(width: int = 2, height: int = 2) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = zlib.compress(b"\0\xff\0\0\0\xff\0" * 2)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def wav(seconds: int = 400) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(bytes(range(256)) * (seconds * 8000 // 256))
    return out.getvalue()


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "May"
    sheet.append(["agent", "calls"])
    sheet.append(["olena", 17])
    book.create_sheet("June").append(["agent"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def base() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("create table calls (agent text, calls integer)")
        database.execute("insert into calls values ('olena', 17)")
        database.commit()
        content = database.serialize()
    database.close()
    return content


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"agent": ["olena"], "calls": [17]}), out)
    return out.getvalue()


def mail() -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "olena@example.com", "help@example.com", "Звіт за травень"
    message.set_content("Where is it?\n<script>x()</script>\n")
    message.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="bill.pdf")
    return message.as_bytes()


FILES: dict[str, dict[str, bytes]] = {
    "reports": {
        "may.csv": CSV,
        "may.xlsx": workbook(),
        "may.sqlite": base(),
        "may.parquet": parquet(),
        "bill.pdf": b"%PDF-1.4\n%%EOF\n",
        "chart.png": png(),
        "notes.txt": "Привет\n\u202eevil <script>x()</script>\n".encode(),
        "old.txt": "Привет, это старый файл".encode("cp1251"),
        "empty.txt": b"",
        "raw.bin": bytes(range(256)) * 4,
        TRICKY: b"a,b\n1,2\n",
    },
    "recordings": {"call.wav": wav()},
    "tickets": {
        "tickets/2024-05.jsonl": json.dumps(TICKET).encode() + b"\n",
        "tickets/attachments/4711/1-bill.pdf": b"%PDF-1.4\n%%EOF\n",
    },
    "mail": {"INBOX/2024-05/a.eml": mail()},
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("previews") / "desk", Place("repository"))
    made.init()
    for kind, files in FILES.items():
        for name, content in files.items():
            file = made.folder / kind / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    made.add("acme", *(f"{kind}={made.folder / kind}" for kind in FILES))
    made.call("backup")
    return made


@pytest.fixture(scope="module")
def shared(desk: Desk) -> Iterator[ConsoleClient]:
    anna = person("anna", Role.VIEWER)
    operator = person("olga", Role.OPERATOR)
    narrow = Person("ivan", assignments=(Assignment(Role.VIEWER, paths=("reports/may*",)),))
    stranger = person("eve", Role.VIEWER, projects=["other"])
    with console_of(desk, anna, operator, narrow, stranger) as made:
        yield made


@pytest.fixture
def console(shared: ConsoleClient) -> ConsoleClient:
    shared.person = "anna"
    return shared


def at(path: str | bytes, what: str = "preview", **more: str) -> str:
    asked = "".join(f"&{name}={quote(value)}" for name, value in more.items())
    return f"{PROJECT}/{what}?path={quote(quote(path, safe='/'), safe='')}{asked}"


def looks(desk: Desk) -> list[tuple[str, str, str, str]]:
    """Of the log: who looked at which item, by what, and how that ended."""
    with desk.surroundings(["console"]), strongroom.open_repository(desk.settings) as repository:
        found = read_log(repository.context, audited_projects(repository.context), LogSelection(actions=("view",)))
    assert not found.damage
    return [
        (one.entry.who.user, item["path"], one.entry.who.program.split()[-1], one.entry.outcome.result)
        for one in found.entries
        if one.entry.outcome is not None
        for item in one.entry.what.get("items", [one.entry.what])
    ]


def test_a_table_is_shown_by_its_first_rows_and_goes_on(console: ConsoleClient) -> None:
    page = console.get(at("reports/may.csv"))
    assert page.status_code == 200
    text = text_of(page)
    assert "agent-000" in text and "agent-199" in text and "agent-200" not in text and "Rows 1 to 200" in text
    more = text_of(console.get(at("reports/may.csv", first="200")))
    assert "Rows 201 to 250" in more and "agent-249" in more and "Next rows" not in more


def test_a_table_is_sorted_by_numbers_and_the_order_can_be_turned(console: ConsoleClient) -> None:
    up = console.get(at("reports/may.csv", sort="calls")).text
    down = console.get(at("reports/may.csv", sort="calls", descending="yes")).text
    assert up.index("agent-000") < up.index("agent-036") < up.index("agent-001")  # 0, 2, 7
    assert down.index("agent-107") < down.index("agent-214")  # 249, 248
    assert 'aria-sort="descending"' in down
    assert console.get(at("reports/may.csv", sort="nothing")).status_code == 404


def test_each_sheet_of_a_workbook_is_a_table(console: ConsoleClient) -> None:
    assert "olena" in text_of(console.get(at("reports/may.xlsx")))
    june = console.get(at("reports/may.xlsx", sheet="June"))
    assert "olena" not in june.text and 'aria-current="page">June' in june.text


@pytest.mark.parametrize("name", ["may.xlsx", "may.sqlite", "may.parquet"])
def test_a_table_of_each_sort_of_format_is_shown(console: ConsoleClient, name: str) -> None:
    assert "agent calls olena 17" in text_of(console.get(at(f"reports/{name}")))


def test_columns_are_masked_and_cannot_be_sorted_by(desk: Desk) -> None:
    with console_of(desk, person("anna", Role.VIEWER), masked=("AGENT", "auth*")) as console:
        for path in (at("reports/may.csv"), at("reports/may.csv", sort="agent", descending="yes")):
            page = console.get(path).text
            assert "agent-0" not in page and "•••" in page
            assert page.index(">0<") < page.index(">7<")  # the order of the file
        assert "Olena" not in console.get(at("tickets/tickets/2024-05.jsonl", record="0")).text


def test_a_text_is_shown_as_text_whatever_it_says(console: ConsoleClient) -> None:
    page = console.get(at("reports/notes.txt"))
    assert "&lt;script&gt;x()&lt;/script&gt;" in page.text and "<script>x()" not in page.text
    assert "\u202e" not in page.text and "\\u202e" in page.text
    assert "это старый файл" in console.get(at("reports/old.txt")).text
    assert "The item is empty." in text_of(console.get(at("reports/empty.txt")))
    assert "not shown in a browser" in text_of(console.get(at("reports/raw.bin")))


def test_a_picture_is_given_by_its_own_type_and_may_do_nothing(console: ConsoleClient) -> None:
    assert "<img" in console.get(at("reports/chart.png")).text
    found = console.get(at("reports/chart.png", "content"))
    assert found.content == png() and found.headers["content-type"] == "image/png"
    assert found.headers["content-security-policy"] == "default-src 'none'; sandbox; frame-ancestors 'self'"
    assert found.headers["x-content-type-options"] == "nosniff"


def test_a_document_is_given_within_a_frame_of_the_console_only(console: ConsoleClient) -> None:
    assert "<iframe" in console.get(at("reports/bill.pdf")).text
    found = console.get(at("reports/bill.pdf", "content"))
    assert found.headers["content-type"] == "application/pdf"
    assert "default-src 'none'" in found.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in found.headers["content-security-policy"]


def test_a_recording_is_played_by_ranges(console: ConsoleClient) -> None:
    assert "<audio" in console.get(at("recordings/call.wav")).text
    whole = wav()
    address = at("recordings/call.wav", "content")
    assert console.get(address).content == whole
    for asked, start, end in (
        ("bytes=0-", 0, 2 << 20),
        ("bytes=100-199", 100, 200),
        ("bytes=3000000-9999999999", 3_000_000, len(whole)),
        ("bytes=-100", len(whole) - 100, len(whole)),
        ("bytes=-99999999999", len(whole) - (2 << 20), len(whole)),
    ):
        found = console.get(address, range=asked)
        assert (found.status_code, found.content) == (206, whole[start:end])
        assert found.headers["content-range"] == f"bytes {start}-{end - 1}/{len(whole)}"
    for asked in (f"bytes={len(whole)}-", "bytes=999999999999999999-", "bytes=-0"):
        behind = console.get(address, range=asked)
        assert (behind.status_code, behind.content, behind.headers["content-range"]) == (416, b"", f"bytes */{len(whole)}")


@pytest.mark.parametrize(
    "asked",
    [
        *("bytes=nonsense", "bytes=-", "bytes=9-5", "bytes=1-2-3", "items=0-1"),
        *("bytes=0-1,5-9", "bytes=" + ",".join(["0-"] * 200), f"bytes={'9' * 40}-"),
    ],
)
def test_ranges_that_make_no_sense_or_are_many_are_no_ranges(console: ConsoleClient, asked: str) -> None:
    found = console.get(at("recordings/call.wav", "content"), range=asked)
    assert found.status_code == 200 and found.content == wav(), "all of it, once"


def test_a_range_goes_on_with_the_content_that_it_began_with_or_not_at_all(desk: Desk, console: ConsoleClient) -> None:
    address = at("recordings/call.wav", "content")
    tag = console.get(address, range="bytes=0-9").headers["etag"]
    same = console.get(address, range="bytes=10-19", if_range=tag)
    assert (same.status_code, same.content) == (206, wav()[10:20])
    other = console.get(address, range="bytes=10-19", if_range='"another"')
    assert other.status_code == 200 and other.headers["etag"] == tag
    assert console.get(at("reports/chart.png", "content")).headers["etag"] != tag


def test_a_ticket_is_a_thread_with_its_attachments(console: ConsoleClient) -> None:
    assert 'record=0">Read' in console.get(at("tickets/tickets/2024-05.jsonl")).text
    page = console.get(at("tickets/tickets/2024-05.jsonl", record="0"))
    text = text_of(page)
    for said in ("The report of May is wrong", "Olena 2024-05-17 Look at agent 7", "Ivan 2024-05-18 Mended", "1-bill.pdf"):
        assert said in text, said
    assert "<script>x" not in page.text and "x()" not in page.text
    assert "path=tickets%2Ftickets%2Fattachments%2F4711%2F1-bill.pdf" in page.text
    assert console.get(at("tickets/tickets/2024-05.jsonl", record="1")).status_code == 404


def test_a_message_is_its_headers_its_text_and_the_names_of_what_is_attached(console: ConsoleClient) -> None:
    page = console.get(at("mail/INBOX/2024-05/a.eml"))
    text = text_of(page)
    for said in ("olena@example.com", "Звіт за травень", "Where is it?", "bill.pdf application/pdf, 8 bytes"):
        assert said in text, said
    assert "<script>x()" not in page.text


def test_names_of_any_bytes_are_found_and_shown_without_harm(console: ConsoleClient) -> None:
    page = console.get(at(f"reports/{TRICKY}".encode()))
    assert page.status_code == 200 and "\u202e" not in page.text
    assert "tab\\tquote" in page.text.replace("&#39;", "'")


def test_whoever_may_not_read_an_item_cannot_tell_that_it_is_there(console: ConsoleClient) -> None:
    console.person = "ivan"
    assert console.get(at("reports/may.csv")).status_code == 200
    hidden, missing = console.get(at("reports/notes.txt")), console.get(at("reports/nothing.txt"))
    assert hidden.status_code == missing.status_code == 404 and hidden.text == missing.text
    for what in ("preview", "content"):
        assert console.get(at("recordings/call.wav", what)).status_code == 404
    console.person = "eve"
    assert console.get(at("reports/may.csv")).text == console.get(at("reports/may.csv").replace("acme", "nothing")).text
    console.person = "olga"
    assert console.get(at("reports/may.csv")).status_code == 403


def test_every_look_is_in_the_log_once_with_the_persons_name(desk: Desk) -> None:
    before = looks(desk)
    with console_of(desk, person("vera", Role.VIEWER), person("oleg", Role.OPERATOR)) as console:
        for path in (at("reports/may.csv"), at("reports/may.csv", first="200"), at("reports/may.xlsx")):
            assert console.get(path).status_code == 200
        for start in range(0, 400, 100):
            assert console.get(at("recordings/call.wav", "content"), range=f"bytes={start}-{start + 99}").status_code == 206
        console.person = "oleg"
        assert console.get(at("reports/may.csv")).status_code == 403
    new = sorted(one for one in looks(desk) if one not in before)
    assert new == [
        ("vera", "recordings/call.wav", "console", "ok"),
        ("vera", "reports/may.csv", "console", "ok"),
        ("vera", "reports/may.xlsx", "console", "ok"),
    ]
