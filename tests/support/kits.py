"""Recovery kits in tests: shares that are the same every time, and what of them may be seen nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.randomness import SeededChance

PLAIN = {
    "again",
    "already",
    "belong",
    "both",
    "change",
    "check",
    "forget",
    "have",
    "order",
    "other",
    "paper",
    "that",
    "together",
    "twice",
}
"""Words of SLIP-39's list that messages use as well."""


@contextmanager
def same_shares(seed: str) -> Iterator[None]:
    """The library that makes shares gets its randomness here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shamir_mnemonic.shamir.RANDOM_BYTES", SeededChance(seed).token)
        yield


def secret_words(text: str) -> set[str]:
    """The words of a share as text, but for the first four, which say only which share it is."""
    words = re.sub(r"^#.*$|\d+[.):]?", "", text, flags=re.MULTILINE).split()
    return set(words[4:]) - PLAIN


def shown_words(text: str) -> set[str]:
    """All words of a message or an output."""
    return set(re.findall(r"[a-z]+", text))
