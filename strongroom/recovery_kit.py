"""A recovery kit: a second identity for everything, on paper, in one piece or in shares of which some are enough.

It is made once and kept nowhere: what is written here goes to the files that a person names (0600), or is shown. A piece is
plain text that works as the file of `--kit` and `--identity`; `recovery_kit_page` makes a page of it, to be printed.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from strongroom.settings import in_address
from vault.errors import KeyRefused, RefusedByRule, UsageError
from vault.format import identity_shares
from vault.hidden_fields import HidesFields
from vault.problems import printable

if TYPE_CHECKING:
    from strongroom.settings.models import RepositorySettings
    from vault.age import HybridIdentity, HybridRecipient, Identity

WORDS_A_ROW = 3
"""Of a share: eleven numbered rows, as one reads them aloud or types them."""

_REPOSITORY = re.compile(r"^#\s*repository:\s*([0-9a-f]{32})\s*$", re.MULTILINE)


class KitOptions(Struct, frozen=True, kw_only=True):
    """How a kit is made.

    shares, needed: so many pieces, of which so many open everything; None: in one piece · text, page: files for plain text and
    for a page with QR codes; neither: its text is shown. Of shares each goes to a file of its own, `kit-1-of-3.txt`.
    """

    shares: int | None = None
    needed: int | None = None
    text: Path | None = None
    page: Path | None = None

    def check(self, identity: Path | None = None) -> None:
        """identity: the file of one's own. Raises `UsageError` for what makes no sense, `RefusedByRule` where a file would be
        overwritten."""
        if (self.shares is None) != (self.needed is None):
            raise UsageError(
                "--shares and --threshold belong together: so many shares, and so many of them open everything",
                hint="for example --shares 3 --threshold 2",
            )
        if self.shares is not None and self.needed is not None:
            identity_shares.check_numbers(self.shares, self.needed)
        if self.text is not None and self.text == self.page:
            raise UsageError(f"{self.text} is named for the text and for the page", hint="name two files")
        for file in self.files:
            _check_file(file, identity)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that will be written."""
        return tuple(one for place in (self.text, self.page) if place is not None for one in self.files_at(place))

    @property
    def shown(self) -> bool:
        """Whether no file is named."""
        return self.text is None and self.page is None

    def files_at(self, place: Path) -> tuple[Path, ...]:
        """The file of each piece."""
        if self.shares is None:
            return (place,)
        numbers = range(1, self.shares + 1)
        return tuple(place.with_name(f"{place.stem}-{number}-of-{self.shares}{place.suffix}") for number in numbers)


class KitPiece(HidesFields, frozen=True):
    """A kit, or a share of one. number, of, needed: None where the kit is in one piece · secret: the identity, or the words."""

    secret: str
    number: int | None = None
    of: int | None = None
    needed: int | None = None

    @property
    def is_share(self) -> bool:
        """Whether other pieces are needed."""
        return self.number is not None

    @property
    def title(self) -> str:
        """What it is."""
        return f"Strongroom recovery kit, share {self.number} of {self.of}" if self.is_share else "Strongroom recovery kit"

    @property
    def what_it_opens(self) -> str:
        """For whoever holds it."""
        if not self.is_share:
            return "Whoever has this can read everything in the repository."
        return f"Any {self.needed} of the {self.of} shares together open everything in the repository; fewer tell nothing."

    @property
    def words(self) -> list[str]:
        """Of a share."""
        return self.secret.split()


