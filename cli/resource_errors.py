"""What the system has refused this process, or taken from it, told as an error of ours."""

from __future__ import annotations

from pathlib import Path

from vault.errors import StrongroomError

_HINT = "what was stored is kept; give the process more (`ulimit -a` shows its limits), or run less at once"
_NO_THREAD = ("can't start new thread", "Failed to launch worker thread")
"""Of Python, and of Arrow, whose exceptions are no RuntimeError."""
_NO_MAPPING = ("failed to map segment", "cannot allocate memory", "cannot create shared object")


def shortage(error: BaseException) -> StrongroomError | None:
    """The error that a person is told where the system had no room for more; None where it was something else."""
    text = str(error)
    if isinstance(error, MemoryError):
        return StrongroomError("there is not enough memory", hint=_HINT)
    if any(words in text for words in _NO_THREAD):
        return StrongroomError(
            "the system gives this process no further thread: its memory or its processes are limited", hint=_HINT
        )
    if isinstance(error, FileNotFoundError) and not _has_folder():
        return StrongroomError("the current folder is gone", hint="change to another one (cd), and run it again")
    if isinstance(error, ImportError) and any(words in text.lower() for words in _NO_MAPPING):
        return StrongroomError("there is not enough memory to load a library", hint=_HINT)
    return None


def _has_folder() -> bool:
    """Whether this process's current folder still exists."""
    try:
        Path.cwd()
    except OSError:
        return False
    return True
