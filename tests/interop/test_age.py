"""Our age files in others' hands and theirs in ours: `pyrage` (Rust), npm's `age-encryption`, Debian's `age` (Go).

What the machine lacks is reported in the run's summary, never passed over in silence.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pyrage
import pytest

from tests.support.age import CHEAP_WORK_FACTOR
from tests.support.age_js import SCRIPT, run
from tests.support.coverage_notes import not_covered
from tests.support.randomness import SeededChance
from vault.age import (
    SEGMENT,
    HybridIdentity,
    ScryptIdentity,
    ScryptRecipient,
    X25519Identity,
    armor,
    open_sealed,
    parse_identities,
    parse_identity,
    parse_recipient,
    read_header,
    seal,
)

PLAINS = [b"", b"one report", SeededChance("interop").token(SEGMENT), SeededChance("interop").token(2 * SEGMENT + 321)]
every_plain = pytest.mark.parametrize("plain", PLAINS, ids=len)


@pytest.fixture(scope="session")
def age_go() -> str:
    """Debian's `age`."""
    found = shutil.which("age")
    if found is None:
        not_covered("X25519 age files with the reference implementation: no `age` here")
        pytest.skip("no age")
    return found


@every_plain
def test_pyrage_opens_our_x25519_files_and_we_open_its(plain: bytes) -> None:
    ours = X25519Identity.generate(SeededChance(1))
    theirs = pyrage.x25519.Identity.from_str(ours.encode())
    assert str(theirs.to_public()) == ours.recipient.encode()
    assert pyrage.decrypt(bytes(seal(plain, [ours.recipient], SeededChance(2)).data), [theirs]) == plain
    assert open_sealed(pyrage.encrypt(plain, [theirs.to_public()]), [ours]) == plain
    assert open_sealed(armor.decode(pyrage.encrypt(plain, [theirs.to_public()], armored=True)), [ours]) == plain


@every_plain
def test_pyrage_opens_our_passphrase_files(plain: bytes) -> None:
    sealed = seal(plain, [ScryptRecipient("hush", CHEAP_WORK_FACTOR)], SeededChance(3)).data
    assert pyrage.passphrase.decrypt(bytes(sealed), "hush") == plain
    assert pyrage.passphrase.decrypt(armor.encode(sealed), "hush") == plain


@pytest.mark.slow
def test_we_open_pyrages_passphrase_files_at_the_work_factor_that_it_measures() -> None:
    assert open_sealed(pyrage.passphrase.encrypt(b"one report", "hush"), [ScryptIdentity("hush")]) == b"one report"


def test_keys_made_elsewhere_are_ours_too() -> None:
    theirs = pyrage.x25519.Identity.generate()
    assert parse_identity(str(theirs)).recipient.encode() == str(theirs.to_public())
    assert parse_recipient(str(theirs.to_public())).encode() == str(theirs.to_public())


def test_a_hybrid_key_made_by_the_typescript_implementation_is_ours_too(age_js: Path) -> None:
    identity, recipient = run("node", str(SCRIPT), "generate", folder=age_js).decode("ascii").split()
    assert parse_identity(identity).recipient.encode() == recipient
    assert parse_recipient(recipient).encode() == recipient


@pytest.mark.parametrize("plain", PLAINS[::3], ids=len)
def test_the_typescript_implementation_opens_our_hybrid_files_and_we_open_its(age_js: Path, plain: bytes) -> None:
    ours = HybridIdentity.generate(SeededChance(4))
    sealed = bytes(seal(plain, [ours.recipient], SeededChance(5)).data)
    assert run("node", str(SCRIPT), "decrypt", ours.encode(), given=sealed, folder=age_js) == plain
    theirs = run("node", str(SCRIPT), "encrypt", ours.recipient.encode(), given=plain, folder=age_js)
    assert open_sealed(theirs, [ours]) == plain
    reader = read_header(theirs[:4096], [ours]).reader(len(theirs))
    offset, length = reader.sealed_span(0, reader.plain_size)
    assert reader.open_span(theirs[offset : offset + length], 0, reader.plain_size) == plain


@every_plain
def test_the_reference_implementation_opens_our_x25519_files_and_we_open_its(age_go: str, tmp_path: Path, plain: bytes) -> None:
    ours = X25519Identity.generate(SeededChance(6))
    key_file = tmp_path / "key.txt"
    key_file.write_text(f"# made for a test\n{ours.encode()}\n", encoding="utf-8")
    sealed = seal(plain, [ours.recipient], SeededChance(7)).data
    for text in (bytes(sealed), armor.encode(sealed)):
        assert run(age_go, "--decrypt", "--identity", str(key_file), given=text) == plain
    identities = parse_identities(key_file.read_text(encoding="utf-8"))
    assert open_sealed(run(age_go, "--recipient", ours.recipient.encode(), given=plain), identities) == plain
    armored = run(age_go, "--armor", "--recipient", ours.recipient.encode(), given=plain)
    assert open_sealed(armor.decode(armored), identities) == plain
