"""`keys new` and `keys show`: an identity where it will live, and its public half for whoever grants."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.support.desk import Desk, refusal
from tests.support.randomness import SeededChance
from vault import age
from vault.format.principal import Principal


def test_a_new_identity_is_its_owners_alone_and_its_public_half_stands_beside_it(desk: Desk) -> None:
    made = desk.call("keys", "new", "--name", "backup1", "--json").document
    (identity,) = age.parse_identities(desk.identity.read_text())
    assert isinstance(identity, age.HybridIdentity) and desk.identity.stat().st_mode & 0o777 == 0o600
    expected = Principal.of(identity)
    assert made["recipient"] == expected.recipient.encode() and made["fingerprint"] == expected.fingerprint
    assert made["signing_key"].endswith(" backup1") and made["file"] == str(desk.identity)
    public = desk.identity.with_name("identity.txt.pub").read_text()
    assert Principal.parse(public) == expected and expected.fingerprint in public


def test_the_text_shows_what_to_send_and_keys_show_shows_it_again(desk: Desk) -> None:
    made = desk.call("keys", "new").text
    again = desk.call("keys", "show").text
    public = Principal.parse(desk.identity.with_name("identity.txt.pub").read_text())
    for text in (made, again):
        assert public.fingerprint in text and public.recipient.encode() in text and "ssh-ed25519 " in text
    assert desk.call("keys", "show", "--json").document["identities"][0]["fingerprint"] == public.fingerprint


def test_an_identity_that_is_there_is_left_alone(desk: Desk) -> None:
    desk.call("keys", "new")
    before = desk.identity.read_bytes()
    assert "was left alone" in refusal(desk.call("keys", "new", exits=21))
    assert desk.identity.read_bytes() == before
    desk.identity.rename(desk.folder / "elsewhere.txt")
    assert "identity.txt.pub" in refusal(desk.call("keys", "new", exits=21))
    assert not desk.identity.exists()


def test_a_command_keeps_the_identity_and_no_file_does(desk: Desk) -> None:
    made = desk.call("keys", "new", "--store-command", "tee kept", "--command", "cat kept", "--json").document
    (identity,) = age.parse_identities((desk.folder / "kept").read_text())
    assert made["recipient"] == identity.recipient.encode() and made["file"] is None  # type: ignore[attr-defined]
    assert not desk.identity.exists() and not desk.identity.with_name("identity.txt.pub").exists()


def test_a_command_that_keeps_something_else_is_refused(desk: Desk) -> None:
    other = age.HybridIdentity.generate(SeededChance("other")).encode()
    (desk.folder / "other").write_text(other)
    words = ("keys", "new", "--store-command")
    assert "another identity" in refusal(desk.call(*words, "tee kept", "--command", "cat other", exits=12))
    assert "did not take" in refusal(desk.call(*words, "false", "--command", "cat other", exits=2))
    assert "--command" in refusal(desk.call(*words, "tee kept", exits=2))


@pytest.mark.parametrize("name", ["", " blank", "line\nbreak", "x" * 101])
def test_a_name_that_nobody_could_read_is_refused(desk: Desk, name: str) -> None:
    assert "invalid name" in refusal(desk.call("keys", "new", "--name", name, exits=2))
    assert not desk.identity.exists()


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
def test_openssh_reads_the_signing_key(desk: Desk) -> None:
    desk.call("keys", "new", "--name", "backup1")
    (line,) = [one for one in desk.identity.with_name("identity.txt.pub").read_text().splitlines() if one.startswith("ssh-")]
    file = desk.folder / "key.pub"
    file.write_text(line + "\n")
    shown = subprocess.run(["ssh-keygen", "-l", "-f", file], check=True, capture_output=True, text=True).stdout
    assert "ED25519" in shown and "backup1" in shown
