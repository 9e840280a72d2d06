"""`strongroom.json`: what everybody may know of a repository, and what every client must know before it touches it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal, cast

from msgspec import Struct, field

from vault.errors import Damaged, Unstorable, UnsupportedFormat
from vault.format import strict_json
from vault.format.chunks import ChunkerParams
from vault.format.layout import is_id
from vault.format.strict_json import count, load, moment, write_moment

FORMAT = 1
"""The number of the stored format that this version writes."""

INFLATED = "inflated"
"""Frames may hold a file in its inflated form, and a pack may hold frames of several dictionaries."""

EPOCHS = "epochs"
"""Keys are granted by signed statements and may be rotated; key objects say what the descriptor is, and lie in two places."""

ERASURES = "erasures"
"""A project may have been erased: what is said of that under `erasures/` counts, whatever else lies in the store."""

KNOWN_FEATURES = frozenset({INFLATED, EPOCHS, ERASURES})
"""Required features that this version knows; a repository that requires another one is refused by name."""

LARGEST_DESCRIPTOR = 64 * 1024
LARGEST_PACK = 64 * 1024 * 1024
WHAT = "the repository's descriptor (strongroom.json)"

CONTENT_CUTTING = ChunkerParams(256 * 1024, 1024 * 1024, 4 * 1024 * 1024)
META_CUTTING = ChunkerParams(16 * 1024, 64 * 1024, 256 * 1024)
"""What a new repository gets."""

Checksum = Literal["sha256", "md5", "both"]


class FormatLimits(Struct, frozen=True):
    """Sizes that small tests shrink to meet big cases.

    pack: bytes of frames after which a pack is closed.
    """

    pack: int = 32 * 1024 * 1024


class Trust(Struct, frozen=True):
    """What a probe has shown of the store that holds the repository.

    create_once: whether `create` keeps its promise in a race · checksum: what the store verifies at upload.
    """

    create_once: bool = False
    checksum: Checksum = "both"


class Descriptor(Struct, frozen=True):
    """The public description. content, meta: how the two kinds of content are cut."""

    repository: str
    created: datetime
    content: ChunkerParams = CONTENT_CUTTING
    meta: ChunkerParams = META_CUTTING
    limits: FormatLimits = field(default_factory=FormatLimits)
    trust: Trust = field(default_factory=Trust)
    features: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """As stored: JSON for people too. Raises `Unstorable` where no reader would take it."""
        value: dict[str, Any] = {
            "format": FORMAT,
            "features": list(self.features),
            "repository": self.repository,
            "created": write_moment(self.created),
            "chunking": {"content": self.content.as_json(), "meta": self.meta.as_json()},
            "limits": {"pack": self.limits.pack},
            "store": {"create_once": self.trust.create_once, "checksum": self.trust.checksum},
            "about": "A Strongroom repository. Every other object here is an age file; docs/format.md tells how to read them.",
        }
        data = json.dumps(value, indent=2).encode() + b"\n"
        try:
            Descriptor.decode(data)
        except Damaged as error:
            raise Unstorable(f"a descriptor like that could not be read again: {error}") from error
        except UnsupportedFormat:
            pass  # by name, by a version that does not know the feature
        return data

    @classmethod
    def decode(cls, data: bytes) -> Descriptor:
        """Read back. Raises `UnsupportedFormat` for newer formats and unknown features, by name, else `Damaged`."""
        value = load(data, WHAT, largest=LARGEST_DESCRIPTOR)
        _refuse_newer(value)
        chunking = strict_json.field(value, "chunking", dict, WHAT)
        store = strict_json.field(value, "store", dict, WHAT)
        checksum = strict_json.field(store, "checksum", str, WHAT)
        repository = strict_json.field(value, "repository", str, WHAT)
        pack = count(strict_json.field(value, "limits", dict, WHAT), "pack", WHAT)
        if checksum not in ("sha256", "md5", "both") or not is_id(repository) or not 1 <= pack <= LARGEST_PACK * 3 // 4:
            raise Damaged(f"{WHAT} holds an invalid value")
        return cls(
            repository=repository,
            created=moment(value, "created", WHAT),
            content=ChunkerParams.from_json(strict_json.field(chunking, "content", dict, WHAT), WHAT),
            meta=ChunkerParams.from_json(strict_json.field(chunking, "meta", dict, WHAT), WHAT),
            limits=FormatLimits(pack=pack),
            trust=Trust(strict_json.field(store, "create_once", bool, WHAT), cast(Checksum, checksum)),
            features=tuple(str(name) for name in strict_json.field(value, "features", list, WHAT)),
        )


def _refuse_newer(value: dict[str, Any]) -> None:
    """A reader that guesses at a format that it does not know does harm."""
    number = count(value, "format", WHAT)
    if number > FORMAT:
        raise UnsupportedFormat(f"this repository has format {number}; this version of Strongroom reads up to {FORMAT}")
    if number < 1:
        raise Damaged(f"{WHAT} has format {number}, which never was")
    unknown = {str(name) for name in strict_json.field(value, "features", list, WHAT)} - KNOWN_FEATURES
    if unknown:
        raise UnsupportedFormat(
            f"this repository requires {', '.join(map(repr, sorted(unknown)))}, which this version of Strongroom does not know"
        )
