"""The format of a text: html, svg, xml, json, jsonl, eml, mbox, csv, tsv, or just text; None for what is no text.

UTF-8, UTF-16 and UTF-32 with and without a byte order mark, and the single-byte encodings that hold ASCII (Windows-1251,
KOI8-R, …) are read; the first 2 KiB decide. CSV is lines with one delimiter in equal numbers.
"""

from __future__ import annotations

import codecs
import re

_SAMPLE = 2048
_LINES = 12

_TEXT_BYTES = bytes({9, 10, 11, 12, 13, 27} | set(range(32, 256)) - {127})
_NO_TEXT = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_DEL = b"\x7f"
_TEXT_FOR_EACH_DEL = 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
"""UTF-32's before UTF-16's, which it begins with."""


_HTML = re.compile(
    r"<(?:!doctype\s+html|html|head|body|table|meta|title|div|style|script|p|h[1-6]|center|font)[\s>]", re.IGNORECASE
)
_SKIPPED = re.compile(r"(?:\s+|<\?[^>]*>|<!--(?:[^-]|-(?!->))*-->|<!doctype\s+(?!html)[^>\[]*>)*", re.IGNORECASE)
_ELEMENT = re.compile(r"<(?:([A-Za-z_][\w.-]*):)?([A-Za-z_][\w.-]*)(?=[\s/>])")
_JSON = re.compile(
    r"""\{\s*(?:"|\}|\Z) | \[\s*(?:[{\["\]]|\Z|(?:true|false|null|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*(?:[,\]]|\Z))""",
    re.VERBOSE,
)
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,40}:[ \t]")
_MAIL = re.compile(
    r"^(?:from|date|message-id|received|subject|mime-version|return-path|delivered-to):", re.IGNORECASE | re.MULTILINE
)
_MBOX = re.compile(r"From \S+ .*[0-9]{2}:[0-9]{2}")

_DELIMITERS = "\t;|,"
"""Where several agree as well, the first is meant: a comma may stand in every number."""
_AGREE = 0.75
"""The share of lines that have the usual number of delimiters."""

_TABLES = {b"csv": "csv", b"tsv": "tsv", b"tab": "tsv"}
_JSON_LINES = frozenset({b"jsonl", b"ndjson", b"jsonlines"})
_PROSE = frozenset(
    {b"log", b"txt", b"md", b"rst", b"ini", b"conf", b"cfg", b"toml", b"yaml", b"yml", b"py", b"js", b"css", b"sql", b"sh"}
)


def text_format(head: bytes, name: bytes, *, whole: bool) -> str | None:
    """The format of a text. whole: whether the head is all there is."""
    extension = name.rpartition(b".")[2].lower()
    text = _decoded(head[:_SAMPLE], lenient=extension in _TABLES)
    if text is None:
        return None
    whole = whole and len(head) <= _SAMPLE
    begin = text.lstrip()[:1]
    found = None
    if begin == "<":
        found = _markup(text)
    elif begin and begin in "{[":
        found = _json(text.strip() if whole else text.lstrip(), extension)
    elif _HEADER.match(text):
        found = _mail(text)
    elif text.startswith("From ") and _MBOX.match(text):
        found = "mbox"
    return found or _table(text, extension, whole=whole) or "text"


def _decoded(sample: bytes, *, lenient: bool) -> str | None:
    """The sample as text, letters outside of UTF-8 as some letters or other; None where it is none."""
    for bom, encoding in _BOMS:
        if sample.startswith(bom):
            return _clean(sample[len(bom) :].decode(encoding, "replace"))
    strange = sample.translate(None, _TEXT_BYTES)
    if strange:
        wide = _wide(sample) if b"\0" in strange else None
        if wide is not None:
            return _clean(sample.decode(wide, "replace"))
        is_del = not strange.strip(_DEL) and len(strange) * _TEXT_FOR_EACH_DEL <= len(sample)
        if not is_del and (not lenient or len(strange) * 200 > len(sample)):
            return None
    try:
        return sample.decode()
    except UnicodeDecodeError as error:
        if error.start > len(sample) - 4:
            return sample[: error.start].decode()
        return sample.decode("latin-1")


