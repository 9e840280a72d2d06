"""Which encoding a text file has: told from all of its bytes, because the one that matters may be the last.

A byte-order mark decides. Without one, line ends that are pairs of a zero and a sign are UTF-16, and signs of four bytes of
which the first are zeros are UTF-32. Everything else is read through once as UTF-8, at memory's speed: a file that is UTF-8
to its end is UTF-8, and so is one whose broken bytes are few beside letters that are right (a damaged file: such bytes come
back as `\\xNN`, and readers count them). The rest is one of the eight-bit encodings that people here have used: the one in
which the file's words look most like words (for Latin letters `restore.tables.readers.latin_encoding` says which). That is a
guess, and readers say so (`Encoding.guess`).

On 379 short tables with headers as exports have them (`tests/support/header_words.py`) charset-normalizer with the same five
encodings to choose from is right in 302, chardet in 50, and this in 376.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from restore.tables.readers.latin_encoding import latin_encoding
from vault.errors import Damaged

BLOCK = 1 << 20
_SAMPLE = 64 * 1024
"""Bytes of lines with foreign letters that the eight-bit encodings are compared on.
As many wrong bytes settle that it is one."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
"""UTF-32's before UTF-16's, which it begins with."""

_WIDE = ("utf-16", "utf-32")
_CYRILLIC = ("cp1251", "cp866", "koi8-u")
_FOREIGN = re.compile(rb"[^\n\r]*[\x80-\xff][^\n\r]*")
_LEADS = bytes(range(0xC2, 0xF5))
"""Bytes that a sign beyond ASCII begins with in UTF-8."""

_WRONG = re.compile("[\udc80-\udcff]")
_RIGHT = re.compile("[^\x00-\x7f\udc80-\udcff]")
_EUROPEAN = re.compile("[\xa0-\u024f\u0400-\u052f\u2000-\u214f]")
"""Signs that a text here has: bytes of another encoding that happen to be UTF-8 are mostly signs of other scripts."""

_WRONG_COSTS = 3
_OTHER_SCRIPTS = 8
"""Signs of other scripts that weigh as much as one."""

_RUN = re.compile(r"(\d?)([^\W\d_]*[\u0400-\u04ff][^\W\d_]*)(?=(\d?))")
_SIGN = re.compile(r"[^\x00-\x7f\w\xa0«»–—…№‘’“”„€©®™°±§]")
_CYRILLIC_SIGN = re.compile(r"(?<!\w)(?:№|€)")
"""Signs whose bytes are hardly ever anything else: a lone superscript or accent in Western encodings."""

_FREQUENT = frozenset("оеаинтсрвлкмдпі")
_HALF = re.compile("[\ud800-\udfff]")


class Encoding(Struct, frozen=True):
    """name: Python's · mark: bytes of the byte-order mark, before the text · broken: whether some bytes are no text in it."""

    name: str
    mark: int = 0
    broken: bool = False

    @property
    def guess(self) -> str:
        """What is to be said of it where only the text's looks tell it; empty where its bytes do."""
        return "" if self.name.startswith("utf-") else f"its encoding is told by its letters alone: read as {self.name}"

    @property
    def errors(self) -> str:
        """The error handler that lets every file be read: what it lets through is lone surrogates, which `mended` finds."""
        return "surrogatepass" if self.name.startswith(_WIDE) else "surrogateescape"

    def text(self, file: BinaryIO, start: int | None = None) -> TextIOWrapper:
        """The text behind the mark, or from a byte on, line ends as they are; closing it closes the file."""
        file.seek(self.mark if start is None else start)
        return TextIOWrapper(file, encoding=self.name, errors=self.errors if self.broken else "strict", newline="")


def encoding_of(path: Path) -> Encoding:
    """Raises `Damaged` for bytes that are no text: a NUL, or half of a UTF-16 sign at the end."""
    with path.open("rb") as file:
        head = file.read(BLOCK)
        marked = next((Encoding(name, _marks_at(head, mark)) for mark, name in _MARKS if head.startswith(mark)), None)
        found = marked or _utf_32(head) or _utf_16(head)
        if found is not None and found.name.startswith(_WIDE):
            return _read_wide(file, found)
        return _read_as_utf_8(file, 0 if found is None else found.mark)


def _marks_at(head: bytes, mark: bytes) -> int:
    """Bytes of the byte-order marks that a file begins with: programs that add one to a file that has one make two."""
    end = len(mark)
    while head.startswith(mark, end):
        end += len(mark)
    return end


def mended(text: str) -> str:
    """The text with what could not be decoded written out: `\\xNN` a byte, `\\uNNNN` half of a UTF-16 pair."""
    return _HALF.sub(lambda half: _written(ord(half.group())), text)


def _written(half: int) -> str:
    return f"\\x{half - 0xDC00:02x}" if 0xDC80 <= half <= 0xDCFF else f"\\u{half:04x}"


def _utf_32(head: bytes) -> Encoding | None:
    """UTF-32 without a mark: of each four bytes the highest is zero, and the next one small."""
    for name, highest, higher in (("utf-32-le", head[3::4], head[2::4]), ("utf-32-be", head[0::4], head[1::4])):
        if highest and not highest.strip(b"\0") and not higher.translate(None, bytes(range(0x11))):
            return Encoding(name) if any(head[0::4] + head[3::4]) else None
    return None


