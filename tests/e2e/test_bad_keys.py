"""Keys that do not fit: a clear error, a hint, exit 12, and nothing lost."""

from __future__ import annotations

import json

from tests.e2e.used import repository, unchanged
from tests.support.desk import Desk, refusal
from tests.support.randomness import SeededChance
from tests.support.tree_facts import tree_facts
from vault import age


def test_a_wrong_identity_is_refused_as_such(used: Desk) -> None:
    other = used.folder / "other.txt"
    other.write_text(age.HybridIdentity.generate(SeededChance("other")).encode())
    before = tree_facts(repository(used))
    for arguments in (["backup"], ["list"], ["restore", "acme", "--to", "out"], ["check"], ["status"]):
        assert "none of the given identities" in refusal(used.call(*arguments, "--identity", str(other), exits=12))
    assert tree_facts(repository(used)) == before and not (used.folder / "out").exists()


def test_a_truncated_identity_is_refused_as_such(used: Desk) -> None:
    whole = used.identity.read_text()
    for text in (whole[:-30], "", "# only a comment\n", whole[: whole.index("AGE-SECRET-KEY") + 20], "hello", "\x00\xff"):
        used.identity.write_text(text)
        message = refusal(used.call("list", exits=12))
        assert str(used.identity) in message
    used.identity.write_bytes(b"\xff\xfe\x00")
    assert "is not an identity file" in refusal(used.call("list", exits=12))
    used.identity.write_text(whole)
    unchanged(used)


def test_a_missing_identity_is_named(used: Desk) -> None:
    used.identity.rename(used.folder / "moved.txt")
    assert str(used.identity) in refusal(used.call("backup", exits=12))
    assert "--identity FILE" in refusal(used.call("list", "--identity", "nowhere.txt", exits=12))
    used.call("list", "--identity", "moved.txt")


def seal_identity(desk: Desk, passphrase: str) -> None:
    """Seal the identity to a passphrase, with a work factor that costs nothing."""
    sealed = age.seal(desk.identity.read_bytes(), [age.ScryptRecipient(passphrase, 2)], SeededChance("scrypt"))
    desk.identity.write_bytes(age.armor.encode(sealed.data))


def set_identity(desk: Desk, key: str, value: str) -> None:
    text = desk.settings.read_text()
    desk.settings.write_text(text.replace("[identity]\n", f"[identity]\n{key} = {json.dumps(value)}\n"))


def test_a_wrong_passphrase_is_refused_and_the_right_one_taken(used: Desk) -> None:
    seal_identity(used, "correct horse")
    assert "there is no terminal" in refusal(used.call("list", exits=12))
    set_identity(used, "passphrase_command", "echo wrong")
    assert "--identity" not in refusal(used.call("list", exits=12))
    used.settings.write_text(used.settings.read_text().replace("echo wrong", "echo correct horse"))
    unchanged(used)
    whole = used.identity.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-40], whole.replace(b"A", b"B")):
        used.identity.write_bytes(damaged)
        refusal(used.call("list", exits=12))


def test_an_identity_may_come_from_a_command(used: Desk) -> None:
    text = used.settings.read_text()
    moved = used.folder / "kept elsewhere"
    used.identity.rename(moved)
    settings = text.replace(f'file = "{used.identity}"', "command = \"cat 'kept elsewhere'\"")
    assert settings != text
    used.settings.write_text(settings)
    unchanged(used)
    for command in ("false", "no-such-program x", "'unclosed", ""):
        used.settings.write_text(text.replace(f'file = "{used.identity}"', f"command = {json.dumps(command)}"))
        refusal(used.call("list", exits=2))


def test_the_recovery_kit_may_not_lie_beside_the_identity(desk: Desk) -> None:
    desk.identity.parent.mkdir(parents=True)
    kit = desk.identity.with_name("kit.txt")
    assert "beside the identity" in refusal(desk.call("init", desk.place.address, "--recovery-kit", str(kit), exits=2))
    (desk.folder / "link").symlink_to(desk.identity.parent)
    refusal(desk.call("init", desk.place.address, "--recovery-kit", str(desk.folder / "link/kit.txt"), exits=2))
    assert not desk.identity.exists() and not repository(desk).exists() and not desk.settings.exists()
