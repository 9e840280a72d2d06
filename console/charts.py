"""Lines over time, as what a template draws with SVG: points, marks at the side, moments below."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 78, 12, 10, 26
MARKS = 4


class Mark(Struct, frozen=True):
    """A line across. y: its place · value: that it stands for."""

    y: float
    value: int


class Moment(Struct, frozen=True):
    """A moment at the foot. x: its place · anchor: as SVG has it."""

    x: float
    at: datetime
    anchor: str


class Chart(Struct, frozen=True):
    """What is drawn. lines: points of each, as SVG has them."""

    lines: tuple[str, ...]
    marks: tuple[Mark, ...]
    moments: tuple[Moment, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def chart(times: Sequence[datetime], series: Sequence[Sequence[int]]) -> Chart | None:
    """times: in order · series: of each line a value at each time. None where there are less than two times."""
    if len(times) < 2 or times[0] == times[-1]:
        return None
    most = _rounded(max((value for line in series for value in line), default=0))
    whole = (times[-1] - times[0]).total_seconds()
    xs = [LEFT + (WIDTH - LEFT - RIGHT) * (one - times[0]).total_seconds() / whole for one in times]
    lines = tuple(" ".join(f"{x:.1f},{_y(value, most):.1f}" for x, value in zip(xs, line, strict=True)) for line in series)
    marks = tuple(Mark(round(_y(most * step // MARKS, most), 1), most * step // MARKS) for step in range(MARKS + 1))
    moments = (Moment(xs[0], times[0], "start"), Moment(xs[-1], times[-1], "end"))
    return Chart(lines, marks, moments)


def _y(value: int, most: int) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / most


def _rounded(value: int) -> int:
    """The next number that begins with 1, 2, 4 or 8 and goes on with zeros."""
    step = 1
    while True:
        for first in (1, 2, 4, 8):
            if value <= first * step:
                return max(first * step, MARKS)
        step *= 10
