"""Grants, revocations and epochs as signed statements, and which of them are believed."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.places import identity
from vault.age import HybridIdentity
from vault.errors import Damaged, UsageError
from vault.format import grant, rights, signed_statement, ssh_signature
from vault.format.grant import EpochStatement, Grant, Revocation, Signer, Statement, epoch_id, root_id
from vault.format.grant_chain import GrantChain, believed
from vault.format.principal import Principal
from vault.format.rights import Rights

REPOSITORY, PROJECT = "5" * 32, "a" * 32
START = datetime(2026, 3, 1, tzinfo=UTC)
FULL: Rights = ("read", "audit")


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def signer(name: str) -> Signer:
    return Signer(name, Principal.of(identity(name)).signing_key or b"")


def grant_of(
    name: str,
    by: str,
    day: float,
    what: Rights = FULL,
    *,
    number: int = 1,
    until: datetime | None = None,
    at_: datetime | None = None,
) -> Grant:
    """A grant to somebody by somebody, signed."""
    own = root_id(PROJECT) if name == by == "root" else f"{number:02x}{name.encode().hex():0>30}"[:32]
    made = Grant(REPOSITORY, PROJECT, own, name, Principal.of(identity(name)), what, signer(by), at_ or at(day), until)
    return grant.signed(made, identity(by))


def revocation_of(one: Grant, by: str, day: float, *keeps: Statement) -> Revocation:
    own = f"ee{by.encode().hex():0>14}{one.id[:16]}"
    made = Revocation(REPOSITORY, PROJECT, own, one.id, "", tuple(it.id for it in keeps), signer(by), at(day))
    return grant.signed(made, identity(by))


def epoch_of(number: int, by: str, day: float, keys: HybridIdentity | None = None) -> EpochStatement:
    recipient = (keys or identity(f"epoch {number}")).recipient
    made = EpochStatement(
        REPOSITORY, PROJECT, epoch_id(PROJECT, number), number, recipient, recipient, recipient, signer(by), at(day)
    )
    return grant.signed(made, identity(by))


ROOT = grant_of("root", "root", 0)
ANNA = grant_of("anna", "root", 1)
HOST = grant_of("host", "root", 1, ("write",))


def standing(chain: GrantChain, day: float) -> list[str]:
    return [one.name for one in chain.standing(at(day))]


@pytest.mark.parametrize("one", [ROOT, HOST, revocation_of(HOST, "root", 2, ANNA), epoch_of(2, "anna", 3)])
def test_a_statement_is_read_as_it_was_written_and_no_bit_of_it_may_change(one: Statement) -> None:
    assert grant.read(one.as_json(), one.id) == one
    for name, value in one.as_json().items():
        if name == "signature":
            continue
        changed = (
            one.as_json() | {name: value[:-1] if value and not isinstance(value, int) else 9}
            if not isinstance(value, dict)
            else {}
        )
        with pytest.raises(Damaged):
            grant.read(changed, one.id)
    with pytest.raises(Damaged, match="another one than its name says"):
        grant.read(one.as_json(), "b" * 32)


def test_a_statement_signed_by_another_key_than_it_names_is_refused() -> None:
    forged = replace(ANNA, signature=signed_statement.sign(identity("host"), ANNA.as_json(), grant.NAMESPACE))
    with pytest.raises(Damaged, match="another key"):
        grant.read(forged.as_json(), forged.id)


def test_what_a_reader_signs_is_believed_and_what_a_writer_signs_is_not() -> None:
    by_anna, by_host = grant_of("bert", "anna", 2), grant_of("carl", "host", 2)
    chain = believed(PROJECT, [by_host, by_anna, HOST, ANNA, ROOT])
    assert standing(chain, 3) == ["anna", "bert", "host", "root"] and chain.refused == (by_host.id,)
    revoked = revocation_of(ANNA, "host", 3)
    assert revoked.id in believed(PROJECT, [ROOT, ANNA, HOST, revoked]).refused
    assert 2 not in believed(PROJECT, [ROOT, ANNA, HOST, epoch_of(2, "host", 3)]).epochs


def test_without_the_creators_own_grant_nothing_is_believed() -> None:
    chain = believed(PROJECT, [ANNA, HOST])
    assert chain.root is None and not chain.grants and set(chain.refused) == {ANNA.id, HOST.id}
    another = grant.signed(
        replace(ROOT, name="mallory", principal=Principal.of(identity("mallory")), by=signer("mallory")), identity("mallory")
    )
    assert believed(PROJECT, [another]).root == another
    known = ROOT.by.signing_key
    assert believed(PROJECT, [another], known).root is None
    assert believed(PROJECT, [ROOT, ANNA], known).root == ROOT


def test_a_root_grant_that_somebody_else_signed_is_none() -> None:
    false = grant.signed(replace(ROOT, by=signer("mallory")), identity("mallory"))
    assert believed(PROJECT, [false]).root is None


def test_a_grant_ends_with_its_time_and_gives_no_right_to_grant() -> None:
    guest = grant_of("guest", "root", 1, FULL, until=at(10))
    by_guest = grant_of("friend", "guest", 2)
    chain = believed(PROJECT, [ROOT, guest, by_guest])
    assert standing(chain, 9) == ["guest", "root"] and standing(chain, 10) == ["root"]
    assert chain.refused == (by_guest.id,)


def test_what_a_revoked_holder_had_signed_stays_and_what_turns_up_later_does_not_whatever_its_date() -> None:
    before, dated_back = grant_of("bert", "anna", 2), grant_of("mallory", "anna", 2)
    revoked = revocation_of(ANNA, "root", 5, before)
    chain = believed(PROJECT, [ROOT, ANNA, before, dated_back, revoked])
    assert standing(chain, 6) == ["bert", "root"] and chain.refused == (dated_back.id,)
    assert chain.revocations[ANNA.id] == revoked
    assert epoch_of(2, "anna", 3).id in believed(PROJECT, [ROOT, ANNA, revoked, epoch_of(2, "anna", 3)]).refused


def test_what_rests_on_a_grant_that_is_not_believed_any_more_falls_with_it() -> None:
    bert = grant_of("bert", "anna", 2)
    by_bert, end_of_host = grant_of("carl", "bert", 3), revocation_of(HOST, "bert", 3)
    everything: list[Statement] = [ROOT, ANNA, HOST, bert, by_bert, end_of_host]
    assert standing(believed(PROJECT, everything), 4) == ["anna", "bert", "carl", "root"]
    chain = believed(PROJECT, [*everything, revocation_of(ANNA, "root", 5)])
    assert standing(chain, 6) == ["host", "root"] and not set(chain.revocations) & {HOST.id}


def test_of_two_who_revoke_each_other_the_earlier_counts_unless_this_machine_has_seen_the_other_first() -> None:
    first, second = revocation_of(ANNA, "root", 5), revocation_of(ROOT, "anna", 6)
    everything: list[Statement] = [ROOT, ANNA, HOST, second, first]
    assert standing(believed(PROJECT, everything), 7) == ["host", "root"]
    kept = revocation_of(ROOT, "anna", 6, ROOT, ANNA, HOST)
    chain = believed(PROJECT, [ROOT, ANNA, HOST, kept, first], known=[kept.id])
    assert standing(chain, 7) == ["anna", "host"]


def test_the_creator_can_leave_and_what_it_has_granted_stays() -> None:
    gone = revocation_of(ROOT, "anna", 5, ROOT, ANNA, HOST)
    late = grant_of("mallory", "root", 6)
    chain = believed(PROJECT, [ROOT, ANNA, HOST, gone, late])
    assert standing(chain, 7) == ["anna", "host"] and chain.refused == (late.id,)


def test_clocks_that_differ_by_hours_break_no_chain() -> None:
    early = grant_of("bert", "anna", 0.5)  # anna's clock is behind the one of her granter
    assert standing(believed(PROJECT, [early, ROOT, ANNA]), 3) == ["anna", "bert", "root"]
    too_early = grant_of("bert", "anna", -0.5)
    assert too_early.id in believed(PROJECT, [too_early, ROOT, ANNA]).refused


def test_a_grant_anew_counts_from_then_on() -> None:
    again = grant_of("anna", "root", 8, number=2)
    late = grant_of("bert", "anna", 9)
    chain = believed(PROJECT, [ROOT, ANNA, revocation_of(ANNA, "root", 5), again, late])
    assert standing(chain, 10) == ["anna", "bert", "root"]


def test_many_statements_are_read_in_reasonable_time() -> None:
    hosts = [replace(HOST, id=f"{number:032x}") for number in range(1500)]
    end = revocation_of(HOST, "root", 2)
    ends = [replace(end, id=f"{number:032x}"[::-1], grant=one.id) for number, one in enumerate(hosts[:700])]
    chain = believed(PROJECT, [ROOT, ANNA, *hosts, *ends])
    assert len(chain.standing(at(3))) == 2 + 800


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (("read", "write"), ("read",)),
        (("audit", "read", "read"), ("read", "audit")),
        (("catalogue", "audit"), ("audit", "catalogue")),
        (("write",), ("write",)),
    ],
)
def test_rights_have_one_form(asked: Rights, kept: Rights) -> None:
    assert rights.normal(asked) == kept


@pytest.mark.parametrize("asked", [(), ("rule",), ("catalogue",), ("write", "audit", "catalogue"), ("read", "catalogue")])
def test_rights_that_make_no_sense_are_refused(asked: Rights) -> None:
    with pytest.raises(UsageError):
        rights.normal(asked)


def test_what_rights_imply() -> None:
    table = {right: [one for one in rights.RIGHTS if rights.includes((right,), one)] for right in rights.RIGHTS}
    assert table == {
        "write": ["write", "catalogue"],
        "read": ["write", "read", "catalogue"],
        "audit": ["audit"],
        "catalogue": ["catalogue"],
    }


@pytest.mark.skipif(shutil.which("ssh-keygen") is None or shutil.which("jq") is None, reason="OpenSSH or jq is not installed")
def test_openssh_verifies_a_grant(tmp_path: Path) -> None:
    (tmp_path / "grant.json").write_text(json.dumps(ANNA.as_json(), indent=2))
    message = subprocess.run(["jq", "-cjS", "del(.signature)", tmp_path / "grant.json"], check=True, capture_output=True).stdout
    (tmp_path / "signature").write_text(ANNA.signature)
    (tmp_path / "signers").write_text(f"root {ssh_signature.public_line(ANNA.by.signing_key)}\n")
    words: list[str | Path] = ["ssh-keygen", "-Y", "verify", "-f", tmp_path / "signers", "-I", "root", "-n", grant.NAMESPACE]
    done = subprocess.run([*words, "-s", tmp_path / "signature"], input=message, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
