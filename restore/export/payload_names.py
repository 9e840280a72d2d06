"""Names below `data/`: the items' own wherever every system can hold and every tool can read them, made portable elsewhere.

A byte or character that is not portable becomes ~XX for each of its bytes: control characters, what Windows forbids, spaces
and dots at an end, bytes that are no UTF-8, and `%`, CR and LF, which manifests would have to encode, and which their readers
decode each in its own way. Long names are cut and get a digest; names that one system would take for another get a number. No
name leads out of `data/`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

DATA = "data"
LONGEST = 240
"""Bytes of a part, with room for a number and a temporary file's marks."""

_FORBIDDEN = set('<>:"\\|?*%/')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)
_LOOKS_ESCAPED = re.compile(r"~(?=[0-9A-F]{2})")
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,16}$")


class BagNames:
    """Gives names and remembers them: the same paths in the same order get the same names."""

    def __init__(self) -> None:
        self._folders: dict[bytes, str] = {b"": DATA}
        self._used: set[str] = set()

    def of(self, path: bytes) -> str:
        """The path in the bag of a file."""
        folder, _, leaf = path.rpartition(b"/")
        return self._free(self._folder(folder), leaf)

    def _folder(self, path: bytes) -> str:
        known = self._folders.get(path)
        if known is None:
            above, _, leaf = path.rpartition(b"/")
            known = self._folders[path] = self._free(self._folder(above), leaf)
        return known

    def _free(self, folder: str, part: bytes) -> str:
        plain = portable(part)
        name, number = f"{folder}/{plain}", 2
        while _key(name) in self._used:
            ending = _ending(plain)
            name = f"{folder}/{plain.removesuffix(ending)}~{number}{ending}"
            number += 1
        self._used.add(_key(name))
        return name


def portable(part: bytes) -> str:
    """One part of a path as a name that is safe everywhere."""
    text = part.decode("utf-8", "surrogateescape")
    text = "".join(_escaped(char) if _is_odd(char) else char for char in _LOOKS_ESCAPED.sub("~7E", text))
    if not text:
        return "~"
    if text[-1] in " .":
        text = text[:-1] + _escaped(text[-1])
    if _DEVICE.match(text):
        text = _escaped(text[0]) + text[1:]
    return text if len(text.encode()) <= LONGEST else _cut(text, part)


def _is_odd(char: str) -> bool:
    return char in _FORBIDDEN or not char.isprintable()


def _escaped(char: str) -> str:
    return "".join(f"~{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))


def _cut(text: str, part: bytes) -> str:
    ending = _ending(text)
    mark = f"~{hashlib.sha256(part).hexdigest()[:12]}{ending}"
    return text.encode()[: LONGEST - len(mark)].decode("utf-8", "ignore") + mark


def _ending(text: str) -> str:
    found = _ENDING.search(text)
    return found[0] if found else ""


def _key(name: str) -> str:
    """Equal for names that some system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
