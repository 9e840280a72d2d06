"""The three data sets that every tool is measured on, made from a seed and kept for the next run.

    reports      20,000 small CSV, JSON and XLSX reports in folders project/year/month/day, 364 MB
    records      2 GiB of call and ticket records as JSON Lines, files of 1 to 128 MiB
    recordings   1 GiB that does not compress: 50 KB to 20 MB each, with the header of a WAV file

A scale of 0.05 makes a twentieth of each, with the same shape: fewer folders of reports, smaller files of records.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from itertools import repeat
from pathlib import Path

from blake3 import blake3
from msgspec import Struct

from benchmarks.contents import csv_report, json_report, records_of_day, xlsx_report
from cli.demo.calls import SeededRandomness

GENERATION = 1  # raised when the same scale gives other bytes: an older cache is then made anew
REPORTS, REPORTS_A_FOLDER = 20_000, 200
CHANGED_ONE_IN = 50
RECORD_BYTES, RECORDING_BYTES = 2 << 30, 1 << 30
_FIRST_DAY = date(2025, 1, 1)
_FIRST_MOMENT = 1_735_732_800_123_456_789  # nanoseconds; the modification time of a set's first file
_HOUR = 3_600_000_000_000  # in nanoseconds
_TARGETS_KB = {"csv": 19.5, "json": 19.0, "xlsx": 16.1}


class Dataset(Struct, frozen=True):
    """A data set on disk. `folder` is a part of it for small restores, relative to `path`."""

    name: str
    path: Path
    folder: str
    files: int
    bytes: int


class _Writer:
    """Writes files whose modification times are a minute and a bit apart."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = 0
        self.bytes = 0

    def put(self, name: str, pieces: Iterator[bytes]) -> int:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with path.open("wb") as file:
            for piece in pieces:
                size += file.write(piece)
        moment = _FIRST_MOMENT + self.files * 61_000_000_007
        os.utime(path, ns=(moment, moment))
        self.files += 1
        self.bytes += size
        return size


class _Report(Struct, frozen=True):
    """One of the reports. number: of its folder · place: in it."""

    folder: str
    number: int
    place: int
    day: date

    @property
    def name(self) -> str:
        return f"{self.folder}/report_{self.day}_{self.place:03d}.{self._kind}"

    @property
    def _kind(self) -> str:
        return ("csv", "json", "xlsx")[self.place % 3]

    def content(self, version: str = "") -> bytes:
        seed = f"{self.folder}/{self.place}"
        spread = 0.3 + 1.4 * SeededRandomness(seed).fraction()
        make = (csv_report, json_report, xlsx_report)[self.place % 3]
        return make(self.number + self.place, self.day, seed + version, int(_TARGETS_KB[self._kind] * 1000 * spread))