def _wide(sample: bytes) -> str | None:
    """UTF-32 or UTF-16 without a mark."""
    for encoding, highest, higher in (("utf-32-le", 3, 2), ("utf-32-be", 0, 1)):
        upper = sample[highest::4]
        if len(upper) > 1 and not upper.strip(b"\0") and not sample[higher::4].translate(None, b"\0\1"):
            return encoding
    for encoding, half in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[0::2])):
        if _is_high_bytes(half):
            return encoding
    return None


def _clean(text: str) -> str | None:
    """A text, unless it holds what no text does."""
    return None if _NO_TEXT.search(text) else text


def _is_high_bytes(half: bytes) -> bool:
    """Whether every second byte is the upper half of Latin, Greek or Cyrillic characters, or of general punctuation."""
    return len(half) > 1 and not half.translate(None, b"\x00\x01\x02\x03\x04\x05\x20\x21") and half.count(0) * 20 > len(half)


def _markup(text: str) -> str | None:
    skipped = _SKIPPED.match(text)
    at = skipped.end() if skipped else 0
    if _HTML.match(text, at):
        return "html"
    element = _ELEMENT.match(text, at)
    if element is None:
        return "xml" if text.lstrip().startswith("<?xml") else None
    return "svg" if element[2] == "svg" else "xml"


def _json(text: str, extension: bytes) -> str | None:
    """JSON is one value; in JSON Lines a line is one, and the next begins another."""
    if not _JSON.match(text):
        return None
    line, _, rest = text.partition("\n")
    if line.rstrip().endswith("}" if text[0] == "{" else "]"):
        following = rest.lstrip()[:1]
        if following == text[0] or (not following and extension in _JSON_LINES):
            return "jsonl"
        return "json"
    return "jsonl" if not rest and extension in _JSON_LINES else "json"


def _mail(text: str) -> str | None:
    """A message: headers one after another, two of those that every message has among them."""
    headers = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    known = {found[0].lower() for found in _MAIL.finditer(headers)}
    lines = headers.splitlines()[:-1] or headers.splitlines()
    return "eml" if len(known) > 1 and all(line[:1] in " \t" or _HEADER.match(line) for line in lines) else None


def _table(text: str, extension: bytes, *, whole: bool) -> str | None:
    """csv or tsv, where lines agree about a delimiter, or where the name says so and there is nothing against it."""
    named = _TABLES.get(extension)
    if named == "csv" and "\t" not in text:  # whatever its lines agree about: only a tab would make it something else
        return named
    if '"' in text:
        text = "_".join(text.split('"')[::2])  # without what is quoted; a doubled quotation mark quotes nothing
    lines = text.split("\n", _LINES) if "\n" in text else text.split("\r", _LINES)
    if len(lines) > _LINES or (not whole and len(lines) > 1):
        lines.pop()
    lines = [line for line in lines if line and line != "\r"]
    # counting in all of the text at once spares most signs the look at every line
    likely = [place for place, sign in enumerate(_DELIMITERS) if text.count(sign) >= _AGREE * len(lines)]
    share, count, place = max(((*_agreement(lines, _DELIMITERS[place]), -place) for place in likely), default=(0.0, 0, 0))
    delimiter = _DELIMITERS[-place]
    if share >= _AGREE and (named or _convinces(lines, count, delimiter, extension)):
        return "tsv" if delimiter == "\t" else "csv"
    return named


def _agreement(lines: list[str], delimiter: str) -> tuple[float, int]:
    """The share of lines with the usual number of delimiters, and that number; nothing where the usual number is none.

    One at the end of a line, and tabs before it, part no cells: they are a programming language's.
    """
    if delimiter == "\t":
        counts = [line.lstrip("\t").count("\t") for line in lines]
    else:
        counts = [line.rstrip("\r ").removesuffix(delimiter).count(delimiter) for line in lines]
    usual = max(set(counts), key=lambda count: (counts.count(count), count), default=0)
    return (counts.count(usual) / len(lines), usual) if usual else (0.0, 0)


def _convinces(lines: list[str], count: int, delimiter: str, extension: bytes) -> bool:
    """Whether delimiters alone make a table: prose and logs have a comma a line too."""
    if delimiter == "|" and all(line.lstrip().startswith("|") for line in lines):
        return False
    if extension in _PROSE and (count < 2 or len(lines) < 3) and delimiter != "\t":
        return False
    return len(lines) >= 3 or (len(lines) == 2 and count >= 2)
