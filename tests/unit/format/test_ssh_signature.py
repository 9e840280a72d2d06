"""Signatures that OpenSSH checks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.coverage_notes import not_covered
from tests.support.randomness import SeededChance
from vault.age import HybridIdentity
from vault.age.errors import KeyUnreadable
from vault.errors import Damaged
from vault.format import ssh_signature
from vault.format.principal import Principal, sign, signing_key

IDENTITY = HybridIdentity.generate(SeededChance("signer"))
OTHER = HybridIdentity.generate(SeededChance("other"))
NAMESPACE = "strongroom-test"


def ssh_keygen() -> str:
    found = shutil.which("ssh-keygen")
    if found is None:
        not_covered("signatures checked by OpenSSH: no ssh-keygen here")
        pytest.skip("no ssh-keygen")
    return found


def checked_by_openssh(folder: Path, message: bytes, signature: str, signer: HybridIdentity) -> bool:
    public = Principal.of(signer).signing_key
    assert public is not None
    (folder / "allowed").write_text(f"olena {ssh_signature.public_line(public)}\n")
    (folder / "signature").write_text(signature)
    command: list[str | Path] = [
        ssh_keygen(),
        "-Y",
        "verify",
        "-f",
        folder / "allowed",
        "-I",
        "olena",
        "-n",
        NAMESPACE,
        "-s",
        folder / "signature",
    ]
    return subprocess.run(command, input=message, capture_output=True, timeout=60).returncode == 0


@pytest.mark.parametrize("message", [b"", b"a line\n", bytes(range(256)) * 1000])
def test_openssh_accepts_what_is_signed_here(tmp_path: Path, message: bytes) -> None:
    assert checked_by_openssh(tmp_path, message, sign(IDENTITY, message, NAMESPACE), IDENTITY)


def test_openssh_refuses_another_message_and_another_signer(tmp_path: Path) -> None:
    signature = sign(IDENTITY, b"a", NAMESPACE)
    assert not checked_by_openssh(tmp_path, b"b", signature, IDENTITY)
    assert not checked_by_openssh(tmp_path, b"a", signature, OTHER)


def test_what_openssh_signs_is_accepted_here(tmp_path: Path) -> None:
    program = ssh_keygen()
    subprocess.run([program, "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True, timeout=60)
    (tmp_path / "message").write_bytes(b"signed elsewhere")
    subprocess.run(
        [program, "-q", "-Y", "sign", "-f", tmp_path / "id", "-n", NAMESPACE, tmp_path / "message"], check=True, timeout=60
    )
    public = ssh_signature.parse_public_line((tmp_path / "id.pub").read_text())
    assert ssh_signature.verify((tmp_path / "message.sig").read_text(), b"signed elsewhere", NAMESPACE) == public


@given(st.binary(max_size=200), st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_signature_is_refused_or_is_still_the_same_one(message: bytes, place: int, mask: int) -> None:
    signature = sign(IDENTITY, message, NAMESPACE)
    body = bytearray(signature.encode())
    body[place % len(body)] ^= mask
    changed = body.decode("latin-1")
    try:
        assert ssh_signature.verify(changed, message, NAMESPACE) == Principal.of(IDENTITY).signing_key
    except Damaged:
        return
    assert changed.split() == signature.split()  # only a line's end was another


def test_a_signature_of_one_use_is_none_of_another() -> None:
    with pytest.raises(Damaged, match="another use"):
        ssh_signature.verify(sign(IDENTITY, b"a", NAMESPACE), b"a", "strongroom-other")


@pytest.mark.parametrize("text", ["", "-----BEGIN SSH SIGNATURE-----\n\n-----END SSH SIGNATURE-----\n", "x" * 10_000])
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(Damaged):
        ssh_signature.verify(text, b"", NAMESPACE)


def test_a_principal_is_read_from_what_is_printed() -> None:
    principal = Principal.of(IDENTITY)
    assert Principal.parse(principal.as_text("olena@desk")) == principal
    assert Principal.parse(f"# of olena\n{principal.as_text('olena')}") == principal
    assert Principal.parse(" ".join(principal.as_text().split())) == principal
    assert Principal.parse(IDENTITY.recipient.encode()) == Principal(IDENTITY.recipient)


@pytest.mark.parametrize(
    "text", ["", "olena", "ssh-ed25519 AAAA", IDENTITY.encode(), f"{IDENTITY.recipient.encode()} ssh-ed25519 x"]
)
def test_what_is_no_principal_is_refused(text: str) -> None:
    with pytest.raises(KeyUnreadable):
        Principal.parse(text)


def test_fingerprints_differ_by_both_keys() -> None:
    mine = Principal.of(IDENTITY)
    fingerprints = {mine.fingerprint, Principal.of(OTHER).fingerprint, Principal(mine.recipient).fingerprint}
    fingerprints.add(Principal(mine.recipient, Principal.of(OTHER).signing_key).fingerprint)
    assert len(fingerprints) == 4
    assert all(len(one) == 19 for one in fingerprints)


def test_the_signing_key_is_derived_and_never_changes() -> None:
    identity = HybridIdentity(bytes(range(32)))
    derived = signing_key(identity).public_key().public_bytes_raw()
    assert derived == signing_key(HybridIdentity.parse(identity.encode())).public_key().public_bytes_raw()
    assert derived.hex() == "dad8ef0ae46c2c6e0a2ba361d77a8e7c44644ca22273052bd0fd571b426a61b8"
