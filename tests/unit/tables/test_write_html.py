"""HTML pages of tables."""

from __future__ import annotations

from html.parser import HTMLParser

from restore.tables.cell_text import BASE64
from restore.tables.write_options import WriteOptions
from restore.tables.writers.html import CONTROL, write_html
from tests.support.tables import ListTable
from tests.unit.tables.text_files import written


class Page(HTMLParser):
    """What a browser would show: tables of rows of cells; None for a null."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.tables: list[list[list[str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(data.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.tables[-1][-1].append(None if ("class", "null") in attrs else "")
        else:
            self.texts.setdefault(tag, []).append("")

    def handle_data(self, data: str) -> None:
        if data == "\n":
            return  # between the tags
        if self.tags[-1] in {"td", "th"}:
            self.tables[-1][-1][-1] = (self.tables[-1][-1][-1] or "") + data
        else:
            self.texts[self.tags[-1]][-1] += data


def test_cells_are_shown_as_they_are_and_run_nothing() -> None:
    rows = [("<script>alert(1)</script>", "a&amp;b"), ('"q"', "007"), ("", None), ("x\r\ny", "я😀")]
    data, losses = written(write_html, ListTable(["<b>", "n&m"], rows, name="S & Co"))
    page = Page(data)
    assert page.tables == [[["<b>", "n&m"], *map(list, rows)]]
    assert page.texts["title"] == ["S & Co"]
    assert page.texts["caption"] == ["S & Co"]
    assert "script" not in page.tags
    assert b"Rows: 4" in data
    assert not losses


def test_several_tables_stand_one_after_another() -> None:
    data, _ = written(write_html, ListTable(["a"], [(1,)], name="one"), ListTable(["b"], [], name="two"), ListTable([], [()]))
    assert Page(data).tables == [[["a"], ["1"]], [["b"]], [[]]]
    assert Page(data).texts["title"] == ["one, two"]


def test_control_characters_become_pictures_and_are_counted() -> None:
    data, losses = written(write_html, ListTable(["v\x07"], [("a\0b\x7f\t\n",), (b"x",)]))
    assert Page(data).tables == [[["v␇"], ["a␀b␡\t\n"], ["eA=="]]]
    assert losses == [(CONTROL, "v\x07", 2), (BASE64, "v\x07", 1)]


def test_the_same_tables_give_the_same_page() -> None:
    table = ListTable(["a"], [(place,) for place in range(10)])
    assert written(write_html, table) == written(write_html, table, options=WriteOptions())
    assert written(write_html, table) == written(write_html, ListTable(["a"], table.rows, batch_rows=1))
