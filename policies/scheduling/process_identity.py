"""Which process ran something, so that others can tell later whether it still lives.

A process's number is given to another one sooner or later; with the boot's id and the time at which the process began it is one
and the same. Where the system has no /proc the number alone has to do.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_BEGAN = 19  # of the fields behind the command's name in /proc/PID/stat, which may itself hold spaces and brackets


def marker() -> str:
    """This process's."""
    return _marker_of(os.getpid())


def is_alive(marked: str) -> bool:
    """Whether the process of a marker that was made on this machine still runs."""
    parts = marked.split()
    if len(parts) != 3 or not parts[1].isdigit():
        return False
    if (_PROC / "self").exists():
        return _marker_of(int(parts[1])) == marked
    return _answers(int(parts[1]))


def _marker_of(number: int) -> str:
    return f"{_text('sys/kernel/random/boot_id') or '-'} {number} {_began(number) or '-'}"


def _began(number: int) -> str:
    fields = _text(f"{number}/stat").rpartition(")")[2].split()
    return fields[_BEGAN] if len(fields) > _BEGAN else ""


def _text(name: str) -> str:
    try:
        return (_PROC / name).read_text("utf-8", "replace").strip()
    except OSError:
        return ""  # no such process, or a system without it


def _answers(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OverflowError:
        return False
    except PermissionError:
        return True  # it runs, and is somebody else's
    return True
