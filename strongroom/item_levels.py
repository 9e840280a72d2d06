"""One level of the items of a project: the folders right in a folder, with what lies below each, then its files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from vault.problems import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from strongroom.items import Item, ItemListing

_GLOB = re.compile(r"[*?\[]")


class LevelEntry(Struct, frozen=True):
    """A folder or an item of a level.

    name: of its last part · path: whole · items: of a folder, how many items lie below it, folders among them; None for what is
    no folder · bytes: of content, of a folder of all below it · item: all that is known of it; None for a folder that only
    leads to what was asked for.
    """

    name: bytes
    path: bytes
    items: int | None
    bytes: int
    item: Item | None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.items is not None


class SplitLevel(Struct, frozen=True):
    """What of a table of items lies right in a folder. folders: rows of the folders there · below: by the name of each folder,
    also of those without a row, how many rows lie below it, and their bytes · others: rows of files and links."""

    folders: pa.Table
    below: Mapping[bytes, tuple[int, int]]
    others: pa.Table

    @classmethod
    def of(cls, table: pa.Table, folder: bytes) -> SplitLevel:
        """table: with `path`, `type` and `size` · folder: empty for the top."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from vault.format import manifest

        begin = len(folder) + 1 if folder else 0
        if folder:
            table = table.filter(pc.starts_with(table["path"], pattern=folder + b"/"))
        rest = pc.binary_replace_slice(table["path"], 0, begin, b"") if folder else table["path"]
        is_deeper = pc.match_substring(rest, "/")
        first = pc.replace_substring_regex(rest.filter(is_deeper), "(?s)/.*", "")
        counted = pa.table({"first": first, "size": table.filter(is_deeper)["size"]}).group_by("first")
        sums = counted.aggregate([("size", "count"), ("size", "sum")]).to_pylist()
        below = {row["first"]: (row["size_count"], row["size_sum"]) for row in sums}
        right = table.filter(pc.invert(is_deeper))
        is_folder = pc.equal(right["type"], manifest.FOLDER)
        return cls(right.filter(is_folder), below, right.filter(pc.invert(is_folder)))


class ItemLevel(Struct, frozen=True):
    """What lies right in a folder.

    listing: the items at that moment, at any depth · folder: whose level it is, empty for the top, which has the kinds ·
    folders: by their names; those without a row of their own only lead to what was asked for · below: of each folder how many
    items are below it, and their bytes · others: rows of files and links, by path.
    """

    listing: ItemListing
    folder: bytes
    folders: Mapping[bytes, Item | None]
    below: Mapping[bytes, tuple[int, int]]
    others: pa.Table

    @classmethod
    def of(cls, listing: ItemListing, folder: bytes) -> ItemLevel:
        """The level of a folder."""
        from strongroom.items import items_of

        split = SplitLevel.of(listing.selection.table, folder)
        begin = len(folder) + 1 if folder else 0
        rows = {one.path[begin:]: one for one in items_of(split.folders)}
        folders = {name: rows.get(name) for name in sorted(rows.keys() | split.below.keys())}
        return cls(listing, folder, folders, split.below, split.others)

    @property
    def total(self) -> int:
        """How many entries there are."""
        return len(self.folders) + int(self.others.num_rows)

    def entries(self, most: int | None = None) -> Iterator[LevelEntry]:
        """Folders first, each by name. most: only so many."""
        return islice(self._entries(most), most)

    def _entries(self, most: int | None) -> Iterator[LevelEntry]:
        from strongroom.items import items_of

        for name, item in self.folders.items():
            items, size = self.below.get(name, (0, 0))
            yield LevelEntry(name, self.folder + b"/" + name if self.folder else name, items, size, item)
        for item in items_of(self.others if most is None else self.others.slice(0, most)):
            yield LevelEntry(self._name(item.path), item.path, None, item.size, item)

    def _name(self, path: bytes) -> bytes:
        return path[len(self.folder) + 1 :] if self.folder else path

    def as_json(self, most: int | None = None) -> dict[str, Any]:
        """For `--json`. most: entries that are listed."""
        return {
            "project": self.listing.project,
            "folder": printable(self.folder),
            "total": self.total,
            "entries": [self._entry_as_json(one) for one in self.entries(most)],
        }

    def _entry_as_json(self, one: LevelEntry) -> dict[str, Any]:
        known = {"path": printable(one.path), "type": "folder"} if one.item is None else one.item.as_json(self.listing.zone)
        counts = {"items": one.items, "bytes": one.bytes} if one.is_folder else {}
        return {"name": printable(one.name)} | known | counts


def level_of(listing: ItemListing, patterns: Sequence[str]) -> ItemLevel:
    """The level that patterns mean: of a folder that is named, its own; of a file, that of its folder; of a glob, that of the
    folder in front of its first joker; of several, that of the folder that has them all."""
    folders = [_folder(listing, pattern) for pattern in patterns]
    common = folders[0] if folders else []
    for other in folders[1:]:
        same = [one == two for one, two in zip(common, other, strict=False)]
        common = common[: same.index(False) if False in same else len(same)]
    return ItemLevel.of(listing, b"/".join(common))


def _folder(listing: ItemListing, pattern: str) -> list[bytes]:
    """The parts of the folder whose level a pattern means."""
    import pyarrow.compute as pc

    fixed: list[bytes] = []
    for part in pattern.strip("/").split("/"):
        if _GLOB.search(part):
            break
        fixed.append(part.encode("utf-8", "surrogateescape"))
    paths = listing.selection.table["path"]
    while fixed:
        inside = pc.any(pc.starts_with(paths, pattern=b"/".join(fixed) + b"/")).as_py()
        if inside or pc.any(_is_folder(listing, b"/".join(fixed))).as_py():
            break
        fixed.pop()
    return fixed


def _is_folder(listing: ItemListing, path: bytes) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    from vault.format import manifest

    table = listing.selection.table
    is_it = pc.equal(table["path"], pa.scalar(path, pa.binary()))
    return pc.and_(is_it, pc.equal(table["type"], manifest.FOLDER))
