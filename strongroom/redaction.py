"""Values for strangers: what a report of a fault needs, without the names of items, projects, people, places and machines.

Nothing is searched for names in the hope of finding them all. A string passes only where it cannot be one:

    times, ids that Strongroom made up, numbers    as they are
    names under keys that hold names               as pseudonyms, which are the same in every report of this machine
    texts                                          what Strongroom's own source says of them; an ellipsis for all the rest
    anything else                                  an ellipsis

A text is compared with the messages in the source: of `reports/x.csv: Permission denied` stays `…: Permission denied`.
"""

from __future__ import annotations

import ast
import errno
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3
from msgspec import Struct, field

GONE = "…"
PACKAGES = ("classify", "cli", "policies", "restore", "strongroom", "vault")

NAMES: Mapping[str, str] = {
    "project": "project",
    "source": "source",
    "subject": "source",
    "address": "address",
    "endpoint": "address",
    "host": "host",
    "folder": "path",
    "file": "path",
    "path": "path",
    "state_folder": "path",
    "profile": "profile",
}
"""Keys whose values are names, and what they are names of."""

LONGEST = 2000
"""Characters of a text that is looked at."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)\Z")
_SNAPSHOT = re.compile(r"\d{8}t\d{6}z-[0-9a-f]{16}\Z")
_ID = re.compile(r"(\d{8}t\d{6}z-)?[0-9a-f]{16}([0-9a-f]{16})?\Z")
_IDS = frozenset({"run", "snapshot", "project_id", "repository_id", "repository"})
"""Keys whose values Strongroom has made up."""
_NUMBER = re.compile(r"[+-]?[0-9]{1,4}([.,][0-9]{1,3})?( ?(%|s|ms|min|h|B|[KMGT]iB|[KMG]B))?\Z")
_LETTERS = re.compile(r"[A-Za-z]")
_FRAME = re.compile(r'\s*File "([^"]*)", line (\d+), in (\S+)')
_RAISED = re.compile(r"([A-Za-z_][A-Za-z_.]*)(?:: (.*))?\Z", re.DOTALL)
_SYSTEM = frozenset(os.strerror(number) for number in errno.errorcode)
_FEWEST_LETTERS = 8
_MOST_HOLES, _DEEPEST = 12, 4


class Pseudonyms(Struct, frozen=True):
    """key: secret of this machine, so that nobody can try names out. known: what was replaced, for whoever knows the names."""

    key: bytes
    known: dict[str, str] = field(default_factory=dict)

    def of(self, what: str, name: str) -> str:
        """`project-3f2a91bc`: always the same for one name."""
        digest = blake3(f"{what}\0{name}".encode("utf-8", "surrogatepass"), key=self.key).hexdigest(length=4)
        self.known[name] = f"{what}-{digest}"
        return self.known[name]


class _Texts(NamedTuple):
    """Of the source: whole texts, names of classes, functions and fields, texts with holes."""

    constants: set[str]
    definitions: set[str]
    templates: list[tuple[str, ...]]


class OwnMessages:
    """Texts as the source of this program has them."""

    def __init__(self, folders: Iterable[Path] | None = None) -> None:
        texts = _texts_of(tuple(folders) if folders is not None else tuple(map(_folder, PACKAGES)))
        self._constants, self._definitions = texts.constants, texts.definitions
        self._templates = _by_beginning(texts.templates)

    def skeleton(self, text: str, depth: int = 0) -> str:
        """What the source says of a text; an ellipsis in place of the rest."""
        text = " ".join(text[:LONGEST].split())
        if not text or text in _SYSTEM or _NUMBER.match(text) or _SNAPSHOT.match(text):
            return text
        if text in self._constants and len(_LETTERS.findall(text)) >= _FEWEST_LETTERS:
            return text
        if depth < _DEEPEST:
            for parts in self._templates.get(text[:1], ()), self._templates.get("", ()):
                for template in parts:
                    holes = _matched(template, text)
                    if holes is not None:
                        return self._filled(template, holes, depth)
            for sign in ("; ", ": ", ", "):
                head, found, tail = text.partition(sign)
                if found:
                    return f"{self.skeleton(head, depth + 1)}{sign}{self.skeleton(tail, depth + 1)}"
        return GONE

    def is_own(self, word: str) -> bool:
        """Whether the source has exactly this text."""
        return word in self._constants

    def _filled(self, template: Sequence[str], holes: Sequence[str], depth: int) -> str:
        parts = [template[0]]
        for hole, literal in zip(holes, template[1:], strict=True):
            parts += [self.skeleton(hole, depth + 1), literal]
        return "".join(parts)

    def defines(self, name: str) -> bool:
        """Whether the source has a class, a function or a field of this name."""
        return name in self._definitions


def _texts_of(folders: Sequence[Path]) -> _Texts:
    constants, definitions, templates = set[str](), set[str](), set[tuple[str, ...]]()
    for file in sorted(file for folder in folders for file in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                constants.add(" ".join(node.value.split()))
            elif isinstance(node, ast.JoinedStr):
                templates.add(_literals(node))
            elif isinstance(node, ast.ClassDef | ast.FunctionDef):
                definitions.add(node.name)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                definitions.add(node.target.id)
    return _Texts(constants, definitions, [one for one in templates if 1 < len(one) <= _MOST_HOLES])


def _by_beginning(templates: Iterable[tuple[str, ...]]) -> Mapping[str, list[tuple[str, ...]]]:
    """Templates by their first character, "" for those that begin with a hole; those that say the most come first."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for one in sorted(templates, key=lambda parts: (-sum(map(len, parts)), parts)):
        if len(_LETTERS.findall("".join(one))) >= _FEWEST_LETTERS:
            found.setdefault(one[0][:1], []).append(one)
    return found


