"""What a publication remembers of itself, beside what it has published: which files are its own, and of which content.

Lines, each a tag (64 hex digits, keyed BLAKE3 with a key of the project) and a JSON object:

    state       the header, a line for each item, a line with their number
    journal     a line for each file that is about to be written, before it is: what a killed run has left behind is known

The folder or bucket is one that others can write to. A line without a tag of the project's key says nothing, and everything is
bounded before it is taken into memory.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from restore.local_fs import unsafe_reason
from restore.outputs.convert_items import decoded, encoded
from vault.errors import Damaged
from vault.format import envelope, strict_json

FOLDER = ".strongroom-publication"
"""Where it lies, below the place that is published to. Spark, Athena and others pass over such names."""

STATE, JOURNAL = "state.jsonl", "journal.jsonl"
FORMAT = 1

LARGEST_LINE = 8 << 20
"""Bytes."""

LARGEST_STATE = LARGEST_JOURNAL = 1 << 30
"""Bytes; of each object of a journal."""

MOST_ITEMS = 2_000_000
MOST_FILES = 1000
"""Of one item: a workbook may become a file for each of its sheets."""

LONGEST_NAMES = LARGEST_LINE // 4
"""Bytes of the names of the files of one item, as a line has them: the rest is for what is said of each."""

_TAG, _NAME = 64, "publication"


class PublishedFile(Struct, frozen=True):
    """A file of a publication. name: below its place · size: bytes · digest: BLAKE3 · mtime_ns: nanoseconds since 1970, None
    where none was set."""

    name: bytes
    size: int
    digest: bytes
    mtime_ns: int | None

    def plain(self) -> list[Any]:
        """As a line has it."""
        return [_text(self.name), self.size, self.digest.hex(), self.mtime_ns]

    @classmethod
    def read(cls, value: object, what: str) -> PublishedFile:
        """From a line. Raises `Damaged`."""
        match value:
            case [str() as name, int() as size, str() as digest, int() | None as mtime_ns] if size >= 0:
                return cls(_name(name, what), size, strict_json.from_hex(digest, 32, what), mtime_ns)
        raise Damaged(f"{what} names a file that is none")


class PublishedItem(Struct, frozen=True):
    """An item as it was published. token: of its content and of how it was converted; "" where it has to be published again ·
    files: that it became · is_gone: it is no longer selected, and was kept."""

    path: bytes
    token: str
    files: tuple[PublishedFile, ...]
    is_gone: bool = False


class PublicationHeader(Struct, frozen=True):
    """What is published. id: of the publication, random · run: of the run that wrote the state, random · project: its id ·
    asked: the selection and the options of tables, as they were written · published_at: ISO 8601 · snapshots: their ids."""

    id: str
    run: str
    project: str
    asked: Mapping[str, Any]
    published_at: str
    snapshots: tuple[str, ...] = ()


class PublicationState(Struct):
    """header: None where nothing was published yet · items: by path · begun: files that an interrupted run was about to write,
    by the path of their item: its token, and for all names of its files what they should have become, None where that is not
    known · written: all that interrupted runs were about to write."""

    header: PublicationHeader | None
    items: dict[bytes, PublishedItem]
    begun: dict[bytes, tuple[str, dict[bytes, PublishedFile | None]]]
    written: list[PublishedFile]

    @classmethod
    def empty(cls) -> PublicationState:
        """Before the first run."""
        return cls(None, {}, {}, [])

    def versions(self) -> dict[bytes, list[PublishedFile]]:
        """Of each file of the publication what may stand there; only what does is its own."""
        found: dict[bytes, list[PublishedFile]] = {}
        for file in (*(file for item in self.items.values() for file in item.files), *self.written):
            found.setdefault(file.name, []).append(file)
        return found


class LineSigner(Struct, frozen=True):
    """Makes lines, and knows its own. key: of the project · project: its id."""

    key: bytes
    project: str

    def sign(self, value: dict[str, Any]) -> bytes:
        """A line."""
        body = strict_json.dump(value)
        return self._tag(body) + b" " + body + b"\n"

    def read(self, line: bytes, what: str) -> dict[str, Any]:
        """What a line says. Raises `Damaged` for one that another key has signed."""
        tag, body = line[:_TAG], line[_TAG + 1 :].rstrip(b"\n")
        if line[_TAG : _TAG + 1] != b" " or not hmac.compare_digest(tag, self._tag(body)):
            raise Damaged(f"{what} was not written with this project's keys, or was changed")
        return strict_json.load(body, what, largest=LARGEST_LINE)

    def _tag(self, body: bytes) -> bytes:
        return envelope.tag(body, self.key, _NAME, self.project).hex().encode()


def encode(header: PublicationHeader, items: Iterable[PublishedItem], signer: LineSigner) -> Iterator[bytes]:
    """The lines of a state."""
    about = {"format": FORMAT, "id": header.id, "run": header.run, "project": header.project, "asked": dict(header.asked)}
    yield signer.sign(about | {"published_at": header.published_at, "snapshots": list(header.snapshots)})
    count = 0
    for item in items:
        count += 1
        gone = {"gone": True} if item.is_gone else {}
        files = [file.plain() for file in item.files]
        yield signer.sign({"path": _text(item.path), "token": item.token, "files": files} | gone)
    yield signer.sign({"items": count})


def decode(lines: Iterable[bytes], signer: LineSigner) -> PublicationState:
    """The state in its lines. Raises `Damaged` for what is none, or is not whole."""
    what, state = "the state of the publication", PublicationState.empty()
    count: int | None = None
    for line in lines:
        value = signer.read(line, what)
        if state.header is None:
            state.header = _header(value, signer.project, what)
        elif "items" in value:
            count = strict_json.count(value, "items", what)
        else:
            item = _item(value, what)
            state.items[item.path] = item
            if len(state.items) > MOST_ITEMS:
                raise Damaged(f"{what} has more than {MOST_ITEMS} items")
    if count != len(state.items):
        raise Damaged(f"{what} breaks off")
    return state


def read_header(lines: Iterator[bytes], signer: LineSigner) -> PublicationHeader:
    """The first line of a state. Raises `Damaged`."""
    what = "the state of the publication"
    return _header(signer.read(next(lines, b""), what), signer.project, what)


def is_too_much(names: Sequence[bytes]) -> bool:
    """Whether an item becomes more files than a state can hold."""
    return len(names) > MOST_FILES or sum(len(_text(name).encode()) + 3 for name in names) > LONGEST_NAMES


def begin_line(item: bytes, token: str, names: Iterable[bytes], file: PublishedFile, signer: LineSigner) -> bytes:
    """Of a journal: a file is about to be written. names: of all files that its item becomes."""
    others = [_text(name) for name in names]
    return signer.sign({"path": _text(item), "token": token, "names": others, "file": file.plain()})


def read_journal(lines: Iterable[bytes], state: PublicationState, signer: LineSigner) -> None:
    """Enter what interrupted runs have begun. Lines that are not the project's own are passed over: a kill may have cut the
    last one off, and what they would say of files is not believed."""
    what = "the journal of the publication"
    for line in lines:
        try:
            value = signer.read(line, what)
            path, token = _path(value, what), strict_json.field(value, "token", str, what)
            file = PublishedFile.read(value.get("file"), what)
            names = [_name(one, what) for one in strict_json.texts(value, "names", what, most=MOST_FILES)]
        except Damaged:
            continue
        state.written.append(file)
        if state.begun.get(path, ("", {}))[0] != token:
            state.begun[path] = token, dict.fromkeys(names)
        state.begun[path][1][file.name] = file


def _header(value: dict[str, Any], project: str, what: str) -> PublicationHeader:
    if strict_json.count(value, "format", what) != FORMAT:
        raise Damaged(f"{what} is of another version of strongroom", hint="use the version that has published there")
    texts = {name: strict_json.field(value, name, str, what) for name in ("id", "run", "project", "published_at")}
    if texts["project"] != project:
        raise Damaged(f"{what} is of another project")
    snapshots = strict_json.texts(value, "snapshots", what, most=10_000)
    return PublicationHeader(**texts, asked=strict_json.field(value, "asked", dict, what), snapshots=snapshots)


def _item(value: dict[str, Any], what: str) -> PublishedItem:
    files = strict_json.field(value, "files", list, what)
    if len(files) > MOST_FILES:
        raise Damaged(f"{what}: an item has more than {MOST_FILES} files")
    token = strict_json.field(value, "token", str, what)
    is_gone = strict_json.optional(value, "gone", bool, what) or False
    return PublishedItem(_path(value, what), token, tuple(PublishedFile.read(one, what) for one in files), is_gone)


def _path(value: dict[str, Any], what: str) -> bytes:
    return encoded(_unescaped(strict_json.field(value, "path", str, what)))


def _name(text: str, what: str) -> bytes:
    """A name of a file. Raises `Damaged` for one that leads out of the place, or into what is kept here."""
    name = encoded(_unescaped(text))
    if unsafe_reason(name) is not None or name.split(b"/")[0] == FOLDER.encode():
        raise Damaged(f"{what} names a file that is never published")
    return name


def _text(name: bytes) -> str:
    """A name as JSON in UTF-8 can hold it: a byte that is no UTF-8 as \\xNN, and a backslash as two."""
    text = decoded(name).replace("\\", "\\\\")
    return "".join(f"\\x{ord(char) - 0xDC00:02x}" if 0xDC80 <= ord(char) <= 0xDCFF else char for char in text)


def _unescaped(text: str) -> str:
    parts = text.split("\\\\")
    return "\\".join(_bytes_back(part) for part in parts)


def _bytes_back(part: str) -> str:
    head, *others = part.split("\\x")
    for one in others:
        try:
            head += chr(0xDC00 + int(one[:2], 16)) + one[2:]
        except ValueError as error:
            raise Damaged("a name in the state of the publication is not escaped as names are") from error
    return head
