"""What completion offers at each place of a command line."""

from __future__ import annotations

from typing import Any

import pytest
import typer.main

from cli import completion
from cli.main import app
from strongroom import known_names
from vault.errors import SettingsError

ROOT: Any = typer.main.get_command(app)


class Names:
    """Names that this machine knows."""

    def projects(self) -> list[str]:
        return ["acme", "two words"]

    def sources(self, project: str | None = None) -> list[str]:
        return ["reports-2"] if project == "acme" else ["calls"]

    def kinds(self, project: str | None = None) -> list[str]:
        return ["reports"] if project == "acme" else ["raw"]

    def copies(self) -> list[str]:
        return ["offsite"]

    def holds(self, project: str | None = None) -> list[str]:
        return ["c0ffee"] if project == "acme" else []

    def snapshots(self, project: str | None = None) -> list[str]:
        return ["20261129t140829z-d1a44e0b151138b5"] if project == "acme" else []


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_names, "known_names", lambda _config, _address: Names())


def offered(*words: str) -> list[str]:
    return [line.partition("\t")[0] for line in completion.answer(ROOT, words)[1:]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("res",), ["restore"]),
        (("--json", "res"), ["restore"]),
        (("--config", "x.toml", "settings", "ch"), ["check"]),
        (("restore", ""), ["acme", "two words"]),
        (("restore", "--dry-run", "a"), ["acme"]),
        (("restore", "acme", ""), ["reports/"]),
        (("restore", "acme", "--exi"), ["--existing"]),
        (("restore", "acme", "--existing", "ne"), ["newer"]),
        (("restore", "acme", "--existing=ne"), ["--existing=newer"]),
        (("restore", "acme", "--existing", "=", "ne"), ["newer"]),
        (("restore", "acme", "--source", ""), ["reports-2"]),
        (("restore", "acme", "--at", "2026"), ["20261129t140829z-d1a44e0b151138b5"]),
        (("find", "acme", "--since", "y"), ["yesterday"]),
        (("find", "acme", "--from", "o"), ["offsite"]),
        (("copy", ""), ["offsite"]),
        (("ls", "acme", "--kind", ""), ["reports"]),
        (("ls", "acme", "--kind", "="), ["reports"]),
        (("forget", "acme", ""), ["20261129t140829z-d1a44e0b151138b5"]),
        (("forget", "acme", "20261129t140829z-d1a44e0b151138b5", ""), []),
        (("hold", "release", "acme", ""), ["c0ffee"]),
        (("status", "--accept", "ac"), ["acme"]),
        (("help", "settings", "sh"), ["show"]),
        (("completion", "z"), ["zsh"]),
        (("query", "acme", "--as", "parq"), ["parquet"]),
        (("ls", "acme", "--period", "last-m"), ["last-month"]),
        (("ls", "acme", "--", "--json"), []),
        (("demo", ""), []),
    ],
)
def test_what_comes_next_is_offered(words: tuple[str, ...], expected: list[str]) -> None:
    assert offered(*words) == expected


def test_an_option_that_was_given_is_offered_again_only_where_it_may_be() -> None:
    found = offered("ls", "acme", "--deleted", "--kind", "raw", "--")
    assert "--deleted" not in found and "--kind" in found and "--log-file" in found and "--help" in found


@pytest.mark.parametrize(
    "words",
    [("restore", "acme", "--to", ""), ("list", "--config", "s"), ("--log-file", ""), ("init", ""), ("help", "--man", "")],
)
def test_files_are_left_to_the_shell(words: tuple[str, ...]) -> None:
    assert completion.answer(ROOT, words) == ["files"]


def test_every_value_of_every_command_can_be_asked_for() -> None:
    def walk(command: Any, words: tuple[str, ...]) -> None:
        assert completion.answer(ROOT, (*words, ""))[0] in ("words", "files")
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))
        for one in command.params if words else ():
            if one.param_type_name == "option" and not one.is_flag:
                assert completion.answer(ROOT, (*words, one.opts[0], ""))[0] in ("words", "files")

    walk(ROOT, ())


def test_errors_are_for_who_calls_and_not_for_who_types(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_config: object, _address: object) -> None:
        raise SettingsError("no settings")

    ended: list[int] = []
    monkeypatch.setattr(known_names, "known_names", fails)
    monkeypatch.setattr("os._exit", ended.append)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    monkeypatch.setattr("signal.setitimer", lambda *_: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    completion.run(ROOT, ["restore", ""])
    completion.run(ROOT, ["nonsense", ""])
    assert capsys.readouterr().out == "words\nwords\n" and ended == [0, 0]
