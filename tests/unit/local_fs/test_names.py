"""Unsafe, colliding and free names."""

from __future__ import annotations

import unicodedata
from datetime import date

import pytest

from restore.local_fs.names import FreeNames, colliding, restored_name, temporary_name, unsafe_reason

DAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"/etc/passwd",
        b"a//b",
        b"a/",
        b"..",
        b"../a",
        b"a/../b",
        b"a/..",
        b".",
        b"./a",
        b"a\0b",
        b"x" * 256,
        temporary_name(b"a"),
        b"a/" + temporary_name(b"b") + b"/c",
    ],
)
def test_unsafe_paths_have_a_reason(path: bytes) -> None:
    assert unsafe_reason(path)


@pytest.mark.parametrize(
    "path", [b"a", b"...", b"..a/b..", b"a\nb", b"\xff", b" ", b"x" * 255, b"-rf", b"~", b"a\\..\\b", b".strongroom"]
)
def test_odd_but_harmless_paths_have_none(path: bytes) -> None:
    assert unsafe_reason(path) is None


def test_paths_that_differ_in_case_or_form_alone_collide() -> None:
    nfc, nfd = "Отчёт/é".encode(), "отчёт/e\u0301".encode()
    assert colliding([b"a/x", b"A/y", b"b", b"B", b"c"]) == [[b"A", b"a"], [b"B", b"b"]]
    assert colliding([nfc, nfd]) == [
        sorted(["Отчёт".encode(), "отчёт".encode()]),
        sorted([nfc, nfd]),
    ]
    assert colliding(["straße".encode(), b"STRASSE"]) == [[b"STRASSE", "straße".encode()]]
    assert colliding([b"\xff", b"\xfe", b"a", b"a"]) == []


def test_names_for_keeping_both_are_readable_and_count_on() -> None:
    assert [restored_name(b"d/a.tar.gz", DAY, number) for number in (1, 2)] == [
        b"d/a.tar (restored 2026-11-22).gz",
        b"d/a.tar (restored 2026-11-22 2).gz",
    ]
    assert restored_name(b".profile", DAY, 1) == b".profile (restored 2026-11-22)"
    assert restored_name(b"README", DAY, 1) == b"README (restored 2026-11-22)"


def test_names_for_keeping_both_fit_and_cut_no_character_in_two() -> None:
    name = restored_name(("ё" * 125).encode() + b".xlsx", DAY, 1)
    assert len(name) <= 255
    assert name.decode().endswith("ё (restored 2026-11-22).xlsx")


def test_a_free_name_is_neither_there_nor_given_away_in_any_spelling() -> None:
    taken = [b"A (RESTORED 2026-11-22 2).txt", b"other"]
    names = FreeNames(DAY, taken, {b"a (restored 2026-11-22).txt"}.__contains__)
    assert names.beside(b"a.txt") == b"a (restored 2026-11-22 3).txt"
    assert names.beside(b"a.txt") == b"a (restored 2026-11-22 4).txt"
    assert names.beside(b"A.txt") == b"A (restored 2026-11-22).txt"  # nothing stands there under that spelling
    assert names.beside(b"a.TXT") == b"a (restored 2026-11-22 5).TXT"
    nfc, nfd = (unicodedata.normalize(form, "é").encode() for form in ("NFC", "NFD"))
    assert names.beside(nfc) == nfc + b" (restored 2026-11-22)"
    assert names.beside(nfd) == nfd + b" (restored 2026-11-22 2)"


def test_free_names_for_many_that_are_cut_to_the_same_cost_a_look_each() -> None:
    looked = 0

    def stands(name: bytes) -> bool:
        nonlocal looked
        looked += 1
        return False

    names = FreeNames(DAY, (), stands)
    given = {names.beside(b"x" * 250 + b"%05d" % number) for number in range(3000)}
    assert len(given) == 3000 and all(len(name) <= 255 for name in given)
    assert looked == 3000