class Redaction(Struct, frozen=True):
    """What is given of values."""

    pseudonyms: Pseudonyms
    messages: OwnMessages

    def value(self, value: Any, key: str = "") -> Any:  # noqa: ANN401 (whatever JSON has)
        """A JSON value without names. key: under which it stands."""
        if isinstance(value, Mapping):
            return {self._key(str(name)): self.value(inner, str(name)) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one, key) for one in value]
        if isinstance(value, str):
            return self.text(value, key)
        return value if value is None or isinstance(value, bool | int | float) else GONE

    def text(self, text: str, key: str = "") -> str:
        """A string without names."""
        if key in NAMES and text not in ("", "-"):
            return self.pseudonyms.of(NAMES[key], text)
        if _TIME.match(text) or (key in _IDS and _ID.match(text)):
            return text
        if key == "job":
            kind, _, source = text.partition(" ")
            return f"{kind} {self.pseudonyms.of('source', source)}" if source else self.messages.skeleton(kind) or kind
        if self.messages.is_own(text) and text not in self.pseudonyms.known:
            return text
        return self.messages.skeleton(text)

    def traceback(self, text: str) -> list[str]:
        """Where in Strongroom an error came from, and its kind; no line of anybody's data."""
        found = []
        for line in text.splitlines():
            frame = _FRAME.match(line)
            raised = _RAISED.match(line)
            if frame is not None:
                function = f" in {frame[3]}" if self.messages.defines(frame[3]) else ""
                found.append(f"  {_own_file(frame[1])}:{frame[2]}{function}")
            elif raised is not None and line[:1].strip() and raised[1].rpartition(".")[2][:1].isupper():
                own = self.messages.defines(raised[1].rpartition(".")[2]) or _is_error(raised[1])
                kind = raised[1].rpartition(".")[2] if own else GONE
                found.append(f"{kind}: {self.messages.skeleton(raised[2])}" if raised[2] else kind)
        return found

    def _key(self, name: str) -> str:
        if name in self.pseudonyms.known:
            return self.pseudonyms.known[name]
        own = name in NAMES or self.messages.is_own(name) or self.messages.defines(name)
        return name if own else self.pseudonyms.of("key", name)


def _folder(package: str) -> Path:
    return Path(str(import_module(package).__file__)).parent


def _literals(node: ast.JoinedStr) -> tuple[str, ...]:
    """The parts of an f-string around its holes: one more than it has holes."""
    parts = [""]
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts[-1] += str(value.value)
        else:
            parts.append("")
    return tuple(parts)


def _matched(template: Sequence[str], text: str) -> list[str] | None:
    """What stands in a template's holes where a text is made by it; found from the left, so in one pass."""
    first, *middle, last = template
    end = len(text) - len(last)
    if not text.startswith(first) or not text.endswith(last) or end < len(first):
        return None
    holes, at = [], len(first)
    for literal in middle:
        found = text.find(literal, at) if literal else at
        if found < 0 or found + len(literal) > end:
            return None
        holes.append(text[at:found])
        at = found + len(literal)
    return [*holes, text[at:end]]


def _own_file(name: str) -> str:
    """A file of this program by its place in it; of another one the name alone, which its package has given it."""
    parts = Path(name).parts
    for number in range(len(parts) - 1, -1, -1):
        if parts[number] in PACKAGES and (_folder(parts[number]).parent / Path(*parts[number:])).is_file():
            return "/".join(parts[number:])
        if parts[number] == "site-packages":
            return "/".join(parts[number + 1 :])
    return Path(name).name if name.startswith("<frozen") or "/lib/python" in name else GONE


def _is_error(name: str) -> bool:
    """Whether it is an exception of Python's own."""
    import builtins

    found = getattr(builtins, name, None)
    return isinstance(found, type) and issubclass(found, BaseException)
