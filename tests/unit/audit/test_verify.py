"""Tampering with the log: whatever is done to entries, verifying sees it and says where."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.log_chain import ACME, BEAM, REPOSITORY, LogMachine, all_entries, found, log_key, verified
from tests.support.places import copied, identity
from tests.support.randomness import SeededChance
from vault import age
from vault.format import layout
from vault.format.log_head import LogHead
from vault.format.principal import Principal
from vault.repository.audit import entries
from vault.repository.audit.verify import ChainReport, Expected, KnownHead
from vault.storage.memory import MemoryStore

ENTRIES = 5


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    """Five entries about two projects, of one machine."""
    made = MemoryStore()
    alpha = LogMachine(made, tmp_path / "alpha")
    for number in range(ENTRIES):
        alpha.record("backup", BEAM if number == 2 else ACME)
    assert found(made) == set()
    return made


def names(store: MemoryStore) -> list[str]:
    return [one.name for one in entries.listed(store).entries]


def head(store: MemoryStore, number: int = ENTRIES) -> KnownHead:
    """As somebody has noted it when the chain had so many entries."""
    (one,) = [one for one in entries.listed(store).entries if one.sequence == number]
    return KnownHead(entries.read(store, one, [], REPOSITORY).head, "snapshot 20260314t000000z-0123456789abcdef")


@pytest.mark.parametrize("number", range(1, ENTRIES + 1))
def test_an_entry_with_any_bit_flipped_is_seen(store: MemoryStore, number: int) -> None:
    name, known = names(store)[number - 1], head(store)
    data = store.get(name)
    for place in (*range(40), *range(40, len(data), 97), len(data) - 1):
        store.put(name, bytes([*data[:place], data[place] ^ 1, *data[place + 1 :]]))
        assert found(store, known), place
    store.put(name, data)
    assert found(store, known) == set()


@pytest.mark.parametrize("number", range(1, ENTRIES + 1))
@pytest.mark.parametrize("kept", [0, 100, -1])
def test_an_entry_that_was_cut_is_seen(store: MemoryStore, number: int, kept: int) -> None:
    name, known = names(store)[number - 1], head(store)
    store.put(name, store.get(name)[:kept])
    assert "damaged-entry" in found(store, known)


@pytest.mark.parametrize("number", range(1, ENTRIES + 1))
def test_an_entry_that_was_dropped_is_seen(store: MemoryStore, number: int) -> None:
    known = head(store)
    store.delete(names(store)[number - 1])
    assert found(store, known) == {"cut-off" if number == ENTRIES else "missing-entry"}


@pytest.mark.parametrize("first", range(1, ENTRIES))
def test_two_entries_that_were_swapped_are_seen(store: MemoryStore, first: int) -> None:
    known, (one, two) = head(store), names(store)[first - 1 : first + 1]
    before, after = store.get(one), store.get(two)
    store.put(one, after)
    store.put(two, before)
    assert "damaged-entry" in found(store, known)


@pytest.mark.parametrize("left", range(ENTRIES))
def test_a_chain_that_was_cut_short_is_seen_by_whoever_knows_a_later_head(store: MemoryStore, left: int) -> None:
    known = head(store)
    for name in names(store)[left:]:
        store.delete(name)
    assert found(store) == set()  # nobody can know who has never seen more
    (report,) = verified(store, known)
    (finding,) = report.findings
    assert finding.what == "cut-off" and f"names entry {ENTRIES}" in finding.message and "snapshot 2026" in finding.message


@pytest.mark.parametrize("left", range(1, ENTRIES))
def test_a_chain_that_was_cut_and_went_on_is_seen(store: MemoryStore, tmp_path: Path, left: int) -> None:
    known = head(store)
    for name in names(store)[left:]:
        store.delete(name)
    beta = LogMachine(store, tmp_path / "beta", host="beta")  # it knows the store alone
    for _ in range(ENTRIES - left):
        beta.record()
    assert found(store) == set()
    assert found(store, known) == {"written-anew"}


@pytest.mark.parametrize("number", range(1, ENTRIES + 1))
def test_an_entry_of_another_repository_is_seen(store: MemoryStore, tmp_path: Path, number: int) -> None:
    other = MemoryStore()
    elsewhere = LogMachine(other, tmp_path / "other", repository="6" * 32)
    for _ in range(ENTRIES):
        elsewhere.record()
    known = head(store)
    store.put(names(store)[number - 1], other.get(names(other)[number - 1]))
    assert "damaged-entry" in found(store, known)


def test_a_whole_chain_of_another_repository_is_seen(store: MemoryStore, tmp_path: Path) -> None:
    LogMachine(store, tmp_path / "other", repository="6" * 32).record()
    assert found(store) == {"damaged-entry"}


@pytest.mark.parametrize("number", range(1, ENTRIES + 1))
def test_an_entry_that_was_put_there_again_is_seen(store: MemoryStore, number: int) -> None:
    name = names(store)[number - 1]
    principal = name.split("/")[1]
    for again in (layout.entry_id(number, "f" * 16), layout.entry_id(ENTRIES + 1, "f" * 16)):
        twice = copied(store)
        twice.put(layout.audit_name(principal, again), store.get(name))
        # what was sealed for nobody at hand would be told by its place alone
        assert "damaged-entry" in found(twice)


def test_a_chain_that_two_machines_with_one_identity_have_forked_is_seen(store: MemoryStore, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "alpha", tmp_path / "clone")
    LogMachine(store, tmp_path / "alpha").record()
    LogMachine(store, tmp_path / "clone", host="clone").record()
    (report,) = verified(store)
    assert [one.what for one in report.findings] == ["forked-chain"]
    assert "alpha" in report.findings[0].message and "clone" in report.findings[0].message
    LogMachine(store, tmp_path / "alpha").record()
    assert found(store) == {"forked-chain"}


def test_an_entry_signed_by_somebody_else_is_seen(store: MemoryStore, tmp_path: Path) -> None:
    mallory = LogMachine(store, tmp_path / "mallory", who="mallory")
    mallory.writer.principal = names(store)[0].split("/")[1]  # who may write has the public key of the log
    mallory.record()
    assert found(store) == {"other-signature"}


def test_a_chain_that_somebody_else_wrote_from_its_beginning_is_seen_by_whoever_knows_the_key(tmp_path: Path) -> None:
    store, operator = MemoryStore(), Principal.of(identity())
    mallory = LogMachine(store, tmp_path, who="mallory")
    mallory.writer.principal = operator.id(REPOSITORY)
    mallory.record()
    assert found(store) == set()
    keys = {operator.id(REPOSITORY): operator.signing_key or b""}
    (report,) = verified(store, expected=Expected(signing_keys=keys))
    assert [one.what for one in report.findings] == ["other-signature"]
    assert report.verified_key


def test_an_object_that_was_planted_behind_the_chain_does_not_stop_it(store: MemoryStore, tmp_path: Path) -> None:
    principal = names(store)[0].split("/")[1]
    planted = age.seal(b"x", [identity("mallory").recipient], SeededChance("planted")).data
    store.put(layout.audit_name(principal, layout.entry_id(layout.LAST_SEQUENCE, "f" * 16)), planted)
    assert found(store) == {"missing-entry"}
    assert LogMachine(store, tmp_path / "alpha").record() is None
    refused = LogMachine(store, tmp_path / "beta", host="beta").record()
    assert refused is not None and refused.kept and "no number is left" in refused.message


def test_what_waits_on_the_machine_that_verifies_is_not_missing(store: MemoryStore) -> None:
    principal, known = names(store)[0].split("/")[1], head(store)
    last, fourth = names(store)[-1], names(store)[-2]
    store.delete(fourth)
    store.delete(last)
    waiting = {principal: frozenset(name.rpartition("/")[2] for name in (fourth, last))}
    assert all(report.sound for report in verified(store, expected=Expected([known], waiting=waiting)))
    assert found(store, known) == {"cut-off"}


def test_a_chain_that_is_gone_altogether_is_named(store: MemoryStore) -> None:
    known = KnownHead(LogHead("e" * 32, 3, "ab" * 32), "the message of Monday")
    gone = [report for report in verified(store, known) if report.principal == "e" * 32]
    assert [one.what for report in gone for one in report.findings] == ["cut-off"]
    assert gone[0].entries == 0 and gone[0].head is None


def test_an_entry_of_a_project_that_one_may_not_read_is_verified_by_the_next_one(store: MemoryStore) -> None:
    name = names(store)[2]  # about beam alone
    data = store.get(name)
    store.put(name, bytes([*data[:-1], data[-1] ^ 1]))
    (report,) = verified(store, projects=[ACME])
    assert [one.what for one in report.findings] == ["broken-chain"]
    assert len(all_entries(store, ACME)) == 4 and log_key(ACME) != log_key(BEAM)


def since(store: MemoryStore, number: int) -> ChainReport:
    """Verified by somebody who has found everything up to an entry whole."""
    whole = head(store, number).head
    (report,) = verified(store, expected=Expected(whole={whole.principal: whole}))
    return report


def test_what_was_found_whole_before_is_not_read_again(store: MemoryStore) -> None:
    report = since(store, 4)
    assert report.sound and (report.entries, report.not_read, report.opened) == (5, 3, 2)
    assert report.head == head(store).head
    assert since(store, 1).not_read == 0


@pytest.mark.parametrize("number", range(1, ENTRIES + 1))
def test_with_only_new_ones_read_every_gap_is_seen_and_a_change_from_the_known_head_on(store: MemoryStore, number: int) -> None:
    whole = head(store, 3).head
    name = names(store)[number - 1]
    data = store.get(name)
    expected = Expected(heads=[head(store)], whole={whole.principal: whole})
    store.put(name, bytes([*data[:-1], data[-1] ^ 1]))
    (changed,) = verified(store, expected=expected)
    assert changed.sound == (number < 3)
    store.delete(name)
    (gone,) = verified(store, expected=expected)
    assert not gone.sound


def test_where_the_known_head_is_not_there_everything_is_read(store: MemoryStore) -> None:
    whole = LogHead(head(store).head.principal, 9, "ab" * 32)
    (report,) = verified(store, expected=Expected(whole={whole.principal: whole}))
    assert report.not_read == 0 and report.opened == ENTRIES
