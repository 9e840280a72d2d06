"""Time zones that a name writes behind an hour: `14-00 UTC`, `1400_GMT+3`, `14.00 EET`.

Of most short names nobody knows whether summer is meant too, and some belong to several places: then the hour is any of them.
"""

from __future__ import annotations

from datetime import timedelta

from classify.calendar_spans import Span, Unit

_HOURS = {
    "utc": (0,), "gmt": (0,), "wet": (0, 1), "west": (1,), "cet": (1, 2), "cest": (2,), "mez": (1, 2), "mesz": (2,),
    "eet": (2, 3), "eest": (3,), "msk": (3,), "мск": (3,), "bst": (1,), "ist": (1, 2, 5.5), "est": (-5, -4), "edt": (-4,),
    "cst": (-6, -5, 8), "cdt": (-5,), "mst": (-7, -6), "mdt": (-6,), "pst": (-8, -7), "pdt": (-7,), "jst": (9,), "kst": (9,),
    "sgt": (8,), "aest": (10, 11), "aedt": (11,),
}  # fmt: skip
"""Hours ahead of UTC, all that are meant by a name."""

_NAMES = "|".join(sorted(_HOURS, key=len, reverse=True))
ZONE = rf"[\s_.([-]{{0,2}}(?:{_NAMES})(?:[+-](?:1[0-4]|0?[0-9])(?:[:.]?[0-5][0-9])?)?(?![^\W_])"
"""A zone's name, perhaps with figures: UTC+3."""


def at_zone(span: Span, text: str) -> tuple[Span, bool]:
    """A span on the clocks of the zone that a text names; whether that is several zones, and the span covers them all."""
    name, sign, figures = text, "", ""
    for mark in "+-":
        if mark in text[1:]:
            name, _, figures = text.rpartition(mark)
            sign = mark
    hours = _HOURS[name.strip(" \t\n\r\f\v_.([-")]
    digits = figures.replace(":", "").replace(".", "")
    more = timedelta()
    if digits:
        whole, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
        more = timedelta(hours=int(whole), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    ahead = [timedelta(hours=one) + more for one in hours]
    if len(ahead) == 1:
        return span._replace(ahead=ahead[0]), False
    return Span(Unit.RANGE, span.start - max(ahead), span.end - min(ahead), timedelta()), True
