"""Encodings of text files: told from all of their bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from restore.tables.readers.encoding import BLOCK, Encoding, encoding_of, mended, utf_8_blocks
from tests.support.header_words import SIGNS_1251, SIGNS_1252, cases, of_cell
from tests.unit.tables.text_files import file_of
from vault.errors import Damaged

RUSSIAN = "Номер;Агент;Статус\n1;Иванов Пётр;перезвонить клиенту завтра утром\n2;ОМСК;ДОСТАВЛЕНО № 5 — «срочно»\n"
UKRAINIAN = "Номер,Ім'я\n1,Їжак Євген зателефонував у Київ\n2,їхній груповий дзвінок ще триває\n"
FRENCH = "Nom;Ville\nRené;Besançon\nZoë;Liège\nFrançois;à côté\n"
GERMAN = "Straße;Größe\nMüller;Köln\nÄrzte;Übung\n"
SHORT = "a,город\n1,Омск\n"
CAPITALS = "A,B\nЗВОНОК,ДА\n"
ENGLISH = "a,b\n1,2\n"


WIDE = tuple(f"utf-{bits}{order}" for bits in (16, 32) for order in ("", "-le", "-be"))
CODECS = ("utf-8", "utf-8-sig", *WIDE, "cp1251", "cp866", "koi8-u", "cp1252")
MIDDLE = ("cp1250", "iso8859-2", "cp852")


def can_hold(codec: str, text: str) -> bool:
    return text.encode(codec, "ignore").decode(codec) == text


HELD = [
    (text, codec)
    for text in (RUSSIAN, UKRAINIAN, FRENCH, GERMAN, SHORT, CAPITALS, ENGLISH)
    for codec in CODECS
    if can_hold(codec, text)
]


@pytest.mark.parametrize(("text", "codec"), HELD)
def test_the_encoding_of_a_text_is_found(tmp_path: Path, text: str, codec: str) -> None:
    path = file_of(tmp_path, text.encode(codec))
    encoding = encoding_of(path)
    with path.open("rb") as file, encoding.text(file) as reader:
        assert reader.read() == text
    assert not encoding.broken


@pytest.mark.parametrize("codec", MIDDLE)
@pytest.mark.parametrize(
    "text", ["Połączenia;Źródło\n1;Święty Łukasz\n", "Włodzimierz;Gąsior\n", "Příjmení;Dvořák\nPlzeň;Žďár\n"]
)
def test_words_of_the_middle_of_europe_are_no_western_signs(tmp_path: Path, text: str, codec: str) -> None:
    assert encoding_of(file_of(tmp_path, text.encode(codec))).name == codec


@pytest.mark.parametrize("text", ["Müller;Größe\n1;Öl\n", "Straße;Gebühr\n"])
def test_german_words_of_dos_are_read(tmp_path: Path, text: str) -> None:
    path = file_of(tmp_path, text.encode("cp850"))
    with path.open("rb") as file, encoding_of(path).text(file) as reader:
        assert reader.read() == text


def test_two_marks_are_as_good_as_one(tmp_path: Path) -> None:
    path = file_of(tmp_path, b"\xef\xbb\xbf\xef\xbb\xbfa,b\n")
    with path.open("rb") as file, encoding_of(path).text(file) as reader:
        assert reader.read() == "a,b\n"


def test_foreign_letters_far_behind_the_beginning_are_seen(tmp_path: Path) -> None:
    path = file_of(tmp_path, b"id,note\n" * (2 * BLOCK // 8) + "1,перезвонить завтра\n".encode("cp1251"))
    assert encoding_of(path).name == "cp1251"


def test_a_letter_that_lies_across_two_blocks_is_whole(tmp_path: Path) -> None:
    path = file_of(tmp_path, b"x" * (BLOCK - 1) + "я\n".encode())
    assert (encoding_of(path).name, encoding_of(path).broken) == ("utf-8", False)


def test_a_few_broken_bytes_do_not_make_a_utf_8_file_something_else(tmp_path: Path) -> None:
    path = file_of(tmp_path, "привет, мир\n".encode() * 20 + b"\xff\n")
    encoding = encoding_of(path)
    assert (encoding.name, encoding.broken) == ("utf-8", True)
    with path.open("rb") as file, encoding.text(file) as reader:
        assert mended(reader.read()).endswith("\n\\xff\n")


def test_a_byte_that_cp1251_does_not_have_is_known_to_be_broken(tmp_path: Path) -> None:
    path = file_of(tmp_path, RUSSIAN.encode("cp1251") + b"\x98\n")
    assert (encoding_of(path).name, encoding_of(path).broken) == ("cp1251", True)


def test_half_of_a_pair_in_utf_16_is_broken_and_readable(tmp_path: Path) -> None:
    path = file_of(tmp_path, b"\xff\xfe" + "a\ud800b\n".encode("utf-16-le", "surrogatepass"))
    encoding = encoding_of(path)
    assert encoding.broken
    with path.open("rb") as file, encoding.text(file) as reader:
        assert mended(reader.read()) == "a\\ud800b\n"


@pytest.mark.parametrize(
    "data", [b"a,b\n1,\x00\n", b"\x00" * 100, b"\xef\xbb\xbfa\x00", "a\0b\n".encode("utf-16"), b"\xff\xfea\x00b"]
)
def test_bytes_that_are_no_text_are_damaged(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Damaged):
        encoding_of(file_of(tmp_path, data))


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
@pytest.mark.parametrize("start", [0, 5])
def test_any_encoding_is_read_as_utf_8_from_any_place(tmp_path: Path, codec: str, start: int) -> None:
    path = file_of(tmp_path, RUSSIAN.encode("utf-8" if codec == "utf-8" else codec, "ignore"))
    assert b"".join(utf_8_blocks(path, encoding_of(path), start)) == RUSSIAN.encode()[start:]


def found(folder: Path, data: bytes) -> str:
    path = file_of(folder, data)
    encoding = encoding_of(path)
    with path.open("rb") as file, encoding.text(file) as reader:
        return reader.read()


def test_short_headers_over_rows_of_figures_are_read_in_their_encoding(tmp_path: Path) -> None:
    wrong = [(text.partition(";")[0], codec) for text, codec in cases() if found(tmp_path, text.encode(codec)) != text]
    assert len(cases()) == 379 and len(wrong) <= 3, wrong


@pytest.mark.parametrize(
    ("cell", "codec"), [(cell, "cp1251") for cell in SIGNS_1251] + [(cell, "cp1252") for cell in SIGNS_1252]
)
def test_signs_that_are_no_letters_do_not_make_a_file_cp866(tmp_path: Path, cell: str, codec: str) -> None:
    text = of_cell(cell)
    assert found(tmp_path, text.encode(codec)) == text


@pytest.mark.parametrize("text", ["привет \xff", "Größe\n\xfe", "ціна \xff\nдзвінок"])
def test_one_broken_byte_in_a_short_utf_8_file_makes_it_nothing_else(tmp_path: Path, text: str) -> None:
    data = b"\xff".join(part.encode() for part in text.replace("\xfe", "\xff").split("\xff"))
    assert encoding_of(file_of(tmp_path, data)) == Encoding("utf-8", broken=True)


def test_a_guess_is_said_and_what_bytes_tell_is_not(tmp_path: Path) -> None:
    assert encoding_of(file_of(tmp_path, "Привет".encode("cp1251"))).guess == (
        "its encoding is told by its letters alone: read as cp1251"
    )
    assert [encoding_of(file_of(tmp_path, "Привет".encode(codec))).guess for codec in ("utf-8", "utf-16")] == ["", ""]
