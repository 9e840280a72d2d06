"""What is new or has changed is read into packs, in this order: samples for dictionaries, folders and links, files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from classify.period import Period
from vault.backup import (
    content_writer,
    dictionaries,
    file_reading,
    item_classification,
    manifest_rows,
    table_profiles,
    unreadable_items,
)
from vault.problems import Problem
from vault.progress import Progress
from vault.repository.session import Session
from vault.source import scan_columns
from vault.source.reader import Content, Reader

if TYPE_CHECKING:
    import pyarrow as pa


class Grown(NamedTuple):
    """A file that grew while it was read. size: how many of its first bytes were kept."""

    path: bytes
    size: int


@dataclass(frozen=True, slots=True)
class NewContent:
    """What came of reading. results: rows of a manifest to be · of_content: periods that contents told, by path · profiles: of
    tables that were looked into, by path · problems · failed: the paths whose last version may have to stay · grown: see
    `Grown` · read_bytes: of content."""

    results: manifest_rows.ReadResults
    of_content: dict[bytes, Period]
    profiles: dict[bytes, table_profiles.TableProfile]
    problems: tuple[Problem, ...]
    failed: frozenset[bytes]
    grown: tuple[Grown, ...]
    read_bytes: int


@dataclass(frozen=True, slots=True)
class ReadTools:
    """session: into whose packs it goes · reader: of the source · options: how to tell what items are about · profiler: looks
    into tables · progress, stop: of the run."""

    session: Session
    reader: Reader
    options: item_classification.ClassifyOptions
    profiler: table_profiles.Profiler | None
    progress: Progress
    stop: Callable[[], None]


def read(means: ReadTools, scans: list[pa.Table], fresh: pa.Array) -> NewContent:
    """Read these rows of a scan. scans: that one, taken out so that its wide columns go while files are read. Raises
    `StorageError`, and what `stop` raises."""
    scan = scans.pop()
    results = manifest_rows.ReadResults()
    writer = content_writer.ContentWriter(means.session, _trained(means, scan, fresh))
    try:
        work = file_reading.Reading(means.reader, writer, results, means.progress, means.stop, means.session.tell)
        _folders_and_links(work, scan, fresh)
        scan = scan.select(["path", "type", "size"])
        work.files(file_reading.wanted_files(scan, fresh))
    finally:
        writer.close()
    of_content = item_classification.asked(means.reader, scan["path"], results, means.options, means.stop)
    looked = table_profiles.asked(means.reader, scan, results, means.profiler, means.stop)
    failed = frozenset(one.path for one in work.problems if one.what not in unreadable_items.KEPT_ALL_THE_SAME)
    grown = tuple(Grown(*one) for one in work.grown)
    return NewContent(results, of_content, looked, tuple(work.problems), failed, grown, work.read_bytes)


def _trained(means: ReadTools, scan: pa.Table, fresh: pa.Array) -> dict[str, dictionaries.Trained]:
    """Dictionaries for the groups of small files that deserve one, stored before they are used."""
    candidates = dictionaries.worth_training((one.path, one.size) for one in file_reading.wanted_files(scan, fresh))
    key = means.session.project.capability.chunk_id_key

    def train(paths: list[bytes]) -> dictionaries.Trained | None:
        means.stop()
        samples = [answer.data for answer in means.reader.read_small(paths) if isinstance(answer, Content)]
        return dictionaries.train(samples, key)

    with ThreadPoolExecutor(content_writer.WORKERS, thread_name_prefix="train") as pool:
        made = zip(candidates, pool.map(train, candidates.values()), strict=True)
        trained = {name: one for name, one in made if one is not None}
    if trained:
        content_writer.store_dictionaries(means.session, list(trained.values()))
    return trained


def _folders_and_links(work: file_reading.Reading, scan: pa.Table, fresh: pa.Array) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    types = scan["type"].combine_chunks().take(fresh)
    for code, read_those in ((scan_columns.FOLDER, work.folders), (scan_columns.LINK, work.links)):
        read_those(scan, fresh.filter(pc.equal(types, pa.scalar(code, pa.uint8()))))
