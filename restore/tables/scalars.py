"""Scalars as text; `restore.tables.cell_text` says how each one looks."""

from __future__ import annotations

import base64
from datetime import date, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import TypeAlias

Scalar: TypeAlias = bool | int | float | Decimal | bytes | date | time | timedelta

_READABLE = 400
"""Digits before or behind the point that a Decimal is written out with; beyond them it keeps its exponent."""


def scalar_text(value: Scalar) -> str:
    """The canonical text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return _number(value)
    if isinstance(value, timedelta):
        sign, seconds, fraction = _parts(value)
        return f"{sign}PT{seconds}{fraction}S"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value.isoformat()


def clock_text(value: timedelta) -> str:
    """A duration as people write it: 26:03:04.5."""
    sign, seconds, fraction = _parts(value)
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def _number(value: int | float | Decimal) -> str:
    if isinstance(value, float):
        if isfinite(value):
            return repr(value)
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Decimal):
        if value.is_nan():
            return "NaN"
        text = str(value)
        return format(value, "f") if "E" in text and abs(value.adjusted()) < _READABLE else text
    return str(value)


def _parts(value: timedelta) -> tuple[str, int, str]:
    """Sign, whole seconds, and the fraction with its point."""
    sign, size = ("-", -value) if value < timedelta() else ("", value)
    fraction = f".{size.microseconds:06d}".rstrip("0").rstrip(".")
    return sign, size.days * 86_400 + size.seconds, fraction
