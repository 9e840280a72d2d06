"""The one door to the environment: variables, home folders, the terminal; this machine's clock, randomness and processes."""

from __future__ import annotations

import os
import pwd
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from strongroom import __version__
from vault.clock import SystemClock
from vault.errors import SettingsError
from vault.process import LinuxProcesses
from vault.randomness import SystemRandomness
from vault.repository.services import Services

if TYPE_CHECKING:
    from vault.storage.s3_client import Credentials

LOCALTIME = Path("/etc/localtime")
PARENT = "STRONGROOM_PARENT"
SETTINGS_IN_USE = "STRONGROOM_SETTINGS_IN_USE"
OF_ONE_COMMAND = tuple(f"STRONGROOM_{name}" for name in ("JSON", "QUIET", "VERBOSE", "DEBUG", "YES", "REPOSITORY"))
"""Variables that stand for options of the command that a person runs, and not for those that it starts."""
_OWN = ("STRONGROOM_", "NOTIFY_SOCKET", "WATCHDOG_", "CREDENTIALS_DIRECTORY")
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
}
_SAID_BY_SDK = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"}
_SAYS_NOTHING = {"AWS_EC2_METADATA_DISABLED", "AWS_REGION"}
"""To the SDK, of a server that is named with credentials that are there."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_CERTIFICATES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
PROGRESS = "STRONGROOM_PROGRESS"


def services() -> Services:
    """This machine's clock, randomness, name and processes."""
    host = host_name()
    return Services(SystemClock(), SystemRandomness(), host, f"strongroom/{__version__}", LinuxProcesses(host))


def variable(name: str) -> str | None:
    """An environment variable, or None where it is not set or empty."""
    return os.environ.get(name) or None


def switched_on(name: str) -> bool:
    """Whether a variable says yes, as an option without a value does on the command line."""
    return (variable(name) or "").strip().lower() in ("1", "true", "yes", "on", "y", "t")


def own_variables() -> list[str]:
    """The names of the variables that are set and speak to Strongroom."""
    return sorted(name for name in os.environ if name.startswith("STRONGROOM_"))


def s3_credentials(endpoint: str | None) -> Credentials | None:
    """Those that the AWS SDK would take for any server that is named to it, if the environment alone says that, and nothing of
    how to reach this one; None where the SDK has more to look at: its files, proxies, certificates, other variables."""
    from vault.storage.s3_client import Credentials

    ignored = {*_SAYS_NOTHING, *(_CERTIFICATES if (endpoint or "").startswith("http:") else ())}
    own = {name: value for name, value in os.environ.items() if name.startswith("AWS_") and name not in ignored}
    others = any(variable(name) or variable(name.lower()) for name in (*_PROXIES, *_CERTIFICATES) if name not in ignored)
    files = any(_expanded(Path("~/.aws", name)).exists() for name in ("config", "credentials"))
    odd = [one for one in own.values() if not one or not one.isascii() or not one.isprintable() or " " in one]
    if not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= own.keys() <= _SAID_BY_SDK or others or files or odd:
        return None
    token, region = own.get("AWS_SESSION_TOKEN"), own.get("AWS_DEFAULT_REGION")
    return Credentials(own["AWS_ACCESS_KEY_ID"], own["AWS_SECRET_ACCESS_KEY"], token, region)


@contextmanager
def replaced(values: Mapping[str, str | None]) -> Iterator[None]:
    """For libraries that read the environment whenever they are used: other values to the end of the block; None: not set."""
    before = {name: os.environ.get(name) for name in values}
    try:
        _put(values)
        yield
    finally:
        _put(before)


