"""What previews are made of: the measures of pictures, sorts of items, threads, tables, messages, charts."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.charts import chart
from console.previews import pictures, sorts, texts
from console.previews.threads import thread_of
from strongroom.mail_preview import preview_mail, text_of_html
from strongroom.storage_history import storage_history
from strongroom.table_preview import HIDDEN, LONGEST_CELL, MOST_COLUMNS, ShownRecord, TableView, preview_record, preview_table
from vault.errors import Damaged, NothingFound
from vault.format.snapshot_record import Counts

NOW = datetime(2026, 3, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("head", "name", "pixels"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 7, 9), "png", 63),
        (b"GIF89a" + struct.pack("<HH", 3, 4), "gif", 12),
        (b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc0\0\x11\x08" + struct.pack(">HH", 5, 6), "jpeg", 30),
        (b"RIFF....WEBPVP8X....\0\0\0\0" + (9).to_bytes(3, "little") + (1).to_bytes(3, "little"), "webp", 20),
        (b"RIFF....WEBPVP8L....\x2f" + (3 | 4 << 14).to_bytes(4, "little"), "webp", 20),
        (b"RIFF....WEBPVP8 " + bytes(10) + struct.pack("<HH", 8, 2), "webp", 16),
        (b"\xff\xd8" + b"\0" * 50, "jpeg", None),
        (b"\xff\xd8" + b"\xff\xe0\0\0" * 10_000, "jpeg", None),
        (b"", "png", None),
        (b"x" * 100, "tiff", None),
    ],
)
def test_the_measures_of_a_picture_are_in_its_header(head: bytes, name: str, pixels: int | None) -> None:
    assert pictures.pixels(head, name) == pixels


@pytest.mark.parametrize(
    ("content", "name", "sort"),
    [
        (b"\x89PNG\r\n\x1a\nrest", b"a.html", ("image", "image/png")),
        (b"<!doctype html><p>", b"a.png", ("text", "")),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', b"a.svg", ("text", "")),
        (b"a,b\n1,2\n", b"a.csv", ("table", "")),
        (b"From: a@example.com\nSubject: x\n\nbody", b"a.eml", ("mail", "")),
        (b"PK\3\4" + b"\0" * 40, b"a.zip", ("none", "")),
        (b"", b"a.png", ("none", "")),
    ],
)
def test_what_an_item_is_is_said_by_its_first_bytes(content: bytes, name: bytes, sort: tuple[str, str]) -> None:
    found = sorts.sort_of(content, len(content), name)
    assert (found.sort, found.media_type) == sort


def test_no_type_that_a_browser_gets_can_hold_a_script() -> None:
    given = {media_type for _, media_type in sorts.TYPES.values()}
    assert not {one for one in given if "html" in one or "xml" in one or "javascript" in one or one.startswith("text/")}


def test_text_is_decoded_as_well_as_can_be_and_shows_what_cannot_be_seen() -> None:
    assert texts.shown("Привет\0\u202e".encode(), 14).text == "Привет\\u0000\\u202e"
    assert texts.shown("Привет".encode("cp1251"), 6).text == "Привет"
    assert texts.shown("Привет".encode("utf-16"), 14).text == "Привет"
    cut = texts.shown("я".encode()[:1].join([b"x" * 10, b""]), 100)
    assert cut.cut and cut.text.startswith("x" * 10)
    assert texts.shown(b"y" * 5000, 5000).text == "y" * texts.LONGEST_LINE + "…"


def test_a_record_is_a_thread_whatever_its_fields_are_called() -> None:
    comments = [{"Creator": "root", "Created": "2024-05-17", "Content": "<b>Hello</b>", "odd": [1, {"a": 2}]}, "words", None]
    found = thread_of(ShownRecord(3, (("ID", "17"), ("Subject", "A title"), ("History", comments), ("tags", ["a", "b"]))))
    assert (found.key, found.title, dict(found.fields)["tags"]) == ("17", "A title", "a, b")
    (section,) = found.sections
    first, second, third = section.entries
    assert (first.author, first.moment, first.body, first.others) == ("root", "2024-05-17", "Hello", (("odd", "1, a: 2"),))
    assert second.body == "words" and third.body == ""


def test_a_table_is_cut_in_every_direction(tmp_path: Path) -> None:
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(f"c{number}" for number in range(300)) + "\n" + ",".join(["x" * 1000] * 300) + "\n")
    shown = preview_table(wide, "csv", TableView(masked=("C1",)))
    assert len(shown.columns) == MOST_COLUMNS and shown.columns_left_out == 200
    assert shown.rows[0][0] == "x" * LONGEST_CELL + "…" and shown.rows[0][1] == HIDDEN
    with pytest.raises(NothingFound, match="no row 2"):
        preview_record(wide, "csv", TableView(first=1))


def test_mixed_cells_are_sorted_each_among_its_own(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    cells = [3, "b", None, -1.5, "10", "a", True, [1], {"x": 1}, "nan"]
    file.write_text("".join(json.dumps({"a": cell}) + "\n" for cell in cells))
    rows = [row[0] for row in preview_table(file, "jsonl", TableView(sort="a")).rows]
    assert rows[:4] == ["-1.5", "true", "3", "10"] and rows[-1] is None
    assert len(rows) == len(cells)


def test_a_masked_field_is_masked_at_every_depth(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"id": 1, "who": {"Phone": "123", "name": "O"}, "comments": [{"phone": "456"}]}) + "\n")
    found = dict(preview_record(file, "jsonl", TableView(masked=("phone",))).fields)
    assert found["who"] == {"Phone": HIDDEN, "name": "O"} and found["comments"] == [{"phone": HIDDEN}]
    for sort in ("", "who", "comments"):
        (row,) = preview_table(file, "jsonl", TableView(masked=("phone",), sort=sort)).rows
        assert row == ("1", f'{{"Phone":"{HIDDEN}","name":"O"}}', f'[{{"phone":"{HIDDEN}"}}]')


def test_nothing_of_html_is_left_but_its_text() -> None:
    html = "<head><title>t</title></head><style>p{}</style><p>One<br>two &amp; &lt;b&gt;</p><script>x()</script><div>three"
    assert text_of_html(html) == "One\ntwo & <b>\n\nthree"
    assert text_of_html("<" * 10_000) is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"Content-Type: text/plain; charset=no-such\n\nbody",
        b"Content-Type: multipart/mixed\n\nno boundary",
        b"Date: \xff\xfe\nFrom: =?utf-8?b?!!!?=\n\n",
        b"To: " + b"<" * 5000 + b"\n\n",
        b"Content-Transfer-Encoding: base64\n\n!!!!",
    ],
)
def test_a_broken_message_is_shown_or_refused(content: bytes) -> None:
    try:
        assert preview_mail(content).text is not None
    except Damaged as error:
        assert "cannot be read as a message" in str(error)


def test_a_chart_has_its_points_within_its_frame() -> None:
    drawn = chart([NOW, NOW + timedelta(days=1), NOW + timedelta(days=4)], [[0, 50, 900], [1, 1, 1]])
    assert drawn is not None and len(drawn.lines) == 2 and drawn.marks[-1].value == 1000
    for line in drawn.lines:
        for point in line.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= drawn.width and 0 <= y <= drawn.height
    assert chart([NOW], [[1]]) is None and chart([], []) is None and chart([NOW, NOW], [[1, 2]]) is None


class FakeRecord:
    """A snapshot as far as its history of storage goes."""

    def __init__(self, source: str, days: int, size: int, stored: int) -> None:
        self.id, self.source, self.taken_at = f"{source}{days}", source, NOW + timedelta(days=days)
        self.counts = Counts(1, 1, size, 0, 0, 0, 0, 0, stored, 0)


def test_storage_is_added_up_over_sources_and_thinned_out() -> None:
    records = [FakeRecord("a", 1, 10, 5), FakeRecord("b", 2, 20, 6), FakeRecord("a", 3, 15, 1)]
    points = storage_history(records)
    assert [(one.source_bytes, one.written_bytes) for one in points] == [(10, 5), (30, 11), (35, 12)]
    many = storage_history([FakeRecord("a", day, day, 1) for day in range(1000)])
    assert 300 < len(many) <= 401 and many[-1].source_bytes == 999
    assert storage_history([]) == ()
