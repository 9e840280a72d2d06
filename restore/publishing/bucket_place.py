"""A publication in a bucket: each file an object, which a single PUT replaces as a whole. Two runs at once cannot be kept apart
there; the one that ends last notices (see `restore.publishing.run`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from tempfile import SpooledTemporaryFile

from restore.outputs.object_sink import BLAKE3, key_of, object_sink
from restore.outputs.sink import OutputSink
from restore.publishing.place import StandingFile
from restore.publishing.state import FOLDER, JOURNAL, LARGEST_JOURNAL, LARGEST_LINE, LARGEST_STATE, STATE, PublishedFile
from vault.errors import Damaged, StorageError
from vault.problems import Problem
from vault.storage.s3_objects import S3Objects

_STATE = f"{FOLDER}/{STATE}"
_JOURNAL = f"{FOLDER}/{JOURNAL}/"
_IN_MEMORY = 16 * 1024 * 1024


class BucketPlace:
    """See this module's text. run: random, of this run: names its part of the journal."""

    batch = 32
    mode: int | None = None

    def __init__(self, objects: S3Objects, run: str) -> None:
        self._objects = objects
        self._run = run
        self._noted = 0
        self._known: dict[str, int] | None = None

    def describe(self) -> str:
        """For people."""
        return self._objects.describe()

    def look(self, names: Collection[bytes]) -> dict[bytes, StandingFile]:
        """What stands under those of the names where something does."""
        sizes = self._sizes()
        return {name: StandingFile(sizes[key_of(name)]) for name in names if key_of(name) in sizes}

    def has(self, file: PublishedFile) -> bool:
        """Whether this very content stands there, as the metadata says that a publication has given to it."""
        if self._sizes().get(key_of(file.name)) != file.size:
            return False
        return (self._objects.metadata(key_of(file.name)) or {}).get(BLAKE3) == file.digest.hex()

    def state(self) -> Iterator[bytes] | None:
        """The lines of the state; None where there is none."""
        size = self._objects.size(_STATE)
        if size is None:
            return None
        if size > LARGEST_STATE:
            raise Damaged(f"{_STATE} is too large to be the state of a publication", hint="remove it")
        return _lines(self._objects.read(_STATE, size))

    def journal(self) -> Iterator[bytes]:
        """The lines of what interrupted runs have begun."""
        for key, size in sorted(self._sizes().items()):
            if key.startswith(_JOURNAL) and size <= LARGEST_JOURNAL:
                yield from _lines(self._objects.read(key, size))

    @contextmanager
    def begin(self) -> Iterator[None]:
        """What stands there is looked at anew."""
        self._known = None
        yield

    def note(self, lines: Sequence[bytes]) -> None:
        """Into the journal, before the files that they are about are written."""
        key, data = f"{_JOURNAL}{self._run}-{self._noted:08}", b"".join(lines)
        self._objects.put(key, BytesIO(data), len(data), {})
        self._noted += 1
        self._sizes()[key] = len(data)

    @contextmanager
    def sink(self) -> Iterator[OutputSink]:
        """Takes files; each stands under its name as a whole, or not at all."""
        with object_sink(self._objects) as sink:
            yield sink

    def remove(self, names: Iterable[bytes]) -> list[Problem]:
        """Delete objects."""
        problems = []
        for name in names:
            try:
                self._objects.delete(key_of(name))
            except StorageError as error:
                problems.append(Problem(name, "not-removed", f"it cannot be deleted: {error}"))
        return problems

    def settle(self, lines: Iterable[bytes]) -> None:
        """Write the state, as a whole, and then empty the journal."""
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
            body.writelines(lines)
            size = body.tell()
            body.seek(0)
            self._objects.put(_STATE, body, size, {})
        for key in [key for key in self._sizes() if key.startswith(_JOURNAL)]:
            self._objects.delete(key)

    def _sizes(self) -> dict[str, int]:
        if self._known is None:
            self._known = self._objects.sizes()
        return self._known


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of an object that others may have written. Raises `Damaged`."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in lines if line)
        if len(rest) > LARGEST_LINE:
            raise Damaged("the state of the publication has a line that is too long", hint=f"remove {FOLDER}")
    if rest:
        yield rest
