"""XML of workbooks: parsed by expat where it is small, tokenised where it is large, and never trusted.

The large parts (cells, shared strings) are read with regular expressions over inflated blocks, because expat's call for every
tag costs more than everything else together (200,000 x 15 cells: 12 s against 7 s). That needs *plain* XML: UTF-8, the usual
prefixes, no comments, CDATA or processing instructions. Practically every program writes such. What is not plain is made so by
`made_plain`, which sends it through expat first; so there is one reader of cells, whatever the XML looks like.

No entity is ever expanded but the five of XML: a document type is refused before it can declare one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from xml.parsers import expat

from restore.tables.workbook.package import HINT
from vault.errors import Damaged

DEEPEST = 256
"""Elements within one another; a workbook has about ten, and expat's memory grows with each."""

LONGEST_TOKEN = 64 * 1024 * 1024
"""Bytes of one tag, attributes included, which expat holds in memory before it gives them out."""

Attributes = dict[str, str]
Start = Callable[[str, Attributes], None]
End = Callable[[str], None]

_ENTITY = re.compile(r"&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(amp|lt|gt|quot|apos));|&")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml\b([^>]*)\?>)?\s*(<[^!?][^>]*>)")
_ENCODING = re.compile(rb"""\bencoding\s*=\s*["']([^"']*)["']""")
_TO_ESCAPE = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def unescaped(text: str) -> str:
    """Text between tags, its entities put in. Raises `Damaged` at others than XML's own."""
    return _ENTITY.sub(_entity, text) if "&" in text else text


def _entity(match: re.Match[str]) -> str:
    hexadecimal, decimal, name = match.groups()
    if name:
        return _NAMED[name]
    number = int(hexadecimal, 16) if hexadecimal else int(decimal) if decimal else -1
    if not 0 < number <= 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise Damaged(f"the workbook's XML has an unknown entity: {match.group()}", hint=HINT)
    return chr(number)


def decoded(data: bytes) -> str:
    """A piece of a part as text, its lines ending as XML has it. Raises `Damaged`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Damaged(f"the workbook's text is not valid UTF-8: {error}", hint=HINT) from error
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def escaped(text: str) -> str:
    """Text as it stands in an attribute or between tags."""
    return text.translate(_TO_ESCAPE)


def walk(blocks: Iterable[bytes], start: Start, end: End | None = None) -> None:
    """Tell of every element by its local name, with its attributes by theirs. Raises `Damaged`."""

    def begun(name: str, attributes: Attributes) -> None:
        start(_local(name), {_local(key): value for key, value in attributes.items()})

    def ended(name: str) -> None:
        if end is not None:
            end(_local(name))

    for _ in _parsed(expat.ParserCreate(), blocks, begun, ended):
        pass


def made_plain(blocks: Iterable[bytes], prefixes: Mapping[str, str]) -> Iterator[bytes]:
    """The same document in plain XML. prefixes: what stands before a name of each namespace (`table:`, or nothing); names
    of others get `other:`."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    pieces: list[str] = []

    def named(name: str) -> str:
        space, _, local = name.rpartition(" ")
        return (prefixes.get(space, "other:") if space else "") + local

    def start(name: str, attributes: Attributes) -> None:
        pieces.append(f"<{named(name)}")
        pieces.extend(f' {named(key)}="{escaped(value)}"' for key, value in attributes.items())
        pieces.append(">")

    def end(name: str) -> None:
        pieces.append(f"</{named(name)}>")

    parser.CharacterDataHandler = lambda text: pieces.append(escaped(text))
    for _ in _parsed(parser, blocks, start, end):
        yield "".join(pieces).encode()
        pieces.clear()


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _parsed(parser: expat.XMLParserType, blocks: Iterable[bytes], start: Start, end: End) -> Iterator[None]:
    """Feed the parser, with a stop after each block, and count how deep it is."""
    depth = 0

    def down(name: str, attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise Damaged(f"the workbook's XML has more than {DEEPEST} elements within one another", hint=HINT)
        start(name, attributes)

    def up(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(name)

    def refuse(*_: object) -> None:
        raise Damaged("the workbook's XML declares a document type, which workbooks never do", hint=HINT)

    parser.StartElementHandler, parser.EndElementHandler = down, up
    parser.StartDoctypeDeclHandler = refuse
    fed = 0
    try:
        for block in blocks:
            parser.Parse(block)
            fed += len(block)
            if fed - parser.CurrentByteIndex > LONGEST_TOKEN:
                raise Damaged(f"the workbook's XML has a tag of more than {LONGEST_TOKEN} bytes", hint=HINT)
            yield
        parser.Parse(b"", True)  # noqa: FBT003 - expat takes it by position only
        yield
    except expat.ExpatError as error:
        raise Damaged(f"the workbook's XML is broken: {error}", hint=HINT) from error


class Plainness:
    """Whether a part is plain XML, told from its blocks as they pass by. root: what the first tag must look like."""

    def __init__(self, root: re.Pattern[bytes]) -> None:
        self._root = root
        self._last: bytes | None = None
        self.plain = True

    def look(self, block: bytes) -> None:
        """The next block."""
        if self._last is None:
            prolog = _PROLOG.match(block)
            if prolog is None or not self._root.match(prolog[2]) or not _utf8(prolog[1]):
                self.plain = False
            body = block[prolog.end() :] if prolog is not None else block
        else:
            body = block
            self.plain = self.plain and not _odd(self._last + block[:1])
        self._last = block[-1:]
        self.plain = self.plain and not _odd(body)


def _odd(data: bytes) -> bool:
    """Comments, CDATA, processing instructions; or an attribute in single quotes, unless a text looks so."""
    # the rarer sign first: `<` is everywhere, and looking for pairs that begin with it takes a hundred times as long
    return (b"!" in data and b"<!" in data) or (b"?" in data and b"<?" in data) or (b"'" in data and b"='" in data)


def _utf8(declaration: bytes | None) -> bool:
    encoding = _ENCODING.search(declaration or b"")
    return encoding is None or encoding[1].lower() in {b"utf-8", b"utf8", b"us-ascii", b"ascii"}
