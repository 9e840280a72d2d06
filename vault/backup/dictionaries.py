"""zstd dictionaries for small similar files: compressed apart, they then take as little room as together.

A dictionary is made of pieces of the content, so it is content: it lies in a pack that only a read capability opens. A
writer cannot fetch an old one back; it trains one when a run brings enough new small files for the training to pay, and keeps
it on this machine for the runs that bring less: of 300 changed reports 1.2 MB are stored without one, and 0.8 MB with it.

    file of a source    age, sealed to the project's catalogue: msgpack, for each group its name, the chunk, the dictionary
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from blake3 import blake3
from msgspec import Struct, field

from vault.errors import Damaged
from vault.format import frames
from vault.format.chunks import chunk_id
from vault.format.inflated import inflated

if TYPE_CHECKING:
    from pathlib import Path

    from vault.repository.project import Project

SMALL = 128 * 1024
"""Bytes up to which a file may gain from a dictionary; above, its own content teaches the compressor enough."""

FEWEST_FILES = 24
FEWEST_BYTES = 192 * 1024
"""What a group needs to be tried. 30 of the benchmark's reports take, their dictionary included: 101 KB of 132 (CSV), 65 of 91
(JSON), 461 of 495 (XLSX); 133 of them 484 KB of 633, 294 of 422, 2,078 of 2,258, for 0.02 s of training each."""

LARGE_FILES = 400
LARGE_BYTES = 4 * 1024 * 1024
"""From here on a group has packs of its own. The frames of smaller ones lie in one pack, and their dictionaries with them."""

SAMPLES = 400
SAMPLE = 8 * 1024
FORM_SAMPLE = 16 * 1024
DICTIONARY_SIZE = 24 * 1024
"""Files that are learnt from, bytes of each, those of an inflated form, and bytes of a dictionary. 13,400 CSV and JSON reports:
37.5 MB; 37.8 from 200 samples of 16 KiB; with dictionaries of 16, 48 and 112 KiB 37.6 to 37.9."""

PACKED_HEAD, PACKED_TAIL = 2048, 1024
"""What is learnt from of files that are compressed already: names, sizes and styles at the beginning and at the end, and not
the noise between. 6,600 workbooks of 110 MB: 98.4 MB where whole samples, in pieces as large as text's, give 99.4."""

PROBED = 8
"""Samples that tell whether files are compressed already: they shrink by less than a fifth."""

MOST_KEPT = 64
"""Dictionaries of a source that are kept."""


class TrainedDictionary(Struct, frozen=True):
    """A dictionary: its chunk id, its bytes, and what zstd makes of them. has_packs: whether the frames that need it lie in
    packs of their own."""

    chunk: bytes
    data: bytes
    dictionary: frames.Dictionary
    has_packs: bool = True


def inflated_group(name: str) -> str:
    """The group of the inflated forms of a group's files. No extension has a slash in it."""
    return f"{name}/inflated"


def file_group(name: str) -> str:
    """The group of files that a dictionary's name is about: its own, or that of which it has the inflated forms."""
    return name.partition("/")[0]


class TrainingGroup(NamedTuple):
    """A group that may deserve a dictionary. paths: to learn from · is_large: whether it has packs of its own."""

    paths: list[bytes]
    is_large: bool


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


def groups_of(files: Iterable[tuple[bytes, int]]) -> dict[str, FileGroup]:
    """The groups of those that may gain from a dictionary. files: path and size of what will be read."""
    groups: dict[str, FileGroup] = {}
    for path, size in files:
        if 0 < size <= SMALL:
            groups.setdefault(group_of(path), FileGroup()).add(path, size)
    return groups


