"""Where this machine keeps what it has read of a store: a folder for each store below the cache.

A repository's folder bears its id. A copy of it has the same id and other objects: each store has a folder of its own, so that
what one of them has lost or deleted is not taken for the other's. The folder with the bare id belongs to the store that was
opened first; others add a part of their address's digest.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from blake3 import blake3

from strongroom import environment
from vault.randomness import Randomness

OWNER = "store"
"""The file in a folder that says whose it is: the digest of an address, in hex."""

NAME = re.compile(r"(?P<repository>[0-9a-f]{32})(-[0-9a-f]{8})?\Z")
_DIGITS = 32


def chosen(repository: str, place: str, randomness: Randomness, *, copy: bool) -> Path:
    """The folder of a store. place: its address, with the endpoint · copy: it is a copy by the settings: then a folder that is
    nobody's yet is left to the first store. A cache that cannot be written is no failure."""
    folder, digest = environment.cache_folder() / repository, blake3(place.encode()).hexdigest()[:_DIGITS]
    if not copy and _owner(folder) is None:
        _own(folder, digest, randomness)
    return folder if _owner(folder) in ((digest,) if copy else (digest, None)) else of_another(repository, place)


def known(repository: str, place: str) -> Path:
    """The same, without owning anything: for whoever only looks."""
    folder = environment.cache_folder() / repository
    return folder if _owner(folder) in (blake3(place.encode()).hexdigest()[:_DIGITS], None) else of_another(repository, place)


def of_another(repository: str, place: str) -> Path:
    """The folder of a store beside the one that has the bare name."""
    return environment.cache_folder() / f"{repository}-{blake3(place.encode()).hexdigest()[:8]}"


def _owner(folder: Path) -> str | None:
    try:
        with (folder / OWNER).open("rb") as file:
            return file.read(_DIGITS).decode("ascii", "replace")
    except OSError:
        return None


def _own(folder: Path, digest: str, randomness: Randomness) -> None:
    """Of two that want it at once, one gets it."""
    new = folder / f"{OWNER}.{randomness.token(4).hex()}"
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                out.write(digest)
            os.link(new, folder / OWNER)
        finally:
            new.unlink(missing_ok=True)
