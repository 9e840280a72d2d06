"""Small CSV files, most of them in order, some odd in one way or another."""

from __future__ import annotations

import random

HEADERS = ["name,phone", "name;phone", "a|b|c", '"call id",phone,"n, o"', "id\tnote", "note,2024", "x,y,,"]
CELLS = [
    "",
    "a",
    "007",
    "+7916",
    "name",
    "phone",
    '""',
    '"a"',
    '"a,b"',
    '"a\nb"',
    '"a ""b"""',
    'a"b',
    '"a"b',
    "é",
    "ї;",
    " ",
    "2024-05-01",
]
ENDS = ["\n", "\n", "\n", "\r\n", "\r", "\n\n"]


def made(chance: random.Random) -> bytes:
    """A small file, most of it in order."""
    header = chance.choice(HEADERS)
    delimiter = next(one for one in ";|\t," if one in header)
    width = header.count(delimiter) + 1 - ("n, o" in header)
    end = chance.choice(ENDS)
    lines = [header]
    for _ in range(chance.randrange(6)):
        wide = width if chance.random() < 0.95 else chance.randrange(5)
        cells = chance.choices(CELLS[:11] if chance.random() < 0.9 else CELLS, k=wide)
        lines.append(delimiter.join(f'"{cell}"' if delimiter in cell and '"' not in cell else cell for cell in cells))
    text = end.join(lines) + chance.choice([end, end, ""])
    data = text.encode("cp1251" if chance.random() < 0.05 else "utf-8", "replace")
    if chance.random() < 0.1:
        data = b"\xef\xbb\xbf" + data
    if chance.random() < 0.05:
        place = chance.randrange(len(data))
        data = data[:place] + chance.choice([b'"', b"\0", b"\r", b"\xff", b",", b"\n"]) + data[place:]
    return data
