"""Columns of texts put together into the bytes of a file, without a Python object for each cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import pyarrow as pa


def has_any(texts: pa.StringArray, signs: bytes) -> bool:
    """Whether any of these ASCII signs is in any of the texts."""
    data = bytes(_data(texts))
    return any(sign in data for sign in signs)


def quoted(texts: pa.StringArray, signs: str) -> pa.StringArray:
    """The texts in quotes, quotes within doubled, where they are empty or have one of these signs; nulls stay null."""
    import pyarrow.compute as pc

    shortest = pc.min(pc.binary_length(texts)).as_py()
    if shortest != 0 and not has_any(texts, signs.encode("utf-8")):
        return texts
    one_of = "".join(f"\\x{{{ord(sign):x}}}" for sign in signs)
    needs = pc.match_substring_regex(texts, f"[{one_of}]|^$")
    whole = pc.binary_join_element_wise('"', pc.replace_substring(texts, '"', '""'), '"', "")
    return pc.if_else(needs, whole, texts)


def write_joined(out: BinaryIO, columns: Sequence[pa.StringArray | str], between: str, end: str) -> None:
    """The rows of the columns, one after another, each ended by `end`; null cells are empty."""
    import pyarrow.compute as pc

    last = pc.binary_join_element_wise(columns[-1], end, "", null_handling="replace", null_replacement="")
    rows = pc.binary_join_element_wise(*columns[:-1], last, between, null_handling="replace", null_replacement="")
    out.write(_data(rows))


def _data(texts: pa.StringArray) -> memoryview | bytes:
    """All texts of the array on end; a view while the array is held."""
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return b""
    places = memoryview(offsets).cast("i")
    first, last = places[texts.offset], places[texts.offset + len(texts)]
    return memoryview(data)[first:last]
