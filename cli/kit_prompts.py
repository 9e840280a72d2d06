"""A recovery kit that is typed off the paper: the key of one in one piece, or the words of enough shares.

What is typed is shown, as nobody types 33 words unseen; it is kept in no history and no file. Every line is looked at when it
comes, so that a mistake costs a line, or one word, and not the paper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli import output
from strongroom import environment, identities, recovery_kit
from strongroom.identities import KeyText
from vault.age import HybridIdentity
from vault.errors import KeyRefused, UsageError
from vault.format import identity_shares
from vault.format.identity_shares import WORDS, Share
from vault.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

_CORRECTION = re.compile(r"\s*(\d{1,2})[.):]?\s+([A-Za-z]{4,8})\s*\Z")


def loaded(files: Sequence[Path]) -> list[HybridIdentity]:
    """The kits of the files, or the one that a person types. Raises `KeyRefused`, `UsageError` where nobody can be asked."""
    from strongroom.settings.models import IdentitySettings

    if files:
        return recovery_kit.hybrid(identities.load(IdentitySettings(), [one.expanduser() for one in files]))
    if not environment.is_interactive():
        raise UsageError(
            "missing recovery kit: there is no terminal to type it", hint="name its file with --kit FILE, for each share once"
        )
    return [_typed()]


def _typed() -> HybridIdentity:
    output.notice("Type the recovery kit: its key, AGE-SECRET-KEY-PQ-1…, or the words of a share in as many lines as you like;")
    output.notice("four letters of each word are enough. What you type is shown, and kept nowhere.")
    shares: list[Share] = []
    while True:
        needed = shares[0].needed if shares else None
        prompt = "kit" if needed is None else f"share {len(shares) + 1} of the {needed} that are needed"
        found = _key_or_share(prompt, alone=not shares)
        if isinstance(found, HybridIdentity):
            return found
        if _is_another(shares, found):
            shares.append(found)
            output.notice(f"this is share {found.number}; {counted(found.needed, 'share')} are needed")
        if len(shares) == shares[0].needed:
            try:
                (identity,) = identity_shares.combined(shares)
            except KeyRefused as error:
                output.failure(error)
                shares.clear()
                continue
            return identity


def _is_another(shares: Iterable[Share], found: Share) -> bool:
    """Whether it is another share of the same kit; if not, that is said."""
    for one in shares:
        if one.set_id != found.set_id:
            output.notice("this share is of another kit than the first one; type one of the same kit")
            return False
        if one.number == found.number:
            output.notice(f"share {found.number} was typed already; type another one")
            return False
    return True


def _key_or_share(prompt: str, *, alone: bool) -> HybridIdentity | Share:
    """One that is whole and right. alone: whether it may be a key: no share came before."""
    lines: list[str] = []
    while True:
        line = _line(prompt if not lines else f"words {_count(lines) + 1} to {WORDS}")
        if alone and not lines and line.strip().upper().startswith("AGE-"):
            found = _key("".join(line.split()).upper())
            if found is not None:
                return found
            continue
        if not _are_words(lines, line):
            continue
        lines.append(line)
        if _count(lines) >= WORDS:
            return _share(" ".join(lines))


def _key(text: str) -> HybridIdentity | None:
    """None where it is mistyped; that is said."""
    try:
        return recovery_kit.hybrid(identities.parsed([KeyText("what was typed", text)]))[0]
    except KeyRefused as error:
        output.failure(error)
        return None


def _are_words(lines: Sequence[str], line: str) -> bool:
    """Whether a line goes on with the words of a share; if not, that is said."""
    try:
        identity_shares.check_words(" ".join([*lines, line]), "this line was not taken")
    except KeyRefused as error:
        output.failure(error)
        return False
    return True


def _share(text: str) -> Share:
    """Of all words; a person corrects single ones until the checksum fits."""
    words = text.split()
    words = [word for word in words if not word.rstrip(".):").isdigit()]
    while True:
        try:
            return Share.parse(" ".join(words), "what was typed")
        except KeyRefused as error:
            output.failure(error)
        line = _line("the share again, or one word as `12 academic`")
        correction = _CORRECTION.match(line)
        if correction is not None and 1 <= int(correction[1]) <= len(words):
            changed = [*words[: int(correction[1]) - 1], correction[2], *words[int(correction[1]) :]]
        else:
            changed = [word for word in line.split() if not word.rstrip(".):").isdigit()]
        if _are_words([], " ".join(changed)):
            words = changed


def _count(lines: Sequence[str]) -> int:
    return identity_shares.check_words(" ".join(lines), "what was typed")


def _line(prompt: str) -> str:
    """What a person types; nothing is kept of it."""
    line: str = typer.prompt(prompt, default="", show_default=False, err=True)
    return line
