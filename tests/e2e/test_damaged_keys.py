"""Key objects and the descriptor get damaged or lost: that costs the project that it is about, by name, and nothing is made
anew over what is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.used import repository, unchanged
from tests.support.desk import Desk
from tests.support.tree_facts import write_files
from vault.age import HybridIdentity, parse_identities
from vault.repository.key_objects import key_id
from vault.storage.counting import CountingStore


@pytest.fixture
def two(used: Desk) -> Desk:
    """acme has a snapshot, and so has zeta."""
    write_files(used.folder / "other", {"z.csv": b"9"})
    used.add("zeta", f"reports={used.folder / 'other'}")
    used.call("backup")
    return used


def own_key(desk: Desk, project: str) -> Path:
    """The key object by which the desk's identity opens a project."""
    ids: dict[str, str] = {
        one["project"]: one["project_id"] for one in desk.call("project", "list", "--json").document["projects"]
    }
    (identity,) = parse_identities(desk.identity.read_text())
    assert isinstance(identity, HybridIdentity)
    return repository(desk) / "keys" / ids[project] / f"{key_id(identity.recipient, ids[project])}.age"


def places(desk: Desk, project: str) -> tuple[Path, Path]:
    """The same in its two places."""
    first = own_key(desk, project)
    return first, repository(desk) / "projects" / first.parent.name / "keys" / first.name


def copies(desk: Desk) -> list[Path]:
    """What this machine keeps of key objects."""
    return sorted((desk.folder / "home/.local/state/strongroom").glob("*/keys/*.age"))


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 0x10
    file.write_bytes(data)


def flip_all(desk: Desk, project: str, place: int) -> None:
    """Damage a key object in both places, on a machine that has no copy of it."""
    for file in places(desk, project):
        flip(file, place)
    for copy in copies(desk):
        copy.unlink()


@pytest.mark.parametrize("place", [5, 300, -3])
def test_a_damaged_key_object_costs_its_own_project_and_no_other(two: Desk, place: int) -> None:
    flip_all(two, "zeta", place)
    for command in (["list"], ["status"], ["backup"]):
        result = two.call(*command, exits=3)
        assert "zeta" in result.err
        assert "keys/" in result.err
    assert two.call("check", "--data", "--json", exits=20).document["refused"][0]["path"] == "zeta"
    two.call("backup", "acme")
    two.call("check", "--data", "acme")
    refused = two.call("restore", "zeta", "--to", "back", exits=20)
    assert "zeta" in refused.err
    assert "--identity FILE" in refused.err
    two.call("restore", "zeta", "--to", "back", "--identity", str(two.kit))
    assert (two.folder / "back/reports/z.csv").read_bytes() == b"9"


def test_projects_are_listed_and_added_beside_one_that_does_not_open(two: Desk) -> None:
    flip_all(two, "zeta", 300)
    listed = two.call("project", "list", "--json", exits=3).document
    assert [one["project"] for one in listed["projects"]] == ["acme"]
    assert [one["path"] for one in listed["refused"]] == ["zeta"]
    two.add("third", f"reports={two.folder / 'other'}")
    two.call("backup", "third")


def test_a_project_that_does_not_open_keeps_its_name(two: Desk) -> None:
    flip_all(two, "zeta", 300)
    text = two.settings.read_text()
    two.settings.write_text(text[: text.index("[projects.zeta]")])
    refused = two.call("project", "add", "zeta", "--source", f"raw={two.folder / 'other'}", exits=20)
    assert "may be called 'zeta'" in refused.err


def test_a_lost_key_object_of_a_project_that_this_machine_knows_is_told_as_damage(two: Desk) -> None:
    for file in (*places(two, "zeta"), *copies(two)):
        file.unlink()
    assert "no key object of project 'zeta'" in two.call("backup", "zeta", exits=20).err
    two.call("restore", "acme", "--to", "proof")


def test_a_key_object_is_read_in_its_second_place_and_from_this_machines_copy_with_a_word_about_it(two: Desk) -> None:
    first, second = places(two, "zeta")
    whole = first.read_bytes()
    assert second.read_bytes() == whole and len(copies(two)) == 2
    flip(first, 300)
    said = two.call("backup", "zeta").err
    assert f"projects/{second.parent.parent.name}/keys/" in said and "was used instead" in said
    second.unlink()
    assert "the copy on this machine was used instead" in two.call("restore", "zeta", "--to", "back").err
    found = two.call("check", "--json", exits=20).document["repository"]
    assert {one["what"] for one in found["problem_list"]} >= {"damaged-key", "missing-key"}
    first.write_bytes(whole)
    second.write_bytes(whole)
    assert "was used instead" not in two.call("check", "--data").err


def test_a_changed_descriptor_is_refused_by_name_and_the_copy_of_this_machine_mends_it(used: Desk) -> None:
    descriptor = repository(used) / "strongroom.json"
    whole = descriptor.read_bytes()
    descriptor.write_bytes(whole.replace(b'"create_once": true', b'"create_once": false'))
    for command in (["list"], ["backup"], ["check"], ["restore", "acme", "--to", "out"]):
        refused = used.call(*command, exits=20)
        assert "the descriptor (strongroom.json) was changed" in refused.err
    copy = Path(refused.err.split("right one in ")[1].split(":")[0])
    descriptor.write_bytes(copy.read_bytes())
    assert descriptor.read_bytes() == whole
    unchanged(used)


def test_to_open_one_project_no_other_ones_key_object_is_read(two: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    inner = CountingStore.get

    def get(self: CountingStore, name: str) -> bytes:
        read.append(name)
        return inner(self, name)

    monkeypatch.setattr(CountingStore, "get", get)
    two.call("backup", "zeta")
    assert len([name for name in read if name.startswith("keys/")]) == 1


def test_a_lost_descriptor_is_told_with_a_copy_of_it_and_init_makes_no_other(used: Desk) -> None:
    descriptor = repository(used) / "strongroom.json"
    before = descriptor.read_bytes()
    descriptor.unlink()
    used.call("init", used.place.address, "--config", "new.toml", exits=21)
    assert not descriptor.exists()
    refused = used.call("list", exits=20)
    (copy,) = [word.removesuffix(":") for word in refused.err.split() if word.endswith("/strongroom.json:")]
    assert Path(copy).read_bytes() == before
    descriptor.write_bytes(Path(copy).read_bytes())
    unchanged(used)


def test_a_descriptor_of_zeros_is_told_with_a_copy_of_it(used: Desk) -> None:
    descriptor = repository(used) / "strongroom.json"
    before = descriptor.read_bytes()
    descriptor.write_bytes(bytes(len(before)))
    assert "this machine has a copy in" in used.call("backup", exits=20).err
    descriptor.write_bytes(before)
    unchanged(used)


def test_a_check_reads_the_store_and_not_what_this_machine_keeps_of_it(used: Desk) -> None:
    before: dict[Path, bytes] = {}
    for folder in ("meta", "index", "snapshots"):
        for file in (repository(used) / "projects").glob(f"*/{folder}/**/*"):
            if file.is_file():
                before[file] = file.read_bytes()
                file.write_bytes(bytes(len(before[file])))
    assert not used.call("check", "--json", exits=20).document["projects"][0]["sound"]
    assert "cannot be used" in used.call("list", exits=3).err  # the cache hides it no more
    for file, data in before.items():
        file.write_bytes(data)
    unchanged(used)