def _put(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def set_default(name: str, value: str) -> None:
    """For libraries that read the environment when they are imported: a value where the person has set none."""
    os.environ.setdefault(name, value)


def assign(name: str, value: str) -> None:
    """An option that stands for a variable: whatever is read later finds the option's value."""
    os.environ[name] = value


def for_children(settings_in_use: Path | None = None) -> dict[str, str]:
    """For the processes that the daemon starts, which end when it does: everything but what is for itself or a terminal.
    settings_in_use: a copy of the settings as the daemon has read them, None where there is none."""
    own = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", SETTINGS_IN_USE, PROGRESS, "FORCE_COLOR", *OF_ONE_COMMAND}
    copy = {} if settings_in_use is None else {SETTINGS_IN_USE: str(settings_in_use)}
    return {name: value for name, value in os.environ.items() if name not in own} | {PARENT: str(os.getpid())} | copy


def for_warm_parent() -> dict[str, str]:
    """For the process that forks the daemon's runs: where programs and libraries are, the language and the time zone, and no
    secret. A run's own environment reaches the run alone."""
    kept = {"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV"}
    found = {name: value for name, value in os.environ.items() if name in kept or name.startswith(("LC_", "LD_", "PYTHON"))}
    # an allocator that Arrow brings along, and does not use here, starts a thread: a process that forks may have only one
    return found | {"JE_ARROW_MALLOC_CONF": "background_thread:false"}


def replace_all(variables: dict[str, str], *, parent: int) -> None:
    """In a run that was forked: its own environment in the place of that of the process that has forked it, which is its
    parent."""
    os.environ.clear()
    os.environ.update(variables | {PARENT: str(parent)})
    time.tzset()


def for_hooks(more: Mapping[str, str]) -> dict[str, str]:
    """For commands of the settings around a backup: the environment without what is Strongroom's own, such as the credentials
    that reach the repository. more: what they get besides."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OWN) and name not in _CREDENTIALS}
    return kept | dict(more)


def settings_in_use() -> Path | None:
    """Of a run that the daemon has started: the copy of the settings that it goes by."""
    named = variable(SETTINGS_IN_USE)
    return Path(named) if named is not None and parent() is not None else None


def parent() -> int | None:
    """The daemon that started this process; None where somebody else did."""
    named = variable(PARENT)
    return int(named) if named is not None and named.isdigit() else None


def user_name() -> str:
    """Who runs this: the name of the system's user, or its number."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def settings_files() -> list[Path]:
    """Where a settings file may lie, the most particular place first."""
    named = variable("STRONGROOM_CONFIG")
    if named is not None:
        return [Path(named)]
    return [Path("strongroom.toml"), config_folder() / "strongroom.toml", Path("/etc/strongroom/strongroom.toml")]


def config_folder() -> Path:
    """For the identity and the settings of this user."""
    return _base("XDG_CONFIG_HOME", ".config") / "strongroom"


def identity_file() -> Path:
    """Where the identity of this user lies if nothing else is said."""
    return config_folder() / "identity.txt"


def cache_folder() -> Path:
    """For what may be deleted at any time."""
    return _base("XDG_CACHE_HOME", ".cache") / "strongroom"


def state_folder() -> Path:
    """For what this client remembers."""
    return _base("XDG_STATE_HOME", ".local/state") / "strongroom"


def expand(path: str, relative_to: Path) -> Path:
    """A path from the settings: `~` is the home folder, a relative one counts from the settings file's folder."""
    return relative_to / _expanded(Path(path))


def without_steps_up(path: Path) -> Path:
    """The same place without `..`, which would need the folders before it for ever. Links behind the last one stay links."""
    if ".." not in path.parts:
        return path
    last = len(path.parts) - path.parts[::-1].index("..")
    return Path(*path.parts[:last]).resolve().joinpath(*path.parts[last:])


def time_zone() -> str | None:
    """The name of this machine's time zone; None where it has none that the time-zone database knows."""
    named = variable("TZ")
    link = LOCALTIME.readlink() if named is None and LOCALTIME.is_symlink() else Path()
    name = named.removeprefix(":") if named is not None else str(link).partition("zoneinfo/")[2]
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        return None


def host_name() -> str:
    """This machine's name."""
    return os.uname().nodename


def free_memory() -> int | None:
    """Bytes of memory that new work may take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    found = [line.split() for line in lines if line.startswith("MemAvailable:")]
    return int(found[0][1]) * 1024 if found and found[0][1].isdigit() else None


def person() -> str:
    """Who runs this: user@host."""
    return f"{user_name()}@{host_name()}"


def is_interactive() -> bool:
    """Whether a person can be asked: standard input and error are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def shows_progress() -> bool:
    """Whether standard error is a terminal that can redraw a line."""
    return sys.stderr.isatty() and variable("TERM") != "dumb"


def _base(name: str, default: str) -> Path:
    found = variable(name)
    return Path(found) if found and Path(found).is_absolute() else _expanded(Path("~", default))


def _expanded(path: Path) -> Path:
    """With the home folder for `~`. Raises `SettingsError` where nobody knows that."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        hint = "set HOME, or XDG_CONFIG_HOME, XDG_CACHE_HOME and XDG_STATE_HOME"
        raise SettingsError(f"the home folder of {user_name()} is not known", hint=hint) from error
