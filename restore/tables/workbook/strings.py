"""Texts in XLSX: the `_xHHHH_` escapes, rich text, and the table of shared strings, which may be larger than memory.

The first shared strings stay in memory, up to a bound of bytes; the others lie in a temporary file without a name, found by a
second one that holds where each ends.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from struct import unpack

from restore.tables.workbook.cells import without_halves
from restore.tables.workbook.package import HINT, Package
from restore.tables.workbook.patterns import up_to
from restore.tables.workbook.spool import Spool
from restore.tables.workbook.xml import Plainness, decoded, made_plain, unescaped
from vault.errors import Damaged

PREFIXES = {
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main": "",
    "http://purl.oclc.org/ooxml/spreadsheetml/main": "",
}
"""Both names that the same elements have: the usual and the strict one."""

_ROOT = re.compile(rb"""<sst(?=[^>]*\sxmlns=["']http://(?:schemas\.openxmlformats|purl\.oclc)\.org/[\w/]*main["'])""")
_ITEM = re.compile(
    r'<si><t(?: xml:space="preserve")?>([^<]*)</t></si>|(<si\b[^<>]*+(?:(?<=/)>|>' + up_to(r"/?si\b") + r"</si>))"
)
_PHONETIC = re.compile(r"<rPh\b" + up_to(r"/?rPh\b") + r"</rPh>")
_RUN = re.compile(r"<t(?:\s[^<>]*+)?>([^<]*)</t>")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_TO_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)|[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
LONGEST_TEXT = 32_767
"""Characters of a text in Excel, those beyond U+FFFF counted twice."""

TOO_LONG = "a text of more than 32,767 characters was cut there"
_STR_OVERHEAD = 64
_LONGEST_INDEX = 15
_BUFFERED = 65536


def text_between(text: str) -> str:
    """Text as it stands between tags: entities, then Excel's own escapes."""
    if "&" in text:
        text = unescaped(text)
    return unescaped_characters(text) if "_x" in text else text


def unescaped_characters(text: str) -> str:
    """`_x000D_` is a carriage return. Two escapes may be the halves of one character."""
    plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    if any("\ud800" <= char <= "\udfff" for char in plain):
        return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return plain


def written_text(text: str, on_loss: Callable[[str], None]) -> str:
    """A text as `<t>`. on_loss: hears what of it Excel cannot hold."""
    if len(text) * 2 > LONGEST_TEXT:
        text = _cut(text, on_loss)
    if text.isprintable() and not ("&" in text or "<" in text or ">" in text or "_x" in text):
        return f"<t>{text}</t>" if text.strip() == text else f'<t xml:space="preserve">{text}</t>'
    plain = _TO_ESCAPE.sub(lambda match: f"_x{ord(match[0]):04X}_", without_halves(text, on_loss))
    return f'<t xml:space="preserve">{plain.translate(_MARKUP)}</t>'


def _cut(text: str, on_loss: Callable[[str], None]) -> str:
    units = without_halves(text, on_loss).encode("utf-16-le")
    if len(units) <= LONGEST_TEXT * 2:
        return text
    on_loss(TOO_LONG)
    return units[: LONGEST_TEXT * 2].decode("utf-16-le", "ignore")


def rich_text(inside: str) -> str:
    """The text of `<si>` or `<is>`: its runs joined, without what says how to pronounce them."""
    if "<rPh" in inside:
        inside = _PHONETIC.sub("", inside)
    return text_between("".join(_RUN.findall(inside)))


class SharedStrings:
    """Texts by number."""

    def __init__(self, kept_bytes: int) -> None:
        self._kept: list[str] = []
        self._left = kept_bytes
        self._texts = Spool()
        self._ends = Spool()

    def fill(self, texts: Iterator[str]) -> None:
        """Take all texts, once."""
        for text in texts:
            self._kept.append(text)
            self._left -= len(text) * 2 + _STR_OVERHEAD
            if self._left <= 0:
                break
        ends = array("Q", [0])
        for text in texts:
            self._texts.write(text.encode("utf-8", "surrogatepass"))
            ends.append(self._texts.size)
            if len(ends) >= _BUFFERED:
                self._ends.write(ends.tobytes())
                ends = array("Q")
        self._ends.write(ends.tobytes())
        self._texts.written()
        self._ends.written()

    def all(self, indexes: Sequence[str]) -> list[str]:
        """Several, as `get` gives them."""
        if "".join(indexes).isdecimal() and max(map(len, indexes)) <= _LONGEST_INDEX:
            with suppress(IndexError, ValueError):  # of one that lies on the disk, or of none
                return list(map(self._kept.__getitem__, map(int, indexes)))
        return list(map(self.get, indexes))

    def get(self, index: str) -> str:
        """A text, by its number as a cell has it. Raises `Damaged` where there is none of this number."""
        if not (index.isdecimal() and len(index) <= _LONGEST_INDEX):
            raise Damaged(f"a cell points to shared text {index[:20]!r}, which is not a number", hint=HINT)
        number = int(index)
        if number < len(self._kept):
            return self._kept[number]
        place = (number - len(self._kept)) * 8
        if not 0 <= place < self._ends.size - 8:
            raise Damaged(f"a cell points to shared text {number}, which the workbook does not have", hint=HINT)
        start, end = unpack("=QQ", self._ends.read(place, place + 16))
        return self._texts.read(start, end).decode("utf-8", "surrogatepass")


def shared_strings(package: Package, name: str) -> SharedStrings:
    """Read the table of shared strings."""
    plainness = Plainness(_ROOT)
    for block in package.blocks(name):
        plainness.look(block)
    blocks = package.blocks(name)
    strings = SharedStrings(package.bounds.strings)
    strings.fill(_items(blocks if plainness.plain else made_plain(blocks, PREFIXES), package.bounds.row))
    return strings


def _items(blocks: Iterator[bytes], longest: int) -> Iterator[str]:
    tail = b""
    for block in blocks:
        data = tail + block
        cut = data.rfind(b"<si")
        if cut <= 0:
            cut = 0
        tail = data[cut:]
        if len(tail) > longest:
            raise Damaged(f"the workbook has a text of more than {longest} bytes", hint=HINT)
        yield from _texts(data[:cut])
    yield from _texts(tail)


def _texts(data: bytes) -> Iterator[str]:
    text = decoded(data)
    items = _ITEM.findall(text)
    if len(items) != text.count("<si"):
        raise Damaged("the workbook's shared texts break off", hint=HINT)
    for plain, rich in items:
        yield rich_text(rich) if rich else text_between(plain)
