"""Setting what an item has beside its content: owner, extended attributes, mode, times; in this order.

Changing the owner clears set-id bits and capabilities, so it comes first; a file that its owner may not write takes no
attributes, so the mode comes after them; everything touches the times, so they come last.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

_ROOT_ONLY = (b"security.", b"trusted.")
_SET_ID = stat.S_ISUID | stat.S_ISGID


class Attributes(NamedTuple):
    """What to set; None leaves what the system gave. mode: permission bits (0o7777) · mtime_ns: nanoseconds since 1970,
    set as atime too · uid, gid: numbers on this machine, used only by root · extended: (name, value) pairs."""

    mode: int | None = None
    mtime_ns: int | None = None
    uid: int | None = None
    gid: int | None = None
    extended: tuple[tuple[bytes, bytes], ...] = ()


def apply(descriptor: int, wanted: Attributes, *, is_root: bool) -> list[str]:
    """Set `wanted` on an open file or folder; what could not be set comes back as words for people.

    Without root, owners and the attributes `security.*` and `trusted.*` cannot be set; that is normal and said by no
    word, and set-id bits, which would then speak for somebody else, are dropped. What is right already is not set again:
    a look costs a tenth of a change. Raises nothing."""
    failed: list[str] = []
    standing = os.fstat(descriptor)
    owned = wanted.uid in {None, standing.st_uid} and wanted.gid in {None, standing.st_gid}
    settled = owned and not wanted.extended  # an access list is part of the mode
    if not owned:
        owned = _own(descriptor, wanted, failed, is_root=is_root)
    for name, value in wanted.extended:
        if is_root or not name.startswith(_ROOT_ONLY):
            _extend(descriptor, name, value, failed)
    try:
        if wanted.mode is not None and not (settled and stat.S_IMODE(standing.st_mode) == wanted.mode):
            os.fchmod(descriptor, wanted.mode & (0o7777 if owned else ~_SET_ID & 0o7777))
    except OSError as error:
        failed.append(f"mode {wanted.mode:o} ({error.strerror})")
    try:
        if wanted.mtime_ns is not None:
            os.utime(descriptor, ns=(wanted.mtime_ns, wanted.mtime_ns))
    except (OSError, OverflowError) as error:
        failed.append(f"the time of modification ({error})")
    return failed


def first_mode(wanted: Attributes) -> int:
    """What a file may be created with: the bits that it will have where it will belong to whom it does at once, else 0600."""
    ours = wanted.uid in {None, os.geteuid()} and wanted.gid in {None, os.getegid()}
    return wanted.mode & 0o777 if ours and wanted.mode is not None else 0o600


def _own(descriptor: int, wanted: Attributes, failed: list[str], *, is_root: bool) -> bool:
    """Whether the item belongs to whom it should afterwards."""
    uid = -1 if wanted.uid is None else wanted.uid
    gid = -1 if wanted.gid is None else wanted.gid
    if not is_root:
        return uid in {-1, os.geteuid()} and gid in {-1, os.getegid()}
    try:
        os.fchown(descriptor, uid, gid)
    except (OSError, OverflowError) as error:
        failed.append(f"owner {uid}:{gid} ({error})")
        return False
    return True


def _extend(descriptor: int, name: bytes, value: bytes, failed: list[str]) -> None:
    label = name.decode("utf-8", "backslashreplace")
    if not hasattr(os, "setxattr"):
        failed.append(f"the attribute {label} (not on this platform)")
        return
    try:
        os.setxattr(descriptor, name, value)
    except (OSError, ValueError) as error:
        failed.append(f"the attribute {label} ({error})")


def apply_to_link(parent: int, name: bytes, wanted: Attributes, *, is_root: bool) -> list[str]:
    """Set owner and time of a symbolic link; its mode means nothing, and it takes no users' attributes."""
    failed: list[str] = []
    try:
        if is_root and (wanted.uid is not None or wanted.gid is not None):
            uid = -1 if wanted.uid is None else wanted.uid
            gid = -1 if wanted.gid is None else wanted.gid
            os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
        if wanted.mtime_ns is not None:
            os.utime(name, ns=(wanted.mtime_ns, wanted.mtime_ns), dir_fd=parent, follow_symlinks=False)
    except (OSError, OverflowError) as error:
        failed.append(f"owner or time of the link ({error})")
    return failed
