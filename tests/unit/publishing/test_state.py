"""What a publication remembers of itself: every name comes back, and nothing that others have written is believed."""

from __future__ import annotations

import random
from bisect import bisect_left

import pytest

from restore.publishing.state import (
    LARGEST_LINE,
    MOST_FILES,
    LineSigner,
    PublicationHeader,
    PublicationState,
    PublishedFile,
    PublishedItem,
    begin_line,
    decode,
    encode,
    is_too_much,
    read_journal,
)
from vault.errors import Damaged

SIGNER = LineSigner(bytes(32), "project")
HEADER = PublicationHeader("id", "run", "project", {"kinds": ["raw"], "as": "csv"}, "2026-11-30T12:00:00+00:00", ("s1",))
NAMES = (b"raw/a.csv", "raw/отчёт.csv".encode(), b"raw/\xff\x80 \\x80 \\\\x41.csv", b"raw/a\nb", b"raw/\\\x80")


def file(name: bytes, size: int = 3) -> PublishedFile:
    return PublishedFile(name, size, bytes(32), 1_700_000_000_000_000_001)


def items(names: tuple[bytes, ...] = NAMES) -> list[PublishedItem]:
    return [PublishedItem(b"path/" + name, "token", (file(name),), is_gone=bool(len(name) % 2)) for name in names]


def test_a_state_comes_back_with_every_name() -> None:
    state = decode(encode(HEADER, items(), SIGNER), SIGNER)
    assert state.header == HEADER
    assert list(state.items.values()) == items()


def test_random_names_come_back() -> None:
    randomness = random.Random(26)
    alphabet = b"\\x8" + bytes(range(0x7E, 0x82)) + "я".encode()
    names = {b"raw/" + bytes(randomness.choices(alphabet, k=randomness.randrange(1, 12))) for _ in range(2000)}
    state = decode(encode(HEADER, items(tuple(names)), SIGNER), SIGNER)
    assert set(state.versions()) == names


@pytest.mark.parametrize("place", range(7))
def test_a_state_with_a_changed_line_is_refused(place: int) -> None:
    lines = list(encode(HEADER, items(), SIGNER))
    lines[place] = lines[place].replace(b"}", b" }", 1)
    with pytest.raises(Damaged, match="keys"):
        decode(lines, SIGNER)


def test_a_state_that_breaks_off_is_refused() -> None:
    lines = list(encode(HEADER, items(), SIGNER))
    for missing in range(1, len(lines)):
        with pytest.raises(Damaged, match="breaks off"):
            decode([line for number, line in enumerate(lines) if number != missing], SIGNER)
    with pytest.raises(Damaged):
        decode([], SIGNER)


def test_another_projects_key_reads_nothing() -> None:
    with pytest.raises(Damaged, match="keys"):
        decode(encode(HEADER, items(), SIGNER), LineSigner(bytes([1]) * 32, "project"))
    with pytest.raises(Damaged, match="keys"):
        decode(encode(HEADER, items(), SIGNER), LineSigner(bytes(32), "another"))


@pytest.mark.parametrize("name", [b"../a", b"/etc/passwd", b"a//b", b".strongroom-publication/state.jsonl", b""])
def test_no_name_leads_out_of_the_place_or_into_the_state(name: bytes) -> None:
    with pytest.raises(Damaged):
        decode(encode(HEADER, [PublishedItem(b"raw/a", "token", (file(name),))], SIGNER), SIGNER)


@pytest.mark.parametrize("plain", [["a", -1, "00" * 32, 0], ["a", 1, "00", 0], ["a", 1, "00" * 32, "0"], ["a", 1], "a", None])
def test_what_is_no_file_is_refused(plain: object) -> None:
    lines = list(encode(HEADER, [], SIGNER))
    lines.insert(1, SIGNER.sign({"path": "raw/a", "token": "t", "files": [plain]}))
    with pytest.raises(Damaged):
        decode(lines, SIGNER)


def test_a_journal_says_what_was_begun_and_a_torn_end_says_nothing() -> None:
    state = PublicationState.empty()
    names = [b"raw/a.csv", b"raw/b.csv"]
    lines = [begin_line(b"raw/a.xlsx", "token", names, file(name), SIGNER) for name in names]
    read_journal([lines[0], b"not ours\n", lines[1][:-5]], state, SIGNER)
    assert state.begun == {b"raw/a.xlsx": ("token", {b"raw/a.csv": file(b"raw/a.csv"), b"raw/b.csv": None})}
    assert state.versions() == {b"raw/a.csv": [file(b"raw/a.csv")]}


def test_all_that_interrupted_runs_have_written_stays_known() -> None:
    state = PublicationState.empty()
    for number in (1, 2):
        line = begin_line(b"raw/a.jsonl", f"token {number}", [b"raw/a.csv"], file(b"raw/a.csv", number), SIGNER)
        read_journal([line], state, SIGNER)
    assert [one.size for one in state.versions()[b"raw/a.csv"]] == [1, 2]
    assert state.begun[b"raw/a.jsonl"] == ("token 2", {b"raw/a.csv": file(b"raw/a.csv", 2)})


def test_an_item_becomes_no_more_files_than_a_line_can_hold() -> None:
    """The longest names, none of whose bytes is UTF-8, still make a line that is read back."""
    endless = [b"\xff" * 4000 + b"%d" % number for number in range(MOST_FILES)]
    names = endless[: bisect_left(range(MOST_FILES), 1, key=lambda number: is_too_much(endless[: number + 1]))]
    assert 100 < len(names) < MOST_FILES
    assert is_too_much([b"a"] * (MOST_FILES + 1)) and not is_too_much([b"a"] * MOST_FILES)
    assert len(begin_line(b"a" * 4000, "t" * 200, names, file(names[0]), SIGNER)) <= LARGEST_LINE
    item = PublishedItem(b"a" * 4000, "t" * 200, tuple(file(name) for name in names))
    assert all(len(line) <= LARGEST_LINE for line in encode(HEADER, [item], SIGNER))


def test_whatever_bytes_stand_there_only_own_lines_are_believed() -> None:
    randomness = random.Random(26)
    whole = b"".join(encode(HEADER, items(), SIGNER))
    journal = b"".join(begin_line(b"raw/a", "t", [name], file(name), SIGNER) for name in NAMES)
    for _ in range(2000):
        for kind, data in (("state", whole), ("journal", journal)):
            broken = bytearray(data)
            for _ in range(randomness.randrange(1, 4)):
                at = randomness.randrange(len(broken))
                match randomness.randrange(4):
                    case 0:
                        broken[at] ^= 1 << randomness.randrange(8)
                    case 1:
                        del broken[at : at + randomness.randrange(200)]
                    case 2:
                        broken[at:at] = randomness.randbytes(randomness.randrange(20))
                    case _:
                        broken[at:at] = broken[: randomness.randrange(at + 1)]
                broken = broken or bytearray(b"x")
            lines = bytes(broken).splitlines(keepends=True)
            if kind == "state":
                try:
                    state = decode(lines, SIGNER)
                except Damaged:
                    continue
            else:
                state = PublicationState.empty()
                read_journal(lines, state, SIGNER)
            assert set(state.versions()) <= set(NAMES)
