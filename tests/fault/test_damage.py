"""What is stored gets damaged, lost, swapped or forged: it is refused, and the items that it costs are named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from restore.selection.select import ItemQuery, select
from tests.support.places import back_up, checked, identity, made_on, names, restore, services, through, tiny_descriptor
from tests.support.randomness import SeededChance
from tests.support.trees import contents, text, write_tree
from vault.errors import Damaged, NoRepository, StrongroomError, UnsupportedFormat
from vault.format import layout
from vault.repository import snapshots
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

FILES = {f"f{number:02}": text(number, 900) for number in range(12)} | {"big": text("big", 8000)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "source", FILES)


@pytest.fixture
def project(folder: Path) -> Project:
    made = made_on(MemoryStore(), tiny_descriptor(pack=2000))
    back_up(made, folder)
    return made


def flip(store: Store, name: str, place: int) -> None:
    """One bit of a stored object; place: which byte, from the end where it is negative."""
    data = bytearray(store.get(name))
    data[place] ^= 0x10
    store.put(name, data)


def expect_partial(project: Project, tmp_path: Path, lost: set[str]) -> None:
    """Everything comes back but the items that are named as lost."""
    report = restore(project, tmp_path / "back", incomplete=True)
    assert {problem.path.decode() for problem in report.problems} == lost
    assert 0 < len(lost) < len(FILES)
    found = contents(tmp_path / "back")
    assert found == {f"reports/{name}": data for name, data in FILES.items() if f"reports/{name}" not in lost}


def test_a_damaged_pack_costs_the_items_in_it_and_check_names_them(project: Project, tmp_path: Path) -> None:
    largest = max(names(project.store, project.folder("packs")), key=project.store.size)
    flip(project.store, largest, -3000)
    report = checked(project)
    assert not report.sound
    expect_partial(project, tmp_path, {lost.path for lost in report.lost})


def test_a_pack_whose_header_is_damaged_costs_the_items_in_it(project: Project, tmp_path: Path) -> None:
    flip(project.store, names(project.store, project.folder("packs"))[0], 100)
    report = checked(project)
    expect_partial(project, tmp_path, {lost.path for lost in report.lost})


def test_a_truncated_pack_costs_the_items_in_it(project: Project, tmp_path: Path) -> None:
    name = names(project.store, project.folder("packs"))[0]
    project.store.put(name, project.store.get(name)[:-700])
    shallow, deep = checked(project, data=0.0), checked(project)
    assert {lost.path for lost in shallow.lost} == {lost.path for lost in deep.lost} != set()
    expect_partial(project, tmp_path, {lost.path for lost in deep.lost})


def test_without_reading_a_check_finds_a_damaged_pack_by_its_name(project: Project) -> None:
    packs = names(project.store, project.folder("packs"))
    name = max(packs, key=lambda one: len(project.store.get(one)))
    flip(project.store, name, -1000)
    report = checked(replace(project, capability=project.capability.without_reading()))
    assert any(name in damage for damage in report.damage)
    assert report.lost


def test_a_deleted_pack_is_named_before_anything_is_written(project: Project, tmp_path: Path) -> None:
    project.store.delete(names(project.store, project.folder("packs"))[0])
    report = checked(project, data=0.0)
    with pytest.raises(Damaged):
        restore(project, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    expect_partial(project, tmp_path, {lost.path for lost in report.lost})


def test_all_packs_of_a_project_gone_costs_every_item_with_content(project: Project) -> None:
    for name in names(project.store, project.folder("packs")):
        project.store.delete(name)
    assert {lost.path for lost in checked(project, data=0.0).lost} == {f"reports/{name}" for name in FILES}


def test_deleted_index_segments_are_named_and_made_up_for_from_the_packs_themselves(project: Project, tmp_path: Path) -> None:
    for name in names(project.store, project.folder("index")):
        project.store.delete(name)
    assert not checked(project).sound
    result = restore(project, tmp_path / "back")
    assert [problem.what for problem in result.problems] == ["missing-index"]
    assert contents(tmp_path / "back") == {f"reports/{name}": data for name, data in FILES.items()}


@pytest.mark.parametrize("place", [100, -50])
def test_a_damaged_index_segment_is_named_and_made_up_for_from_the_packs_themselves(
    project: Project, tmp_path: Path, place: int
) -> None:
    segment = names(project.store, project.folder("index"))[0]
    flip(project.store, segment, place)
    report = checked(project)
    assert [damage for damage in report.damage if damage.startswith(f"the index: {segment}")]
    assert not report.lost
    result = restore(project, tmp_path / "back")
    assert [problem.path.decode() for problem in result.problems] == [segment]
    assert contents(tmp_path / "back") == {f"reports/{name}": data for name, data in FILES.items()}


def test_a_deleted_catalogue_pack_costs_its_snapshot_and_check_names_it(project: Project, tmp_path: Path) -> None:
    only = snapshots.read_all(project)[0]
    for name in names(project.store, project.folder("meta")):
        project.store.delete(name)
    report = checked(project)
    assert any(only.id in damage for damage in report.damage)
    with pytest.raises(Damaged):
        restore(project, tmp_path / "back")


def test_a_damaged_record_is_refused_and_named(project: Project) -> None:
    only = snapshots.read_all(project)[0]
    flip(project.store, layout.snapshot_name(project.id, only.id), -20)
    assert any(only.id in damage for damage in checked(project).damage)
    with pytest.raises(Damaged):
        select(project, ItemQuery())


def two_snapshots(project: Project, folder: Path) -> list[str]:
    """A second one, in which every file is another."""
    for name in FILES:
        (folder / name).write_bytes(b"changed " + name.encode())
    back_up(project, folder)
    return [layout.snapshot_name(project.id, one.id) for one in snapshots.read_all(project)]


def test_two_records_that_were_swapped_are_refused(project: Project, folder: Path) -> None:
    one, two = two_snapshots(project, folder)
    first, second = project.store.get(one), project.store.get(two)
    project.store.put(one, second)
    project.store.put(two, first)
    assert len(checked(project).damage) == 2
    with pytest.raises(Damaged):
        select(project, ItemQuery())


def test_an_old_record_under_a_new_name_is_refused(project: Project, folder: Path) -> None:
    old, newest = two_snapshots(project, folder)
    replayed = layout.snapshot_name(project.id, layout.snapshot_id(services().clock.now(), bytes(8)))
    project.store.put(replayed, project.store.get(old))
    assert newest != replayed
    assert any(replayed.rpartition("/")[2] in damage for damage in checked(project).damage)
    found = select(project, ItemQuery())
    assert [layout.snapshot_name(project.id, one.id) for one in found.records] == [newest]
    assert [problem.path.decode() for problem in found.damage] == [replayed]


def second_project(project: Project, folder: Path) -> Project:
    """Another client in the same repository, with the same content."""
    repository = Repository.open(project.store, services("another"))
    other = repository.add_project("other", [identity().recipient], [identity()])
    back_up(other, folder)
    return other


@pytest.mark.parametrize("part", ["snapshots", "index"])
def test_an_object_of_another_project_is_refused(project: Project, folder: Path, part: str) -> None:
    other = second_project(project, folder)
    stranger = names(project.store, other.folder(part))[0]
    project.store.put(f"{project.folder(part)}/{stranger.rpartition('/')[2]}", project.store.get(stranger))
    assert not checked(project).sound
    assert checked(other).sound
    found = select(project, ItemQuery())
    assert len(found.records) == 1
    assert [problem.path.decode().rpartition("/")[2] for problem in found.damage] == [stranger.rpartition("/")[2]]


def test_a_pack_of_another_project_is_no_substitute(project: Project, folder: Path, tmp_path: Path) -> None:
    other = second_project(project, folder)
    mine, stranger = names(project.store, project.folder("packs"))[0], names(project.store, other.folder("packs"))[0]
    project.store.put(mine, project.store.get(stranger))
    report = checked(project)
    assert report.lost
    expect_partial(project, tmp_path, {lost.path for lost in report.lost})


def test_two_packs_that_were_swapped_are_no_substitute_for_each_other(project: Project, tmp_path: Path) -> None:
    one, two = names(project.store, project.folder("packs"))[:2]
    first, second = project.store.get(one), project.store.get(two)
    project.store.put(one, second)
    project.store.put(two, first)
    report = checked(project)
    assert report.lost
    expect_partial(project, tmp_path, {lost.path for lost in report.lost})


def test_a_pack_that_somebody_without_the_keys_made_is_not_believed(project: Project) -> None:
    forged = b"age-encryption.org/v1\n" + SeededChance("forged").token(3000)
    sha256 = hashlib.sha256(forged).digest()
    project.store.put(layout.pack_name(project.id, layout.CONTENT_TIER, sha256), forged)
    report = checked(project)
    assert report.orphans == 1
    assert any(sha256.hex() in damage for damage in report.damage)
    assert not report.lost


def test_a_key_object_that_was_copied_to_another_project_is_refused(project: Project, folder: Path) -> None:
    other = second_project(project, folder)
    stranger = names(project.store, layout.keys_folder(other.id))[0]
    mine = names(project.store, layout.keys_folder(project.id))[0]
    project.store.put(mine, project.store.get(stranger))
    opened = Repository.open(project.store, services()).open_keys([identity()])
    assert project.id in opened.damaged
    assert project.id not in {one.project for one in opened.capabilities}


@pytest.mark.parametrize("place", range(0, 600, 23))
def test_a_descriptor_with_a_flipped_bit_is_refused_or_says_the_same(project: Project, place: int) -> None:
    flip(project.store, layout.DESCRIPTOR, place)
    try:
        opened = Repository.open(project.store, services())
    except (Damaged, UnsupportedFormat):
        return
    assert replace(opened.descriptor, created=project.descriptor.created) == project.descriptor


def test_a_store_without_a_descriptor_is_no_repository() -> None:
    with pytest.raises(NoRepository):
        Repository.open(MemoryStore(), services())


@pytest.mark.parametrize("part", ["packs", "meta", "index", "snapshots"])
@pytest.mark.parametrize("how", ["gone", "empty", "cut", "flipped"])
def test_no_single_damage_brings_wrong_bytes_back(project: Project, tmp_path: Path, part: str, how: str) -> None:
    before = {info.name: project.store.get(info.name) for info in project.store.list("")}
    randomness = SeededChance(f"{part} {how}")
    for number, name in enumerate(names(project.store, project.folder(part))):
        disk = MemoryStore()
        for other, data in before.items():
            if other != name or how != "gone":
                disk.put(other, data)
        data = before[name]
        if how == "empty":
            disk.put(name, b"")
        elif how == "cut":
            disk.put(name, data[: int(randomness.fraction() * len(data))])
        elif how == "flipped":
            flip(disk, name, int(randomness.fraction() * len(data)))
        hurt = through(project, disk)
        back = tmp_path / f"back {number}"
        named = {lost.path for lost in checked(hurt).lost} if checked(hurt).damage or checked(hurt).lost else None
        try:
            problems = {problem.path.decode() for problem in restore(hurt, back, incomplete=True).problems}
        except StrongroomError:
            assert named is not None or (part, how) == ("snapshots", "gone")
            assert not back.exists()
            continue
        assert problems <= {*(named or ()), name, hurt.folder("index")}  # one of the catalogue is told by its own name
        assert contents(back).keys() | problems >= {f"reports/{file}" for file in FILES}
        for file, data in contents(back).items():
            assert FILES[file.removeprefix("reports/")] == data


def test_a_backup_after_damage_in_the_index_goes_on_and_tells_it(project: Project, folder: Path, tmp_path: Path) -> None:
    segment = names(project.store, project.folder("index"))[0]
    flip(project.store, segment, -50)
    stored = len(names(project.store, project.folder("packs")))
    write_tree(folder, {"new": b"new"})
    report = back_up(project, folder)
    assert [problem.path.decode() for problem in report.problems] == [segment]
    assert report.record.counts.problems == 1
    assert len(names(project.store, project.folder("packs"))) == stored + 1
    project.store.delete(segment)
    assert checked(project).sound
    restore(project, tmp_path / "back")
    assert contents(tmp_path / "back") == {f"reports/{name}": data for name, data in {**FILES, "new": b"new"}.items()}


def test_a_backup_beside_a_damaged_record_goes_on_and_tells_it(project: Project, folder: Path, tmp_path: Path) -> None:
    _, newest = two_snapshots(project, folder)
    flip(project.store, newest, -20)
    report = back_up(project, folder)
    assert [problem.path.decode() for problem in report.problems] == [newest]
    result = restore(project, tmp_path / "back")
    assert [problem.path.decode() for problem in result.problems] == [newest]
    assert contents(tmp_path / "back") == {f"reports/{name}": b"changed " + name.encode() for name in FILES}
