"""Progress on a terminal; silence in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from cli import output
from strongroom import environment, notices
from vault.progress import Progress, Silence
from vault.wording import counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


@contextmanager
def shown(*, quiet: bool, project: str) -> Iterator[Progress]:
    """A listener that draws a line on stderr from the first phase to the end of the block, where that is a terminal and nobody
    asked for quiet. project: whose work it is, to be named in the line: a run may cover several."""
    if quiet or not environment.shows_progress():
        yield notices.LoggedPhases(Silence(), project)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[items]}"),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    drawn = _Drawn(RichProgress(*columns, console=Console(file=cast("IO[str]", output.Screen())), transient=True), project)
    try:
        yield notices.LoggedPhases(drawn, project)
    finally:
        drawn.close()


class _Drawn:
    """Feeds a rich progress line. Nothing is drawn before the first phase: until then a person may be asked something."""

    def __init__(self, bar: Bar, project: str) -> None:
        self._bar = bar
        self._project = project
        self._task: TaskID | None = None
        self._items = 0

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        """The line of the part before goes."""
        if self._task is None:
            self._bar.start()
        else:
            self._bar.remove_task(self._task)
        self._items = 0
        self._task = self._bar.add_task(f"{self._project}: {name}", total=size or None, items=counted(0, "item"))

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        """Moves the line."""
        self._items += items
        if self._task is not None:
            self._bar.update(self._task, advance=size, items=counted(self._items, "item"))

    def close(self) -> None:
        """The line goes."""
        if self._task is not None:
            self._bar.stop()
