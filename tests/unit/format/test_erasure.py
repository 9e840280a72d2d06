"""Statements about the erasing of a project: read as they were written, bounded, believed only with the right signatures."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.places import identity
from tests.unit.format.test_grant_chain import HOST, PROJECT, REPOSITORY, grant_of, revocation_of, signer
from vault.errors import Damaged, Unstorable
from vault.format import erasure, grant, ssh_signature
from vault.format.erasure import (
    Completion,
    Destruction,
    ErasureApproval,
    ErasureRequest,
    ProjectContents,
    Statement,
    digest,
    signed,
)
from vault.format.erasure_chain import Erasure, KnownProject, erasure_of, leading_to
from vault.format.grant import Grant, Revocation
from vault.format.grant_chain import believed
from vault.format.principal import Principal

IDS = (REPOSITORY, PROJECT)
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
CONTENTS = ProjectContents(12, START, START + WEEK, 345, 6789, 8)
PRINTS = (b"\1" * 32, b"\2" * 32)

ROOT = grant_of("root", "root", 0)
ANNA = grant_of("anna", "root", 1)
BORIS = grant_of("boris", "root", 2, number=2)
GRANTS: tuple[Grant | Revocation, ...] = (ROOT, ANNA, BORIS)


def number(text: str) -> str:
    return f"{text.encode().hex():0>32}"[:32]


def request(by: str = "anna", **changes: Any) -> ErasureRequest:
    made = ErasureRequest(
        repository=REPOSITORY,
        project=PROJECT,
        id=number("request"),
        name="acme",
        reason="contract ended",
        contents=CONTENTS,
        state=b"\7" * 32,
        approvals=2,
        by=signer(by),
        at=START,
        until=START + WEEK,
    )
    return signed(replace(made, **changes), identity(by))


def approval(of: ErasureRequest, by: str = "boris", **changes: Any) -> ErasureApproval:
    made = ErasureApproval(REPOSITORY, PROJECT, number("approval"), "acme", digest(of), signer(by), START + timedelta(days=1))
    return signed(replace(made, **changes), identity(by))


def destruction(of: ErasureRequest, agreed: ErasureApproval | None, by: str = "anna", **changes: Any) -> Destruction:
    made = Destruction(
        repository=REPOSITORY,
        project=PROJECT,
        id=number("destruction"),
        name="acme",
        request=digest(of),
        approval=None if agreed is None else digest(agreed),
        fingerprints=PRINTS,
        grants=GRANTS,
        by=signer(by),
        at=START + timedelta(days=2),
    )
    return signed(replace(made, **changes), identity(by))


def completion(of: Destruction, by: str = "anna", **changes: Any) -> Completion:
    made = Completion(
        REPOSITORY, PROJECT, number("completion"), "acme", digest(of), 8, 300, 6000, 2, None, "", signer(by), START + WEEK
    )
    return signed(replace(made, **changes), identity(by))


ASKED = request()
AGREED = approval(ASKED)
BEGUN = destruction(ASKED, AGREED)
ENDED = completion(BEGUN)
EVERY: tuple[Statement, ...] = (ASKED, AGREED, BEGUN, ENDED)
KNOWN = KnownProject(frozenset({PRINTS[1]}), Principal.of(identity("root")).signing_key)


def found(*statements: Statement, known: KnownProject = KNOWN) -> Erasure | None:
    return erasure_of(IDS, statements, known)[0]


def why(*statements: Statement, known: KnownProject = KNOWN) -> str:
    made, error = erasure_of(IDS, statements, known)
    assert made is None and error is not None
    return str(error)


@pytest.mark.parametrize("one", EVERY)
def test_a_statement_is_read_as_it_was_written_and_no_field_of_it_may_change_or_be_added(one: Statement) -> None:
    assert erasure.decode(erasure.encode(one), one.id) == one
    value = one.as_json()
    for name in (name for name in value if name != "signature"):
        with pytest.raises(Damaged):
            erasure.decode(json.dumps(value | {name: "0" * 32 if name != "id" else value[name] + "0"}).encode(), one.id)
        with pytest.raises(Damaged):
            erasure.decode(json.dumps({it: more for it, more in value.items() if it != name}).encode(), one.id)
    with pytest.raises(Damaged, match="something else than Strongroom writes"):
        erasure.decode(json.dumps(value | {"more": 1}).encode(), one.id)
    with pytest.raises(Damaged, match="another one than its name says"):
        erasure.decode(erasure.encode(one), "f" * 32)


@given(reason=st.text(min_size=1, max_size=erasure.LONGEST_REASON), counts=st.tuples(*[st.integers(0, (1 << 63) - 1)] * 4))
def test_every_request_that_is_written_can_be_read(reason: str, counts: tuple[int, int, int, int]) -> None:
    contents = ProjectContents(counts[0], None, None, counts[1], counts[2], counts[3])
    try:
        made = request(reason=reason, contents=contents)
    except Unstorable:
        assert any("\ud800" <= char <= "\udfff" for char in reason)
    else:
        assert erasure.decode(erasure.encode(made), made.id) == made


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": ""},
        {"reason": "x" * (erasure.LONGEST_REASON + 1)},
        {"name": ""},
        {"name": "x" * 201},
        {"approvals": 0},
        {"approvals": 3},
        {"contents": replace(CONTENTS, bytes=-1)},
        {"project": "acme"},
    ],
)
def test_a_request_that_nobody_could_read_is_not_written(changes: dict[str, Any]) -> None:
    with pytest.raises(Unstorable):
        request(**changes)


def test_bounds_hold_when_a_destruction_is_written_and_before_it_is_parsed() -> None:
    with pytest.raises(Unstorable, match="fingerprints"):
        destruction(ASKED, AGREED, fingerprints=(b"\0" * 32,) * (erasure.MOST_FINGERPRINTS + 1))
    with pytest.raises(Unstorable, match="more than"):
        destruction(ASKED, AGREED, grants=(ROOT,) * (erasure.MOST_GRANTS + 1))
    with pytest.raises(Damaged, match="never written"):
        erasure.decode(b" " * (erasure.LARGEST + 1), "0" * 32)


def test_statements_with_a_broken_or_foreign_signature_are_refused() -> None:
    for one in EVERY:
        other = replace(one, signature=request("boris").signature)
        with pytest.raises(Damaged):
            erasure.decode(erasure.encode(other), one.id)
    forged = replace(ASKED, by=signer("boris"))
    with pytest.raises(Damaged):
        erasure.decode(erasure.encode(forged), forged.id)


def test_an_erasing_is_believed_with_two_signatures_of_people_who_may() -> None:
    made = found(*EVERY)
    assert made is not None and made.people == ("anna", "boris") and made.statements == EVERY
    assert found(*EVERY[:3]) == replace(made, completion=None)
    assert found(*EVERY, known=KnownProject()) == made, "a machine that knows nothing believes what it sees first"
    assert found(ASKED, AGREED) is None


def test_one_signature_is_enough_only_where_the_request_says_so() -> None:
    alone = request(approvals=1)
    made = found(alone, destruction(alone, None))
    assert made is not None and made.people == ("anna",) and made.approval is None
    assert "second person" in why(ASKED, destruction(ASKED, None))


@pytest.mark.parametrize(
    ("agreed", "said"),
    [
        (approval(ASKED, "anna"), "by whoever has asked"),
        (approval(ASKED, "eve"), "may not approve"),
        (approval(ASKED, at=START + WEEK + timedelta(seconds=1)), "not open"),
        (approval(ASKED, at=START - timedelta(days=2)), "not open"),
        (approval(request(reason="another")), "another request"),
        (approval(ASKED, name="beta"), "another request"),
    ],
)
def test_an_approval_counts_only_of_this_request_by_somebody_else_in_time(agreed: ErasureApproval, said: str) -> None:
    assert said in why(ASKED, agreed, destruction(ASKED, agreed))


def test_who_controls_the_store_and_signs_with_keys_of_their_own_is_not_believed() -> None:
    asked = request("eve")
    agreed = approval(asked, "mallory")
    assert "people who may erase" in why(asked, agreed, destruction(asked, agreed, "eve"))
    # a whole chain of their own, from a root that this machine does not know
    own = replace(ROOT, by=signer("eve"), principal=Principal.of(identity("eve")), name="eve")
    root = grant.signed(own, identity("eve"))
    friend = grant.signed(replace(ANNA, by=signer("eve"), principal=Principal.of(identity("mallory"))), identity("eve"))
    begun = destruction(asked, agreed, "eve", grants=(root, friend))
    assert "people who may erase" in why(asked, agreed, begun)
    assert "other keys" in why(*EVERY[:2], destruction(ASKED, AGREED, fingerprints=(b"\3" * 32,)))


def test_a_destruction_of_another_project_or_repository_is_not_believed() -> None:
    assert "another project" in why(ASKED, AGREED, destruction(ASKED, AGREED, project="b" * 32))
    assert "another project" in why(ASKED, AGREED, destruction(ASKED, AGREED, repository="6" * 32))
    assert "not there" in why(BEGUN) and "not there" in why(ASKED, BEGUN)


def test_a_destruction_after_the_time_of_its_request_is_not_believed() -> None:
    assert "not open" in why(ASKED, AGREED, destruction(ASKED, AGREED, at=START + WEEK + timedelta(seconds=1)))
    forever = request(until=START + timedelta(days=31))
    agreed = approval(forever)
    assert "does not fit" in why(forever, agreed, destruction(forever, agreed))


def test_who_was_revoked_cannot_erase_by_leaving_the_revocation_out() -> None:
    end = revocation_of(BORIS, "root", 5)
    knows = replace(KNOWN, revoked=frozenset({BORIS.id}), revocations=frozenset({end.id}))
    assert found(*EVERY) is not None
    assert "may not approve" in why(*EVERY, known=knows)
    assert "may not approve" in why(ASKED, AGREED, destruction(ASKED, AGREED, grants=(*GRANTS, end)), known=knows)
    # a revocation of one's own making, which keeps what one likes
    fake = revocation_of(BORIS, "boris", 4, grant_of("mallory", "boris", 3))
    assert "may not approve" in why(ASKED, AGREED, destruction(ASKED, AGREED, grants=(*GRANTS, fake)), known=knows)


def test_the_grants_of_a_creator_who_has_left_still_lead_to_those_whom_they_granted() -> None:
    end = revocation_of(ROOT, "anna", 5, ANNA, BORIS, HOST)
    chain = believed(PROJECT, [*GRANTS, HOST, end])
    carried = leading_to(chain, [ANNA, BORIS])
    assert set(carried) == {ROOT, ANNA, BORIS, end}
    knows = replace(KNOWN, revoked=frozenset({ROOT.id}), revocations=frozenset({end.id}))
    assert found(ASKED, AGREED, destruction(ASKED, AGREED, grants=carried), known=knows) is not None
    assert "may not" in why(*EVERY, known=knows) or "people who may" in why(*EVERY, known=knows)


def test_a_completion_counts_only_of_this_destruction_by_somebody_who_may() -> None:
    for other in (completion(destruction(ASKED, AGREED, id=number("other"))), completion(BEGUN, "eve")):
        made = found(*EVERY[:3], other)
        assert made is not None and made.completion is None


def test_openssh_verifies_a_statement(tmp_path: Path) -> None:
    program = shutil.which("ssh-keygen")
    assert program is not None
    (tmp_path / "request.sig").write_text(ASKED.signature)
    line = ssh_signature.public_line(ASKED.by.signing_key)
    (tmp_path / "allowed").write_text(f'anna namespaces="{erasure.NAMESPACE}" {line}\n')
    words = [program, "-Y", "verify", "-f", "allowed", "-I", "anna", "-n", erasure.NAMESPACE, "-s", "request.sig"]

    def verify(data: bytes) -> int:
        return subprocess.run(words, input=data, cwd=tmp_path, capture_output=True, check=False).returncode

    assert verify(erasure.message(ASKED)) == 0
    assert verify(erasure.message(ASKED) + b" ") != 0


def test_a_statement_says_of_which_sort_it_is() -> None:
    assert [erasure.sort_of(one) for one in EVERY] == ["request", "approval", "destruction", "completion"]
