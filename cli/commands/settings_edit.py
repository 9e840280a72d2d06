"""`strongroom settings edit` and `migrate`: the settings file changed as a whole, or not at all."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, prompts
from cli.options import Config, Json, Yes
from strongroom import environment, settings
from vault.errors import StrongroomError, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from types import FrameType

    from strongroom.settings.edit import Checked, SettingsFile

EDITORS = ("sensible-editor", "editor", "nano", "vi")
"""Where neither VISUAL nor EDITOR names one."""


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    config: Config = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Rewrite the settings file to the names that settings have today; comments and layout stay.

    The change is shown first. A copy of the file as it was stays beside it, readable by its owner alone.
    """
    from strongroom.settings import edit as editing

    found = editing.migration(settings.find(config))
    document = found.as_json() | {"dry_run": dry_run, "backup": None}
    if not found.renamed:
        if as_json:
            output.document("settings-migrate/1", document)
        else:
            output.result(f"{found.source.file}: every setting has the name of today; nothing to do")
        return
    for line in found.diff if not as_json else ():
        (output.result if dry_run else output.notice)(line)  # what was done is the result
    if not dry_run:
        if not yes:
            prompts.confirm(f"Rewrite {found.source.file} like that?")
        copy = found.source.keep_copy(environment.services().clock.now())
        try:
            found.source.replace(found.text)
        except StrongroomError:
            copy.unlink(missing_ok=True)
            raise
        document["backup"] = str(copy)
        if not as_json:
            output.result(f"{found.source.file}: {counted(len(found.renamed), 'setting')} renamed; as it was: {copy}")
    if as_json:
        output.document("settings-migrate/1", document)


def edit(config: Config = None) -> None:
    """Open the settings file in your editor ($VISUAL, $EDITOR), check what you have made of it, and put it in place.

    You edit a copy. Errors are shown with their lines, and you can go on editing; the file is replaced in one step, and only by
    settings that every command can use. Whoever has changed it in the meantime keeps that change, and your text is kept too.
    """
    from strongroom.settings.edit import SettingsFile

    file = settings.find(config)
    if not environment.is_interactive():
        raise UsageError(
            "there is no terminal to open an editor on", hint=f"edit {file} as you like, then run `strongroom settings check`"
        )
    source = SettingsFile.read(file)
    command = _editor()
    folder = Path(tempfile.mkdtemp(prefix="strongroom-settings-"))
    draft = folder / source.file.name
    draft.write_text(source.text, "utf-8", newline="")
    draft.chmod(0o600)
    try:
        text = _edited(source, draft, command, file)
        if text is None:
            output.result(f"{file}: nothing was changed")
        else:
            source.replace(text)
            output.result(f"{file}: replaced")
    except BaseException:
        if draft.exists() and draft.read_bytes() != source.text.encode():
            output.notice(f"notice: your text is kept in {draft}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _edited(source: SettingsFile, draft: Path, command: Sequence[str], file: Path) -> str | None:
    """What a person has made of it; None where they left it as it was. Raises `typer.Abort` where they give it up."""
    from strongroom.settings import edit as editing

    while True:
        _run(command, draft)
        text = _read(draft)
        if text == source.text:
            return None
        if text is None:
            output.notice("error: the text is not valid UTF-8")
        else:
            checked = editing.check(file, text, environment.services().clock.now())
            _show(checked)
            if not checked.errors:
                return text
        typer.confirm("Go on editing?", default=True, err=True, abort=True)


def _show(checked: Checked) -> None:
    for word, found in (("error", checked.errors), ("warning", checked.warnings)):
        for one in found:
            output.notice(f"{word}: {one.sentence()}{f' ({one.fault.hint})' if one.fault.hint else ''}")


def _read(draft: Path) -> str | None:
    from strongroom.settings import LARGEST

    try:
        with draft.open("rb") as opened:
            return opened.read(LARGEST).decode("utf-8")
    except UnicodeDecodeError:
        return None
    except OSError as error:
        raise UsageError(f"the edited copy {draft} cannot be read: {error.strerror}") from error


def _editor() -> list[str]:
    """The command of the editor. Raises `UsageError`."""
    named = environment.variable("VISUAL") or environment.variable("EDITOR")
    try:
        words = shlex.split(named) if named is not None else []
    except ValueError as error:
        raise UsageError(f"the editor {named!r} is not a whole command: {error}", hint="correct VISUAL or EDITOR") from error
    if words:
        return words
    found = next((one for one in EDITORS if shutil.which(one)), None)
    if found is None:
        raise UsageError("there is no editor", hint="name one: EDITOR=nano strongroom settings edit")
    return [found]


def _run(command: Sequence[str], draft: Path) -> None:
    """Raises `UsageError` where the editor cannot be started or fails."""
    try:
        with _keys_are_the_editors():
            code = subprocess.run([*command, str(draft)], check=False).returncode  # noqa: S603 (the person's own editor)
    except OSError as error:
        raise UsageError(
            f"the editor {command[0]!r} cannot be started: {error.strerror}", hint="name another one with EDITOR"
        ) from error
    if code:
        raise UsageError(f"the editor {command[0]!r} ended with exit code {code}; the settings are as they were")


@contextmanager
def _keys_are_the_editors() -> Iterator[None]:
    """Ctrl-C on the terminal is meant for the editor."""

    def nothing(_number: int, _frame: FrameType | None) -> None: ...

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, nothing)  # unlike SIG_IGN this is not inherited
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
