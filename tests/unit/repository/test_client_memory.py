"""What a client remembers: keys and snapshots, against somebody who holds the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.randomness import SeededChance
from vault.errors import KeyRefused
from vault.format.capability import Capability
from vault.repository.client_memory import ClientMemory

PROJECT = "5" * 32


def capability(seed: int) -> Capability:
    return Capability.generate("0" * 32, PROJECT, "sdek", SeededChance(seed))


@pytest.fixture
def memory(tmp_path: Path) -> ClientMemory:
    return ClientMemory(tmp_path / "state", SeededChance(1))


def test_a_project_is_recognised_by_its_keys_again_and_again(memory: ClientMemory) -> None:
    keys = capability(2)
    for _ in range(3):
        memory.verify_keys(keys)
    memory.verify_keys(keys.without_reading())


def test_other_keys_under_the_same_id_are_refused_and_the_first_stay_known(memory: ClientMemory) -> None:
    keys = capability(2)
    memory.verify_keys(keys)
    with pytest.raises(KeyRefused, match="other keys") as refused:
        memory.verify_keys(capability(3))
    assert refused.value.hint is not None
    memory.verify_keys(keys)


def test_the_same_name_under_another_id_is_refused_too(memory: ClientMemory) -> None:
    memory.verify_keys(capability(2))
    with pytest.raises(KeyRefused, match="other keys"):
        memory.verify_keys(replace(capability(2), project="6" * 32))


def test_another_repository_at_a_known_address_is_refused(memory: ClientMemory) -> None:
    memory.verify_repository("0" * 32)
    memory.verify_repository("0" * 32)
    with pytest.raises(KeyRefused, match="another repository"):
        memory.verify_repository("1" * 32)


def test_whoever_makes_a_repository_anew_begins_anew(memory: ClientMemory) -> None:
    memory.verify_repository("0" * 32)
    memory.verify_keys(capability(2))
    memory.missing(PROJECT, ["a"])
    memory.start_over("1" * 32)
    memory.verify_repository("1" * 32)
    memory.verify_keys(capability(3))
    assert memory.missing(PROJECT, []) == []


def test_each_address_has_a_memory_of_its_own(tmp_path: Path) -> None:
    one, two = (ClientMemory.of(tmp_path, address, SeededChance(1)) for address in ("/a", "/b"))
    one.verify_repository("0" * 32)
    two.verify_repository("1" * 32)


def test_the_memory_holds_no_secret(memory: ClientMemory) -> None:
    keys = capability(2)
    memory.verify_keys(keys)
    written = b"".join(path.read_bytes() for path in memory.folder.iterdir())
    assert keys.chunk_id_key.hex().encode() not in written
    assert b"AGE-SECRET-KEY" not in written
    assert {path.stat().st_mode & 0o077 for path in [memory.folder, *memory.folder.iterdir()]} == {0}


def test_a_snapshot_that_was_seen_and_is_gone_is_reported_every_time(memory: ClientMemory) -> None:
    assert memory.missing(PROJECT, ["a", "b"]) == []
    assert memory.missing(PROJECT, ["b", "c"]) == ["a"]
    assert memory.missing(PROJECT, ["b", "c"]) == ["a"]


def test_a_snapshot_that_is_known_to_be_forgotten_is_not_missed(memory: ClientMemory) -> None:
    memory.missing(PROJECT, ["a", "b"])
    memory.drop_snapshots(PROJECT, ["a"])
    assert memory.missing(PROJECT, ["b"]) == []


def test_a_broken_memory_is_no_memory_and_no_failure(memory: ClientMemory) -> None:
    memory.missing(PROJECT, ["a"])
    for path in memory.folder.iterdir():
        path.write_bytes(b"\xff{")
    assert memory.missing(PROJECT, ["b"]) == []


def test_a_folder_that_cannot_be_made_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    memory = ClientMemory(tmp_path / "file" / "state", SeededChance(1))
    memory.verify_keys(capability(2))
    assert memory.missing(PROJECT, ["a"]) == []
