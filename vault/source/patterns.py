"""What of a source is taken: patterns in gitignore's grammar, and a few names that are never worth keeping.

Left out unless an exclude pattern of the form `!name` brings them back, for files and links only: `~$*` and `.~lock.*#`
(lock files of office programs), `*.crdownload`, `*.partial` and `*.part` (downloads that are not whole). These cost two
comparisons a file; `pathspec` (60 ms to import) is met only where somebody wrote patterns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vault.errors import UsageError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

HEADS = (b"~$", b".~lock.")
TAILS = (b".crdownload", b".partial", b".part")
"""A name that neither begins with one of HEADS nor ends with one of TAILS is not left out by default."""


def left_out_by_default(name: bytes) -> str | None:
    """The default pattern by which a file of this name (the last part of its path) is left out when no other speaks of it."""
    if name.startswith(b"~$"):
        return "~$*"
    if name.startswith(b".~lock.") and name.endswith(b"#"):
        return ".~lock.*#"
    return next((f"*{tail.decode()}" for tail in TAILS if name.endswith(tail)), None)


class Rules:
    """Include and exclude patterns of one source, matched on the path relative to the source's root.

    As in gitignore, the last pattern that matches decides, `!` brings back, and nothing below an excluded folder can be
    brought back: it is never looked at. With include patterns, only files and links that match one are taken, and of
    the folders only those that match or lead to something taken. Raises UsageError for a pattern that is none.
    """

    def __init__(self, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = _compiled(include)
        self._exclude = _compiled(exclude)

    @property
    def patterned(self) -> bool:
        """Whether anything beyond the defaults has to be asked."""
        return self._include is not None or self._exclude is not None

    @property
    def including(self) -> bool:
        return self._include is not None

    def takes(self, relative: bytes) -> bool:
        """Whether the file or link at this path is taken."""
        verdict = self._verdict(relative)
        return left_out_by_default(relative.rpartition(b"/")[2]) is None if verdict is None else verdict

    def default_that_leaves_out(self, relative: bytes) -> str | None:
        """The default pattern because of which this file or link is not taken; None where there is another reason."""
        return left_out_by_default(relative.rpartition(b"/")[2]) if self._verdict(relative) is None else None

    def _verdict(self, relative: bytes) -> bool | None:
        """What the written patterns say; None where the default ones decide."""
        text = _text(relative)
        if self._include is not None and not self._include.check_file(text).include:
            return False
        excluded = None if self._exclude is None else self._exclude.check_file(text).include
        return None if excluded is None else not excluded

    def enters(self, relative: bytes) -> bool:
        """Whether the folder at this path is looked into."""
        return self._exclude is None or not self._exclude.check_file(_text(relative) + "/").include

    def takes_folder(self, relative: bytes) -> bool:
        """Whether the folder is taken for its own sake, not only because it leads to something taken."""
        return self._include is None or bool(self._include.check_file(_text(relative) + "/").include)


def _compiled(lines: Sequence[str]) -> GitIgnoreSpec | None:
    if not any(line.strip() and not line.startswith("#") for line in lines):
        return None
    from pathspec import GitIgnoreSpec

    try:
        # "simple": the optional engines differ in what they take for a character
        return GitIgnoreSpec.from_lines(lines, backend="simple")
    except (ValueError, re.error) as error:
        raise UsageError(f"invalid pattern: {error}", hint="patterns follow the grammar of .gitignore") from error


def _text(relative: bytes) -> str:
    """The path as patterns see it. No pattern can hold a line break, and a regular expression's `$` would match before
    one at the end: it is shown as another character that only wildcards match."""
    return relative.decode("utf-8", "surrogateescape").replace("\n", "\ufffd")
