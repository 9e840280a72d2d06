"""Patterns for the inside of XML elements and tags, that never go back over what they have passed.

Before 3.11.5, Python loses what a possessive repetition of several ways matches (its issue 106052). There the same is written
as a repetition that could go back. It matches the same, in time that grows with the text too, but takes 180 bytes for each
tag passed: a workbook that was made to harm needs more memory to be refused.
"""

from __future__ import annotations

import sys

POSSESSIVE = sys.version_info >= (3, 11, 5)


def repeated(sign: str, others: str, *, possessive: bool = POSSESSIVE) -> str:
    """Any number of signs and of others. sign: a class of signs · others: what begins with no such sign."""
    return f"(?:{sign}++|{others})*+" if possessive else f"{sign}*+(?:(?:{others}){sign}*+)*"


def up_to(tag: str, *, possessive: bool = POSSESSIVE) -> str:
    """What stands before the next of these tags: text, and other tags. tag: a pattern of what follows its `<`."""
    return repeated("[^<]", f"<(?!{tag})", possessive=possessive)
