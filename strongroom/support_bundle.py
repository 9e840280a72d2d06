"""A bundle for whoever is to help: versions, settings, what the store and the daemon are like, errors; no secrets, no names.

What may be in it is decided by `strongroom.redaction`. Each part is made by itself: one that fails is there with the reason.
"""

from __future__ import annotations

import io
import json
import locale
import os
import platform
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from msgspec import Struct

from strongroom import __version__, cache, environment, status, store_access
from strongroom.redaction import GONE, OwnMessages, Pseudonyms, Redaction
from strongroom.settings import Settings
from strongroom.settings.tables import Table
from vault.errors import StrongroomError, TargetError

KEY_FILE = "pseudonyms.key"
MOST_OF_A_JOB, MOST_RUNS = 20, 300
MOST_ERRORS, LARGEST_ERROR = 10, 256 * 1024
RECORDED = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the bundle: it says nothing."""

KEPT_SETTINGS = frozenset(
    {
        "zone", "dates", "rpo", "every", "cron", "catch_up", "jitter", "window", "timeout", "retries", "back_off", "all_within",
        "last", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly", "within", "mode", "days", "grace", "log", "tls",
    }
)  # fmt: skip
"""Settings whose values are words of a fixed grammar: no name fits into them."""

_NAMED = {
    "kind": "kind", "name": "source", "path": "path", "file": "path", "state": "path", "address": "address", "to": "person",
    "sender": "person", "host": "host", "user": "person", "include": "pattern", "exclude": "pattern", "layout": "pattern",
    "time_column": "column", "column": "column", "header": "column", "recipients": "recipient", "url_file": "path",
    "urls_file": "path", "url": "address", "endpoint": "address", "region": "region", "profile": "profile",
}  # fmt: skip

ABOUT = """This is what a person who looks into a fault of Strongroom needs, and nothing that says what is backed up.
Names of projects, sources, paths, hosts, people and addresses are pseudonyms (project-3f2a91bc), the same in every
bundle of one machine; they are made with a key that never leaves it. Of texts only the words of Strongroom's own
messages are here; an ellipsis stands for the rest. There are no secrets, no keys and no names of items.
"""


class BundlePart(Struct, frozen=True):
    """A file of the bundle. about: what is in it, in a few words."""

    name: str
    about: str
    text: str

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "about": self.about, "bytes": len(self.text.encode())}


class SupportBundle(Struct, frozen=True):
    """names: what stands for what, to be read on this machine alone."""

    parts: tuple[BundlePart, ...]
    names: Mapping[str, str]

    def write(self, file: Path) -> None:
        """As a ZIP file that only its owner may read. Raises `TargetError`, also where a file is there."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for part in self.parts:
                info = zipfile.ZipInfo(part.name, RECORDED)
                info.external_attr = 0o600 << 16
                archive.writestr(info, part.text.encode("utf-8", "replace"), zipfile.ZIP_DEFLATED)
        try:
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.write(buffer.getvalue())
        except OSError as error:
            raise TargetError(f"{file} cannot be written: {error.strerror}", hint="name another file") from error


def make(
    find: Callable[[], Settings], open_repository: Callable[[], Any] | None, folders: Iterable[Path] | None = None
) -> SupportBundle:
    """Collect everything. find: gives the settings, or raises what is wrong with them · open_repository: a context manager that
    gives the opened repository; None where the store is not to be asked · folders: of the program's source, for messages."""
    pseudonyms = Pseudonyms(_key())
    redaction = Redaction(pseudonyms, OwnMessages(folders))
    settings, wrong = _found(find)
    parts = [BundlePart("README.txt", "what this is", ABOUT), _part("versions.json", "versions and platform", _versions)]
    if settings is None:
        parts.append(_part("settings.json", "what is wrong with the settings", lambda: _error(redaction, wrong)))
    else:
        found = settings
        _know(pseudonyms, found)
        parts += [
            _part("settings.json", "the settings, names replaced", lambda: settings_without_names(found, redaction)),
            _part(
                "status.json", "sources, jobs and alerts", lambda: redaction.value(_status(found, open_repository, redaction))
            ),
            _part("runs.json", "the daemon's runs", lambda: redaction.value(_runs(found))),
        ]
        if open_repository is not None:
            parts.append(_part("doctor.json", "what the store can do", lambda: redaction.value(_doctor(found, redaction))))
    parts += [
        _part("cache.json", "sizes of this machine's cache", lambda: redaction.value(_cache(settings))),
        _part("errors.json", "unexpected errors, where they came from", lambda: list(_errors(redaction))),
    ]
    return SupportBundle(tuple(parts), dict(sorted(pseudonyms.known.items())))


def settings_without_names(settings: Settings, redaction: Redaction) -> dict[str, Any]:
    """The settings that apply: numbers, times and choices as they are, names as pseudonyms, commands and URLs left out."""
    document = settings.document
    found: dict[str, Any] = {name: _plain(name, getattr(document, name), redaction) for name in type(document).model_fields}
    return found


def _plain(key: str, value: Any, redaction: Redaction) -> Any:  # noqa: ANN401 (whatever a model holds)
    if isinstance(value, Table):
        return {name: _plain(name, getattr(value, name), redaction) for name in type(value).model_fields}
    if isinstance(value, Mapping) and key == "options":  # of a source: names of Strongroom's own, values of anybody's
        return dict.fromkeys(value, GONE)
    if isinstance(value, Mapping):
        what = {"projects": "project", "copies": "copy"}.get(key, "kind")
        return {
            redaction.pseudonyms.of(what, name): inner if key == "item_retention" else _plain(name, inner, redaction)
            for name, inner in value.items()
        }
    if isinstance(value, tuple):
        return [_plain(key, one, redaction) for one in value]
    if value is None or isinstance(value, bool | int | float) or key in KEPT_SETTINGS:
        return value
    if key == "metrics":
        return str(value).rpartition(":")[2]
    if key == "ignore_changes_of":
        return str(value)
    return redaction.pseudonyms.of(_NAMED[key], str(value)) if key in _NAMED else GONE


