"""The texts of a bag, as RFC 8493 has them: UTF-8, LF, one entry a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
BAGIT, INFO = "bagit.txt", "bag-info.txt"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
REPORT, PAGE = "report.json", "report.html"
SIGNATURE, STAMP = "signature.sig", "signature.tsr"
"""Over the tag manifest, and a time stamp of that: so neither is in a manifest."""

TAG_FILES = (BAGIT, INFO, MANIFEST, TAG_MANIFEST, REPORT, PAGE, SIGNATURE, STAMP)


def info(fields: Iterable[tuple[str, str]]) -> str:
    """`bag-info.txt`. A value is one line, whatever it holds; a field without one is left out."""
    lines = ((label, one_line(value)) for label, value in fields)
    return "".join(f"{label}: {value}\n" for label, value in lines if value)


def one_line(text: str) -> str:
    """Line breaks of any sort become spaces, what cannot be printed becomes \\xNN."""
    joined = " ".join(text.split())
    shown = (char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in joined)
    return "".join(shown)


def manifest(entries: Iterable[tuple[str, str]]) -> str:
    """Checksums by path. entries: (path, SHA-256 in hexadecimal); `names` sees to it that no path needs to be encoded."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(entries, key=lambda entry: entry[0].encode()))


def oxum(sizes: Sequence[int]) -> str:
    """`Payload-Oxum`: bytes and files."""
    return f"{sum(sizes)}.{len(sizes)}"