def _utf_16(head: bytes) -> Encoding | None:
    """UTF-16 without a mark: almost all zeros stand on one side of the pairs, and line ends are such pairs."""
    zeros, first = head.count(0), head[::2].count(0)
    if zeros * 50 <= len(head):
        return None
    name = "utf-16-be" if first * 2 > zeros else "utf-16-le"
    if max(first, zeros - first) * 4 < zeros * 3:
        return None
    text = head[: len(head) & ~1].decode(name, "replace")
    ends = head.count(b"\n") + head.count(b"\r")
    looks_right = (text.count("\n") + text.count("\r")) * 2 > ends if ends else zeros * 4 >= len(head)
    return Encoding(name) if looks_right else None


def _read_wide(file: BinaryIO, found: Encoding) -> Encoding:
    """UTF-16 or UTF-32."""
    if (file.seek(0, 2) - found.mark) % (4 if found.name.startswith("utf-32") else 2):
        raise Damaged(f"the file breaks off inside a {found.name[:6].upper()} sign")
    broken = False
    decoder = codecs.getincrementaldecoder(found.name)("surrogatepass")
    for block in _blocks(file, found.mark):
        try:
            text = decoder.decode(block)
        except UnicodeDecodeError as error:
            raise Damaged(f"the file is not {found.name[:6].upper()}: {error.reason}") from error
        if "\0" in text:
            raise Damaged("the file has a NUL among its text")
        broken = broken or _HALF.search(text) is not None
    return Encoding(found.name, found.mark, broken)


def _read_as_utf_8(file: BinaryIO, mark: int) -> Encoding:
    wrong = right = 0
    sample = bytearray()
    decoder = codecs.getincrementaldecoder("utf-8")()
    for block in _blocks(file, mark):
        if b"\0" in block:
            raise Damaged("the file has a NUL among its text")
        if wrong > _SAMPLE and right * 3 < wrong:
            continue
        try:
            decoder.decode(block, not block)
            right += len(block) - len(block.translate(None, _LEADS))
        except UnicodeDecodeError:
            decoder.errors = "surrogateescape"
            text = decoder.decode(block, not block)
            decoder.errors = "strict"
            wrong += len(_WRONG.findall(text))
            right += len(_EUROPEAN.findall(text))
            right += len(_RIGHT.findall(text)) // _OTHER_SCRIPTS
        if wrong and len(sample) < _SAMPLE:
            sample += b"\n".join(_FOREIGN.findall(block))[:_SAMPLE]
    if not wrong or mark or right >= wrong * 3:
        return Encoding("utf-8", mark, broken=wrong > 0)
    name, score = _most_like_words(bytes(sample))
    if right * 3 >= wrong and _likeness_of_broken(bytes(sample)) >= score:
        return Encoding("utf-8", mark, broken=True)
    return Encoding(name, broken=not _is_all_in(file, name))


def _is_all_in(file: BinaryIO, name: str) -> bool:
    """Whether every byte of the file is a sign of this eight-bit encoding."""
    try:
        for block in _blocks(file, 0):
            block.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def _blocks(file: BinaryIO, start: int) -> Iterator[bytes]:
    """The file's bytes, and an empty block at the end, so that a decoder can say what is left over."""
    file.seek(start)
    while block := file.read(BLOCK):
        yield block
    yield b""


def _most_like_words(sample: bytes) -> tuple[str, int]:
    """The eight-bit encoding, and how much the sample is like words in it."""
    scores = {name: _likeness(sample.decode(name, "replace")) for name in _CYRILLIC}
    best = max(scores, key=lambda name: scores[name])
    return (best, scores[best]) if scores[best] > 0 else (latin_encoding(sample), 0)


def _likeness(text: str) -> int:
    """How much a text is like Cyrillic words: letters that are frequent in Russian and Ukrainian speak for it; rare ones,
    words in two alphabets, capitals inside words and odd signs speak against it. One letter is no word: it says nothing
    where it stands alone, and speaks against it beside a figure."""
    score = len(_CYRILLIC_SIGN.findall(text)) - 2 * len(_SIGN.findall(text))
    for before, word, behind in _RUN.findall(text):
        in_one_alphabet = all("\u0400" <= letter <= "\u04ff" for letter in word)
        if len(word) == 1:
            score -= 2 * bool(before or behind)
        elif in_one_alphabet and (word.isupper() or word[1:].islower()):
            score += sum(2 if letter in _FREQUENT else -1 for letter in word.lower())
        else:
            score -= 2 * len(word)
    return score


def _likeness_of_broken(sample: bytes) -> int:
    """The same of a text in UTF-8, of which some bytes are broken."""
    text = sample.decode("utf-8", "surrogateescape")
    return 2 * len(_EUROPEAN.findall(text)) - _WRONG_COSTS * len(_WRONG.findall(text))


def utf_8_blocks(path: Path, encoding: Encoding, start: int = 0) -> Iterator[bytes]:
    """The file's text as UTF-8, a block at a time, from a byte of that UTF-8 on. Bytes that are no text stay as they are."""
    if encoding.name == "utf-8":
        with path.open("rb") as file:
            file.seek(encoding.mark + start)
            while block := file.read(BLOCK):
                yield block
        return
    with path.open("rb") as file, encoding.text(file) as text:
        while piece := text.read(BLOCK):
            block = piece.encode("utf-8", encoding.errors)
            if start < len(block):
                yield block[start:]
            start = max(0, start - len(block))
