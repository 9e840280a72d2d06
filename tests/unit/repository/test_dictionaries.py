"""Small similar files share a compression dictionary, which is content like any other and can be lost like it."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
import zstandard
from msgspec.structs import replace

from tests.support import independent_reader
from tests.support.dying import DyingStore, PowerCut
from tests.support.places import (
    back_up,
    checked,
    chunks_in_packs,
    copied,
    identity,
    made_on,
    restore,
    through,
    tiny_descriptor,
)
from tests.support.randomness import SeededChance
from tests.support.trees import contents, look_at, write_tree
from vault.backup import dictionaries
from vault.backup.content_writer import store_dictionaries
from vault.backup.run import BackupOptions
from vault.errors import Damaged
from vault.format.chunks import ChunkerParams, chunk_id
from vault.format.descriptor import INFLATED
from vault.format.frames import Compression, Compressor
from vault.format.layout import CONTENT_TIER, pack_name
from vault.format.pack import PackBuilder
from vault.repository import snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions, StoredPack
from vault.repository.gc.prune_planner import make_plan
from vault.repository.gc.repack import RepackInputs, repack
from vault.repository.pack_reader import PackReader, places
from vault.repository.project import Project
from vault.repository.session import Session
from vault.repository.sorted_index import KnownChunks
from vault.storage.memory import MemoryStore

COUNT = 60


@pytest.fixture(autouse=True)
def few_files_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictionaries, "LARGE_FILES", 20)
    monkeypatch.setattr(dictionaries, "LARGE_BYTES", 1000)
    monkeypatch.setattr(dictionaries, "FEWEST_FILES", 20)
    monkeypatch.setattr(dictionaries, "FEWEST_BYTES", 1000)
    monkeypatch.setattr(dictionaries, "DICTIONARY_SIZE", 4000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "source", {f"report {number}.csv": report(number) for number in range(COUNT)})


@pytest.fixture
def project() -> Project:
    return made_on(MemoryStore(), replace(tiny_descriptor(pack=4000), content=ChunkerParams(8192, 16_384, 32_768)))


def report(number: int) -> bytes:
    """Like the others, and yet another."""
    randomness = SeededChance(f"report {number}")
    lines = [f"2026-03-14T{hour:02}:00:00Z;queue-{hour % 5};answered;{randomness.fraction():.6f};agent" for hour in range(24)]
    return "\n".join(lines).encode()


def dictionary_of(project: Project) -> bytes:
    """The one dictionary that frames of the project need."""
    needed = set(ChunkIndex.load(project).table["dictionary"].to_pylist()) - {None}
    assert len(needed) == 1
    return bytes(needed.pop())


def test_files_that_need_a_dictionary_come_back(project: Project, folder: Path, tmp_path: Path) -> None:
    back_up(project, folder)
    dictionary_of(project)
    assert checked(project).sound
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


def test_what_needs_a_dictionary_takes_less_room(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    back_up(project, folder)
    monkeypatch.setattr(dictionaries, "FEWEST_FILES", 1000)
    plain = made_on(MemoryStore(), project.descriptor)
    back_up(plain, folder)
    stored = [ChunkIndex.load(one, tier=CONTENT_TIER).table["stored"].to_pylist() for one in (project, plain)]
    assert sum(stored[0]) < sum(stored[1])


def test_a_lost_dictionary_costs_every_item_that_needs_it_and_check_names_them(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    write_tree(folder, {"alone.pdf": SeededChance("alone").token(3000)})
    back_up(project, folder)
    dictionary = dictionary_of(project)
    index = ChunkIndex.load(project)
    place = places(index.locate(pa.array([dictionary], pa.binary(32))))[0]
    project.store.delete(pack_name(project.id, CONTENT_TIER, place.pack))
    lost = {one.path for one in checked(project, data=0.0).lost}
    assert lost == {f"reports/report {number}.csv" for number in range(COUNT)}
    with pytest.raises(Damaged):
        restore(project, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    result = restore(project, tmp_path / "back", incomplete=True)
    assert {problem.path.decode() for problem in result.problems} == lost
    assert contents(tmp_path / "back").keys() == {"reports/alone.pdf"}


def test_after_a_lost_dictionary_backups_read_again_what_needs_it(project: Project, folder: Path, tmp_path: Path) -> None:
    """The frames stand, and nobody can open them: pruned or not, they count as lost."""
    write_tree(folder, {"old.csv": report(COUNT)})
    back_up(project, folder)
    (folder / "old.csv").unlink()
    back_up(project, folder)
    index, dictionary = ChunkIndex.load(project), dictionary_of(project)
    place = places(index.locate(pa.array([dictionary], pa.binary(32))))[0]
    project.store.delete(pack_name(project.id, CONTENT_TIER, place.pack))
    for number in range(2):
        lost = back_up(project, folder)
        assert [(problem.what, problem.path) for problem in lost.problems] == [("lost-content", b"reports/old.csv")]
        assert place.pack.hex() in lost.problems[0].message
        restore(project, tmp_path / f"back {number}")
        assert look_at(tmp_path / f"back {number}/reports") == look_at(folder)
        apply(project, make_plan(project, PruneOptions()), PruneOptions())


def test_a_dictionary_that_needs_itself_is_refused(project: Project, folder: Path) -> None:
    back_up(project, folder)
    table = ChunkIndex.load(project, tier=CONTENT_TIER).table
    chunk = table["chunk"][0].as_py()
    place = table.schema.get_field_index("dictionary")
    odd = table.set_column(place, table.schema.field(place), pa.array([chunk] * len(table), pa.binary(32)))
    reader = PackReader(project, ChunkIndex(odd))
    first = places(odd)[0]
    assert [type(content) for _, content in reader.chunks([first])] == [Damaged]


def test_a_repacked_chunk_keeps_the_dictionary_whose_pack_its_snapshots_name(project: Project) -> None:
    """Two machines at once, neither of which knew of the other, have stored one chunk with two dictionaries."""
    key = project.capability.chunk_id_key
    reports = [report(number) for number in range(COUNT)]
    trained = [dictionaries.train(reports[start : start + 30], key) for start in (0, 30)]
    session = Session.begin(project, "reports")
    both = [one for one in trained if one is not None]
    store_dictionaries(session, KnownChunks(ChunkIndex.load(project)), both)
    for one in both:
        builder = PackBuilder(one.chunk)
        builder.add(chunk_id(key, reports[0]), Compressor(one.dictionary).frame(reports[0]), len(reports[0]))
        session.packs.submit(builder, CONTENT_TIER, {one.chunk: one.dictionary}.__getitem__)
    session.close_index()
    index = ChunkIndex.load(project)
    live = pa.array([chunk_id(key, reports[0])], pa.binary(32))
    old = {place.pack: place for place in places(index.rows_elsewhere({chunk_id(key, reports[0])}, ()))}
    assert {place.dictionary for place in old.values()} == {one.chunk for one in both} and len(both) == 2
    packs = [StoredPack(place.tier, place.pack, place.pack_size) for place in old.values()]
    repack(project, RepackInputs(packs, live, index), PruneOptions())
    now = {place.pack: place for place in places(ChunkIndex.load(project).rows_elsewhere({live[0].as_py()}, old))}
    for pack, (target,) in snapshots.committed(project).moved.items():
        assert now[target].dictionary == old[pack].dictionary


@pytest.mark.parametrize("when", ["before", "after"])
def test_power_may_fail_while_dictionaries_are_stored(
    project: Project, folder: Path, tmp_path: Path, when: Literal["before", "after"]
) -> None:
    for lives in range(0, 12, 3):
        disk = copied(project.store)
        with pytest.raises(PowerCut):
            back_up(through(project, DyingStore(disk, lives=lives, when=when), seed=f"{lives}"), folder)
        after = through(project, disk, seed="next")
        assert checked(after).sound
        back_up(after, folder)
        assert checked(after).sound
        assert set(chunks_in_packs(after).values()) == {1}
        restore(after, tmp_path / f"back {lives}")
        assert look_at(tmp_path / f"back {lives}" / "reports") == look_at(folder)


@pytest.fixture
def mixed() -> Project:
    """Whose packs may hold frames with several dictionaries."""
    descriptor = replace(tiny_descriptor(pack=4000), content=ChunkerParams(8192, 16_384, 32_768), features=(INFLATED,))
    return made_on(MemoryStore(), descriptor)


def two_groups(folder: Path) -> Path:
    """CSV and log files, 30 of each."""
    files: dict[str, bytes] = {f"{number}.csv": report(number) for number in range(30)}
    files |= {f"{number}.log": report(number).replace(b";", b" level=info ") for number in range(30)}
    return write_tree(folder / "two groups", files)


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group has no packs of its own."""
    monkeypatch.setattr(dictionaries, "LARGE_FILES", 1000)


