"""Texts in ODS: paragraphs, in which runs of spaces, tabs and line breaks are elements, and an attribute for what those cannot
hold."""

from __future__ import annotations

import re
from collections.abc import Callable

from restore.tables.workbook.cells import without_halves
from restore.tables.workbook.package import HINT
from restore.tables.workbook.patterns import up_to
from restore.tables.workbook.xml import escaped, unescaped
from vault.errors import Damaged

UNSPEAKABLE = "control characters, which this format cannot hold, became U+FFFD"

_MOST_SPACES = 1_000_000
"""Spaces that the elements for them may stand for in one cell: the element is short, its number need not be."""

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\t": "<text:tab/>"})
_SPACES = re.compile(r"^ +| +$| {2,}")
_ASIDE = re.compile(
    r"<office:annotation\b" + up_to(r"/?office:annotation\b") + r"</office:annotation>"
    r"|<draw:frame\b" + up_to(r"/?draw:frame\b") + r"</draw:frame>"
)
_PARAGRAPH = re.compile(r"<text:p(?:\s[^<>]*)?(?:(?<=/)>|>(" + up_to(r"/?text:p[\s/>]") + r")</text:p>)|<text:p/>")
_SPACE_ELEMENT = re.compile(r"<text:s(?=[\s/>])(?:[^<>]*?\stext:c\s*=\s*[\"']([0-9]{1,9})[\"'])?[^<>]*>(?:</text:s>)?")
_BREAK = re.compile(r"<text:line-break\b[^<>]*>(?:</text:line-break>)?")
_TAB = re.compile(r"<text:tab\b[^<>]*>(?:</text:tab>)?")
_TAG = re.compile(r"<[^<>]*>")
_WHITE = re.compile(r"[ \t\n\r]+")
_LINE_ENDS = re.compile(r"[ \t]*[\n\r\t][ \t\n\r]*")


def written_cell(text: str, on_loss: Callable[[str], None]) -> tuple[str, str]:
    """A text as attributes of its cell and as its paragraphs. on_loss: hears what of it cannot be carried."""
    if text.isprintable() and not ("&" in text or "<" in text or ">" in text or " " in text):
        return "", f"<text:p>{text}</text:p>"
    text = without_halves(text, on_loss)
    spoken = _CONTROLS.sub("\ufffd", text)
    if spoken != text:
        on_loss(UNSPEAKABLE)
    attribute = f' office:string-value="{escaped(spoken)}"' if "\r" in spoken else ""
    return attribute, "".join([f"<text:p>{_paragraph(line)}</text:p>" for line in spoken.split("\n")])


def _paragraph(line: str) -> str:
    marked = line.translate(_MARKUP).replace("\r", "<text:line-break/>")
    if "  " in marked or marked[:1] == " " or marked[-1:] == " ":
        marked = _SPACES.sub(lambda match: f'<text:s text:c="{len(match[0])}"/>', marked)
    return marked


def read_paragraphs(inside: str, *, spaces_count: bool = False) -> str | None:
    """The text of a cell's paragraphs, a line each; None where it has none. spaces_count: whether spaces are meant as they
    stand; by the standard a run of them is one, and none stands at an end."""
    if "<office:annotation" in inside or "<draw:frame" in inside:
        inside = _ASIDE.sub("", inside)
    if inside.startswith("<text:p>") and inside.count("<") == 2 and (spaces_count or "  " not in inside):
        text = inside[8:-9]
        if text.isprintable() and "&" not in text:
            return text
    paragraphs = [match[1] or "" for match in _PARAGRAPH.finditer(inside)]
    if not paragraphs:
        return None
    if sum(int(count or 1) for paragraph in paragraphs for count in _SPACE_ELEMENT.findall(paragraph)) > _MOST_SPACES:
        raise Damaged("a cell of the sheet stands for more spaces than a text has, as in a decompression bomb", hint=HINT)
    return "\n".join([_line(paragraph, spaces_count=spaces_count) for paragraph in paragraphs])


def _line(paragraph: str, *, spaces_count: bool) -> str:
    text = _LINE_ENDS.sub(" ", paragraph) if spaces_count else _WHITE.sub(" ", paragraph).strip(" ")
    if "<" in text:
        text = _SPACE_ELEMENT.sub(lambda match: " " * int(match[1] or 1), text)
        text = _TAG.sub("", _TAB.sub("\t", _BREAK.sub("\n", text)))
    return unescaped(text)
