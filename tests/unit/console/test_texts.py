"""Languages are complete, and are chosen by the person or the browser."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from console import errors as console_errors
from console import texts
from tests.support.console_words import NAMES
from vault import errors as vault_errors

CONSOLE = Path(texts.__file__).parent
FOR_OTHERS = ("agent", "api", "server.py", "state.py", "certificates.py", "recording.py", "bag_worker.py", "live_settings.py")
"""What is said to hosts, to scripts, and to whoever starts the console."""

PLACEHOLDERS = re.compile(r"%\((\w+)\)s")
LETTERS = {"ru": "ы", "uk": "і"}


def marked() -> Iterator[tuple[str, ...]]:
    """Every text that is marked, in templates and in code: one form, or two."""
    for file in sorted(CONSOLE.rglob("*.html")):
        with file.open("rb") as opened:
            for _, message, _, _ in extract("jinja2.ext:babel_extract", opened, keywords={"_": None, "counted": (1, 2)}):
                yield _forms(message)
    for file in sorted(CONSOLE.rglob("*.py")):
        if file.stem != "texts":
            with file.open("rb") as opened:
                for _, message, _, _ in extract(
                    "python", opened, keywords={"marked": None, "ngettext": (1, 2), "gettext": None, "_": None}
                ):
                    yield _forms(message)


def said_by_errors() -> Iterator[tuple[str, ...]]:
    """Messages and hints of errors that are always the same, of what answers people's requests: pages translate them."""
    kinds = {name for module in (console_errors, vault_errors) for name in vars(module) if name[:1].isupper()}
    for file in sorted(CONSOLE.rglob("*.py")):
        if file.relative_to(CONSOLE).parts[0] in FOR_OTHERS:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
                for one in (*node.args[:1], *(each.value for each in node.keywords if each.arg == "hint")):
                    if isinstance(one, ast.Constant) and isinstance(one.value, str):
                        yield (one.value,)


def _forms(message: object) -> tuple[str, ...]:
    return tuple(map(str, message)) if isinstance(message, tuple | list) else (str(message),)


@pytest.mark.parametrize("language", sorted(set(texts.LANGUAGES) - {texts.DEFAULT}))
def test_every_text_is_translated_with_all_its_values_and_plural_forms(language: str) -> None:
    wanted = set(marked()) | set(said_by_errors())
    assert len(wanted) > 10
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for file in sorted((CONSOLE / "locale" / language / "LC_MESSAGES").glob("*.po")):
        for message in read_po(io.BytesIO(file.read_bytes()), locale=language, abort_invalid=True):
            if message.id:
                key, strings = _forms(message.id), _forms(message.string)
                assert not message.fuzzy and all(strings), (file.name, key)
                assert len(strings) == (3 if len(key) == 2 else 1), (file.name, key)
                for string in strings:
                    assert set(PLACEHOLDERS.findall(string)) == set(PLACEHOLDERS.findall(key[-1])), (file.name, key)
                found.setdefault(key, strings)
                assert found[key] == strings, f"{key} is translated in two ways"
    assert not wanted - found.keys(), f"not translated to {language}"
    assert not found.keys() - wanted, f"translated to {language}, and said nowhere"


@pytest.mark.parametrize("language", sorted(set(texts.LANGUAGES) - {texts.DEFAULT}))
def test_what_is_translated_has_no_english_words_left(language: str) -> None:
    found = []
    for file in sorted((CONSOLE / "locale" / language / "LC_MESSAGES").glob("*.po")):
        for message in read_po(io.BytesIO(file.read_bytes()), locale=language):
            for string in _forms(message.string) if message.id else ():
                plain = re.sub(r"`[^`]*`|%\(\w+\)s", " ", string)
                found += [(string, word) for word in re.findall("[A-Za-z]{2,}", plain) if word.lower() not in NAMES]
    assert not found


@pytest.mark.parametrize(
    ("wanted", "header", "language"),
    [
        ("uk", "ru", "uk"),
        ("", "ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("", "en;q=0.3, uk;q=0.9", "uk"),
        ("", "de-DE,de", "en"),
        ("xx", "ru;q=nonsense,,;q=", "en"),
        ("", "", "en"),
    ],
)
def test_the_language_is_the_persons_or_else_the_browsers(wanted: str, header: str, language: str) -> None:
    assert texts.chosen(wanted, header) == language


def test_numbers_dates_and_plural_forms_are_those_of_the_language() -> None:
    russian = texts.Texts("ru", ZoneInfo("Europe/Moscow"))
    moment = datetime(2024, 5, 17, 21, 30, tzinfo=UTC)
    assert [russian.ngettext("%(num)s item", "%(num)s items", one) for one in (1, 2, 5, 21)] == [
        "1 объект",
        "2 объекта",
        "5 объектов",
        "21 объект",
    ]
    assert russian.day(moment) == "18 мая 2024\u202fг."
    assert russian.ago(moment, moment + timedelta(hours=3)) == "3 часа назад"
    assert russian.number(1234567.5) == "1\xa0234\xa0567,5"
    english = texts.Texts("en", ZoneInfo("UTC"))
    assert [english.size(number) for number in (1, 201, 1_250_000)] == ["1 byte", "201 bytes", "1.2 MB"]
    assert russian.size(3) == "3 байта"


def test_commands_in_words_are_shown_as_code_and_all_else_is_escaped() -> None:
    assert texts.with_code("run `strongroom <NAME>` & `wait") == "run <code>strongroom &lt;NAME&gt;</code> &amp; `wait"
