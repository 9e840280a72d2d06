"""QR codes of a page, read by a decoder that we did not write: the picture is made of the page's own SVG."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import zxingcpp

SCALE = 4
"""Pixels of a module."""

_STEP = re.compile(r"([Mmhv])(-?[\d.]+)(?:[ ,](-?[\d.]+))?")


class _Pictures(HTMLParser):
    """svgs: of each picture its size in pixels and the paths of its dark lines · tags, text: of the whole page."""

    def __init__(self) -> None:
        super().__init__()
        self.svgs: list[tuple[int, list[str]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "svg":
            self.svgs.append((int(found["width"] or 0), []))
        if tag == "path" and found.get("stroke") == "#000":
            self.svgs[-1][1].append(found["d"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(page: str) -> _Pictures:
    """What a browser makes of a page."""
    found = _Pictures()
    found.feed(page)
    found.close()
    return found


def texts(page: str) -> list[str]:
    """What the codes of a page say, in their order."""
    found = []
    for size, paths in parsed(page).svgs:
        picture = _drawn(size, paths)
        codes = zxingcpp.read_barcodes(memoryview(bytes(picture)).cast("B", shape=[size, size]))
        assert len(codes) == 1, "one code in each picture"
        found.append(codes[0].text)
    return found


def _drawn(size: int, paths: list[str]) -> bytearray:
    """Dark horizontal lines, a module high, on white."""
    picture = bytearray(b"\xff" * size * size)
    for path in paths:
        x = y = 0.0
        for step, first, second in _STEP.findall(path):
            if step == "h":
                for row in range(int(y - 0.5) * SCALE, int(y + 0.5) * SCALE):
                    start, end = int(x) * SCALE, int(x + float(first)) * SCALE
                    picture[row * size + start : row * size + end] = bytes(end - start)
                x += float(first)
            elif step == "M":
                x, y = float(first), float(second)
            else:
                x, y = x + float(first), y + float(second)
    return picture
