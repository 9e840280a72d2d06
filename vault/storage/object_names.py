"""The one grammar of object names, for every store, on the way in and on the way out.

    name = part *( "/" part )        at most 200 characters
    part = 1*( a-z / 0-9 / "." / "_" / "-" )        but neither "." nor ".."

It is what the narrowest store known to us can hold and list, and no such name can climb out of a folder. What a listing
finds under a name that is not in this grammar is not ours and is left out.
"""

from __future__ import annotations

import re

from vault.errors import StorageError

LONGEST_NAME = 200
"""Characters; a single part is thereby under the 255 bytes that file systems and SeaweedFS allow."""

_PART = re.compile(r"(?!\.{1,2}\Z)[a-z0-9._-]+\Z")
_NAME = re.compile(r"(?!(?:.*/)?\.{1,2}(?:/|\Z))[a-z0-9._-]+(?:/[a-z0-9._-]+)*\Z")


def is_part(text: str) -> bool:
    """Whether `text` can stand between two slashes of a name."""
    return len(text) <= LONGEST_NAME and _PART.match(text) is not None


def is_name(text: str) -> bool:
    """Whether `text` is the name of an object that could be ours."""
    return len(text) <= LONGEST_NAME and _NAME.match(text) is not None


def validate(name: str) -> str:
    """The name itself, if it is one. Raises `StorageError`."""
    if not is_name(name):
        raise StorageError(f"{name[: LONGEST_NAME + 1]!r} cannot be the name of a stored object")
    return name


def validate_folder(folder: str) -> str:
    """The folder itself, if it is "" (everything) or a name without a slash at its end. Raises `StorageError`."""
    if folder and not is_name(folder):
        raise StorageError(f"{folder[: LONGEST_NAME + 1]!r} cannot be the name of a folder in the store")
    return folder
