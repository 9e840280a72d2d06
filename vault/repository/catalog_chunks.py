"""Manifests and lists of packs: written as meta chunks, read back from them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.format import layout, tree
from vault.format.chunks import ID_SIZE, ChunkerParams, StreamCutter, chunk_id, cut
from vault.format.frames import Compressor
from vault.format.layout import META_TIER
from vault.format.pack import PackBuilder
from vault.format.tree import ChunkRef, Tree
from vault.repository import head_chunks
from vault.repository.chunk_index import ChunkIndex
from vault.repository.orphan_packs import with_orphans
from vault.repository.pack_reader import ChunkPlace, PackReader, places
from vault.repository.pack_writer import PackWriter
from vault.repository.project import Project
from vault.repository.sorted_index import SortedIndex
from vault.repository.tree_file import TreeFile
from vault.storage.caching import is_kept

READERS = 8
"""Packs of the catalogue that are read at once."""

Unusable = dict[bytes, tuple[str, StrongroomError]]
"""Packs that could not be read, and why."""


class MetaReader:
    """Reads trees of meta chunks.

    - `many`: many trees will be read, so that sorting the index pays
    - `parallel`: several packs of a tree are read at once, as each waits for a round trip; not where several threads read trees
    - `heads`: where many packs are not on this machine, head chunks are read instead; not for whoever verifies packs, and not
      where several threads read trees
    """

    def __init__(
        self,
        project: Project,
        index: ChunkIndex | None = None,
        *,
        many: bool = False,
        parallel: bool = True,
        heads: bool = False,
    ) -> None:
        self._wants_heads = heads
        self._heads: Mapping[bytes, bytes] = {}
        self._project = project
        self._parallel = parallel
        self._many = many
        self._use(index or ChunkIndex.load(project, tier=META_TIER))
        self._search_lock = threading.Lock()
        self._read_anew = self._searched_orphans = self._searched_copies = False
        self.found_orphans = False
        """Whether needed chunks were found in packs that no index segment names."""
        self._packs = PackReader(project, self.index)

    def read(self, root: Tree, what: str) -> bytearray:
        """The data of a tree. Raises `Damaged`, naming `what`."""
        return tree.read(root, lambda refs: self.fetch(refs, what), what)

    def open(self, root: Tree, what: str) -> TreeFile:
        """The data of a tree, to be read here and there. Raises `Damaged`, naming `what`, and so does the file."""
        refs = tree.leaves(root, lambda lists: self.fetch(lists, what), what)
        return TreeFile(refs, lambda wanted: self.fetch(wanted, what))

    def chunks_of(self, root: Tree, what: str) -> list[bytes]:
        """The ids of the chunks that a tree consists of, its lists included. Raises `Damaged`."""
        return [chunk for chunk, _ in tree.reachable(root, lambda refs: self.fetch(refs, what), what)]

    def contents_of(self, root: Tree, what: str) -> dict[bytes, bytes]:
        """The chunks that a tree consists of, its lists included, by their ids. Raises `Damaged`."""
        found: dict[bytes, bytes] = {}

        def fetch(refs: Sequence[ChunkRef]) -> list[bytes]:
            contents = self.fetch(refs, what)
            found.update(zip((chunk for chunk, _ in refs), contents, strict=True))
            return contents

        fetch(tree.leaves(root, fetch, what))
        return found

    def are_scattered(self, chunks: Iterable[bytes]) -> bool:
        """Whether chunks lie in so many packs, or so large ones, that head chunks are worth it. Raises `Damaged` where one is
        in no index segment."""
        return _is_much({place.pack: place for place in self._locate(list(chunks), "a list of chunks", {})}.values())

    def fetch(self, refs: Sequence[ChunkRef], what: str) -> list[bytes]:
        """The contents of meta chunks, in order. Of a chunk that lies in several packs any will do: the index may name one that
        was deleted a moment ago. Raises `Damaged`."""
        contents = {chunk: self._heads[chunk] for chunk, _ in refs if chunk in self._heads}
        unusable: Unusable = {}
        while wanted := [chunk for chunk, _ in refs if chunk not in contents]:
            by_pack: dict[bytes, list[ChunkPlace]] = {}
            for place in self._locate(list(dict.fromkeys(wanted)), what, unusable):
                by_pack.setdefault(place.pack, []).append(place)
            if self._wants_heads and self._worth_heads([group[0] for group in by_pack.values()]):
                self._wants_heads = False
                self._heads = head_chunks.known(self._project)
                contents |= {chunk: self._heads[chunk] for chunk in wanted if chunk in self._heads}
                continue
            for found in self._map_packs(lambda group: self._of_pack(group, unusable), list(by_pack.values())):
                contents |= found
        if any(len(contents[chunk]) != length for chunk, length in refs):
            raise Damaged(f"{what} names a chunk with another length than it has")
        return [contents[chunk] for chunk, _ in refs]

    def _worth_heads(self, packs: Iterable[ChunkPlace]) -> bool:
        """packs: a place in each of those that are wanted."""
        names = ((one, layout.pack_name(self._project.id, META_TIER, one.pack)) for one in packs)
        return _is_much([one for one, name in names if not is_kept(self._project.store, name)])

    def _map_packs(
        self, read: Callable[[list[ChunkPlace]], dict[bytes, bytes]], groups: list[list[ChunkPlace]]
    ) -> Iterable[dict[bytes, bytes]]:
        """The results of `read` for each pack's chunks."""
        if len(groups) < 2 or not self._parallel:
            return map(read, groups)
        with ThreadPoolExecutor(min(READERS, len(groups)), thread_name_prefix="meta") as pool:
            return list(pool.map(read, groups))

    def _of_pack(self, group: list[ChunkPlace], unusable: Unusable) -> dict[bytes, bytes]:
        """The chunks that can be read; a pack of which some cannot is added to `unusable`."""
        contents = {}
        try:
            for place, content in self._packs.chunks(group):
                if isinstance(content, StrongroomError):
                    unusable[place.pack] = str(content), content
                else:
                    contents[place.chunk] = content
        except ObjectNotFound as error:
            unusable[group[0].pack] = f"the pack {group[0].pack.hex()} is gone", error
        return contents

    def _locate(self, wanted: list[bytes], what: str, unusable: Unusable) -> list[ChunkPlace]:
        import pyarrow as pa

        whole = self.index
        index = whole.split(frozenset(unusable))[0] if unusable else self._sorted or whole
        found = places(index.locate(pa.array(wanted, pa.binary(ID_SIZE))))
        missing = len(wanted) - len(found)
        if missing and (self._find_in_new_segments(whole) or self._find_orphans(whole) or self._find_in_copies(whole)):
            return self._locate(wanted, what, unusable)
        if missing and unusable:
            why, cause = next(iter(unusable.values()))
            raise Damaged(f"{what} cannot be read: {why}") from cause
        if missing:
            raise Damaged(f"{what} cannot be read: {missing} of its {len(wanted)} chunks are in no index segment")
        return found

    def _use(self, index: ChunkIndex) -> None:
        """From now on. Where many trees are read, its rows are sorted, and those that are not are let go of."""
        self._sorted = SortedIndex(index) if self._many else None
        self.index = self._sorted.index if self._sorted is not None else index

    def _find_in_new_segments(self, searched: ChunkIndex) -> bool:
        """Read the index once more: another run may have stored and named a chunk since then. searched: the index in which a
        chunk was not found. Returns whether there is another index now."""
        with self._search_lock:
            if not self._read_anew:
                self._read_anew = True
                now = ChunkIndex.load(self._project, tier=META_TIER)
                added = now.without_packs(searched.packs())
                if added.num_rows:
                    self._use(searched.with_rows([added]))
            return self.index is not searched

    def _find_orphans(self, searched: ChunkIndex) -> bool:
        """Read, once, the packs that no segment names. searched, and what is returned: as for `_find_in_new_segments`."""
        with self._search_lock:
            if not self._searched_orphans:
                self._searched_orphans = True
                found = with_orphans(self._project, searched, META_TIER)
                self.found_orphans = found is not searched
                if self.found_orphans:
                    self._use(found)
            return self.index is not searched

    def _find_in_copies(self, searched: ChunkIndex) -> bool:
        """Add, once, what the index of copies says that stand behind the store. searched, and what is returned: as for
        `_find_in_new_segments`."""
        with self._search_lock:
            if not self._searched_copies:
                self._searched_copies = True
                others = self._packs.index_of_others(META_TIER)
                if others is not None:
                    self._use(self.index.with_rows([others.table]))
            return self.index is not searched