class RecoveryKit(HidesFields, frozen=True):
    """address: of the repository, with all that is needed to reach it · repository: its id · made_at: a moment."""

    identity: HybridIdentity
    address: str
    repository: str
    made_at: datetime
    pieces: tuple[KitPiece, ...]

    @classmethod
    def of(
        cls,
        identity: HybridIdentity,
        repository: RepositorySettings,
        repository_id: str,
        made_at: datetime,
        options: KitOptions,
    ) -> RecoveryKit:
        """The kit of an identity. Raises `UsageError`."""
        if options.shares is None or options.needed is None:
            pieces: tuple[KitPiece, ...] = (KitPiece(identity.encode()),)
        else:
            texts = identity_shares.split(identity, options.shares, options.needed)
            pieces = tuple(KitPiece(text, number, options.shares, options.needed) for number, text in enumerate(texts, 1))
        address = printable(os.fsencode(in_address(repository)))
        return cls(identity, address, repository_id, made_at, pieces)

    @property
    def fingerprint(self) -> str:
        """What it is called in messages."""
        return fingerprint(self.identity)

    @property
    def recover(self) -> str:
        """The command that brings everything back, for a machine that knows nothing."""
        needed = self.pieces[0].needed
        kits = ["kit.txt"] if needed is None else [f"share-{number}.txt" for number in range(1, needed + 1)]
        return f"strongroom recover {shlex.quote(self.address)} {' '.join(f'--kit {one}' for one in kits)}"

    @property
    def whole_text(self) -> str:
        """All pieces as plain text, one after another."""
        return "\n".join(self.text(piece) for piece in self.pieces)

    def text(self, piece: KitPiece) -> str:
        """A piece as plain text."""
        return "".join(f"{line}\n" for line in self._lines(piece))

    def _lines(self, piece: KitPiece) -> Iterator[str]:
        place = "in a place of its own, " if piece.is_share else ""
        yield f"# {piece.title}: print this, lock it away {place}and delete the file."
        yield f"# repository: {self.repository}"
        yield f"# address:    {self.address}"
        yield f"# kit:        {self.fingerprint}"
        yield f"# made:       {self.made_at:%Y-%m-%d}"
        yield from (f"# {line}".rstrip() for line in (self._of_share(piece) if piece.is_share else self._of_whole()))
        yield "# Without Strongroom: docs/format.md tells how to read everything with age, zstd and any Parquet reader."
        if piece.is_share:
            yield from rows(piece.words)
        else:
            yield piece.secret

    def _of_whole(self) -> Iterator[str]:
        address = shlex.quote(self.address)
        yield "It opens everything in the repository. With Strongroom on any machine, and this text in the file kit.txt:"
        yield f"  {self.recover}"
        yield "That says first what it does, step by step. The same and more by single commands:"
        for command in ("project list", "settings restore", "restore PROJECT --to DIR", "restore --all-projects --to DIR"):
            yield f"  strongroom {command} --repository {address} --identity kit.txt"
        yield "Whether it still opens everything: strongroom keys check --kit kit.txt"

    def _of_share(self, piece: KitPiece) -> Iterator[str]:
        yield piece.what_it_opens
        yield "With Strongroom on any machine, and the shares' texts in files:"
        yield f"  {self.recover}"
        yield "That says first what it does, step by step. Other commands take shares as identities: --identity share-1.txt …"
        yield "Whether they still open everything: strongroom keys check --kit share-1.txt …"
        yield "The words are a share by SLIP-39; four letters of each are enough."

    def write(self, options: KitOptions) -> None:
        """To the files of the options, 0600 and never over one that is there. Raises `RefusedByRule`, `UsageError`."""
        from strongroom import identities, recovery_kit_page

        for place, make in ((options.text, self.text), (options.page, lambda piece: recovery_kit_page.page(self, piece))):
            for file, piece in zip(() if place is None else options.files_at(place), self.pieces, strict=False):
                identities.write_secret(file, make(piece).encode())


def rows(words: Sequence[str]) -> Iterator[str]:
    """The words of a share, numbered, in rows."""
    for start in range(0, len(words), WORDS_A_ROW):
        cells = [f"{number:>2} {word:<8}" for number, word in enumerate(words[start : start + WORDS_A_ROW], start + 1)]
        yield "  ".join(cells).rstrip()


def fingerprint(kit: HybridIdentity) -> str:
    """What a kit is called: short, to be compared by eye and by telephone; `keys list` shows the same."""
    from vault.format.principal import Principal

    return Principal.of(kit).fingerprint


def note_key(recipient: HybridRecipient) -> str:
    """Under which word this machine notes when a kit was proven: settings of before do not know its signing key."""
    from vault.format.principal import Principal

    return Principal(recipient).fingerprint


def verify_repository(files: Sequence[Path], repository: str) -> None:
    """Compare the id that the kits name with that of the repository at hand. Raises `KeyRefused` where they differ."""
    from strongroom.identities import LARGEST_IDENTITY_FILE

    for file in files:
        try:
            with file.open("rb") as stream:
                found = _REPOSITORY.search(stream.read(LARGEST_IDENTITY_FILE).decode("utf-8", "replace"))
        except OSError:
            continue  # whoever opens it says so
        if found is not None and found[1] != repository:
            raise KeyRefused(
                f"{file} is a recovery kit of the repository {found[1]}, and this one is {repository}",
                hint="give the address that is printed on the kit, or the kit of this repository",
            )


def hybrid(found: Sequence[Identity]) -> list[HybridIdentity]:
    """Those that can be recovery kits. Raises `KeyRefused` where there is none."""
    from vault.age import HybridIdentity

    kits = [one for one in found if isinstance(one, HybridIdentity)]
    if not kits:
        raise KeyRefused("this is not a recovery kit of Strongroom", hint="a kit has a line AGE-SECRET-KEY-PQ-1…, or 33 words")
    return kits


def _check_file(file: Path, identity: Path | None) -> None:
    if identity is not None and file.absolute().parent.resolve() == identity.absolute().parent.resolve():
        raise UsageError(
            "the recovery kit must not lie beside the identity: what destroys the one would destroy the other",
            hint="name a file in another folder, best on another medium",
        )
    if file.exists():
        raise RefusedByRule(f"{file} exists and may hold a key; it was left alone", hint="choose another file")
