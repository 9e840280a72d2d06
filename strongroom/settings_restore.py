"""Bringing settings back out of the repository: which copies there are, which one is meant, what it needs on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from strongroom import environment, notices, settings_copy, store_access
from vault.errors import Damaged, NothingFound, ObjectNotFound, RefusedByRule, StrongroomError, UsageError
from vault.problems import Problem, printable
from vault.repository import settings_copies
from vault.wording import counted

if TYPE_CHECKING:
    from datetime import datetime

    from strongroom.context import Context
    from strongroom.settings.document import Document
    from strongroom.settings.models import RepositorySettings
    from vault.format.settings_copy import Decoded, SettingsCopy
    from vault.repository.settings_copies import StoredCopy

READERS = 8
"""Copies that are fetched at once: each waits for a round trip."""

MOST_READ = 64 * 1024 * 1024
"""Stored bytes of all copies that are read; usual ones have a few thousand each."""


class Found(Struct, frozen=True):
    """A copy that was opened. verified: whether it is tagged with the keys of every project that it names and that was opened,
    and of one at least."""

    stored: StoredCopy
    copy: SettingsCopy
    verified: bool

    def as_json(self) -> dict[str, Any]:
        """For `--json`, without the text."""
        from vault.format import strict_json

        return {
            "id": self.copy.id,
            "host": self.copy.host,
            "file": self.copy.file,
            "written_at": strict_json.write_moment(self.copy.written_at),
            "writer": self.copy.writer,
            "projects": sorted(projects_in(self.copy.text)),
            "bytes": len(self.copy.text.encode()),
            "verified": self.verified,
        }


class Copies(Struct):
    """found: those that opened, the newest first · unopened: how many are encrypted for others · problems: damaged ones."""

    found: list[Found] = field(default_factory=list)
    unopened: int = 0
    problems: list[Problem] = field(default_factory=list)


def copies(opened: Context) -> Copies:
    """The newest copies in the repository, opened. Raises `StorageError`."""
    repository = opened.repository
    capabilities = settings_copy.opened(repository, opened.identities, opened.memory)
    keys, names = settings_copy.tag_keys(capabilities), {one.name: one.project for one in capabilities}
    stored, left_out = _newest(settings_copies.listed(repository.store))

    def read(one: StoredCopy) -> Decoded | StrongroomError | None:
        try:
            return settings_copies.read(repository.store, one, opened.identities, keys, repository.descriptor.repository)[0]
        except (Damaged, ObjectNotFound) as error:
            return error

    with ThreadPoolExecutor(min(READERS, len(stored)) or 1, thread_name_prefix="settings") as pool:
        outcomes = list(pool.map(read, stored))
    found_copies = Copies()
    if left_out:
        message = f"{counted(len(left_out), 'older copy', 'older copies')} of settings were left out: there are too many"
        found_copies.problems.append(Problem(left_out[0].name.encode(), "left-out-settings", message))
    for one, outcome in zip(stored, outcomes, strict=True):
        if isinstance(outcome, Damaged):
            found_copies.problems.append(Problem(one.name.encode(), "damaged-settings", str(outcome)))
        elif outcome is None:
            found_copies.unopened += 1
        elif not isinstance(outcome, StrongroomError):
            text = outcome.copy.text
            named = {names[name] for name in projects_in(text) & names.keys()} | (project_ids_in(text) & set(names.values()))
            found_copies.found.append(Found(one, outcome.copy, bool(outcome.vouched) and named <= outcome.vouched))
    return found_copies


def _newest(stored: Sequence[StoredCopy]) -> tuple[list[StoredCopy], list[StoredCopy]]:
    """Those that are read, the newest first, and those that are too many for the memory."""
    size, ordered = 0, list(reversed(stored))
    for number, one in enumerate(ordered):
        size += one.size
        if number and (size > MOST_READ or number >= settings_copies.KEPT_OF_ALL):
            return ordered[:number], ordered[number:]
    return ordered, []


def projects_in(text: str) -> frozenset[str]:
    """The names of the projects that a settings file names; none where it is no TOML."""
    try:
        projects = tomllib.loads(text).get("projects", {})
    except (tomllib.TOMLDecodeError, RecursionError):
        return frozenset()
    return frozenset(projects) if isinstance(projects, dict) else frozenset()


def project_ids_in(text: str) -> frozenset[str]:
    """The ids by which a settings file names projects that have other names in the repository."""
    try:
        projects = tomllib.loads(text).get("projects", {})
    except (tomllib.TOMLDecodeError, RecursionError):
        return frozenset()
    tables = projects.values() if isinstance(projects, dict) else ()
    return frozenset(str(one["id"]) for one in tables if isinstance(one, dict) and "id" in one)


class Choice(Struct, frozen=True):
    """Which copy is meant. host: whose · id: that very one · at: the newest one up to then · unverified: also one of which
    nothing proves who wrote it."""

    host: str | None = None
    id: str | None = None
    at: datetime | None = None
    unverified: bool = False

    def of(self, found_copies: Copies) -> Found:
        """The copy. Raises `NothingFound`, `RefusedByRule`, `UsageError` where several machines are meant."""
        fitting = [one for one in found_copies.found if self._fits(one)]
        if not fitting:
            opened = counted(len(found_copies.found), "copy", "copies")
            raise NothingFound(
                "the repository has no such copy of settings that these identities open "
                f"({opened} opened, {found_copies.unopened} encrypted for others, {len(found_copies.problems)} damaged)",
                hint="see which there are: `strongroom settings restore --list`",
            )
        good = [one for one in fitting if one.verified or self.unverified]
        if not good:
            raise RefusedByRule(
                f"nothing proves that the copy of settings {fitting[0].copy.id} of {printable(fitting[0].copy.host.encode())} "
                "was written by somebody with keys of the projects that it names",
                hint="settings name commands that will be run: read it with --to - --unverified before you use it",
            )
        newest: dict[str, Found] = {}
        for one in good:
            newest.setdefault(one.stored.origin, one)
        if len({one.copy.text for one in newest.values()}) > 1:
            hosts = sorted({one.copy.host for one in newest.values()})
            which = "; ".join(f"{_of(one)}, {one.copy.id}" for one in list(newest.values())[:10])
            hint = "name one with --host NAME" if len(hosts) > 1 else "name one with --at ID"
            raise UsageError(f"there are settings of several machines or files: {which}", hint=hint)
        chosen = good[0]
        if fitting[0] is not chosen:
            notices.warn(f"the newer copy {fitting[0].copy.id} was passed over: nothing proves who wrote it")
        for problem in found_copies.problems:
            if _is_newer(problem, chosen):
                notices.warn(f"a newer copy was passed over: {problem.message}")
        return chosen

    def _fits(self, one: Found) -> bool:
        if self.id is not None:
            return one.copy.id == self.id
        return self.host in (None, one.copy.host) and (self.at is None or one.copy.written_at <= self.at)


def _is_newer(problem: Problem, chosen: Found) -> bool:
    """Whether what is damaged is a newer copy of the same file."""
    _, origin, leaf = problem.path.decode().split("/")
    return origin == chosen.stored.origin and leaf > chosen.copy.id


def _of(one: Found) -> str:
    return f"{printable(one.copy.host.encode())} ({printable(one.copy.file.encode())})"


class SettingsNeeds(Struct, frozen=True):
    """What restored settings need beside themselves. missing: files, folders and programs that are not on this machine, by the
    setting that names them · commands: that they will run · notes: what else is to be known."""

    missing: Mapping[str, str]
    commands: Mapping[str, str]
    notes: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"missing": dict(self.missing), "commands": dict(self.commands), "notes": list(self.notes)}


def needs(opened: Context, found: Found, file: Path) -> SettingsNeeds:
    """file: where the settings will lie."""
    from strongroom.settings import reader, resolve
    from strongroom.settings.errors import SettingsInvalid

    try:
        document = reader.read(file, found.copy.text)
        before = reader.read(Path(found.copy.file), found.copy.text)
    except SettingsInvalid as error:
        return SettingsNeeds(
            {}, {}, [f"this version does not take them: {error}; see `strongroom settings check --config FILE`"]
        )
    notes = []
    if dict(_values(before, Path)) != dict(_values(document, Path)):
        notes.append(f"relative paths in it count from its folder, which was {printable(found.copy.file.encode())}'s")
    address, named = document.repository, opened.settings.repository
    if (_place_of(address, file), address.endpoint) != (_place_of(named, opened.settings.file.absolute()), named.endpoint):
        notes.append(f"its repository is at {printable(address.address.encode())}, not at {named.address}")
    for name, copy in document.copies.items():
        notes.append(f"it keeps a copy of the repository, {name!r}, at {printable(copy.address.encode())}")
    commands = {key: text for key, text in _values(document, str) if key.rpartition(".")[2].endswith("command")}
    missing = {key: str(path) for key, path in _files(document) if not os.path.exists(path)}  # noqa: PTH110 (never raises)
    for key, text in commands.items():
        program = _program(text)
        if shutil.which(program) is None:
            missing[key] = program
    for place, words in resolve.hook_commands(document):
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
        commands[key] = shlex.join(words)
        if not resolve.program_is_there(words, file.absolute().parent):
            missing[key] = words[0]
    return SettingsNeeds(missing, commands, notes)


def _place_of(repository: RepositorySettings, file: Path) -> str:
    return store_access.resolve_address(repository.address, file.parent).text


def _files(document: Document) -> Iterator[tuple[str, Path]]:
    """What must be there: not the folder of the daemon's state, which it makes itself."""
    yield from ((key, path) for key, path in _values(document, Path) if key != "daemon.state")
    if document.identity.file is None and document.identity.command is None:
        yield "identity.file", environment.identity_file()


def _program(command: str) -> str:
    try:
        return shlex.split(command)[0]
    except (ValueError, IndexError):
        return command


def _values(value: object, sort: type, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a sort in the settings, with the setting's name."""
    from strongroom.settings.tables import Table

    if isinstance(value, sort):
        yield key, value
    elif isinstance(value, Table):
        for name in type(value).model_fields:
            yield from _values(getattr(value, name), sort, f"{key}.{name}" if key else name)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _values(inner, sort, f"{key}.{name}")
    elif isinstance(value, tuple):
        for number, inner in enumerate(value):
            yield from _values(inner, sort, f"{key}[{number}]")