def _is_much(packs: Collection[ChunkPlace]) -> bool:
    return len(packs) >= head_chunks.WORTH_PACKS or sum(one.pack_size for one in packs) > head_chunks.WORTH_BYTES


class MetaWriter:
    """Cuts catalogue data into chunks and stores the new ones in packs.

    - `referenced`: the packs of known chunks that were used again
    - `reused`: these chunks, by their packs
    """

    def __init__(self, project: Project, index: ChunkIndex, packs: PackWriter) -> None:
        self._project = project
        self._cutting = project.descriptor.meta
        self._known = SortedIndex(index)
        self._stored: dict[bytes, bytes] = {}
        """The packs of chunks that the index lacks; empty for a chunk that is in no pack yet."""
        self._compressor = Compressor()
        self._packs = packs
        self._builder = PackBuilder()
        self.referenced: set[bytes] = set()
        self.reused: dict[bytes, set[ChunkRef]] = {}

    def write(self, data: tree.Buffer, *, finer: int = 1) -> Tree:
        """A tree over `data`; its new chunks are stored by `flush`. Packs of known chunks are added to `referenced`. finer: how
        many times smaller than the descriptor's the chunks are."""
        cutter = self._cutting.finer(finer).cutter()
        return tree.build(data, lambda part: [self._keep_chunk(piece) for piece in cut(cutter, part)])

    def stream(self, *, finer: int = 1) -> TreeWriter:
        """For data that is written piece by piece; the tree and its chunks are those that `write` makes of the whole."""
        return TreeWriter(self._cutting.finer(finer), self._keep_chunk)

    def flush(self) -> None:
        """Store the chunks that are not stored yet."""
        if self._builder.chunks:
            self._packs.submit(self._builder, META_TIER)
            self._builder = PackBuilder()

    def _keep_chunk(self, plain: memoryview) -> ChunkRef:
        chunk = chunk_id(self._project.capability.chunk_id_key, plain)
        pack = self._stored.get(chunk)
        if pack is None:
            pack = self._known.pack_of(chunk)
        if pack is None:
            if self._builder.size >= self._project.descriptor.limits.pack:
                self.flush()
            self._builder.add(chunk, self._compressor.frame(plain), len(plain))
            self._stored[chunk] = b""
        elif pack:
            self.referenced.add(pack)
            self.reused.setdefault(pack, set()).add((chunk, len(plain)))
        return chunk, len(plain)


class TreeWriter:
    """Cuts data while it is written: `write`, then `finish`. keep: stores a chunk."""

    def __init__(self, cutting: ChunkerParams, keep: Callable[[memoryview], ChunkRef]) -> None:
        self._cutting = cutting
        self._keep = keep
        self._chunks: list[ChunkRef] = []
        self._length = 0
        self._cutter = StreamCutter(cutting, lambda chunk: self._chunks.append(keep(chunk)))

    def write(self, piece: tree.Buffer) -> None:
        """The next bytes. Raises `Unstorable` where no reader would take so many, `StorageError`."""
        self._length += len(piece)
        tree.refuse_long(self._length)
        self._cutter.write(piece)

    def finish(self) -> Tree:
        """The tree over all that was written. Raises `Unstorable`, `StorageError`."""
        self._cutter.finish()
        cutter = self._cutting.cutter()
        return tree.above(self._chunks, lambda part: [self._keep(piece) for piece in cut(cutter, part)])
