"""What a file has beside its content: extended attributes (POSIX ACLs among them) and its owner's names.

Sources that are no folders show other things beside a content: who owns it on its server, who may read it, its content type.
They are kept in the same place, under names that begin with `SHOWN`; no file system is given them.

Linux hands ACLs out as the attributes `system.posix_acl_access` and `system.posix_acl_default`. Attributes that this
process may not see, or a file system that has none, are not an error: there is nothing to keep then.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

LARGEST_VALUE = 64 * 1024
LARGEST_TOTAL = 1024 * 1024
"""Bytes of one value (the Linux kernel's own limit), and of all names and values of one item."""


SHOWN = b"source."
"""What the names of attributes begin with that a source's interface shows, such as `source.webdav.owner-id`."""


class Extended(NamedTuple):
    """values: (name, value), sorted by name · left_out: names whose values are too large to be kept, `*` for all."""

    values: tuple[tuple[bytes, bytes], ...]
    left_out: tuple[bytes, ...]


NOTHING = Extended((), ())
_TOO_LARGE = {errno.E2BIG, errno.ERANGE}
"""What the kernel says of more than it hands out: 64 KiB of names, or of a value."""


def shown(kind: str, pairs: Iterable[tuple[str, str]]) -> Extended:
    """What the interface of a kind of source shows beside a content, as attributes, within their bounds. pairs: name and value;
    an empty value says nothing."""
    values: list[tuple[bytes, bytes]] = []
    left_out: list[bytes] = []
    room = LARGEST_TOTAL
    for name, text in sorted(pairs):
        whole = SHOWN + f"{kind}.{name}".encode("utf-8", "surrogateescape")
        value = text.encode("utf-8", "surrogateescape")
        room -= len(whole) + len(value)
        if room < 0 or len(value) > LARGEST_VALUE:
            left_out.append(whole if len(whole) <= LARGEST_VALUE else b"*")
        elif value:
            values.append((whole, value))
    return Extended(tuple(values), tuple(left_out))


if hasattr(os, "listxattr"):

    def extended(descriptor: int) -> Extended:
        """The extended attributes of an open file or folder; `NOTHING` where there are none or none may be seen."""
        try:
            names = os.listxattr(descriptor)
        except OSError as error:
            return Extended((), (b"*",)) if error.errno in _TOO_LARGE else NOTHING
        if not names:
            return NOTHING
        return _values(descriptor, sorted(os.fsencode(name) for name in names))

    def _values(descriptor: int, names: list[bytes]) -> Extended:
        values: list[tuple[bytes, bytes]] = []
        left_out: list[bytes] = []
        room = LARGEST_TOTAL
        for name in names:
            try:
                value = os.getxattr(descriptor, name)
            except OSError as error:
                if error.errno in _TOO_LARGE:
                    left_out.append(name)
                continue  # else it is gone meanwhile, or not for our eyes
            room -= len(name) + len(value)
            if len(value) > LARGEST_VALUE or room < 0:
                left_out.append(name)
            else:
                values.append((name, value))
        return Extended(tuple(values), tuple(left_out))

else:

    def extended(descriptor: int) -> Extended:
        """This platform offers none."""
        return NOTHING


class OwnerNames(Protocol):
    """Names of users and groups by their numbers; None where a number has none."""

    def user(self, uid: int) -> str | None: ...

    def group(self, gid: int) -> str | None: ...


class GivenOwners:
    """Names that a server has told: its numbers mean nothing on this machine."""

    def __init__(self, users: Mapping[int, str], groups: Mapping[int, str]) -> None:
        self._users = users
        self._groups = groups

    def user(self, uid: int) -> str | None:
        return self._users.get(uid)

    def group(self, gid: int) -> str | None:
        return self._groups.get(gid)


class Owners:
    """Names of users and groups, each looked up once. None where the number has no name here."""

    def __init__(self) -> None:
        self._users: dict[int, str | None] = {}
        self._groups: dict[int, str | None] = {}

    def user(self, uid: int) -> str | None:
        return _remembered(self._users, uid, _user_name)

    def group(self, gid: int) -> str | None:
        return _remembered(self._groups, gid, _group_name)


def _remembered(known: dict[int, str | None], number: int, look_up: Callable[[int], str | None]) -> str | None:
    if number not in known:
        known[number] = look_up(number)
    return known[number]


def _user_name(uid: int) -> str | None:
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError, OverflowError):
        return None


def _group_name(gid: int) -> str | None:
    try:
        import grp

        return grp.getgrgid(gid).gr_name
    except (ImportError, KeyError, OverflowError):
        return None
