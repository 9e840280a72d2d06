"""Shares of a recovery kit in others' hands and theirs in ours: npm's `slip39`, which shares no code with ours."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.support.npm_packages import folder_with, run
from tests.support.randomness import SeededChance
from vault.age import HybridIdentity
from vault.format.identity_shares import Share, combined, split

SLIP39_JS = "slip39@0.1.9"
BEGIN = 'const slip39 = require("slip39"); const given = process.argv.slice(1); '
RECOVER = 'console.log(Buffer.from(slip39.recoverSecret(given, "")).toString("hex"))'
MAKE = (
    'const made = slip39.fromArray([...Buffer.from(given[0], "hex")], { passphrase: "", threshold: 1, groups: [[3, 5, ""]] }); '
    'console.log(made.fromPath("r/0").mnemonics.join("\\n"))'
)


@pytest.fixture(scope="module")
def slip39_js() -> Path:
    """A folder with npm's package in it."""
    return folder_with(SLIP39_JS, "shares by SLIP-39 with another implementation")


def node(folder: Path, program: str, *arguments: str) -> str:
    return run("node", "-e", BEGIN + program, *arguments, folder=folder).decode("ascii").strip()


@pytest.mark.parametrize(("shares", "needed"), [(3, 2), (5, 3)])
def test_another_implementation_recovers_the_seed_of_our_shares(slip39_js: Path, shares: int, needed: int) -> None:
    identity = HybridIdentity.generate(SeededChance(shares))
    texts = split(identity, shares, needed)
    for subset in (texts[:needed], texts[-needed:]):
        assert node(slip39_js, RECOVER, *subset) == identity.seed.hex()


def test_shares_that_another_implementation_has_made_are_ours_too(slip39_js: Path) -> None:
    identity = HybridIdentity.generate(SeededChance("theirs"))
    texts = node(slip39_js, MAKE, identity.seed.hex()).splitlines()
    assert len(texts) == 5
    for subset in itertools.combinations(texts, 3):
        (found,) = combined([Share.parse(text, f"share {number}") for number, text in enumerate(subset)])
        assert found.encode() == identity.encode()