def groups_to_train(groups: Mapping[str, FileGroup], *, large_only: bool = False) -> dict[str, TrainingGroup]:
    """Groups that may deserve a new dictionary. large_only: where a pack has one dictionary, and small groups would be packs of
    their own for ever."""
    found = {
        name: TrainingGroup(
            group.paths[:: max(1, len(group.paths) // SAMPLES)][:SAMPLES],
            group.files >= LARGE_FILES and group.size >= LARGE_BYTES,
        )
        for name, group in groups.items()
        if group.files >= FEWEST_FILES and group.size >= FEWEST_BYTES
    }
    return {name: one for name, one in found.items() if one.is_large or not large_only}


def train_group(
    name: str, samples: list[bytes], key: bytes, *, is_large: bool, inflates: bool = False
) -> dict[str, TrainedDictionary]:
    """The dictionaries of a group, by name: its own, and where `inflates` says that inflated forms are stored, that of its
    forms. key, is_large: as for `train`."""
    forms = {place: form for place, sample in enumerate(samples) if inflates and (form := inflated(sample)) is not None}
    plain = [sample for place, sample in enumerate(samples) if place not in forms]
    inflated_forms = list(forms.values())
    enough = len(inflated_forms) >= FEWEST_FILES
    made = {
        name: train(plain, key, is_large=is_large) if len(plain) >= FEWEST_FILES or not forms else None,
        inflated_group(name): train(inflated_forms, key, is_large=is_large, most=FORM_SAMPLE) if enough else None,
    }
    return {group: one for group, one in made.items() if one is not None}


def train(samples: list[bytes], key: bytes, *, is_large: bool = True, most: int = SAMPLE) -> TrainedDictionary | None:
    """A dictionary out of samples, or None where they have nothing in common, or where a small group does not win what its
    dictionary takes. key: the project's chunk-id key · most: bytes of a sample that are learnt from."""
    if _are_packed(samples):
        ends = [sample[:PACKED_HEAD] + sample[PACKED_HEAD:][-PACKED_TAIL:] for sample in samples if sample]
        dictionary = frames.train(ends, DICTIONARY_SIZE, segment=frames.PACKED_SEGMENT)
    else:
        dictionary = frames.train([sample[:most] for sample in samples if sample], DICTIONARY_SIZE)
    if dictionary is None:
        return None
    data = dictionary.as_bytes()
    if not is_large and not _pays(samples, dictionary, data):
        return None
    return TrainedDictionary(chunk_id(key, data), data, dictionary, is_large)


def _are_packed(samples: list[bytes]) -> bool:
    """Whether they are compressed already."""
    probed, plain = samples[:: max(1, len(samples) // PROBED)], frames.Compressor()
    return sum(len(plain.frame(sample)) for sample in probed) * 5 > sum(map(len, probed)) * 4


def _pays(samples: list[bytes], dictionary: frames.Dictionary, data: bytes) -> bool:
    """Whether the samples take less room with the dictionary, its own included, than without."""
    plain, taught = frames.Compressor(), frames.Compressor(dictionary)
    alone = sum(len(plain.frame(sample)) for sample in samples)
    return sum(len(taught.frame(sample)) for sample in samples) + len(plain.frame(data)) < alone


class KeptDictionaries:
    """The dictionaries of a source in a file of the cache. folder: of the repository's cache · compression: each has its own,
    since they are of other forms."""

    def __init__(
        self, project: Project, source: str, folder: Path, compression: frames.Compression = frames.Compression.FAST
    ) -> None:
        from vault.repository.state_files import StateFiles  # worker processes, which need what is above, keep nothing

        self._project = project
        self._files = StateFiles(folder, project.services.randomness)
        about = f"{compression.value} {source}".encode()
        name = blake3(about, key=project.capability.chunk_id_key).hexdigest(length=16)
        self._file = folder / "dictionaries" / project.id / name

    def load(self) -> dict[str, TrainedDictionary]:
        """By group; nothing where there is no file that can be used."""
        key = self._project.capability.chunk_id_key
        try:
            with self._file.open("rb") as file:
                sealed = file.read(2 * MOST_KEPT * DICTIONARY_SIZE)
            os.utime(self._file)  # the cache is thinned by last use
            rows = msgspec.msgpack.decode(self._project.open_catalogue(sealed), type=list[tuple[str, bytes, bytes]])
            whole = [row for row in rows if chunk_id(key, row[2]) == row[1]]
            return {name: TrainedDictionary(chunk, data, frames.dictionary(data)) for name, chunk, data in whole}
        except (OSError, Damaged, msgspec.DecodeError):
            return {}

    def save(self, found: Mapping[str, TrainedDictionary]) -> None:
        """Keep these, the first ones if they are many. A cache that cannot be written is no failure."""
        rows = [(name, one.chunk, one.data) for name, one in found.items()][:MOST_KEPT]
        self._files.write_file(self._file, self._project.seal_catalogue(msgspec.msgpack.encode(rows)))