def _know(pseudonyms: Pseudonyms, settings: Settings) -> None:
    """The names that may be keys or words of other parts."""
    for name, project in settings.document.projects.items():
        pseudonyms.of("project", name)
        for source in project.sources:
            pseudonyms.of("source", source.name)
    pseudonyms.of("address", settings.repository.address)
    for name, copy in settings.copies.items():
        pseudonyms.of("copy", name)
        pseudonyms.of("address", copy.address)
    pseudonyms.of("host", environment.services().host)


def _found(find: Callable[[], Settings]) -> tuple[Settings | None, StrongroomError | None]:
    try:
        return find(), None
    except StrongroomError as error:
        return None, error


def _part(name: str, about: str, make_value: Callable[[], Any]) -> BundlePart:
    try:
        value = make_value()
    except Exception as error:  # noqa: BLE001 (a fault is what the bundle is for: the other parts are made all the same)
        value = {"left_out": type(error).__name__}
    return BundlePart(name, about, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _error(redaction: Redaction, error: StrongroomError | None) -> dict[str, Any]:
    from strongroom.settings.errors import SettingsInvalid

    if isinstance(error, SettingsInvalid):
        lines = [{"line": one.line, "message": redaction.messages.skeleton(one.fault.what)} for one in error.faults]
        return {"error": type(error).__name__, "faults": lines}
    return {"error": type(error).__name__, "message": redaction.messages.skeleton(str(error))}


def _versions() -> dict[str, Any]:
    required = [one.split(";")[0] for one in metadata.requires("strongroom") or ()]
    names = sorted({"".join(char if char.isalnum() or char in "-_" else " " for char in one).split()[0] for one in required})
    packages: dict[str, str | None] = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return {
        "strongroom": __version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
        "processors": os.cpu_count(),
        "encoding": locale.getpreferredencoding(False),  # noqa: FBT003 (the library's own form)
        "file_names": sys.getfilesystemencoding(),
        "made": environment.services().clock.now().isoformat(timespec="seconds"),
        "packages": packages,
    }


def _status(settings: Settings, open_repository: Callable[[], Any] | None, redaction: Redaction) -> dict[str, Any]:
    found: status.RepositoryStatus | None = None
    failed: dict[str, Any] | None = None
    if open_repository is not None:
        try:
            with open_repository() as opened:
                found = status.repository_status(opened)
        except StrongroomError as error:
            failed = _error(redaction, error)
    found = found or status.known_status(settings)
    for name in dict.fromkeys([*settings.projects, *(one.project for one in found.projects)]):
        redaction.pseudonyms.of("project", name)
    return {
        "daemon": found.heartbeat.as_json(),
        "sources": [row.as_json() for row in found.sources],
        "projects": [one.as_json() for one in found.projects],
        "alerts": [alert.as_json() for alert in found.alerts],
        "error": failed,
    }


def _runs(settings: Settings) -> list[dict[str, Any]]:
    from strongroom import daemon_jobs

    with daemon_jobs.history_reader(settings) as history:
        found = [run for key in history.jobs() for run in history.recent(*key, MOST_OF_A_JOB)]
    runs = sorted(found, key=lambda run: run.started, reverse=True)[:MOST_RUNS]
    return [{name: value for name, value in daemon_jobs.RunLog(run, "").as_json().items() if name != "output"} for run in runs]


def _doctor(settings: Settings, redaction: Redaction) -> dict[str, Any]:
    from vault.storage.address import FolderAddress, open_bare_store
    from vault.storage.probe import probe

    doors = environment.services().clock, environment.services().randomness
    options = store_access.store_options(settings.repository, brief=True)
    place = store_access.settings_address(settings)
    kind = {"store": "folder" if isinstance(place, FolderAddress) else "s3"}
    try:
        report = probe(lambda: open_bare_store(place, options, *doors), *doors)
    except StrongroomError as error:
        return kind | _error(redaction, error)
    return kind | {"usable": report.usable, **report.as_json()}


def _cache(settings: Settings | None) -> list[dict[str, Any]]:
    return [{"parts": one.as_json()["parts"], "bytes": one.size, "in_use": one.in_use} for one in cache.info(settings)]


def _errors(redaction: Redaction) -> Iterator[dict[str, Any]]:
    files = [file for file in (environment.state_folder() / "errors").glob("error-*.txt") if not file.is_symlink()]
    for file in sorted(files, key=lambda one: one.stat().st_mtime, reverse=True)[:MOST_ERRORS]:
        with file.open("rb") as opened:
            text = opened.read(LARGEST_ERROR).decode("utf-8", "replace")
        yield {"age_days": _age_in_days(file), "traceback": redaction.traceback(text)}


def _age_in_days(file: Path) -> int:
    return int((environment.services().clock.now().timestamp() - file.stat().st_mtime) // 86400)


def _key() -> bytes:
    """The secret of this machine's pseudonyms; made where there is none. Where it cannot be kept they are of this bundle
    alone."""
    file = environment.state_folder() / KEY_FILE
    with suppress(OSError):
        found = file.read_bytes()
        if len(found) == 32:
            return found
    made = environment.services().randomness.token(32)
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(made)
    return made
