"""A record's page: all of it can be read, in its order, and nothing of it is a part of the page."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.pages.attached_files import AttachedFile, file_entry, relative_link
from restore.pages.frame import page
from restore.pages.index_pages import index_pages
from restore.pages.lines import ReadRecord, Wanted, records_of
from restore.pages.record_page import IndexEntry, PageFacts, record_page
from restore.pages.register import Register
from restore.pages.roles import BODIES, PageRoles, is_deleted, moment, plain_name
from restore.pages.safe_text import is_html, text_of_html
from restore.tables.model import Value
from tests.support.html_pages import HOSTILE, read_page
from vault.errors import Damaged

FACTS = PageFacts(b"tickets/tickets/2024-05/7.html", "tickets/tickets", "7", "As of snapshot s")

texts = st.one_of(
    st.text(max_size=30), st.sampled_from(HOSTILE), st.builds(str.__add__, st.sampled_from(HOSTILE), st.text(max_size=9))
)
plain = st.one_of(texts, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))
values = st.recursive(
    plain, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)), max_leaves=12
)
names = st.one_of(
    texts, st.sampled_from(("subject", "body", "author", "created_at", "comments", "status", "id", "fields", "html_body"))
)


def shown(text: str) -> str:
    """As a person sees it, with codes in the place of what cannot be shown, and without spaces, which browsers and titles
    join."""
    from restore.pages.safe_text import _SHOWN

    return "".join(text.replace("\r\n", "\n").replace("\r", "\n").translate(_SHOWN).split())


def seen(text: str) -> str:
    return "".join(text.split())


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [one for pair in value.items() for inner in pair for one in leaves(inner)]
    if isinstance(value, list):
        return [one for inner in value for one in leaves(inner)]
    return [value] if isinstance(value, str) else []


@settings(max_examples=100, deadline=None)
@given(record=st.dictionaries(names, values, max_size=6), key=texts)
def test_no_text_of_a_stranger_is_a_part_of_the_page_and_all_of_it_can_be_read(record: dict[str, Any], key: str) -> None:
    content, _ = record_page(record, PageFacts(FACTS.path, FACTS.entity, key, key))
    text = seen(read_page(content).text)
    for leaf in leaves(record):
        as_json = json.dumps(leaf, ensure_ascii=False)[1:-1]  # what lies deep is shown as JSON
        is_body = plain_name(leaf) in BODIES  # the name of what is shown as the text
        assert is_body or shown(leaf) in text or shown(as_json) in text


@pytest.mark.parametrize("text", HOSTILE)
def test_each_hostile_text_is_harmless_wherever_it_stands(text: str) -> None:
    comments: list[Value] = [{"author": text, "body": text, "created_at": text, text: text, "html_body": text}]
    record: dict[str, Value] = {
        "subject": text,
        "description": text,
        text: {text: [text, {text: text}]},
        "comments": comments,
        "id": 7,
    }
    file = AttachedFile(0, b"tickets/tickets/attachments/7/" + text.replace("/", "_").encode("utf-8", "replace"), 3)
    content, entry = record_page(record, PageFacts(FACTS.path, text, text, text, files=[file]))
    read_page(content)
    read_page(page(text, [file_entry(FACTS.path, file)]))
    assert len(entry.title) <= 1000 and "\n" not in entry.title


def _olena(name: str, value: Value) -> str:
    return "Olena" if (name, value) == ("author_id", 5) else ""


def test_a_page_has_the_title_the_thread_in_its_order_the_fields_and_the_files_beside_the_comments() -> None:
    comments: list[Value] = [
        {"id": 2, "author": {"name": "Bohdan"}, "text": "second", "created": "2024-05-02T10:00:00Z"},
        {
            "id": 1,
            "author_id": 5,
            "text": "first",
            "created": "2024-05-01T10:00:00+02:00",
            "files": [{"id": 9, "file": "a.pdf"}],
        },
    ]
    record: dict[str, Value] = {
        "id": 7,
        "subject": "Late",
        "description": "Where is it?",
        "priority": None,
        "comments": comments,
    }
    file = AttachedFile(3, b"tickets/tickets/attachments/7/9-a.pdf", 2048)
    about = PageFacts(FACTS.path, FACTS.entity, "7", "As of s", files=[file], named=_olena)
    content, entry = record_page(record, about)
    read = read_page(content)
    order = [
        read.text.index(word) for word in ("Late", "Where is it?", "priority", "Olena", "first", "9-a.pdf", "Bohdan", "second")
    ]
    assert order == sorted(order)
    assert read.links.count("../attachments/7/9-a.pdf") == 2 and read.links[0] == "../../../index.html"
    assert (entry.title, entry.key, entry.deleted) == ("Late", "7", False) and read.title == "7: Late"


def test_html_is_shown_as_the_text_that_it_says_and_its_source_can_be_read() -> None:
    body = (
        "<div>Dear <b>Ms Koval</b>,<br>see <a href='https://track.example/?n=7'>here</a><ul><li>one</li><li>two</li></ul></div>"
    )
    content, _ = record_page({"id": 7, "body": body + "<script>steal()</script>"}, FACTS)
    read = read_page(content)
    assert "Dear Ms Koval,\nsee here [https://track.example/?n=7]\n\n- one\n\n- two" in read.text
    assert "<script>steal()</script>" in read.text and read.text.count("steal()") == 1
    assert not is_html("a < b and b > c, <not a tag>") and is_html("x<br/>y")


def test_markup_without_ends_is_read_in_one_pass() -> None:
    """Each of these took quadratic time in one parser or another."""
    for hostile in (
        "<a '" * 100_000,
        "<!--" * 100_000,
        "<script>" * 50_000,
        "<" * 200_000,
        "<a \"<b '" * 60_000,
        "&" * 200_000,
    ):
        text_of_html(hostile)


def test_what_a_description_says_of_fields_counts() -> None:
    roles = PageRoles(title="extra.head", author="by", comments=("log",), comment_body="what", comment_time="at")
    record: dict[str, Value] = {
        "subject": "no",
        "extra": {"head": "yes"},
        "by": "me",
        "log": [{"what": "b", "at": 1714564800}, {"what": "a", "at": 1714561200}],
    }
    content, entry = record_page(record, PageFacts(FACTS.path, "log", "1", "", roles=roles))
    text = read_page(content).text
    assert (entry.title, entry.author) == ("yes", "me")
    assert text.index("2024-05-01 11:00:00 UTC") < text.index("2024-05-01 12:00:00 UTC")


def test_deleted_records_are_marked() -> None:
    assert is_deleted({"status": "deleted"}) and is_deleted({"is_deleted": True}) and is_deleted({"deleted_at": "2024"})
    assert not is_deleted({"status": "open", "deleted": False, "deleted_at": None})
    gone = PageFacts(FACTS.path, "t", "7", "", gone_at=datetime(2024, 5, 1, tzinfo=UTC))
    content, entry = record_page({"id": 7}, gone)
    assert entry.deleted and "Deleted: its source no longer had it at 2024-05-01 00:00:00+00:00" in read_page(content).text


def test_files_that_may_hold_a_program_are_named_and_cannot_be_clicked() -> None:
    for name, linked in (
        (b"a.pdf", True),
        (b"a.HTML", False),
        (b"a.svg", False),
        (b"a", False),
        (b"a.pdf.js", False),
        (b"A.WAV", True),
    ):
        found = read_page(page("", [file_entry(FACTS.path, AttachedFile(0, b"t/attachments/7/" + name, 1))]))
        assert bool(found.links) is linked and name.decode() in found.text


@given(target=st.binary(min_size=1, max_size=40).filter(lambda path: b"\0" not in path and not path.startswith(b"/")))
def test_a_link_is_relative_whatever_the_name_of_the_file(target: bytes) -> None:
    link = relative_link(b"tickets/2024-05/7.html", target)
    assert link.startswith(("./", "../")) and link.isascii() and not set(link) & set("\"'<>:?#\\ ")


def test_the_index_is_in_three_orders_on_pages_of_their_own_and_says_where_each_begins(tmp_path: Path) -> None:
    register = Register(tmp_path / "register")
    for number in range(1, 1203):
        day = datetime(2024, 1 + number % 12, 1 + number % 28, tzinfo=UTC)
        time = "" if number == 9 else day.isoformat()
        entry = IndexEntry(
            b"t/2024/%d.html" % number,
            "t",
            str(number),
            f"subject {number % 7}",
            "<b>",
            time,
            None if number == 9 else day,
            number == 10,
        )
        register.enter(entry)
    pages = dict(index_pages(register, "All <records>", ["about"]))
    register.close()
    assert sorted(pages) == sorted(
        f"{name}{end}.html".encode() for name in ("index", "by-number", "by-subject") for end in ("", "-2", "-3")
    )
    read = {name.decode(): read_page(data) for name, data in pages.items()}
    numbers = [
        link
        for page_ in ("by-number", "by-number-2", "by-number-3")
        for link in read[f"{page_}.html"].links
        if link.startswith("./t/")
    ]
    assert numbers == [f"./t/2024/{number}.html" for number in range(1, 1203)]
    dates = [
        link for page_ in ("index", "index-2", "index-3") for link in read[f"{page_}.html"].links if link.startswith("./t/")
    ]
    assert len(dates) == 1202 and dates[-1] == "./t/2024/9.html" and sorted(dates) == sorted(numbers)
    assert "10 (deleted)" in read["by-number.html"].text and "page 2 of 3" in read["by-subject-2.html"].text
    assert {"./by-number-2.html", "./by-number-3.html", "./index.html"} <= set(read["by-number.html"].links)


def test_names_of_pages_are_not_given_twice_case_aside(tmp_path: Path) -> None:
    register = Register(tmp_path / "register")
    register.take_all([b"t/a.html"])
    assert [register.free_name(stem, b".html") for stem in (b"t/A", b"t/a", b"t/b")] == [
        b"t/A~2.html",
        b"t/a~3.html",
        b"t/b.html",
    ]
    register.know("t", "5", "Olena \ud800")
    assert register.who("t", 5) == "Olena ?" and register.who("t", None) == "" and register.who("u", 5) == ""
    register.close()


def test_lines_that_are_no_records_cost_themselves_alone() -> None:
    data = b'{"id":1}\n\n[1]\nnonsense\n{"id":2,"ref":"1"}\n{"id":3'
    found = list(records_of(io.BytesIO(data), "id", Wanted()))
    assert [one.key for one in found if isinstance(one, ReadRecord)] == ["1", "2"]
    assert [str(one).partition(" is ")[0] for one in found if isinstance(one, Damaged)] == ["line 3", "line 4", "line 6"]
    only = [one for one in records_of(io.BytesIO(data), "id", Wanted(["1"])) if isinstance(one, ReadRecord)]
    assert [(one.number, one.key) for one in only] == [(1, "1")]
    assert (
        moment("2024-05-01T10:00:00Z") == datetime(2024, 5, 1, 10, tzinfo=UTC)
        and moment(7) is None
        and moment("soon-ish!") is None
    )
