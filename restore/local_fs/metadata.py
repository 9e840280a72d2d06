"""Setting what an item has beside its content: owner, extended attributes, mode, times; in this order. And comparing it.

Changing the owner clears set-id bits and capabilities, so it comes first; a file that its owner may not write takes no
attributes, so the mode comes after them; everything touches the times, so they come last.

A folder may hand its access lists on to what is made in it: what the snapshot does not have is removed again.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import NamedTuple

from vault.source.attributes import SHOWN

_ROOT_ONLY = (b"security.", b"trusted.")
_SET_ID = stat.S_ISUID | stat.S_ISGID
ACCESS_LISTS = ("system.posix_acl_access", "system.posix_acl_default")
_CAPABILITY = "security.capability"
_STEPS = (1, 100, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000)
"""Nanoseconds: what file systems count times in (ext4, NTFS, UDF, some servers, ext3, FAT)."""

_HELD_EVERYWHERE = (1 << 31) * 1_000_000_000
"""Nanoseconds since 1970: up to here, every file system has room for a time."""


class Attributes(NamedTuple):
    """What to set; None leaves what the system gave. mode: permission bits (0o7777) · mtime_ns: nanoseconds since 1970,
    set as atime too · uid, gid: numbers on this machine; without root only a group of one's own is set · extended: (name,
    value) pairs, all that the item shall have of the users' attributes and access lists."""

    mode: int | None = None
    mtime_ns: int | None = None
    uid: int | None = None
    gid: int | None = None
    extended: tuple[tuple[bytes, bytes], ...] | None = None


def apply(descriptor: int, wanted: Attributes, *, is_root: bool) -> list[str]:
    """Set `wanted` on an open file or folder; what could not be set comes back as words for people.

    Without root, owners and the attributes `security.*` and `trusted.*` cannot be set; that is normal and said by no
    word, and set-id bits, which would then speak for somebody else, are dropped. What is right already is not set again:
    a look costs a tenth of a change. Raises nothing."""
    failed: list[str] = []
    standing = os.fstat(descriptor)
    owned = _is_owned(standing, wanted)
    if not owned:
        owned = _own(descriptor, standing, wanted, failed, is_root=is_root)
        standing = os.fstat(descriptor)
    if wanted.extended is not None and _extend(descriptor, standing, wanted.extended, failed, is_root=is_root):
        standing = os.fstat(descriptor)  # an access list is part of the mode
    try:
        if wanted.mode is not None and stat.S_IMODE(standing.st_mode) != _mode(wanted.mode, owned=owned):
            os.fchmod(descriptor, _mode(wanted.mode, owned=owned))
    except OSError as error:
        failed.append(f"mode {wanted.mode:o} ({error.strerror})")
    try:
        if wanted.mtime_ns is not None:
            os.utime(descriptor, ns=(wanted.mtime_ns, wanted.mtime_ns))
            if not 0 <= wanted.mtime_ns < _HELD_EVERYWHERE and not _is_time(os.fstat(descriptor).st_mtime_ns, wanted.mtime_ns):
                failed.append("the time of modification (the file system does not hold it, and keeps another one)")
    except (OSError, OverflowError) as error:
        failed.append(f"the time of modification ({error})")
    return failed


def differences(descriptor: int, wanted: Attributes, *, is_root: bool) -> tuple[str, ...]:
    """What of `wanted` an open file or folder does not have, and what it has too much, in words for people; without what
    `apply` would not set either. Raises OSError."""
    standing = os.fstat(descriptor)
    found = []
    if is_root and not _is_owned(standing, wanted):
        found.append(f"owner {standing.st_uid}:{standing.st_gid}")
    elif wanted.gid not in {None, standing.st_gid} and standing.st_uid == os.geteuid() and _is_in_group(wanted.gid or 0):
        found.append(f"group {standing.st_gid}")
    owned = is_root or _is_owned(standing, wanted)
    if wanted.mode is not None and stat.S_IMODE(standing.st_mode) != _mode(wanted.mode, owned=owned):
        found.append(f"mode {stat.S_IMODE(standing.st_mode):o}")
    if wanted.extended is not None:
        wrong, spare = _extended_changes(descriptor, wanted.extended, is_root=is_root)
        found += [f"attribute {name.decode('utf-8', 'backslashreplace')}" for name in (*dict(wrong), *map(os.fsencode, spare))]
    if wanted.mtime_ns is not None and not _is_time(standing.st_mtime_ns, wanted.mtime_ns):
        found.append("time of modification")
    return tuple(found)


