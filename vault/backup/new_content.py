"""Reading what is new or has changed into packs: samples for dictionaries, then folders and links, then files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from classify.period import Period
from vault.backup import (
    content_writer,
    dictionaries,
    file_reading,
    item_classification,
    table_profiles,
    unreadable_items,
    worker_processes,
)
from vault.backup.attribute_changes import AttributeChanges
from vault.backup.delta_bases import DeltaBases
from vault.backup.read_journal import JournalItem, ReadJournal
from vault.backup.read_results import ReadResults
from vault.backup.worker_processes import WorkerProcesses
from vault.format.descriptor import INFLATED
from vault.format.frames import Compression
from vault.problems import Problem
from vault.progress import Progress
from vault.repository.session import Session
from vault.repository.sorted_index import KnownChunks
from vault.source import scan_columns
from vault.source.contract import SMALL, Content, Scan, SourceReader
from vault.source.reader import Reader

if TYPE_CHECKING:
    import pyarrow as pa


MOST_BESIDE = 1 << 17
"""Rows of a manifest that is made while worker processes seal the last packs, with periods that were found while they read; a
larger one needs the memory."""


class Grown(NamedTuple):
    """A file that grew while it was read. size: of its first bytes, which the snapshot has."""

    path: bytes
    size: int


class NewContent(Struct, frozen=True):
    """What was read.

    - `results`: rows of the manifest to be
    - `of_content`: periods that were found in contents, by path
    - `profiles`: of tables, by path
    - `failed`: paths whose version in the last manifest may have to stay
    - `read_bytes`: of contents
    - `periods`: in the names of files, if there was time to look for them meanwhile
    """

    results: ReadResults
    of_content: dict[bytes, Period]
    profiles: dict[bytes, table_profiles.TableProfile]
    problems: tuple[Problem, ...]
    failed: frozenset[bytes]
    grown: tuple[Grown, ...]
    read_bytes: int
    periods: item_classification.EarlyPeriods | None = None


class ReadTools(Struct, frozen=True):
    """What reading needs.

    - `session`: stores the packs
    - `known`: the chunks that are stored; new ones are added
    - `reader`: of the source
    - `options`: how periods are found
    - `profiler`: profiles tables; None where none can be read
    - `bases`: of files that may be stored as deltas
    - `compression`: of new content
    - `kept`: dictionaries of earlier runs; None where nothing is kept on this machine
    - `journal`: of what earlier runs have read that were killed; None where reading again costs little
    """

    session: Session
    known: KnownChunks
    reader: SourceReader
    options: item_classification.ClassifyOptions
    profiler: table_profiles.Profiler | None
    bases: DeltaBases
    progress: Progress
    stop: Callable[[], None]
    kept: dictionaries.KeptDictionaries | None = None
    journal: ReadJournal | None = None
    compression: Compression = Compression.FAST


def read(tools: ReadTools, scan: Scan, fresh: pa.Array, marked: AttributeChanges | None = None) -> NewContent:
    """Read rows of a scan. fresh: their numbers · marked: those of which only the attributes are asked for. The scan keeps
    `path`, `type` and `size` alone: its other columns would take memory while files are read. Raises `StorageError`, and what
    `stop` raises."""
    results, beside, periods = ReadResults(), False, None
    remembered = {} if tools.journal is None else tools.journal.matching(scan, fresh, tools.known)
    files = _without(fresh, remembered)
    profiling = table_profiles.TableProfiling(tools.reader, scan.table, files, tools.profiler, tools.stop)
    processes = _processes(tools, scan.table, fresh)
    try:
        trained = _dictionaries(tools, scan.table, files)
        inflates = content_writer.inflates(tools.compression, tools.session.project)
        if processes is not None and processes.equip(trained, tools.compression, inflates=inflates):
            tools.session.packs.seal_with(processes)
        elif processes is not None:
            processes.close()
            processes = None
        writer = content_writer.ContentWriter(
            tools.session, tools.known, trained, tools.reader, tools.bases, processes, tools.compression
        )
        try:
            if processes is not None and len(fresh) <= MOST_BESIDE:
                periods = item_classification.EarlyPeriods(tools.options)
            work = file_reading.FileReading(
                tools.reader, writer, results, tools.progress, tools.stop, tools.session.report_progress, tools.journal, periods
            )
            if marked is not None:
                work.attributes(scan.table, marked)
            _folders_and_links(work, scan.table, fresh)
            scan.keep_columns("path", "type", "size")
            for row, item in remembered.items():
                work.remembered(row, item)
            work.files(file_reading.wanted_files(scan.table, files))
        finally:
            writer.close()
        of_content = item_classification.periods_of_contents(
            tools.reader, scan.table["path"], results, tools.options, tools.stop
        )
        profiles = profiling.finish(results)
        beside = len(results) <= MOST_BESIDE
    finally:
        profiling.close()
        if processes is not None and not beside:
            tools.session.packs.finish_sealing()
            processes.close()
    failed = frozenset(one.path for one in work.problems if one.what not in unreadable_items.READ_WITH_PROBLEM)
    grown = tuple(Grown(*one) for one in work.grown)
    return NewContent(results, of_content, profiles, tuple(work.problems), failed, grown, work.read_bytes, periods)


def _without(rows: pa.Array, remembered: Mapping[int, JournalItem]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return rows.filter(pc.invert(pc.is_in(rows, value_set=pa.array(remembered, rows.type)))) if remembered else rows


def _processes(tools: ReadTools, scan: pa.Table, fresh: pa.Array) -> WorkerProcesses | None:
    """Worker processes for small files; None where they do not pay, or where the system has no room for them."""
    import pyarrow.compute as pc

    files = scan.select(["type", "size"]).take(fresh)
    small = files.filter(pc.and_(pc.equal(files["type"], scan_columns.FILE), pc.less_equal(files["size"], SMALL)))
    workers = worker_processes.count(small.num_rows, pc.sum(small["size"]).as_py() or 0)
    reader = tools.reader
    if not workers or not isinstance(reader, Reader) or type(reader) is not Reader:  # another one would not be one elsewhere
        return None
    try:
        return WorkerProcesses(tools.session.project, reader, tools.known, workers, content_writer.MAX_BATCHES)
    except (OSError, MemoryError):
        return None


_Dictionaries = dict[str, dictionaries.TrainedDictionary]


def _dictionaries(tools: ReadTools, scan: pa.Table, fresh: pa.Array) -> _Dictionaries:
    """For groups of small files: those that are trained in this run, and those of earlier runs for other groups."""
    if not tools.reader.reopens:
        return {}
    wanted = ((one.path, one.size) for one in file_reading.wanted_files(scan, fresh) if not tools.bases.has(one.path))
    groups = dictionaries.groups_of(wanted)
    if not groups:
        return {}
    shares_packs = INFLATED in tools.session.project.descriptor.features
    kept = tools.kept.load() if tools.kept is not None else {}
    usable = {
        name: replace(one, has_packs=not shares_packs)
        for name, one in kept.items()
        if dictionaries.file_group(name) in groups and tools.known.is_stored(one.chunk)
    }
    near = type(tools.reader) is Reader  # elsewhere samples come over a network, once more than they must
    candidates = dictionaries.groups_to_train(groups, large_only=not shares_packs or not near)
    have_one = {dictionaries.file_group(name) for name in usable}
    trained = _trained(tools, {name: one for name, one in candidates.items() if one.is_large or name not in have_one})
    if trained and tools.kept is not None:
        tools.kept.save(trained | kept)
    return usable | trained


def _trained(tools: ReadTools, candidates: Mapping[str, dictionaries.TrainingGroup]) -> _Dictionaries:
    """Dictionaries for the groups that gain from a new one. Those of large groups are stored before they are used."""
    if not candidates:
        return {}
    key = tools.session.project.capability.chunk_id_key
    inflates = content_writer.inflates(tools.compression, tools.session.project)

    def train(name: str) -> _Dictionaries:
        tools.stop()
        group = candidates[name]
        samples = [answer.data for answer in tools.reader.contents(group.paths) if isinstance(answer, Content)]
        return dictionaries.train_group(name, samples, key, is_large=group.is_large, inflates=inflates)

    trained: _Dictionaries = {}
    with ThreadPoolExecutor(content_writer.WORKERS, thread_name_prefix="train") as pool:
        for made in pool.map(train, candidates):
            trained |= made
    large = [one for one in trained.values() if one.has_packs]
    if large:
        content_writer.store_dictionaries(tools.session, tools.known, large)
    return trained


def _folders_and_links(work: file_reading.FileReading, scan: pa.Table, fresh: pa.Array) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    types = scan["type"].combine_chunks().take(fresh)
    for code, read_those in ((scan_columns.FOLDER, work.folders), (scan_columns.LINK, work.links)):
        read_those(scan, fresh.filter(pc.equal(types, pa.scalar(code, pa.uint8()))))
