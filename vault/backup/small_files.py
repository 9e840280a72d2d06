"""A batch of small files, read, named and compressed in one go, with columns as the result.

It is the innermost loop of a backup: no object, tuple or call of a file's own that a batch can have once. A file that is as
expected leaves nothing but bytes in columns; what is not is an exception, one object each.

Nothing here asks anybody else: a chunk that this reader has compressed before is not compressed again, whatever other readers
have met meanwhile. Which chunk is stored is decided by `content_writer` in the order of the batches, and so comes out the same
however many readers there are.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from blake3 import blake3

from classify.format import HEAD, sniff
from vault.backup.dictionaries import group_of, inflated_group
from vault.errors import Damaged
from vault.format import frames as zstd
from vault.format import manifest
from vault.format.chunks import ID_SIZE, ChunkerParams, cut
from vault.format.frames import Compression, Compressor, Dictionary, Expander
from vault.format.inflated import Inflater
from vault.problems import Problem
from vault.repository import pack_sealing
from vault.repository.pack_sealing import FAILING_MACHINE
from vault.source.attributes import Extended
from vault.source.contract import Consistency, Content, SourceReader
from vault.source.scan_columns import pack_status

BATCH_FILES = 256
BATCH_BYTES = 8 * 1024 * 1024
"""A batch of small files ends at so many, or so many bytes; a thread's start costs as much as reading ten of them."""

MOST_BYTES = BATCH_BYTES + 1024 * 1024
"""Bytes of content that a batch holds; files that have grown since the scan and do not fit are read as large ones are."""

REMEMBERED = 1 << 16
"""Chunks of which a reader remembers that it has compressed them; what it has forgotten is compressed twice and stored once."""

Xattrs = tuple[tuple[bytes, bytes], ...]
_SAID = {Consistency.PREFIX: manifest.PREFIX, Consistency.MIXED: manifest.INCONSISTENT}


class FileNote(NamedTuple):
    """What few files have. row: of the batch's columns · left_out: names of attributes that are too large · consistency: see
    `vault.format.manifest.schema`."""

    row: int
    xattrs: Xattrs
    left_out: tuple[bytes, ...]
    consistency: str | None


class DeltaBase(NamedTuple):
    """What a file's new version may be stored as a difference to: an inflated form that is stored as a chunk of its own. size:
    of the form, bytes · frame: that holds it, without a dictionary. Both are empty for `NO_BASE`."""

    chunk: bytes
    size: int
    frame: bytes

    def dictionary(self) -> Dictionary:
        """For frames that refer to it. Raises `Damaged`."""
        return zstd.dictionary(zstd.Expander().expand(self.frame, self.size))


NO_BASE = DeltaBase(b"", 0, b"")
"""Of a file that had another version before, which no base is at hand for."""

WORTH_A_BASE = 8
"""A version whose difference to its base takes more than an eighth of what the base takes becomes a base itself. A workbook of
23 KB that gets a row of 50 bytes an hour: 1.8 KB an hour, and 1.6 at best, with a fifteenth; one of which a twentieth changes
each hour: 0.38 of its size, and 0.32 at best, with a third."""


Delta = tuple[bytes, bytes]
"""The chunk of a delta's base, and the BLAKE3 of the inflated form."""

InflatedIn = tuple[str, bytes]
"""The group of an inflated form that is no delta, "" for none, and its BLAKE3."""


class FrameRun(NamedTuple):
    """Frames of one group that lie one after another in `frames`.

    - `chunks`: each once; `sizes`: of each frame, `plain_sizes`: of its content
    - `proven`: `proof` as it was when each frame was expanded and compared with its content; b"" where none was
    """

    group: str | InflatedIn | Delta
    chunks: list[bytes]
    frames: memoryview
    sizes: array[int]
    plain_sizes: array[int]
    proven: bytes = b""

    def proof(self) -> bytes:
        """Other frames, or frames of other chunks, have another one."""
        return pack_sealing.proof([self.frames], self.chunks, self.sizes, self.plain_sizes)


