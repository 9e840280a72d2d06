"""Unsafe, colliding and free names."""

from __future__ import annotations

from datetime import date
from itertools import islice

import pytest

from restore.target.names import colliding, restored_names, temporary_name, unsafe_reason

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
    assert list(islice(restored_names(b"d/a.tar.gz", DAY), 2)) == [
        b"d/a.tar (restored 2026-11-22).gz",
        b"d/a.tar (restored 2026-11-22 2).gz",
    ]
    assert next(iter(restored_names(b".profile", DAY))) == b".profile (restored 2026-11-22)"
    assert next(iter(restored_names(b"README", DAY))) == b"README (restored 2026-11-22)"


def test_names_for_keeping_both_fit_and_cut_no_character_in_two() -> None:
    name = next(iter(restored_names(("ё" * 125).encode() + b".xlsx", DAY)))
    assert len(name) <= 255
    assert name.decode().endswith("ё (restored 2026-11-22).xlsx")