def _all_reports(folders: int) -> Iterator[_Report]:
    """Folders of 200: four projects, day by day; a third of the files in each format."""
    projects = ("parcelo", "nordbank", "medikum", "aviato")
    for number in range(folders):
        day = _FIRST_DAY + timedelta(days=9 * (number // len(projects)))
        folder = f"{projects[number % len(projects)]}/{day:%Y/%m/%d}"
        for place in range(REPORTS_A_FOLDER):
            yield _Report(folder, number, place, day)


def reports(writer: _Writer, scale: float) -> str:
    """Small files. Gives the last folder of them."""
    folder = ""
    for report in _all_reports(max(1, round(REPORTS * scale / REPORTS_A_FOLDER))):
        folder = report.folder
        writer.put(report.name, iter([report.content()]))
    return folder


@contextmanager
def an_hour_later(made: Dataset) -> Iterator[int]:
    """Every fiftieth of the reports has other content; afterwards all are as they were, times included. Gives how many; nothing
    changes in the other sets."""
    if made.name != "reports":
        yield 0
        return
    changed = list(_all_reports(made.files // REPORTS_A_FOLDER))[::CHANGED_ONE_IN]
    before = [(made.path / one.name, (made.path / one.name).read_bytes(), (made.path / one.name).stat()) for one in changed]
    try:
        for report, (path, _, status) in zip(changed, before, strict=True):
            path.write_bytes(report.content("/an hour later"))
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + _HOUR))
        yield len(changed)
    finally:
        for path, content, status in before:
            path.write_bytes(content)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def records(writer: _Writer, scale: float) -> str:
    """JSON Lines, a client's day after another until the file is as long as it should be; a folder for each client."""
    left, number, day, limit = int(RECORD_BYTES * scale), 0, _FIRST_DAY, max(1 << 16, int((128 << 20) * min(1, scale)))
    while left > 0:
        fraction = SeededRandomness(f"records/{number}").fraction()
        size = min(left, int(limit * 128 ** (fraction - 1)))
        kind = "tickets" if number % 8 == 7 else "calls"
        name = f"client-{number % 5}/{kind}_{day}_{number:04d}.jsonl"
        left -= writer.put(name, _record_pieces(number, day, kind, size))
        number, day = number + 1, day + timedelta(days=1)
    return "client-0"


def _record_pieces(number: int, day: date, kind: str, size: int) -> Iterator[bytes]:
    written, part = 0, 0
    while written < size:
        piece = records_of_day(number, day, kind, f"records/{number}/{part}", min(5000, 1 + (size - written) // 450))
        written, part = written + len(piece), part + 1
        yield piece


def recordings(writer: _Writer, scale: float) -> str:
    """A WAV header, then noise: what an encoder leaves over. A folder for every forty recordings."""
    left, number, folder = int(RECORDING_BYTES * scale), 0, ""
    while left > 0:
        fraction = SeededRandomness(f"recordings/{number}/size").fraction()
        size = min(left, int(50_000 * 400**fraction))
        folder = f"calls/{_FIRST_DAY + timedelta(days=number // 40)}"
        left -= writer.put(f"{folder}/call_{number:06d}.wav", _noise(number, size))
        number += 1
    return f"calls/{_FIRST_DAY}"


def _noise(number: int, size: int) -> Iterator[bytes]:
    body = max(0, size - 44)
    shape = struct.pack("<IHHIIHH", 16, 6, 1, 8000, 8000, 1, 8)
    yield (b"RIFF" + struct.pack("<I", body + 36) + b"WAVEfmt " + shape + b"data" + struct.pack("<I", body))[:size]
    stream = blake3(f"recordings/{number}".encode())
    for start in range(0, body, 1 << 20):
        yield stream.digest(length=min(1 << 20, body - start), seek=start)


MAKERS: dict[str, Callable[[_Writer, float], str]] = {"reports": reports, "records": records, "recordings": recordings}


def dataset(name: str, cache: Path, *, scale: float = 1.0) -> Dataset:
    """The data set of that name, made below `cache` unless it is already there, whole and of this generation."""
    home = cache / f"{name}-{scale:g}"
    note = home / "made.json"
    if note.is_file():
        made = json.loads(note.read_text())
        if made.pop("generation") == GENERATION:
            return Dataset(name, home / "data", **made)
    shutil.rmtree(home, ignore_errors=True)
    (home / "data").mkdir(parents=True)
    writer = _Writer(home / "data")
    folder = MAKERS[name](writer, scale)
    made = {"folder": folder, "files": writer.files, "bytes": writer.bytes}
    note.write_text(json.dumps({"generation": GENERATION, **made}))
    return Dataset(name, home / "data", folder=folder, files=writer.files, bytes=writer.bytes)


def all_datasets(names: Sequence[str], cache: Path, *, scale: float) -> list[Dataset]:
    """Several at once, a process for each: making the full sets takes minutes of one core."""
    with ProcessPoolExecutor(max_workers=len(names)) as pool:
        return list(pool.map(partial(dataset, scale=scale), names, repeat(cache)))


def main() -> None:
    """Makes the data sets and says what they hold."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", choices=sorted(MAKERS), action="append")
    options = parser.parse_args()
    for made in all_datasets(options.only or list(MAKERS), options.cache, scale=options.scale):
        print(f"{made.name}: {made.files} files, {made.bytes / 1e6:.0f} MB in {made.path}")


if __name__ == "__main__":
    main()