@pytest.mark.usefixtures("small_groups")
def test_small_groups_share_packs_which_hold_their_dictionaries(mixed: Project, tmp_path: Path) -> None:
    folder = two_groups(tmp_path)
    back_up(mixed, folder)
    rows = places(ChunkIndex.load(mixed, tier=CONTENT_TIER).table)
    needed = {place.dictionary for place in rows} - {None}
    assert len(needed) == 2
    assert {place.chunk for place in rows if place.dictionary is None} == needed
    assert max(len({place.dictionary for place in rows if place.pack == pack}) for pack in {one.pack for one in rows}) > 1
    assert checked(mixed, data=0.0).sound
    restore(mixed, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


@pytest.mark.usefixtures("small_groups")
def test_where_a_pack_has_one_dictionary_small_groups_have_none(project: Project, tmp_path: Path) -> None:
    back_up(project, two_groups(tmp_path))
    assert set(ChunkIndex.load(project, tier=CONTENT_TIER).table["dictionary"].to_pylist()) == {None}


@pytest.mark.usefixtures("small_groups")
def test_a_small_group_that_wins_less_than_its_dictionary_takes_has_none(mixed: Project, tmp_path: Path) -> None:
    head = report(0)
    folder = write_tree(
        tmp_path / "noise", {f"{number}.csv": head[:20] + SeededChance(f"{number}").token(780) for number in range(25)}
    )
    back_up(mixed, folder)
    assert set(ChunkIndex.load(mixed, tier=CONTENT_TIER).table["dictionary"].to_pylist()) == {None}


@pytest.mark.usefixtures("small_groups")
def test_after_the_loss_of_each_pack_of_small_groups_the_next_backup_stores_what_it_held(
    mixed: Project, tmp_path: Path
) -> None:
    folder = two_groups(tmp_path)
    back_up(mixed, folder)
    for number, pack in enumerate(sorted(ChunkIndex.load(mixed, tier=CONTENT_TIER).packs())):
        after = through(mixed, copied(mixed.store), seed=f"{number}")
        after.store.delete(pack_name(after.id, CONTENT_TIER, pack))
        back_up(after, folder)
        restore(after, tmp_path / f"back {number}")
        assert look_at(tmp_path / f"back {number}" / "reports") == look_at(folder)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("when", ["before", "after"])
def test_power_may_fail_while_packs_of_small_groups_are_stored(
    mixed: Project, tmp_path: Path, when: Literal["before", "after"]
) -> None:
    folder = two_groups(tmp_path)
    for lives in count(step=2):
        disk = copied(mixed.store)
        try:
            back_up(through(mixed, DyingStore(disk, lives=lives, when=when), seed=f"{lives}"), folder)
            break
        except PowerCut:
            pass
        after = through(mixed, disk, seed="next")
        back_up(after, folder)
        assert checked(after, data=0.0).sound
        restore(after, tmp_path / f"back {lives}")
        assert look_at(tmp_path / f"back {lives}" / "reports") == look_at(folder)
    assert lives > 6


def an_hour(project: Project, folder: Path, cache: Path | None, first: int) -> int:
    """Five new reports, too few for a dictionary, and a backup; gives the bytes of frames that it stored."""
    write_tree(folder, {f"report {number}.csv": report(number) for number in range(first, first + 5)})
    before = frames(project)
    assert back_up(project, folder, BackupOptions(cache=cache)).problems == ()
    return frames(project) - before


def frames(project: Project) -> int:
    """Bytes of all frames of content."""
    return sum(ChunkIndex.load(project, tier=CONTENT_TIER).table["stored"].to_pylist())


@pytest.mark.parametrize("features", [(), (INFLATED,)])
def test_few_new_files_take_the_dictionary_that_this_machine_has_kept(
    features: tuple[str, ...], folder: Path, tmp_path: Path
) -> None:
    cutting = ChunkerParams(8192, 16_384, 32_768)
    project = made_on(MemoryStore(), replace(tiny_descriptor(pack=4000), content=cutting, features=features))
    cache = tmp_path / "cache"
    an_hour(project, folder, cache, COUNT)
    without, with_kept = an_hour(project, folder, None, COUNT + 5), an_hour(project, folder, cache, COUNT + 10)
    assert with_kept < 0.8 * without
    dictionary_of(project)
    (file,) = (path for path in (cache / "dictionaries").rglob("*") if path.is_file())
    assert file.stat().st_mode & 0o777 == 0o600
    assert report(3)[:40] not in file.read_bytes(), "it is sealed"
    assert checked(project).sound
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)
    objects = {one.name: bytes(project.store.get(one.name)) for one in project.store.list("")}
    (given,) = independent_reader.read(objects, identity().encode()).values()
    newest = max(given.snapshots.values(), key=len)
    assert {path.removeprefix("reports/"): data for path, data in newest.items()} == contents(folder)


