"""zstd dictionaries for small similar files: compressed apart, they then take as little room as together.

A dictionary is made of pieces of the content, so it is content: it lies in a pack that only a read capability opens. A
writer cannot fetch an old one back; it trains one when a run brings enough new small files for the training to pay.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from vault.format import frames
from vault.format.chunks import chunk_id

SMALL = 128 * 1024
"""Bytes up to which a file may gain from a dictionary; above, its own content teaches the compressor enough."""

FEWEST_FILES = 400
FEWEST_BYTES = 4 * 1024 * 1024
"""What a group needs for the training to pay: below, the dictionary itself would eat the gain."""

SAMPLES = 200
SAMPLE = 16 * 1024
DICTIONARY_SIZE = 64 * 1024
"""Files that are learnt from, bytes of each, and bytes of a dictionary. 10,000 reports of three formats: 100 samples 69.3 MB,
200 samples 69.0 MB in 0.08 s of processor time, 600 samples 69.0 MB in 0.23 s; 112 KiB a dictionary win nothing."""


class TrainedDictionary(Struct, frozen=True):
    """A dictionary: its chunk id, its bytes, and what zstd makes of them."""

    chunk: bytes
    data: bytes
    dictionary: frames.Dictionary


class FileGroup(Struct):
    """Files that are likely to resemble each other, those of one extension: how many, how large, and some of their
    paths, evenly spread however many there are."""

    files: int = 0
    size: int = 0
    stride: int = 1
    paths: list[bytes] = field(default_factory=list)

    def add(self, path: bytes, size: int) -> None:
        """One more."""
        if self.files % self.stride == 0:
            self.paths.append(path)
            if len(self.paths) > 2 * SAMPLES:
                del self.paths[1::2]
                self.stride *= 2
        self.files += 1
        self.size += size


def group_of(path: bytes) -> str:
    """The group of a file: its extension in lower case, "-" for none, so that "" can mean no group."""
    leaf = path.rpartition(b"/")[2]
    stem, dot, extension = leaf.rpartition(b".")
    return extension.lower().decode("ascii", "replace") if dot and stem else "-"


def groups_to_train(files: Iterable[tuple[bytes, int]]) -> dict[str, list[bytes]]:
    """Groups that deserve a dictionary, each with the paths to learn from. files: path and size of what will be read."""
    groups: dict[str, FileGroup] = {}
    for path, size in files:
        if 0 < size <= SMALL:
            groups.setdefault(group_of(path), FileGroup()).add(path, size)
    return {
        name: group.paths[:: max(1, len(group.paths) // SAMPLES)][:SAMPLES]
        for name, group in groups.items()
        if group.files >= FEWEST_FILES and group.size >= FEWEST_BYTES
    }


def train(samples: list[bytes], key: bytes) -> TrainedDictionary | None:
    """A dictionary out of samples, or None where they have nothing in common. key: the project's chunk-id key."""
    dictionary = frames.train([sample[:SAMPLE] for sample in samples if sample], DICTIONARY_SIZE)
    if dictionary is None:
        return None
    data = dictionary.as_bytes()
    return TrainedDictionary(chunk_id(key, data), data, dictionary)
