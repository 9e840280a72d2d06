"""Hostile files: nothing of them is executed by a browser, and none takes more time or memory than a preview may.

Each file is asked for as a page and as bytes, as whoever opens it would.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from console.access.rights import Role
from console.previews.worker import MEMORY, Request
from console.previews.workers import PreviewWorkers
from strongroom.table_preview import ShownTable, TableView
from tests.e2e.console.test_previews import at, png
from tests.support.console import ConsoleClient, console_of, person
from tests.support.desk import Desk, Place
from tests.support.hostile_tables import hostile_tables
from vault.errors import Damaged, StrongroomError

SCRIPT = b"<script>attack()</script>"
MIB = 1024 * 1024
SPARSE = 100 * MIB


class Hostile(Struct, frozen=True):
    """A file, and how its bytes may be given: as this type, or not at all. says: what its page must say of it."""

    name: str
    content: bytes
    media_type: str = ""
    says: str = ""


def zip_of(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


FILES = (
    Hostile("page.html", b"<!doctype html><html><body onload=attack()>" + SCRIPT, says="&lt;script&gt;"),
    Hostile("picture.svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="attack()">' + SCRIPT + b"</svg>", says="&lt;svg"),
    Hostile("named.png", b"<!doctype html>" + SCRIPT, says="&lt;script&gt;"),
    Hostile(
        "page.xhtml",
        b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">' + SCRIPT + b"</html>",
        says="&lt;script&gt;",
    ),
    Hostile("script.js", b"attack()//" + SCRIPT, says="attack()//&lt;script&gt;"),
    # polyglots: a picture, a sound or a document by its first bytes, a page or a script by the rest
    Hostile("polyglot.gif", b"GIF89a\x01\0\x01\0\0\0\0/*" + SCRIPT + b"*/=1;attack()", media_type="image/gif"),
    Hostile("polyglot.png", png() + SCRIPT, media_type="image/png"),
    Hostile("polyglot.pdf", b"%PDF-1.4\n<html>" + SCRIPT, media_type="application/pdf"),
    Hostile("polyglot.mp3", b"ID3\x04\0\0\0\0\0\0<html>" + SCRIPT, media_type="audio/mpeg"),
    Hostile("huge.png", png(60_000, 60_000), says="more pixels than a browser can be asked to show"),
    Hostile("broken.png", png()[:19], says="header of the picture is broken"),
    Hostile("broken.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF" + b"\0" * 40, says="header of the picture is broken"),
    Hostile("broken.gif", b"GIF89a\x01", says=""),
    Hostile("broken.mp3", b"\xff\xfb\x90\x64" + b"\xff" * 100, media_type="audio/mpeg"),
    Hostile("formulas.csv", b'name,sum\n=HYPERLINK("http://evil"),@SUM(1)\n' + SCRIPT + b",-2+3\n", says="=HYPERLINK"),
    Hostile("bomb.xlsx", zip_of("xl/workbook.xml", b"0" * (80 * MIB)), says="no preview"),
    Hostile("bomb.zip", zip_of("zeros", b"0" * (50 * MIB)), says="not shown in a browser"),
    Hostile("deep.json", b"[" * 200_000, says="no preview"),
    Hostile(
        "deep.eml",
        b"From: a@example.com\nSubject: x\n" + b'Content-Type: multipart/mixed; boundary="a"\n\n--a\n' * 1200,
        says="",
    ),
    Hostile("header.eml", b"From: a@example.com\nReceived: b\nSubject: " + b"=?utf-8?q?" * 20_000 + b"\n\nbody", says=""),
    Hostile(
        "html.eml",
        b"From: a@example.com\nTo: b@example.com\nSubject: x\nContent-Type: text/html\n\n<p>Hello"
        + SCRIPT
        + b"<img src=http://evil/x>",
        says="Hello",
    ),
    Hostile("lines.txt", b"a\n" * 2_000_000, says="Only the beginning"),
    Hostile(
        "thread.jsonl",
        b'{"id": "../../x", "comments": [{"body": "<img src=x onerror=attack()>b", "author": "<b>"}]}\n',
        says="../../x",
    ),
)
LARGE = ("sparse.csv", "one-line.json")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("hostile") / "desk", Place("repository"))
    made.init()
    source = made.folder / "raw"
    source.mkdir()
    for one in FILES:
        (source / one.name).write_bytes(one.content)
    with (source / "sparse.csv").open("wb") as file:
        file.write(b"a,b\n" + b"1,2\n" * 50_000)
        file.truncate(SPARSE)
    (source / "one-line.json").write_bytes(b'[{"a": "' + b"z" * (70 * MIB) + b'"}]')
    made.add("acme", f"raw={source}")
    made.call("backup")
    return made


@pytest.fixture(scope="module")
def console(desk: Desk) -> Iterator[ConsoleClient]:
    with console_of(desk, person("anna", Role.VIEWER)) as made:
        yield made


@pytest.mark.parametrize("one", FILES, ids=lambda one: one.name)
def test_a_hostile_file_is_shown_and_executed_nowhere(console: ConsoleClient, one: Hostile) -> None:
    page = console.get(at(f"raw/{one.name}"))
    assert page.status_code == 200
    assert one.says in page.text
    for tag in ("<script>attack", "<svg", "onload=attack()>", "<img src=", "<b>"):
        assert tag not in page.text, tag
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    given = console.get(at(f"raw/{one.name}", "content"))
    if one.media_type:
        assert given.headers["content-type"] == one.media_type
        assert given.headers["x-content-type-options"] == "nosniff"
        assert given.headers["content-security-policy"].startswith("default-src 'none'")
        assert "script-src" not in given.headers["content-security-policy"]
    else:
        assert given.status_code == 400 and "attack()" not in given.text


@pytest.mark.parametrize("name", LARGE)
def test_of_a_huge_file_only_the_beginning_is_read(console: ConsoleClient, name: str) -> None:
    page = console.get(at(f"raw/{name}"))
    assert page.status_code == 200 and len(page.content) < 8 * MIB
    assert "There is no preview" in page.text or "only its beginning" in page.text


def test_a_broken_table_is_not_shown_as_text_where_columns_are_masked(desk: Desk) -> None:
    with console_of(desk, person("anna", Role.VIEWER), masked=("a",)) as console:
        for name in ("deep.json", "one-line.json"):
            page = console.get(at(f"raw/{name}"))
            assert page.status_code == 200 and "There is no preview" in page.text and "<pre" not in page.text, name


FEW = frozenset({"cell.parquet", "shared.xlsx", "nest.json"})


@pytest.mark.parametrize("names", [FEW, pytest.param(None, marks=pytest.mark.slow, id="all")])
def test_no_table_takes_more_than_its_process_may_have(tmp_path: Path, names: frozenset[str] | None) -> None:
    workers = PreviewWorkers(seconds=20)
    try:
        for name, content in hostile_tables(tmp_path).items():
            if names is not None and name not in names:
                continue
            file = tmp_path / name
            file.write_bytes(content)
            try:
                shown = workers.ask(Request("table", str(file), name.rpartition(".")[2], TableView()), ShownTable)
                assert sum(len(cell or "") for row in shown.rows for cell in row) < 2_000_000, name
            except StrongroomError as error:
                assert isinstance(error, Damaged), (name, error)
    finally:
        workers.close()
    assert MEMORY <= 1 << 30


def test_a_file_that_takes_too_long_is_given_up_and_the_next_one_is_shown(tmp_path: Path) -> None:
    slow, good = tmp_path / "slow.csv", tmp_path / "good.csv"
    slow.write_bytes(b"a\n" + b"1\n" * 8_000_000)
    good.write_bytes(b"a\n1\n")
    workers = PreviewWorkers(seconds=0.05)
    try:
        with pytest.raises(Damaged, match="too long"):
            workers.ask(Request("table", str(slow), "csv", TableView(first=7_000_000)), ShownTable)
    finally:
        workers.close()
    workers = PreviewWorkers()
    try:
        assert workers.ask(Request("table", str(good), "csv", TableView()), ShownTable).rows == (("1",),)
    finally:
        workers.close()


def test_the_process_that_opens_hostile_files_has_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("STRONGROOM_PASSPHRASE", "hunter2")
    file = tmp_path / "a.csv"
    file.write_bytes(b"a\n1\n")
    workers = PreviewWorkers()
    try:
        workers.ask(Request("table", str(file), "csv", TableView()), ShownTable)
        (worker,) = workers._idle
        assert b"hunter2" not in Path(f"/proc/{worker._process.pid}/environ").read_bytes()
    finally:
        workers.close()
