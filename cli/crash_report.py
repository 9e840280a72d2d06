"""An unexpected error: a fault of Strongroom. It is reported in one line, and the details are in a file, for a bug report.
The same fault has the same file, so that one which comes back every hour fills no disk."""

from __future__ import annotations

import os
from pathlib import Path

from strongroom import environment
from vault.errors import StrongroomError
from vault.problems import printable

_LONGEST = 300
"""Characters of the foreign error's own words that are shown."""


def fault_as_error(error: Exception) -> StrongroomError:
    """The error to report; its details are in a file, or part of its hint where no file can be written."""
    import traceback

    details = "".join(traceback.format_exception(error))
    words = printable(str(error).encode("utf-8", "backslashreplace"))[:_LONGEST]
    what = f"{type(error).__name__}: {words}" if words else type(error).__name__
    file = _written(details, error)
    hint = f"the details are in {file}" if file is not None else f"the details:\n{details.rstrip()}"
    return StrongroomError(
        f"an unexpected error ({what})",
        hint=f"this is a bug in Strongroom; what was stored is kept. Please report it: {hint}",
    )


def _written(details: str, error: Exception) -> Path | None:
    import traceback
    from hashlib import blake2b

    where = "".join(f"{frame.filename}:{frame.lineno}\n" for frame in traceback.extract_tb(error.__traceback__))
    name = f"error-{blake2b((type(error).__name__ + where).encode('utf-8', 'backslashreplace'), digest_size=6).hexdigest()}.txt"
    try:
        places = [environment.state_folder() / "errors", None]
    except StrongroomError:  # nobody knows the home folder
        places = [None]
    for place in places:
        try:
            return _file(place, name, details)
        except OSError:
            continue
    return None


def _file(place: Path | None, name: str, details: str) -> Path:
    """In a folder of ours, or (None) in a new file among the temporary ones. Raises `OSError`."""
    if place is None:
        import tempfile

        handle, path = tempfile.mkstemp(prefix="strongroom-error-", suffix=".txt")
        file = Path(path)
    else:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = place / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        handle = os.open(file, flags, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as out:
        out.write(details)
    return file
