"""Formats told by content: files that real writers made, texts of many encodings, and bytes that are nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import sqlite3
import tarfile
import time
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import xlsxwriter
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from classify.format import BINARY, HEAD, sniff
from cli.demo.files import DemoTable, csv_bytes, pdf_bytes, xlsx_bytes

usual = settings(derandomize=True, deadline=None, max_examples=120)
deep = settings(derandomize=True, deadline=None, max_examples=4_000)

DEMO = DemoTable("calls", ("at", "caller", "wait"), [("2024-05-17", "+79161234567", 5), ("2024-05-18", "007", 6)] * 9)
WORKBOOK = xlsx_bytes(DEMO)
ARROW = pa.table({"a": list(range(100_000)), "b": ["x"] * 100_000})
CSV = "Дата;Звонков;Ожидание\r\n17.05.2024;15;2,5\r\n18.05.2024;16;3,75\r\n19.05.2024;7;0,5\r\n"


def told(content: bytes, name: str = "") -> str | None:
    return sniff(content[:HEAD], size=len(content), name=name.encode())


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def by_openpyxl(rows: int) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in range(rows):
        book.active.append([row, f"text {row}"])
    return written(book.save)


def by_xlsxwriter(*, constant_memory: bool) -> bytes:
    def write(buffer: io.BytesIO) -> None:
        with xlsxwriter.Workbook(buffer, {"constant_memory": constant_memory}) as book:
            book.add_worksheet().write_string(0, 0, "x")

    return written(write)


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    def write(buffer: io.BytesIO) -> None:
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, content in entries:
                archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else method)

    return written(write)


def waved(buffer: io.BytesIO) -> None:
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(1000))


def database(folder: Path) -> bytes:
    connection = sqlite3.connect(folder / "x.db")
    connection.execute("create table calls (a)")
    connection.close()
    return (folder / "x.db").read_bytes()


def tarred(buffer: io.BytesIO) -> None:
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty"))


CONTENT_TYPES = '<Types><Override ContentType="application/vnd.{}.main+xml"/></Types>'
ODS = b"application/vnd.oasis.opendocument.spreadsheet"
BY_WRITERS: list[tuple[str, Callable[[], bytes]]] = [
    ("csv", lambda: csv_bytes(DEMO)),
    ("xlsx", lambda: xlsx_bytes(DEMO)),
    ("pdf", lambda: pdf_bytes(DEMO)),
    ("xlsx", lambda: by_openpyxl(10)),
    ("xlsx", lambda: by_openpyxl(4_000)),
    ("xlsx", lambda: by_xlsxwriter(constant_memory=False)),
    ("xlsx", lambda: by_xlsxwriter(constant_memory=True)),
    ("parquet", lambda: written(lambda buffer: pa.parquet.write_table(ARROW, buffer))),
    ("feather", lambda: written(lambda buffer: pa.feather.write_feather(ARROW, buffer))),
    ("gzip", lambda: gzip.compress(b"x")),
    ("bzip2", lambda: bz2.compress(b"x")),
    ("bzip2", lambda: bz2.compress(b"")),
    ("xz", lambda: lzma.compress(b"x")),
    ("zstd", lambda: zstandard.compress(b"x")),
    ("wav", lambda: written(waved)),
    ("tar", lambda: written(tarred)),
    ("zip", lambda: zipped(("a.csv", b"1,2"))),
    ("zip", lambda: zipped()),
    ("ods", lambda: zipped(("mimetype", ODS), ("content.xml", b"<x/>"))),
    ("odt", lambda: zipped(("mimetype", b"application/vnd.oasis.opendocument.text"))),
    ("epub", lambda: zipped(("mimetype", b"application/epub+zip"))),
    ("docx", lambda: zipped(("[Content_Types].xml", CONTENT_TYPES.format("openxmlformats.wordprocessingml").encode()))),
    ("pptx", lambda: zipped(("[Content_Types].xml", CONTENT_TYPES.format("openxmlformats.presentationml").encode()))),
    ("xlsx", lambda: zipped(("[Content_Types].xml", CONTENT_TYPES.format("ms-excel.sheet.macroEnabled").encode()))),
    ("xlsb", lambda: zipped(("[Content_Types].xml", CONTENT_TYPES.format("ms-excel.sheet.binary.macroEnabled").encode()))),
    ("docx", lambda: zipped(("_rels/.rels", b"x"), ("word/document.xml", b"x"), method=zipfile.ZIP_STORED)),
    ("zip", lambda: zipped(("[Content_Types].xml", b"<Types/>"), ("word.txt", b"x"))),
]


@pytest.mark.parametrize(("known", "make"), BY_WRITERS)
def test_what_a_writer_made_is_told_without_its_name(known: str, make: Callable[[], bytes]) -> None:
    content = make()
    assert told(content) == known
    assert told(content, "wrong.csv.jpg") == known


def test_a_database_is_told(tmp_path: Path) -> None:
    assert told(database(tmp_path)) == "sqlite"


@pytest.mark.parametrize(
    ("known", "content"),
    [
        ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF"),
        ("gif", b"GIF89a\x01\0\x01\0"),
        ("mp3", b"ID3\x03\0\0\0\0\0\0"),
        ("mp3", b"\xff\xfb\x90\x64" + bytes(400)),
        ("ogg", b"OggS\0\x02" + bytes(20)),
        ("flac", b"fLaC\0\0\0\x22"),
        ("mp4", b"\0\0\0\x20ftypisom"),
        ("m4a", b"\0\0\0\x20ftypM4A "),
        ("feather", b"FEA1\0\0\0\0"),
        ("7z", b"7z\xbc\xaf\x27\x1c\0\x04"),
        ("age", b"age-encryption.org/v1\n-> X25519"),
        ("xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "Workbook\0".encode("utf-16-le")),
        ("doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "WordDocument\0".encode("utf-16-le")),
        ("ole", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
        ("html", b"<!DOCTYPE html>\n<html><body>"),
        ("html", b"\xef\xbb\xbf  <HTML>"),
        ("html", b"<!-- saved -->\n<html>"),
        ("html", b'<?xml version="1.0"?>\n<!DOCTYPE html>\n<html xmlns="x">'),
        ("xml", b'<?xml version="1.0"?>\n<!-- a -- b -->\n<calls at="x"/>'),
        ("xml", b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook xmlns="x">'),
        ("xml", "<a:calls>1</a:calls>".encode("utf-16")),
        ("svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("text", b"<3 is a heart\nand more\n"),
        ("json", b'{"a": 1}\n'),
        ("json", b'{\n  "a": [1, 2],\n  "b": {}\n}\n'),
        ("json", b'[{"a": 1},\n {"a": 2}]'),
        ("json", b"[1, 2, 3]"),
        ("json", b"[]"),
        ("json", b"{}"),
        ("json", b'  [\n  "x"\n]'),
        ("json", "\ufeff{\"a\": 1}".encode()),
        ("json", b"[" * HEAD),
        ("json", b'{"a":"' + b"x" * 100_000 + b'"}'),
        ("jsonl", b'{"a": 1}\n{"a": 2}\n'),
        ("jsonl", b'{"a": {"b": 1}}\r\n\r\n{"a": 2}\r\n'),
        ("jsonl", b"[1, 2]\n[3, 4]\n"),
        ("jsonl", b'{"a": 1}\n{"a": 2}\n' * 5000),
        ("text", b"[section]\nkey = value\n"),
        ("text", b"[2024-05-17 10:00:00] started\n[2024-05-17 10:00:01] done\n"),
        ("text", b"{name} is here\n"),
        ("eml", b"Received: from a\r\n\tby b\r\nFrom: a@b\r\nSubject: x\r\n\r\nhi, there\r\n"),
        ("text", b"Subject: only one header\n"),
        ("mbox", b"From a@b Fri May 17 10:00:00 2024\nFrom: a@b\n"),
        ("text", b"Hello, world\n"),
        ("text", "Добрый день, коллеги.\nВысылаю отчет, как договаривались, за май.\nС уважением\n".encode()),
        ("text", b"phone\n+79161234567\n007\n"),
        ("text", b"| a | b |\n|---|---|\n| 1 | 2 |\n"),
        ("text", b"x"),
        ("text", b"\n\n\n"),
        ("text", b"PAR1,ORC,ID3\nfLaC\n"),
        ("text", b"GIF89a is an old format\n"),
        ("text", b"BZh9 is no archive\n"),
        ("csv", b"ID3,name\n1,x\n2,y\n3,z\n"),
        ("csv", b"PAR1;b\n1;2\n3;4\n"),
        ("csv", b"a,b,c\n1,2,3\n"),
        ("csv", b'id,text\n1,"a, b\nand, c"\n2,"say ""hi"", then"\n3,x\n'),
        ("csv", b"a|b|c\n1|2|3\n4|5|6\n"),
        ("csv", b"a,b,c\r1,2,3\r4,5,6\r"),
        ("csv", "Отчет по звонкам\n\nДата;Звонков;Ожидание\n1;2;3\n4;5;6\n7;8;9\n1;2;3\n4;5;6\n".encode()),
        ("csv", b"a;b;\n1;2;\n3;4;\n5;6;\n"),
        ("text", b"use strict;\nuse warnings;\nour $x = 1;\nreturn 1;\n"),
        ("text", b"if x\n\tsay\n\tsay\n\tsay\n\tsay\n"),
        ("tsv", b"\tA\tB\nx\t1\t2\ny\t3\t4\nz\t5\t6\n"),
        ("csv", CSV.encode()),
        ("csv", CSV.encode("utf-8-sig")),
        ("csv", CSV.encode("cp1251")),
        ("csv", CSV.encode("koi8-r")),
        ("csv", CSV.encode("cp866")),
        ("csv", CSV.encode("utf-16")),
        ("csv", CSV.encode("utf-16-le")),
        ("csv", CSV.encode("utf-16-be")),
        ("csv", (CSV * 2000).encode()),
        ("csv", (CSV * 2000).encode("utf-16-le")),
        ("tsv", b"a\tb\n1\t2\n3\t4\n"),
        ("tsv", "Дата\tЗвонков, шт\n1\t2,5\n3\t4,5\n5\t6,5\n".encode("cp1251")),
        (BINARY, b"\0\x01\x02\x03"),
        (BINARY, bytes(5000)),
        (BINARY, b"RIFF\0\0\0\0????"),
        (BINARY, random.Random(5).randbytes(5000)),
        (None, b""),
    ],
)  # fmt: skip
def test_content_is_told(known: str | None, content: bytes) -> None:
    assert told(content) == known


@pytest.mark.parametrize(
    ("content", "name", "known"),
    [
        (b"phone\n+7916\n007\n", "phones.csv", "csv"),
        (b"phone\n+7916\n007\n", "phones.CSV", "csv"),
        (b"phone\n+7916\n007\n", "phones.txt", "text"),
        (b"date;calls\n", "empty.csv", "csv"),
        (b"date;calls\n", "empty.txt", "text"),
        (b"a\tb\n1\t2\n", "x.csv", "tsv"),
        (b"only\n", "x.tsv", "tsv"),
        (b'{"a": 1}\n', "one.jsonl", "jsonl"),
        (b'{"a": 1}\n', "one.json", "json"),
        (b'{"a": "' + b"x" * 100_000, "long.ndjson", "jsonl"),
        (b"10:00:00,123 started\n10:00:01,004 done\n10:00:02,500 bye\n", "x.log", "text"),
        (b"10:00:00,123\n10:00:01,004\n10:00:02,500\n", "x.csv", "csv"),
        (b"a,b\n1,\0\n" + b"2,3\n" * 100, "nul.csv", "csv"),
        (b"a,b\n1,\0\n" + b"2,3\n" * 100, "nul.dat", BINARY),
        (bytes(100), "zeros.csv", BINARY),
        (b"<html><table><tr>", "report.xls", "html"),
        (b"%PDF-1.4\n", "report.csv", "pdf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "big.xls", "xls"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "mail.msg", "msg"),
    ],
)
def test_a_name_breaks_ties_and_nothing_else(content: bytes, name: str, known: str) -> None:
    assert told(content, name) == known


def test_an_office_file_whose_first_entry_is_longer_than_the_head_is_told_by_its_name() -> None:
    big = zipped(("docProps/thumbnail.png", random.Random(1).randbytes(2 * HEAD)), ("xl/workbook.xml", b"x"))
    assert told(big, "report.xlsx") == "xlsx"
    assert told(big, "report.dat") == "zip"
    assert told(zipped(("a.csv", b"1,2")), "report.xlsx") == "zip"


def test_a_content_type_list_that_unpacks_to_gigabytes_costs_nothing() -> None:
    bomb = zipped(("[Content_Types].xml", bytes(1 << 26)), ("xl/x", b""))
    began = time.process_time()
    assert told(bomb) in ("xlsx", "zip")
    assert time.process_time() - began < 0.5


def test_a_character_cut_in_two_by_the_end_of_the_sample_is_text_still() -> None:
    for shift in range(4):
        assert told(b"x" * shift + ("\U0001f600;ї;a\n" * 2000).encode()) == "csv"


def tells_something(content: bytes, name: bytes) -> None:
    first = sniff(content[:HEAD], size=len(content), name=name)
    assert (first is None) == (not content)
    assert first == sniff(content[:HEAD], size=len(content), name=name)


STARTS = [
    b"", b"PK\3\4", b"PK\3\4" + bytes(22) + b"\xff\xff\xff\xff", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"{", b"[", b"<",
    b"<?xml", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"From ", b"From: x\n", b'"', b"RIFF", b"ID3",
    b"\xff", b"BZh9",
]  # fmt: skip
hostile = st.builds(lambda start, rest: start + rest, st.sampled_from(STARTS), st.binary(max_size=200))
names = st.one_of(st.binary(max_size=8), st.sampled_from([b"x.csv", b"x.xlsx", b"x.jsonl", b".log", b"csv"]))


@usual
@given(content=hostile, name=names)
def test_no_content_raises(content: bytes, name: bytes) -> None:
    tells_something(content, name)


@pytest.mark.slow
@deep
@given(content=hostile, name=names)
def test_no_content_raises_at_length(content: bytes, name: bytes) -> None:
    tells_something(content, name)


@usual
@given(cut=st.integers(0, 400))
def test_a_file_cut_anywhere_raises_nothing(cut: int) -> None:
    for content in (WORKBOOK, ODS, CSV.encode("utf-16"), json.dumps([{"a": 1}] * 20).encode()):
        tells_something(content[:cut], b"x.xlsx")


MONOTONOUS = [
    b"[", b'{"', b'"', b"<!--", b"<?", b"<", b"\n", b"\r", b"a,", b"\0a", b"From:", b"From: a\n",
    b"PK\3\4", b"Subject: x\r\n\r\n", b"1", b" ", b"<!doctype ",
]  # fmt: skip


@pytest.mark.parametrize("piece", MONOTONOUS)
def test_a_monotonous_file_is_told_quickly(piece: bytes) -> None:
    head = piece * (HEAD // len(piece))
    began = time.process_time()
    for _ in range(20):
        sniff(head, size=1 << 30, name=b"x.csv")
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", *(f"utf-{bits}{end}" for bits in (16, 32) for end in ("", "-le", "-be"))]
)
@pytest.mark.parametrize("text", ["Имя;Город\nИванов;Омск\nПетров;Тверь\n" * 9, "a,b\n1,2\n3,4\n", "id;no\n1;№ 5 — €\n2;x\n"])
def test_a_table_in_any_encoding_of_unicode_is_a_table(text: str, codec: str) -> None:
    data = text.encode(codec)
    assert sniff(data, size=len(data), name=b"a") == "csv"


@pytest.mark.parametrize(("data", "known"), [(b"id;name\n1;a\x7fb\n2;c\n3;d\n", "csv"), (b"\x7f\x7f\x7fa", "binary")])
def test_a_del_is_no_reason_to_take_a_text_for_something_else(data: bytes, known: str) -> None:
    assert sniff(data, size=len(data), name=b"a") == known


CONTENT = (
    b'<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0">'
    b"<office:body><office:spreadsheet/></office:body></office:document-content>"
)
STYLES = b'<office:document-styles xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0">' + b" " * 99
MANIFEST = b'<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>'


@pytest.mark.parametrize(
    ("entries", "known"),
    [
        ((("content.xml", CONTENT), ("mimetype", ODS)), "ods"),
        ((("mimetype", ODS),), "ods"),
        ((("META-INF/manifest.xml", MANIFEST), ("content.xml", b"<x/>")), "ods"),
        ((("styles.xml", STYLES), ("x", b"")), "ods"),
        ((("content.xml", CONTENT.replace(b"spreadsheet", b"text")),), "odt"),
        ((("content.xml", b"<menu/>"), ("styles.xml", b"<x/>")), "zip"),
    ],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_open_document_is_known_in_whatever_order_its_parts_stand(
    entries: tuple[tuple[str, bytes], ...], known: str, method: int
) -> None:
    data = zipped(*entries, method=method)
    assert sniff(data, size=len(data), name=b"report.ods") == known