class BatchColumns(NamedTuple):
    """What reading a batch gave. A row is a file that was read.

    - `places`: of each row, its place in the batch
    - `statuses`: rows of `vault.source.scan_columns.pack_status`
    - `sizes`, `digests`: bytes of each content, and its BLAKE3
    - `formats`: of each row, its place in `format_names`
    - `chunk_counts`: of each row; `chunk_ids`, `chunk_lengths`: of all chunks, one after another
    - `frame_chunks`: of each frame, the place of its chunk among these; frames of one group lie beside each other
    - `frame_groups`: the place of its dictionary in `groups`; `frame_sizes`: in bytes
    - `groups`: the name of a group of files that share a dictionary; of an inflated form its group and its BLAKE3; of a delta
      its base's chunk and the BLAKE3 of the inflated form in it
    - `frames`: one after another
    - `proofs`: of each run of frames of one group that are of contents as they are, see `FrameRun`
    - `bases`: new ones, to which deltas among the frames refer
    - `notes`: what few files have
    - `others`: what became of files that were not read, by their place in the batch
    """

    places: array[int]
    statuses: bytes | bytearray | memoryview
    sizes: array[int]
    digests: bytes | bytearray | memoryview
    formats: array[int]
    format_names: tuple[str | None, ...]
    chunk_counts: array[int]
    chunk_ids: bytes | bytearray | memoryview
    chunk_lengths: array[int]
    frame_chunks: array[int]
    frame_groups: array[int]
    groups: tuple[str | InflatedIn | Delta, ...]
    frame_sizes: array[int]
    frames: bytes | bytearray | memoryview
    bases: tuple[DeltaBase, ...] = ()
    notes: tuple[FileNote, ...] = ()
    others: tuple[tuple[int, Problem | None], ...] = ()
    """None: it is too large for a batch, or has holes."""

    proofs: bytes = b""

    def runs(self) -> Iterator[FrameRun]:
        """The frames, group by group."""
        ids, codes, proofs = self.chunk_ids, self.frame_groups, memoryview(self.proofs)
        start, at, data, end = 0, 0, memoryview(self.frames), len(self.frame_groups)
        while start < end:
            code, stop = codes[start], start + 1
            while stop < end and codes[stop] == code:
                stop += 1
            group, places, sizes = self.groups[code], self.frame_chunks[start:stop], self.frame_sizes[start:stop]
            chunks = [bytes(ids[place * ID_SIZE : (place + 1) * ID_SIZE]) for place in places]
            frames = data[at : at + sum(sizes)]
            run = FrameRun(group, chunks, frames, sizes, array("q", [self.chunk_lengths[place] for place in places]))
            if isinstance(group, str) and proofs:
                run, proofs = run._replace(proven=bytes(proofs[:ID_SIZE])), proofs[ID_SIZE:]
            yield run
            start, at = stop, at + len(frames)


