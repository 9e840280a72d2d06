"""Rows out of the packets of the MySQL protocol: as another implementation of it reads them, and never out of half a packet."""

from __future__ import annotations

import random

import pytest
from pymysql.protocol import MysqlPacket

from vault.source.sql.mariadb_packets import ends_result, is_error, row_of

CELLS: tuple[bytes | None, ...] = (
    None, b"", b"x", b"\xfb\xfc\xfd\xfe\xff", b"a" * 250, b"b" * 251, b"c" * 65535, b"d" * 65536, b"e" * 70000, None,
)  # fmt: skip


def encoded(cell: bytes | None) -> bytes:
    if cell is None:
        return b"\xfb"
    size = len(cell)
    if size < 251:
        return bytes([size]) + cell
    if size < 1 << 16:
        return b"\xfc" + size.to_bytes(2, "little") + cell
    return b"\xfd" + size.to_bytes(3, "little") + cell


def test_cells_of_every_length_are_read_as_the_library_reads_them() -> None:
    payload = b"".join(map(encoded, CELLS))
    packet = MysqlPacket(payload, "utf-8")
    assert row_of(payload, len(CELLS)) == CELLS == tuple(packet.read_length_coded_string() for _ in CELLS)
    assert row_of(b"\xfe" + (5).to_bytes(8, "little") + b"hello", 1) == (b"hello",)


def test_a_packet_that_is_cut_or_has_more_than_its_row_is_refused() -> None:
    payload = b"".join(map(encoded, (b"abc", None, b"f" * 300)))
    for end in range(len(payload)):
        with pytest.raises(ValueError, match="not whole"):
            row_of(payload[:end], 3)
    for wrong in (payload + b"\0", b"\xff" + payload):
        with pytest.raises(ValueError, match="not whole"):
            row_of(wrong, 3)


def test_random_bytes_are_a_row_or_refused() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        payload = chance.randbytes(chance.randrange(40))
        width = chance.randrange(5)
        try:
            row = row_of(payload, width)
        except ValueError:
            continue
        assert len(row) == width and sum(len(cell or b"") for cell in row) <= len(payload)


def test_the_end_of_a_result_is_told_from_a_row_that_begins_with_a_long_cell() -> None:
    assert ends_result(b"\xfe\x00\x00\x02\x00") and not ends_result(b"\xfe" + (1).to_bytes(8, "little") + b"x")
    assert not ends_result(b"\x01\xfe") and not ends_result(b"")
    assert is_error(b"\xff\x15\x04#28000no") and not is_error(b"\xfb") and not is_error(b"")