def first_mode(wanted: Attributes) -> int:
    """What a file may be created with: the bits that it will have where it will belong to whom it does at once, else 0600."""
    ours = wanted.uid in {None, os.geteuid()} and wanted.gid in {None, os.getegid()}
    return wanted.mode & 0o777 if ours and wanted.mode is not None else 0o600


def hands_on(folder: int) -> bool:
    """Whether what is made in an open folder gets access lists from it; True where nobody can say."""
    if not hasattr(os, "getxattr"):
        return False
    try:
        os.getxattr(folder, ACCESS_LISTS[1])
    except OSError as error:
        return error.errno not in {errno.ENODATA, errno.ENOTSUP}
    return True


def drop_inherited(descriptor: int) -> None:
    """Take the access lists off something new that the folder above handed on, before anything is in it."""
    with suppress(OSError):
        names = os.listxattr(descriptor) if hasattr(os, "listxattr") else []
        for name in names:
            if name in ACCESS_LISTS:
                os.removexattr(descriptor, name)


def _is_time(standing: int, wanted: int) -> bool:
    """Whether a time of modification is the one that was set, or as much of it as the file system keeps: some cut it off."""
    return any(wanted // step * step == standing for step in _STEPS)


def _mode(mode: int, *, owned: bool) -> int:
    return mode & (0o7777 if owned else ~_SET_ID & 0o7777)


def _is_owned(status: os.stat_result, wanted: Attributes) -> bool:
    return wanted.uid in {None, status.st_uid} and wanted.gid in {None, status.st_gid}


def _is_in_group(gid: int) -> bool:
    return gid == os.getegid() or gid in os.getgroups()


def _own(descriptor: int, standing: os.stat_result, wanted: Attributes, failed: list[str], *, is_root: bool) -> bool:
    """Whether the item belongs to whom it should afterwards."""
    uid = -1 if wanted.uid is None else wanted.uid
    gid = -1 if wanted.gid is None else wanted.gid
    if not is_root:
        if gid not in {-1, standing.st_gid} and _is_in_group(gid):
            with suppress(OSError):
                os.fchown(descriptor, -1, gid)  # a folder may have handed another one on
        return _is_owned(os.fstat(descriptor), wanted)
    try:
        os.fchown(descriptor, uid, gid)
    except (OSError, OverflowError) as error:
        failed.append(f"owner {uid}:{gid} ({error})")
        return False
    return True


def _extended_changes(
    descriptor: int, wanted: tuple[tuple[bytes, bytes], ...], *, is_root: bool
) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    """The attributes that must be set, and the names of those that must go. What the interface of a server showed is nothing
    that a file system holds."""
    wanted = tuple(pair for pair in wanted if not pair[0].startswith(SHOWN))
    names: set[str] = set()
    with suppress(OSError):
        names = set(os.listxattr(descriptor)) if hasattr(os, "listxattr") else set()
    if not names and not wanted:
        return [], []
    wrong = []
    for name, value in wanted:
        if is_root or not name.startswith(_ROOT_ONLY):
            text = os.fsdecode(name)
            try:
                stands = text in names and os.getxattr(descriptor, text) == value
            except OSError:
                stands = False
            if not stands:
                wrong.append((name, value))
    known = {os.fsdecode(name) for name, _ in wanted}
    return wrong, sorted(name for name in names - known if _removable(name, is_root=is_root))


def _removable(name: str, *, is_root: bool) -> bool:
    """Whether an attribute is a user's or an access list: what the system itself keeps there stays."""
    return name in ACCESS_LISTS or name.startswith("user.") or (is_root and name == _CAPABILITY)


def _extend(
    descriptor: int, standing: os.stat_result, wanted: tuple[tuple[bytes, bytes], ...], failed: list[str], *, is_root: bool
) -> bool:
    """Make the extended attributes what they should be; whether anything had to be changed."""
    wrong, spare = _extended_changes(descriptor, wanted, is_root=is_root)
    if not wrong and not spare:
        return False
    if not is_root and not standing.st_mode & stat.S_IWUSR:
        with suppress(OSError):
            os.fchmod(descriptor, stat.S_IMODE(standing.st_mode) | stat.S_IWUSR)
    for text in spare:
        try:
            os.removexattr(descriptor, text)
        except OSError as error:
            failed.append(f"the absence of the attribute {os.fsencode(text).decode('utf-8', 'backslashreplace')} ({error})")
    for name, value in wrong:
        _set(descriptor, name, value, failed)
    return True


def _set(descriptor: int, name: bytes, value: bytes, failed: list[str]) -> None:
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