class SmallFileReader:
    """One thread's, or process's, own: none of its tools may be shared.

    - `key`: the project's chunk-id key
    - `chunker`: how content is cut
    - `dictionaries`: by group
    - `is_stored`: whether a chunk was stored before this run
    - `inflates`: whether the inflated form is stored of whatever has one, also where it is no delta
    """

    def __init__(
        self,
        reader: SourceReader,
        key: bytes,
        chunker: ChunkerParams,
        dictionaries: dict[str, Dictionary],
        is_stored: Callable[[bytes], bool],
        compression: Compression = Compression.FAST,
        *,
        inflates: bool = False,
    ) -> None:
        self._reader = reader
        self._key = key
        self._cutter = chunker.cutter()
        self._smallest = chunker.smallest
        self._tools = {name: (Compressor(one, compression), Expander(one)) for name, one in dictionaries.items()}
        self._plain = Compressor(compression=compression)
        self._tools[""] = self._plain, Expander()
        self._expander, self._inflater = Expander(), Inflater()
        self._inflates = inflates
        self._is_stored = is_stored
        self._seen: set[bytes] = set()
        self._seen_before: set[bytes] = set()

    def read(self, paths: Sequence[bytes], bases: Mapping[bytes, DeltaBase]) -> BatchColumns:
        """Read a batch. bases: of files that may be stored as deltas, by path. Raises nothing that is one file's."""
        places, sizes, formats, counts = array("i"), array("q"), array("h"), array("i")
        statuses, digests, chunk_ids, lengths = bytearray(), bytearray(), bytearray(), array("q")
        frames, frame_chunks, frame_groups = list[bytes](), array("i"), array("h")
        notes, others, new_bases = list[FileNote](), list[tuple[int, Problem | None]](), list[DeltaBase]()
        format_codes, group_codes = dict[str | None, int](), dict[str | InflatedIn | Delta, int]()
        key, smallest, cutter = self._key, self._smallest, self._cutter
        room = MOST_BYTES
        for place, answer in enumerate(self._reader.contents(paths)):
            if not isinstance(answer, Content) or len(answer.data) > room:
                others.append((place, answer if isinstance(answer, Problem) else None))
                continue
            data, status, extended, consistency = answer
            size, path = len(data), paths[place]
            room -= size
            if extended.values or extended.left_out or consistency is not Consistency.WHOLE:
                notes.append(_note(len(places), extended, consistency))
            places.append(place)
            sizes.append(size)
            statuses += pack_status(status)
            digests += blake3(data).digest()
            format_ = sniff(data if size <= HEAD else data[:HEAD], size=size, name=path)
            formats.append(format_codes.setdefault(format_, len(format_codes)))
            if not size:
                counts.append(0)
                continue
            base = bases.get(path) if bases else None
            # one that was only touched is neither inflated nor cut
            again = base is not None and self._is_stored(blake3(data, key=key).digest())
            form = self._inflater.form(data) if (base is not None or self._inflates) and not again else None
            whole = size <= smallest or form is not None or again
            name = group_of(path) if whole else ""
            before = len(lengths)
            for piece in (data,) if whole else cut(cutter, data):
                chunk = blake3(piece, key=key).digest()
                chunk_ids += chunk
                if self._is_new(chunk):
                    if form is None:
                        group, frame = self._frame(name, piece)
                    elif base is None:
                        group, frame = self._inflated(form, path)
                    else:
                        group, frame = self._delta(form, base, new_bases)
                    frames.append(frame)
                    frame_chunks.append(len(lengths))
                    frame_groups.append(group_codes.setdefault(group, len(group_codes)))
                lengths.append(len(piece))
            counts.append(len(lengths) - before)
        frames, frame_chunks, frame_groups = _by_group(frames, frame_chunks, frame_groups)
        batch = BatchColumns(
            places, statuses, sizes, digests, formats, tuple(format_codes), counts, chunk_ids, lengths,
            frame_chunks, frame_groups, tuple(group_codes), array("i", map(len, frames)), b"".join(frames),
            tuple(new_bases), tuple(notes), tuple(others),
        )  # fmt: skip
        return batch._replace(proofs=b"".join(run.proof() for run in batch.runs() if isinstance(run.group, str)))

    def _frame(self, group: str, piece: bytes | memoryview) -> tuple[str | InflatedIn | Delta, bytes]:
        """The group of a content, and its frame. What that gives is compared at once: it is in the processor's cache, and the
        content at hand. Raises `Damaged`."""
        if group not in self._tools:
            group = ""
        compressor, expander = self._tools[group]
        frame = compressor.frame(piece)
        if expander.expand(frame, len(piece)) != bytes(piece):  # which copies none but a part
            raise Damaged("content changed while it was being compressed; it was not stored", hint=FAILING_MACHINE)
        return group, frame

    def _inflated(self, form: bytes, path: bytes) -> tuple[InflatedIn, bytes]:
        """The group of a form that is no delta, and its frame."""
        name = inflated_group(group_of(path))
        if name not in self._tools:
            name = ""
        return (name, blake3(form).digest()), self._tools[name][0].form_frame(form)

    def _delta(self, form: bytes, base: DeltaBase, new: list[DeltaBase]) -> tuple[Delta, bytes]:
        """A delta and its frame: to the given base, or where too little is left of that, to the form itself, which is added to
        `new`."""
        digest = blake3(form).digest()
        known = self._form(base)
        if known is not None:
            frame = zstd.delta(form, zstd.dictionary(known))
            if len(frame) * WORTH_A_BASE <= len(base.frame):
                return (base.chunk, digest), frame
        own = DeltaBase(blake3(form, key=self._key).digest(), len(form), self._plain.frame(form))
        new.append(own)
        return (own.chunk, digest), zstd.delta(form, zstd.dictionary(form))

    def _form(self, base: DeltaBase) -> bytes | None:
        """A base's content; None where there is none, or where it is not what it says."""
        if not base.chunk:
            return None
        try:
            form = self._expander.expand(base.frame, base.size)
        except Damaged:
            return None
        return form if blake3(form, key=self._key).digest() == base.chunk else None

    def _is_new(self, chunk: bytes) -> bool:
        """Whether a chunk must be compressed: it was not stored before this run, nor met by this reader."""
        seen = self._seen
        if chunk in seen or chunk in self._seen_before or self._is_stored(chunk):
            return False
        if len(seen) >= REMEMBERED:
            self._seen_before, seen = seen, set()
            self._seen = seen
        seen.add(chunk)
        return True


def _by_group(frames: list[bytes], chunks: array[int], groups: array[int]) -> tuple[list[bytes], array[int], array[int]]:
    """Frames of one group beside each other, as they go into one pack."""
    if len(set(groups)) < 2:
        return frames, chunks, groups
    order = sorted(range(len(frames)), key=groups.__getitem__)
    return [frames[at] for at in order], array("i", [chunks[at] for at in order]), array("h", [groups[at] for at in order])


def _note(row: int, extended: Extended, consistency: Consistency) -> FileNote:
    return FileNote(row, extended.values, extended.left_out, _SAID.get(consistency))
