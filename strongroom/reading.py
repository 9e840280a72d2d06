"""Opening a repository to bring something back: what its store does not give, a copy gives.

    the store is away, or what opens it is lost    a copy is opened in its place
    an object is gone or damaged                   this object is read from a copy

Both are said, and are problems: what was asked for is there, and the repository needs attention.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from strongroom import context, copies, notices, settings
from vault.errors import Damaged, NoRepository, StorageError, StrongroomError
from vault.problems import Problem, printable
from vault.wording import quoted

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.settings import Settings
    from vault.storage.fallback import FallbackNotes, OtherStore

OBJECTS_NAMED = 5
"""Objects that are named while they are read elsewhere; all of them are problems at the end."""


@contextmanager
def opened_to_look(
    config: Path | None, identity: list[Path] | None = None, *, address: str | None = None, copy: str | None = None
) -> Iterator[Context]:
    """As `context.opened`, for a command that says what there is in the store that it is asked about: nothing is read from
    copies. The hint of an error names them."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(context.opened(config, identity, brief=True, address=address, copy=copy))
        except (StorageError, NoRepository, Damaged) as error:
            if address is None and copy is None:
                hint_at_copies(error, settings.load(settings.find(config), tell_old_names=False))
            raise
        yield opened


def hint_at_copies(error: StrongroomError, found: Settings) -> None:
    """Where the repository itself cannot be opened, the hint of the error names the copies that the settings name."""
    if not found.copies:
        return
    which = " or ".join(f"`strongroom list --from {quoted(name)}`" for name in found.copies)
    before = "check the address" if isinstance(error, NoRepository) else error.hint  # there is nothing to make anew
    error.hint = "; ".join(filter(None, [f"see what a copy has with {which} (`restore` reads from it by itself)", before]))


@contextmanager
def opened_to_read(
    config: Path | None,
    identity: list[Path] | None = None,
    *,
    address: str | None = None,
    copy: str | None = None,
    below_cache: bool = False,
) -> Iterator[Context]:
    """As `context.opened`; where the settings name copies, and neither an address nor one of them is asked for, what cannot be
    had otherwise is read from them (see `vault.storage.fallback`). below_cache: as `Context.uncached` reads.

    Raises what `context.opened` raises; where the store is away and no copy can be opened either, the error of the store.
    """
    with ExitStack() as stack:
        if address is not None or copy is not None:
            opened = stack.enter_context(context.opened(config, identity, address=address, copy=copy))
        else:
            found = settings.load(settings.find(config))
            notices.step(f"settings: {found.file}")
            opened = (
                _first_or_copy(stack, found, identity)
                if found.copies
                else stack.enter_context(context.opened_by(found, identity))
            )
        yield opened.uncached() if below_cache else opened


def _first_or_copy(stack: ExitStack, found: Settings, identity: list[Path] | None) -> Context:
    from vault.storage.fallback import FallbackNotes

    notes = FallbackNotes(_Teller())
    try:
        opened = stack.enter_context(context.opened_by(found, identity, hurried=True))
    except (StorageError, NoRepository, Damaged) as error:
        return _copy_in_its_place(stack, found, identity, error, notes)
    return _with(opened, _others(stack, opened), notes)


def _copy_in_its_place(
    stack: ExitStack, found: Settings, identity: list[Path] | None, error: StrongroomError, notes: FallbackNotes
) -> Context:
    """The first copy that can be opened. Raises `error` where there is none."""
    from vault.storage.absent import AbsentStore
    from vault.storage.fallback import READ_FROM_COPY

    for name in found.copies:
        try:
            opened = stack.enter_context(context.opened_by(found.of_copy(name), identity))
        except StrongroomError as also:
            notices.warn(f"the copy {name!r} cannot be opened either: {also}")
            continue
        message = f"the repository itself cannot be opened ({error}); everything is read from its copy {name!r}"
        notes.note(Problem(name.encode(), READ_FROM_COPY, message))
        if isinstance(error, StorageError):  # it was waited for, and takes no log either
            gone = StorageError(f"the repository itself is away, which takes the log: {error}", hint=error.hint)
            opened = replace(opened, log=AbsentStore(gone))
        return _with(opened, list, notes)
    raise error


def _with(opened: Context, others: Callable[[], Sequence[OtherStore]], notes: FallbackNotes) -> Context:
    """The same, reading from others what its store does not give."""
    from vault.storage.fallback import FallbackStore

    store = FallbackStore(opened.repository.store, others, opened.repository.services.clock, notes)
    return replace(opened, repository=replace(opened.repository, store=store))


class _Teller:
    """Says which objects were read elsewhere, the first ones by their names."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, problem: Problem) -> None:
        self._count += 1
        if self._count <= OBJECTS_NAMED:
            notices.warn(f"{printable(problem.path)}: {problem.message}")
        elif self._count == OBJECTS_NAMED + 1:
            notices.warn("… and further objects; all of them are among the problems")


def _others(stack: ExitStack, opened: Context) -> Callable[[], Sequence[OtherStore]]:
    """Opens the copies once they are needed; they are closed with the rest."""
    from vault.storage.fallback import OtherStore

    found: list[OtherStore] | None = None
    lock = threading.Lock()

    def others() -> Sequence[OtherStore]:
        nonlocal found
        with lock:
            if found is None:
                stores = stack.enter_context(copies.stores_of_copies(opened))
                found = [OtherStore(one.name, one.store) for one in stores]
            return found

    return others