def test_a_kept_dictionary_that_somebody_has_changed_or_that_is_stored_no_more_is_not_used(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    an_hour(project, folder, cache, COUNT)
    (file,) = (path for path in (cache / "dictionaries").rglob("*") if path.is_file())
    kept = file.read_bytes()
    for spoilt in (b"", kept[:-1], project.seal_catalogue(b"\x91\xc0"), project.seal_catalogue(_other_content(project, kept))):
        file.write_bytes(spoilt)
        assert dictionaries.KeptDictionaries(project, "reports", cache).load() == {}
    file.write_bytes(kept)
    used = dictionary_of(project)
    others = [row for row in ChunkIndex.load(project, tier=CONTENT_TIER).table.to_pylist() if row["chunk"] == used]
    for row in others:
        project.store.delete(pack_name(project.id, CONTENT_TIER, row["pack"]))
    assert back_up(project, folder, BackupOptions(cache=cache)).problems == ()
    an_hour(project, folder, cache, COUNT + 5)
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


def _other_content(project: Project, kept: bytes) -> bytes:
    """The kept file's plain bytes with another byte in the middle of the dictionary."""
    plain = bytearray(project.open_catalogue(kept))
    plain[len(plain) // 2] ^= 1
    return bytes(plain)


def test_files_that_are_compressed_already_share_what_stands_before_and_behind_their_noise(tmp_path: Path) -> None:
    """As archives do: the same members first, nearly the same list of them last, and more noise between than a sample holds."""
    project = made_on(MemoryStore(), replace(tiny_descriptor(), content=ChunkerParams(65_536, 131_072, 262_144)))
    chance = SeededChance("packed")
    first, last = chance.token(700), chance.token(300)
    noise = [chance.token(dictionaries.SAMPLE + 2000 + 10 * number) for number in range(COUNT)]
    folder = write_tree(tmp_path / "archives", {f"{at}.zip": first + one + last for at, one in enumerate(noise)})
    back_up(project, folder)
    dictionary = dictionary_of(project)
    table = ChunkIndex.load(project, tier=CONTENT_TIER).table
    stored = sum(one.stored for one in places(table) if one.dictionary == dictionary)
    assert stored < sum(map(len, noise)) + COUNT * 200
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


def test_frames_do_not_name_their_dictionary_and_the_zstd_of_others_opens_them_with_it(project: Project) -> None:
    reports = [report(number) for number in range(COUNT)]
    trained = dictionaries.train(reports, project.capability.chunk_id_key)
    assert trained is not None
    for compression in Compression:
        frame = Compressor(trained.dictionary, compression).frame(reports[0])
        said = zstandard.get_frame_parameters(frame)
        assert (said.dict_id, said.content_size, said.has_checksum) == (0, len(reports[0]), False)
        opened = zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(trained.data)).decompress(frame)
        assert opened == reports[0]
