"""The content of one item, for a browser: as a preview within a page, or as bytes of the few types that a browser may have.

Whoever may read it in this project, kind and path gets it; their look is in the log before they do.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import BinaryIO
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct
from msgspec.structs import replace

from console.access.rights import Action, Scope
from console.errors import NotThere, TooLarge
from console.gateway import checks
from console.previews import pictures, sorts, texts, threads
from console.previews.sorts import ItemSort
from console.previews.texts import ShownText
from console.previews.threads import Thread
from console.previews.worker import Request
from console.texts import marked
from console.visit import Visit
from strongroom.item_content import ItemContent, item_content
from strongroom.items import Item
from strongroom.mail_preview import ShownMail
from strongroom.selection import SelectionOptions
from strongroom.table_preview import ShownRecord, ShownTable, TableView
from vault.errors import Damaged, NothingFound, TargetError, UsageError
from vault.problems import printable

LARGEST_TABLE = 64 << 20
"""Bytes of a table that is opened as a whole."""

TABLE_HEAD = 8 << 20
"""Bytes at the beginning of a larger one whose format is read line by line."""

LARGEST_MAIL = 32 << 20
LARGEST_BYTES: dict[str, int] = {"image": 32 << 20, "pdf": 128 << 20, "audio": 16 << 20, "video": 16 << 20}
"""Of an item that is given in one piece, by its sort; sound and film are asked for by ranges."""

RANGE = 2 << 20
"""Bytes that one answer to a range has at most: players ask for the next one."""

LONGEST_PATH = 16_384
LONGEST_TEXT = 300
MOST_ATTACHMENTS = 200

__all__ = ["Bytes", "ItemPlace", "Preview", "TableView", "WantedRange", "content", "preview", "quoted_path", "shown_name"]

_BY_LINES = frozenset({"csv", "jsonl"})


class ItemPlace(Struct, frozen=True):
    """An item that is asked for. path: as stored · at: a moment or snapshot as people write it; "" for now · source: where
    several have the path."""

    project: str
    path: bytes
    at: str = ""
    source: str = ""

    @classmethod
    def of(cls, project: str, quoted: str, at: str, source: str) -> ItemPlace:
        """quoted: the path as addresses and forms have it, its bytes percent-quoted."""
        return cls(project, unquote_to_bytes(quoted[:LONGEST_PATH]).strip(b"/"), at[:LONGEST_TEXT], source[:LONGEST_TEXT])

    @property
    def quoted(self) -> str:
        """Its path as addresses and forms have it."""
        return quoted_path(self.path)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return shown_name(self.path)

    @property
    def shown_path(self) -> str:
        """As it can be shown."""
        return printable(self.path)


class WantedRange(Struct, frozen=True):
    """A range of bytes as it is asked for. first: None for the last `last` ones · last: None for all that follow."""

    first: int | None
    last: int | None

    def within(self, size: int) -> tuple[int, int]:
        """Half-open, of what has this size: at most what one answer has, and nothing where it lies behind the end."""
        if self.first is None:
            return max(0, size - min(self.last or 0, RANGE)), size
        start = min(self.first, size)
        last = size - 1 if self.last is None else self.last
        return start, max(start, min(last + 1, size, start + RANGE))


class Preview(Struct, frozen=True):
    """What there is to show.

    snapshot: that it is from · table, thread, mail, text: one of these at most, and text also where a table cannot be read ·
    attachments: items that belong to the record of the thread · trouble: why a preview is missing; hint: what to do · cut:
    whether only the beginning of the item was looked at · may_embed: whether the page can show its bytes.
    """

    place: ItemPlace
    item: Item
    snapshot: str
    sort: ItemSort
    table: ShownTable | None = None
    thread: Thread | None = None
    attachments: tuple[Item, ...] = ()
    mail: ShownMail | None = None
    text: ShownText | None = None
    trouble: str = ""
    hint: str = ""
    cut: bool = False
    may_embed: bool = False


class Bytes(Struct, frozen=True):
    """Bytes of an item. tag: of all of them, as they are · size: of all of it · start, end: half-open; None where it is no
    range · content: these, or an open file with them."""

    media_type: str
    sort: str
    tag: str
    size: int
    range: tuple[int, int] | None
    content: bytes | BinaryIO


def quoted_path(path: bytes) -> str:
    """A path as addresses and forms have it."""
    return quote(path, safe="/")


def shown_name(path: bytes) -> str:
    """The last part of a path, as it can be shown."""
    return printable(path.rpartition(b"/")[2])


def preview(visit: Visit, place: ItemPlace, view: TableView, record: int | None = None) -> Preview:
    """What can be shown of an item. record: this row of a table, in full.

    Raises `NotThere`, `NotAllowed`, `LacksContent` where this console may not read content, `Damaged`, `StorageError`. That its
    format cannot be shown, or is broken, is part of the result."""
    with ExitStack() as stack:
        with _opened(visit, place) as found:
            head = found.read(0, sorts.HEAD_BYTES)
            sort = sorts.sort_of(head, found.item.size, place.path)
            made = Preview(place, found.item, found.snapshot, sort)
            if sort.sort in ("image", "pdf", "audio", "video"):
                return _embedded(made, head)
            if sort.sort == "text":
                return replace(made, text=texts.shown(head, found.item.size))
            if sort.sort == "none":
                return made
            file = stack.enter_context(_private_file(sort))
            cut = _copy(found, file, sort)
        if cut is None:
            return _as_text(visit, made, head, "", "")
        made = replace(made, cut=cut)
        view = replace(view, masked=visit.console.masked)
        try:
            made = _asked(visit, made, file, view, record)
            return made if made.thread is None else replace(made, attachments=_attachments(visit, found, made))
        except Damaged as error:
            return _as_text(visit, made, head, str(error), error.hint or "")


def content(visit: Visit, place: ItemPlace, wanted: WantedRange | None, only_of: str = "") -> Bytes:
    """Bytes of an item that a browser may have. wanted: None for all of them; of a range as many as one answer has · only_of: a
    range is meant of the content with this tag alone. Raises as `preview`, `UsageError` for a type that is not shown,
    `TooLarge`."""
    with _opened(visit, place) as found:
        head = found.read(0, sorts.HEAD_BYTES)
        sort, size = sorts.sort_of(head, found.item.size, place.path), found.item.size
        if not sort.media_type or not _embedded(Preview(place, found.item, "", sort), head).may_embed:
            raise UsageError("this is not shown in a browser", hint="restore it, or download it")
        if wanted is not None and only_of in ("", found.tag):
            start, end = wanted.within(size)
            return Bytes(sort.media_type, sort.sort, found.tag, size, (start, end), found.read(start, end - start))
        if size > LARGEST_BYTES[sort.sort]:
            raise TooLarge("it is too large to be shown in one piece", hint="restore it, or download it")
        whole: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 (whoever answers closes it)
        try:
            found.copy_to(whole, size)
        except OSError as error:
            whole.close()
            raise TargetError(f"there is no room for the preview: {error.strerror}", hint="free some room") from error
        whole.seek(0)
        return Bytes(sort.media_type, sort.sort, found.tag, size, None, whole)


@contextmanager
def _opened(visit: Visit, place: ItemPlace) -> Iterator[ItemContent]:
    """The item, once it is clear that whoever asks may read it, and their look is in the log."""
    scope = checks.allowed(visit, Action.READ, place.project)
    _require(scope, place)
    options = SelectionOptions(at=place.at or None, source=place.source or None, with_deleted=True)
    with checks.opened_content(visit, place.project) as (repository, project):
        try:
            with item_content(repository.context, project.stored, place.path, options, views=visit.console.views) as found:
                yield found
        except NothingFound as error:
            raise _no_item() from error


def _require(scope: Scope, place: ItemPlace) -> None:
    """Raises `NotThere` in the words that are used where there is none."""
    if not scope.covers(place.path.partition(b"/")[0].decode("utf-8", "replace"), place.path):
        raise _no_item()


def _no_item() -> NotThere:
    return NotThere("there is no such item at this moment", hint="look at another moment, or go back to the project")


def _embedded(made: Preview, head: bytes) -> Preview:
    """Whether a browser may be given its bytes."""
    sort, size = made.sort, made.item.size
    if sort.sort == "image":
        count = pictures.pixels(head, sort.format)
        if count is None:
            return replace(made, trouble=marked("the header of the picture is broken"))
        if count > pictures.MOST_PIXELS:
            return replace(made, trouble=marked("the picture has more pixels than a browser can be asked to show"))
    if sort.sort in ("image", "pdf") and size > LARGEST_BYTES[sort.sort]:
        return replace(made, trouble=marked("it is too large to be shown in a browser"))
    return replace(made, may_embed=True)


def _private_file(sort: ItemSort) -> AbstractContextManager[BinaryIO]:
    """Without a name, so that nothing of it is left on the disk whatever becomes of this process; but SQLite asks for one."""
    return tempfile.NamedTemporaryFile() if sort.table == "sqlite" else tempfile.TemporaryFile()  # type: ignore[return-value]


def _copy(found: ItemContent, out: BinaryIO, sort: ItemSort) -> bool | None:
    """A private copy; whether it is only the beginning. None where it is too large for its format. Raises `TargetError`."""
    size = found.item.size
    most = LARGEST_MAIL if sort.sort == "mail" else LARGEST_TABLE
    try:
        if size <= most:
            found.copy_to(out, size)
            out.flush()
            return False
        if sort.table not in _BY_LINES:
            return None
        found.copy_to(out, TABLE_HEAD)
        _cut_at_line(out)
        out.flush()
        return True
    except OSError as error:
        raise TargetError(f"there is no room for the preview: {error.strerror}", hint="free some room") from error


def _cut_at_line(out: BinaryIO) -> None:
    """So that no row is half there; a file without lines stays as it is."""
    size = out.seek(0, 2)
    start = max(0, size - (1 << 20))
    out.seek(start)
    end = out.read().rfind(b"\n")
    if end >= 0:
        out.truncate(start + end + 1)


def _asked(visit: Visit, made: Preview, file: BinaryIO, view: TableView, record: int | None) -> Preview:
    """By a process that may be ended."""
    workers, person = visit.console.previews, visit.person.name
    path = file.name if isinstance(file.name, str) else f"/proc/{os.getpid()}/fd/{file.fileno()}"
    if made.sort.sort == "mail":
        return replace(made, mail=workers.ask(Request("mail", path), ShownMail, person))
    if record is not None:
        asked = Request("record", path, made.sort.table, replace(view, first=record))
        return replace(made, thread=threads.thread_of(workers.ask(asked, ShownRecord, person)))
    return replace(made, table=workers.ask(Request("table", path, made.sort.table, view), ShownTable, person))


def _attachments(visit: Visit, found: ItemContent, made: Preview) -> tuple[Item, ...]:
    """Files of the record, where sources of records put them: beside its file, below its key. Only what may be seen."""
    scope = checks.allowed(visit, Action.READ, made.place.project)
    key = "" if made.thread is None else made.thread.key
    folder = found.item.path.rpartition(b"/")[0] + b"/attachments/" + key.encode("utf-8", "surrogateescape")
    items = found.below(folder, MOST_ATTACHMENTS) if key and "/" not in key else ()
    return tuple(one for one in items if scope.covers(one.kind, one.path))


def _as_text(visit: Visit, made: Preview, head: bytes, trouble: str, hint: str) -> Preview:
    """What cannot be opened is shown by its first bytes, where they are text; not where columns of tables are masked, as nobody
    knows where they are."""
    trouble = trouble or marked("it is too large to be opened for a preview")
    readable = made.sort.is_text and not (made.sort.table and visit.console.masked)
    return replace(made, trouble=trouble, hint=hint, text=texts.shown(head, made.item.size) if readable else None)
