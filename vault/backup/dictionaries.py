"""zstd dictionaries for small similar files: compressed apart, they then take as little room as together.

A dictionary is made of pieces of the content, so it is content: it lies in a pack that only a read capability opens. A
writer cannot fetch an old one back; it trains one when a run brings enough new small files for the training to pay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vault.format import frames
from vault.format.chunks import chunk_id

SMALL = 128 * 1024
"""Bytes up to which a file may gain from a dictionary; above, its own content teaches the compressor enough."""

FEWEST_FILES = 400
FEWEST_BYTES = 4 * 1024 * 1024
"""What a group needs for the training to pay: below, the dictionary itself would eat the gain."""

SAMPLES = 400
DICTIONARY_SIZE = 112 * 1024


@dataclass(frozen=True, slots=True)
class Trained:
    """A dictionary: its chunk id, its bytes, and what zstd makes of them."""

    chunk: bytes
    data: bytes
    dictionary: frames.Dictionary


@dataclass(slots=True)
class Group:
    """Files that are likely to resemble each other: those of one extension."""

    files: int = 0
    size: int = 0


def group_of(path: bytes) -> str:
    """The group of a file: its extension in lower case, "-" for none, so that "" can mean no group."""
    leaf = path.rpartition(b"/")[2]
    stem, dot, extension = leaf.rpartition(b".")
    return extension.lower().decode("ascii", "replace") if dot and stem else "-"


def worth_training(files: Iterable[tuple[bytes, int]]) -> dict[str, list[bytes]]:
    """Groups that deserve a dictionary, each with the paths to learn from. files: path and size of what will be read."""
    groups: dict[str, Group] = {}
    paths: dict[str, list[bytes]] = {}
    for path, size in files:
        if 0 < size <= SMALL:
            name = group_of(path)
            group = groups.setdefault(name, Group())
            group.files += 1
            group.size += size
            paths.setdefault(name, []).append(path)
    return {
        name: paths[name][:: max(1, group.files // SAMPLES)][:SAMPLES]
        for name, group in groups.items()
        if group.files >= FEWEST_FILES and group.size >= FEWEST_BYTES
    }


def train(samples: list[bytes], key: bytes) -> Trained | None:
    """A dictionary out of samples, or None where they have nothing in common. key: the project's chunk-id key."""
    made = frames.train([sample for sample in samples if sample], DICTIONARY_SIZE)
    if made is None:
        return None
    data = made.as_bytes()
    return Trained(chunk_id(key, data), data, made)
