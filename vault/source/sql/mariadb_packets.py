"""Rows out of the packets of the MySQL protocol, as the bytes that the server wrote: in a text result each cell is its length
and that many bytes. PyMySQL does the same more slowly, cell by cell.

    payload:  cell cell cell …        cell: length (0 to 250, or 252, 253, 254 and 2, 3, 8 bytes of it) bytes; 251 for NULL
"""

from __future__ import annotations

LARGEST_PART = 0xFFFFFF
"""Bytes of a packet that has another part."""

_NULL = 251
_WIDTHS = {252: 2, 253: 3, 254: 8}
_END, _LONGEST_END, _ERROR = 0xFE, 8, 0xFF


def row_of(payload: bytes, width: int) -> tuple[bytes | None, ...]:
    """The cells of a row. width: how many it has. Raises ValueError where the packet does not have them."""
    cells: list[bytes | None] = []
    at = 0
    try:
        for _ in range(width):
            length = payload[at]
            at += 1
            if length == _NULL:
                cells.append(None)
                continue
            if length > _NULL:
                start = at + _WIDTHS[length]
                length = int.from_bytes(payload[at:start], "little")
                at = start
            end = at + length
            cells.append(payload[at:end])
            at = end
    except (IndexError, KeyError) as error:
        raise ValueError("the server sent a row that is not whole") from error
    if at != len(payload):
        raise ValueError("the server sent a row that is not whole")
    return tuple(cells)


def ends_result(payload: bytes) -> bool:
    """Whether a packet says that there are no more rows."""
    return bool(payload) and payload[0] == _END and len(payload) <= _LONGEST_END


def is_error(payload: bytes) -> bool:
    """Whether a packet says what went wrong."""
    return bool(payload) and payload[0] == _ERROR
