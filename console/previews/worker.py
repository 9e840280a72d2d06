"""The process that opens what others wrote: `python -m console.previews.worker`. It has no keys, no repository, an environment
without secrets, and bounded memory; whoever started it ends it when it takes too long.

Standard input gives one request a line, as JSON; standard output takes an answer a line. It ends when its input does.
"""

from __future__ import annotations

import math
import os
import resource
import sys
from pathlib import Path
from typing import IO, Any

import msgspec

from strongroom.mail_preview import preview_mail
from strongroom.table_preview import ShownRecord, TableView, preview_record, preview_table
from vault.errors import NothingFound, StrongroomError

MEMORY = 1 << 30
"""Bytes of data that the process may have: Arrow's threads take a tenth of that before anything is read."""

LARGEST_OUTPUT = 256 << 20
"""Bytes of a file that a reader may put aside."""

SECONDS = 8
"""Of the processor's time for one answer; of the clock's, whoever asks gives more, so that a busy machine costs nobody an
answer."""


class Request(msgspec.Struct, frozen=True):
    """what: `table`, `record` or `mail` · file: a private copy of the content, or of its beginning."""

    what: str
    file: str
    format: str = ""
    view: TableView = TableView()


class Refusal(msgspec.Struct, frozen=True):
    """Why there is no answer. nothing: whether what was asked for is not there, and the file is sound."""

    message: str
    hint: str
    nothing: bool


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until there is nothing more to answer."""
    for line in requests:
        _bound_time()
        request = msgspec.json.decode(line, type=Request)
        answers.write(msgspec.json.encode(_answered(request)) + b"\n")
        answers.flush()


def _answered(request: Request) -> dict[str, Any]:
    try:
        return {"shown": _shown(request)}
    except NothingFound as error:
        return {"refused": Refusal(str(error), error.hint or "", nothing=True)}
    except StrongroomError as error:
        return {"refused": Refusal(str(error), error.hint or "", nothing=False)}
    except (MemoryError, RecursionError, OSError) as error:
        return {"refused": Refusal(f"it cannot be shown: {type(error).__name__}", "restore it to look at it", nothing=False)}


def _shown(request: Request) -> Any:  # noqa: ANN401 (one of the three structs)
    file = Path(request.file)
    if request.what == "mail":
        return preview_mail(file.read_bytes())
    if request.what == "record":
        found: ShownRecord = preview_record(file, request.format, request.view)
        return found
    return preview_table(file, request.format, request.view)


def _bound() -> None:
    """This process's own limits, before it opens anything."""
    for limit, most in (
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_FSIZE, LARGEST_OUTPUT),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        _, hard = resource.getrlimit(limit)
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (wanted, wanted))


def _bound_time() -> None:
    """The system ends this process when the next answer has taken its time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime) + SECONDS, hard))


def main() -> None:
    """Import what will be needed, say so, and serve."""
    import restore.tables.readers.csv
    import restore.tables.readers.jsonl
    import restore.tables.readers.xlsx  # noqa: F401 (so that the first request does not wait for it)

    _bound()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    answers.write(b"\n")
    answers.flush()
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
