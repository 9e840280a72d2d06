"""Entries of the log: signed, bound to their place, and verified by OpenSSH itself."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.places import identity
from vault.errors import Damaged, Unstorable, UsageError
from vault.format import layout, principal, ssh_signature
from vault.format.log_entry import LARGEST, MOST_PROJECTS, NAMESPACE, Actor, LogEntry, LoggedProject, Outcome
from vault.format.log_head import LogHead
from vault.format.log_stamp import LogStamp
from vault.format.principal import Principal

OPERATOR = identity()
NOW = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
REPOSITORY, PRINCIPAL = "5" * 32, "c" * 32
ENTRY = LogEntry(
    id=layout.entry_id(7, "0123456789abcdef"),
    repository=REPOSITORY,
    principal=PRINCIPAL,
    before="ab" * 32,
    signing_key=Principal.of(OPERATOR).signing_key or b"",
    at=NOW,
    action="restore",
    phase="done",
    who=Actor("olena", "alpha", "strongroom/0.1.0", daemon=True),
    projects=(LoggedProject("a" * 32, "acme"),),
    what={"selection": {"periods": ["2024-05"]}, "to": "/srv/back"},
    outcome=Outcome("problems", 3, NOW, {"files": 12}, ({"source": "reports"},), ""),
)


def sign(body: bytes) -> str:
    return principal.sign(OPERATOR, body, NAMESPACE)


def decoded(data: bytes) -> LogEntry:
    return LogEntry.decode(data, PRINCIPAL, ENTRY.id, REPOSITORY)


def test_an_entry_comes_back_as_it_was_written() -> None:
    assert decoded(ENTRY.encode(sign)) == ENTRY
    bare = replace(ENTRY, phase="intent", outcome=None, before=None, projects=(), what={})
    assert decoded(bare.encode(sign)) == bare
    assert (ENTRY.sequence, ENTRY.run) == (7, "0123456789abcdef")


def test_openssh_verifies_an_entry_by_its_lines(tmp_path: Path) -> None:
    data = ENTRY.encode(sign)
    body, _, signature = data.partition(b"\n")
    (tmp_path / "signature").write_bytes(signature)
    line = ssh_signature.public_line(ENTRY.signing_key)
    (tmp_path / "allowed").write_text(f'olena namespaces="{NAMESPACE}" {line}\n')
    verify: list[str | Path] = ["ssh-keygen", "-Y", "verify", "-f", tmp_path / "allowed", "-I", "olena", "-n", NAMESPACE]
    verify += ["-s", tmp_path / "signature"]
    assert subprocess.run(verify, input=body + b"\n", capture_output=True).returncode == 0
    assert subprocess.run(verify, input=body.replace(b"2024-05", b"2024-06") + b"\n", capture_output=True).returncode


def test_an_entry_that_was_changed_anywhere_is_refused() -> None:
    data = ENTRY.encode(sign)
    for place in range(0, len(data), 7):
        for bit in (0, 6):
            flipped = bytes([*data[:place], data[place] ^ (1 << bit), *data[place + 1 :]])
            try:
                found = decoded(flipped)
            except Damaged:
                continue
            assert found == ENTRY  # letters of the armor that say the same


@pytest.mark.parametrize(
    ("principal_id", "entry", "repository", "why"),
    [
        ("d" * 32, ENTRY.id, REPOSITORY, "swapped"),
        (PRINCIPAL, layout.entry_id(8, "0123456789abcdef"), REPOSITORY, "swapped"),
        (PRINCIPAL, layout.entry_id(7, "f" * 16), REPOSITORY, "swapped"),
        (PRINCIPAL, ENTRY.id, "6" * 32, "another repository"),
    ],
)
def test_an_entry_is_refused_in_any_other_place(principal_id: str, entry: str, repository: str, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        LogEntry.decode(ENTRY.encode(sign), principal_id, entry, repository)


def test_a_signature_of_another_use_or_of_another_key_is_refused() -> None:
    for namespace, who, why in (
        ("strongroom-export", OPERATOR, "another use"),
        (NAMESPACE, identity("mallory"), "another key"),
    ):
        data = ENTRY.encode(lambda body, who=who, namespace=namespace: principal.sign(who, body, namespace))  # type: ignore[misc]
        with pytest.raises(Damaged, match=why):
            decoded(data)


def test_what_no_reader_would_take_is_not_written() -> None:
    for bad in (
        replace(ENTRY, what={"patterns": ["x" * LARGEST]}),
        replace(ENTRY, projects=ENTRY.projects * (MOST_PROJECTS + 1)),
        replace(ENTRY, what={"pattern": "\udc80"}),
    ):
        with pytest.raises(Unstorable):
            bad.encode(sign)


def test_a_head_is_a_line_that_people_can_keep() -> None:
    head = LogHead(PRINCIPAL, 12, "ab" * 32)
    assert LogHead.parse(head.as_text()) == head
    assert LogHead.from_json(head.as_json(), "it") == head
    for text in ("", "x", head.as_text().replace("/12/", "/0/"), head.as_text()[:-1], head.as_text().upper()):
        with pytest.raises(UsageError):
            LogHead.parse(text)
    for name, value in (("sequence", 0), ("sequence", 10**12), ("principal", "C" * 32), ("sha256", "ab")):
        with pytest.raises(Damaged):
            LogHead.from_json(head.as_json() | {name: value}, "it")


def test_a_time_stamp_comes_back_and_belongs_to_its_chain() -> None:
    stamp = LogStamp(
        layout.entry_id(7, "f" * 16), REPOSITORY, LogHead(PRINCIPAL, 7, "ab" * 32), NOW, "https://tsa", b"\x30\x00"
    )
    assert LogStamp.decode(stamp.encode(), PRINCIPAL, stamp.id, REPOSITORY) == stamp
    for where in (("d" * 32, stamp.id, REPOSITORY), (PRINCIPAL, ENTRY.id, REPOSITORY), (PRINCIPAL, stamp.id, "6" * 32)):
        with pytest.raises(Damaged):
            LogStamp.decode(stamp.encode(), *where)
    with pytest.raises(Unstorable):
        replace(stamp, response=bytes(65 * 1024)).encode()


def test_names_of_the_log_are_ours_and_nothing_else_below_audit() -> None:
    assert layout.is_ours(layout.audit_name(PRINCIPAL, ENTRY.id))
    assert layout.is_ours(layout.stamp_name(PRINCIPAL, ENTRY.id))
    for name in (
        f"audit/{PRINCIPAL}",
        f"audit/{PRINCIPAL}/stamps",
        f"audit/{PRINCIPAL}/other/{ENTRY.id}",
        f"audit/{PRINCIPAL}/{ENTRY.id}/{ENTRY.id}",
        f"audit/{PRINCIPAL}/{'0' * 12}-{'f' * 16}",
        f"audit/{PRINCIPAL}/{ENTRY.id[1:]}",
        f"audit/x/{ENTRY.id}",
    ):
        assert not layout.is_ours(name)
