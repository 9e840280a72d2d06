"""Names in a bag: what every system can hold and every tool reads alike."""

from __future__ import annotations

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore.export.payload_names import LONGEST, BagNames, portable
from restore.local_fs import unsafe_reason

PARTS = st.one_of(
    st.binary(max_size=300).map(lambda part: part.replace(b"/", b"")),
    st.text(st.sampled_from("aA~%.\r\n\\ 0DFé́ß\u202e中" + string.punctuation.replace("/", "")), max_size=12).map(str.encode),
)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map(b"/".join)

KEPT = [
    "report.csv",
    "отчёт за май.xlsx",
    "date=2024-05-17",
    "a~1.txt",
    "it's, (new) [x] & {y}!",
    "日本.csv",
    ".hidden",
    "😀.csv",
]

CHANGED = {
    b"100%.csv": "100~25.csv",
    b"a\nb": "a~0Ab",
    b"a\rb": "a~0Db",
    b"end ": "end~20",
    b"end.": "end~2E",
    b"..": ".~2E",
    b".": "~2E",
    b"": "~",
    b"caf\xe9.csv": "caf~E9.csv",
    b"a\\b:c": "a~5Cb~3Ac",
    b"nul.txt": "~6Eul.txt",
    b"COM7": "~43OM7",
    b"a~41": "a~7E41",
    "a\u202eb".encode(): "a~E2~80~AEb",
    "a\u2028b".encode(): "a~E2~80~A8b",
    b"a\0b": "a~00b",
}


@pytest.mark.parametrize("name", KEPT)
def test_usual_names_stay_as_they_are(name: str) -> None:
    assert portable(name.encode()) == name


@pytest.mark.parametrize(("name", "expected"), CHANGED.items())
def test_names_that_are_not_portable_tell_their_bytes(name: bytes, expected: str) -> None:
    assert portable(name) == expected


def test_a_long_name_is_cut_and_keeps_its_ending_and_its_own_digest() -> None:
    names = [portable(("ю" * 120 + end).encode() + b"\n" * 10 + b".csv") for end in ("a", "b")]
    assert names[0] != names[1]
    for name in names:
        assert len(name.encode()) <= LONGEST and name.endswith(".csv") and name.startswith("ююю")


@given(st.lists(PATHS, min_size=1, max_size=12, unique=True))
def test_no_two_paths_get_one_name_on_any_system_and_none_leaves_the_payload(paths: list[bytes]) -> None:
    names = BagNames()
    found = [names.of(path) for path in paths]
    same = [unicodedata.normalize("NFC", name.casefold()) for name in found]
    assert len(set(same)) == len(paths)
    for name in found:
        assert name.startswith("data/") and unsafe_reason(name.encode()) is None
        assert name.isprintable() and not set(name) & set("%\\\r\n")
        assert all(part == part.strip() or part[0] == " " for part in name.split("/"))


@given(st.lists(PATHS, min_size=1, max_size=12, unique=True))
def test_no_name_is_a_folder_of_another(paths: list[bytes]) -> None:
    names = BagNames()
    found = {names.of(path) for path in paths}
    assert not any(other.startswith(name + "/") for name in found for other in found)


@given(st.lists(PATHS, max_size=12, unique=True))
def test_the_same_paths_get_the_same_names(paths: list[bytes]) -> None:
    first, second = BagNames(), BagNames()
    assert [first.of(path) for path in paths] == [second.of(path) for path in paths]


def test_names_that_differ_in_case_or_form_alone_get_a_number() -> None:
    names = BagNames()
    paths = ["R/a.csv", "R/A.csv", "r/a.csv", "R/é.csv", "R/e\u0301.csv"]
    assert [names.of(path.encode()) for path in paths] == [
        "data/R/a.csv",
        "data/R/A~2.csv",
        "data/r~2/a.csv",
        "data/R/é.csv",
        "data/R/e\u0301~2.csv",
    ]
