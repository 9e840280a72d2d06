"""Testing a source without a backup: it is connected to, scanned, and one item is read; nothing is written anywhere.

What is shown of a content is its shape: the values of a sample row are masked.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from strongroom import sources
from vault.errors import Interrupted, SourceDenied, StorageDenied, StrongroomError
from vault.problems import Problem, printable
from vault.progress import Stop, never
from vault.source.contract import MissingRight

if TYPE_CHECKING:
    from strongroom.settings import Settings
    from strongroom.settings.projects import SourceSettings
    from vault.coverage import Coverage
    from vault.rate_limits import RateLimits
    from vault.source.contract import Scan, SourceReader

SAMPLE_BYTES = 4 * 1024 * 1024
"""Bytes of an item that are looked into for a sample row."""

MOST_COLUMNS = 40
_JSON_TYPES = {str: "text", bool: "flag", type(None): "null", dict: "object", list: "list"}
NAMED = 10
"""Items that are named."""


class SampleCell(Struct, frozen=True):
    """One column of a sample row. type: of the column · masked: its value, with letters and digits replaced."""

    column: str
    type: str
    masked: str


class SourceProbe(Struct, frozen=True):
    """What a test of a source found.

    - `place`: its folder or URL
    - `items`, `files`, `size`: that a backup would take; `size` in bytes, None where it is not known before they are read
    - `coverage`: what the source says of itself
    - `paths`: the first files
    - `sample`: the first row of a table among them, masked
    - `read_bytes`: of the item that was read
    - `missing_rights`: what the credentials may not do
    - `record_counts`: by entity, where the source counts records; None for one of which that is not known
    - `rate_limits`: how many requests its server takes, and what it said of that; None where no requests are sent
    - `clock_difference`: seconds that the clock of its server is ahead of ours; None where that is not known
    - `notes`: what else the source tells of itself
    - `error`: what ended the test; None where nothing did
    """

    project: str
    source: str
    place: str
    items: int = 0
    files: int = 0
    size: int | None = None
    coverage: Coverage | None = None
    paths: tuple[bytes, ...] = ()
    sample_of: bytes = b""
    sample: tuple[SampleCell, ...] = ()
    read_bytes: int = 0
    clock_difference: float | None = None
    missing_rights: tuple[MissingRight, ...] = ()
    rate_limits: RateLimits | None = None
    record_counts: tuple[tuple[str, int | None], ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    error: StrongroomError | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        coverage = self.coverage
        return {
            "project": self.project,
            "source": self.source,
            "place": self.place,
            "items": self.items,
            "files": self.files,
            "bytes": self.size,
            "entity_names": [] if coverage is None else [one.name for one in coverage.entities],
            "gaps": [] if coverage is None else list(coverage.gaps),
            "one_moment": coverage is not None and coverage.one_moment,
            "paths": [printable(path) for path in self.paths],
            "sample_of": printable(self.sample_of) or None,
            "sample": [{"column": one.column, "type": one.type, "masked": one.masked} for one in self.sample],
            "read_bytes": self.read_bytes,
            "clock_difference": None if self.clock_difference is None else round(self.clock_difference, 1),
            "missing_rights": [{"path": printable(one.path) or None, "message": one.message} for one in self.missing_rights],
            "record_counts": [{"name": name, "records": count} for name, count in self.record_counts],
            "rate_limits": None if self.rate_limits is None else _limits_as_json(self.rate_limits),
            "notes": list(self.notes),
            "problem_list": [one.as_json() for one in self.problems],
            "error": None if self.error is None else self.error.as_json(),
        }


def probe_source(settings: Settings, project: str, source: SourceSettings, stop: Stop = never) -> SourceProbe:
    """Look at a source as a backup would, and read one item of it. What ends it is part of the result. stop: called often; what
    it raises ends the test. Raises `Interrupted`."""
    done = SourceProbe(project, source.name, source.place)
    try:
        context = replace(
            sources.context_of(settings, project), state=None, sample=True
        )  # nothing is written, and nothing relied on
        origin = sources.origin(source, context)
        with closing(origin):
            found = origin.scan(stop)
            done = _counted(done, found)
            with origin.reader(stop) as reader:
                return _sampled(done, reader)
    except Interrupted:
        raise
    except (SourceDenied, StorageDenied) as error:
        return replace(done, error=error, missing_rights=(*done.missing_rights, MissingRight(b"", str(error))))
    except StrongroomError as error:
        return replace(done, error=error)


def _limits_as_json(limits: RateLimits) -> dict[str, Any]:
    return {
        "requests_per_second": limits.per_second,
        "requests": limits.requests,
        "refused_requests": limits.refusals,
        "longest_wait": limits.longest_wait,
        "stated": dict(limits.stated),
    }


def _counted(done: SourceProbe, found: Scan) -> SourceProbe:
    import pyarrow as pa
    import pyarrow.compute as pc

    from vault.source import scan_columns

    files = found.table.filter(pc.equal(found.table["type"], pa.scalar(scan_columns.FILE, pa.uint8())))
    size = None if "size" in found.ignored else pc.sum(files["size"]).as_py() or 0
    return replace(
        done,
        items=found.table.num_rows,
        files=files.num_rows,
        size=size,
        coverage=found.coverage,
        clock_difference=found.clock_difference,
        missing_rights=tuple(found.missing_rights),
        rate_limits=found.rate_limits,
        record_counts=tuple((found.record_counts or {}).items()),
        notes=found.notes,
        paths=tuple(files["path"].slice(0, NAMED).to_pylist()),
        problems=tuple(found.problems),
    )


def _sampled(done: SourceProbe, reader: SourceReader) -> SourceProbe:
    """One item is read, the first; a table shows its first row."""
    for path in done.paths[:1]:
        stream = reader.open_large(path)
        if isinstance(stream, Problem):
            return _with_problem(done, stream)
        try:
            with stream:
                data, at = bytearray(SAMPLE_BYTES), 0
                while at < len(data) and (count := stream.readinto(memoryview(data)[at:], at)):
                    at += count
        except OSError as error:
            return _with_problem(done, Problem(path, "unreadable", f"it cannot be read: {error.strerror}"))
        return replace(done, read_bytes=at, sample_of=path, sample=tuple(_first_row(bytes(data[:at]), path)))
    return done


def _with_problem(done: SourceProbe, problem: Problem) -> SourceProbe:
    """The item that was to be read could not be."""
    rights = done.missing_rights
    if os.strerror(errno.EACCES) in problem.message:
        rights = (*rights, MissingRight(problem.path, problem.message))
    return replace(done, problems=(*done.problems, problem), missing_rights=rights)


def _first_row(data: bytes, path: bytes) -> Iterator[SampleCell]:
    """Of a Parquet file, or of a CSV file with a header; of a message the lines of its header; nothing of anything else."""
    import pyarrow as pa

    if path.endswith(b".eml"):
        yield from _header(data)
        return
    try:
        if data[:4] == b"PAR1":
            import pyarrow.parquet as pq

            table = next(pq.ParquetFile(pa.BufferReader(data)).iter_batches(batch_size=1), None)
        elif path.endswith(b".jsonl"):
            yield from _first_record(data)
            return
        elif path.endswith(b".csv"):
            from pyarrow import csv

            table = csv.open_csv(io.BytesIO(data)).read_next_batch()
        else:
            return
    except (pa.ArrowException, StopIteration, ValueError, OSError):
        return  # it is longer than what was read of it, or no table
    if table is None or not table.num_rows:
        return
    for name, column in list(zip(table.schema.names, table.columns, strict=True))[:MOST_COLUMNS]:
        yield SampleCell(name, str(column.type), masked(column[0].as_py()))


def _first_record(data: bytes) -> Iterator[SampleCell]:
    """Of JSON Lines."""
    try:
        record = json.loads(data.partition(b"\n")[0])
    except (ValueError, RecursionError):
        return  # it is longer than what was read of it
    for name, value in list(record.items())[:MOST_COLUMNS] if isinstance(record, dict) else ():
        yield SampleCell(name, _JSON_TYPES.get(type(value), "number"), masked(value))


def _header(data: bytes) -> Iterator[SampleCell]:
    """The names of a message's header lines, with masked values."""
    found = re.findall(rb"^([!-9;-~]{1,80}):[ \t]*([^\r\n]*)", data.partition(b"\r\n\r\n")[0][:SAMPLE_BYTES], re.MULTILINE)
    for name, value in found[:MOST_COLUMNS]:
        yield SampleCell(name.decode("ascii"), "header", masked(value.decode("utf-8", "replace")))


def masked(value: object) -> str:
    """A value whose form is seen and whose content is not: of all signs, those between words alone stay."""
    if value is None:
        return "null"
    text = re.sub(r"[A-Za-z]|[^\x00-\x7f]", "x", re.sub(r"\d", "9", str(value)))
    return f"{text[:20]}…" if len(text) > 20 else text
