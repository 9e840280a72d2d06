"""A MariaDB server of the tests' own: the system's `mariadbd`, in a folder of its own, on a free port of the loopback.

`STRONGROOM_TEST_MARIADB` names a folder with `mariadbd` and `mariadb-install-db` (or their old names), to run the tests with
another version. Where there is none, a run says that it did not cover it: no wheel brings one.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.server_certificates import authority

PASSWORD = "a password of the tests: пароль"
OWNER = "owner"
AUTHORITY = "authority of the tests"
_STARTS, _PATIENCE = 3, 60.0
_numbers = count(1)


class MariadbUnavailableError(Exception):
    """No server could be started; the text says why."""


class MariadbServer(NamedTuple):
    """A running server. `OWNER` may do everything, with the password `PASSWORD`. certificates: the authority of its TLS."""

    port: int
    socket: Path
    certificates: Path

    def new_database(self, script: str = "", charset: str = "utf8mb4") -> str:
        """The name of a new database, in which statements were run."""
        name = f"tests_{next(_numbers)}"
        self.run("mysql", f"create database {name} character set {charset}")
        if script:
            self.run(name, script)
        return name

    def run(self, database: str, script: str) -> None:
        """Run statements, with semicolons between them; each commits."""
        from pymysql.constants import CLIENT

        with self.connected(database, client_flag=CLIENT.MULTI_STATEMENTS) as connection, connection.cursor() as cursor:
            cursor.execute(script)
            while cursor.nextset():
                pass

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """What a query gives."""
        with self.connected(database) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    @contextmanager
    def connected(self, database: str, user: str = OWNER, **more: Any) -> Iterator[Any]:
        """A connection that commits at once. Its sessions take any date."""
        import pymysql

        address = {"host": "127.0.0.1", "port": self.port, "user": user, "password": PASSWORD.encode()}
        made = pymysql.connect(**address, database=database, autocommit=True, ssl_disabled=True, charset="utf8mb4", **more)
        with closing(made):
            with made.cursor() as cursor:
                cursor.execute("set sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'")
                cursor.execute("set time_zone = '+00:00'")
            yield made

    def url(self, database: str) -> str:
        """As settings name it."""
        return f"mariadb://127.0.0.1:{self.port}/{database}"


@contextmanager
def mariadb_server() -> Iterator[MariadbServer]:
    """A running server. Raises `MariadbUnavailableError`."""
    if not _has_library():
        raise MariadbUnavailableError("the package PyMySQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="strongroom-mariadb-"))
    try:
        install, server = _programs()
        data = folder / "data"
        user = [f"--user={'root' if os.geteuid() == 0 else _name()}"]
        _run([str(install), "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
              "--skip-test-db", *user], folder)  # fmt: skip
        process, port = _started(server, folder, data, user)
        try:
            yield MariadbServer(port, folder / "socket", folder / f"{AUTHORITY}.crt")
        finally:
            process.kill()  # nothing of it is kept
            process.wait(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_library() -> bool:
    from importlib.util import find_spec

    return find_spec("pymysql") is not None


def _name() -> str:
    import getpass

    return getpass.getuser()


def _programs() -> tuple[Path, Path]:
    named = os.environ.get("STRONGROOM_TEST_MARIADB")
    places = os.pathsep.join([named] if named else [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = [
        next((path for one in names if (path := shutil.which(one, path=places))), None)
        for names in (("mariadb-install-db", "mysql_install_db"), ("mariadbd", "mysqld"))
    ]
    if found[0] is None or found[1] is None:
        raise MariadbUnavailableError("neither mariadbd nor mariadb-install-db is installed (Debian: mariadb-server)")
    return Path(found[0]), Path(found[1])


def _started(server: Path, folder: Path, data: Path, user: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    first = folder / "first.sql"
    first.write_text(
        f"set names utf8mb4;\ncreate user {OWNER}@localhost identified by '{PASSWORD}';\n"
        f"grant all on *.* to {OWNER}@localhost with grant option;\n",
        encoding="utf-8",
    )
    tls = _certificates(folder)
    for _ in range(_STARTS):  # a port may be taken by another between our look and its start
        with socket.create_server(("127.0.0.1", 0)) as held:
            port: int = held.getsockname()[1]
        settings = {
            "datadir": data,
            "socket": folder / "socket",
            "pid-file": folder / "pid",
            "port": port,
            "bind-address": "127.0.0.1",
            "skip-networking": 0,
            "init-file": first,
            "tmpdir": folder,
            "default-time-zone": "+09:00",  # so that a test sees what depends on it
            "sql-mode": "ANSI_QUOTES,PIPES_AS_CONCAT,NO_ZERO_DATE,NO_ZERO_IN_DATE,STRICT_TRANS_TABLES,PAD_CHAR_TO_FULL_LENGTH",
            "character-set-server": "latin1",
            "innodb-flush-log-at-trx-commit": 0,
            "innodb-buffer-pool-size": "32M",
            "sync-binlog": 0,
            "max-connections": 60,
            "max-allowed-packet": "16M",
            **tls,
        }
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        log = folder / "log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [str(server), "--no-defaults", *arguments, *user],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
            )
        if _answers(process, port):
            return process, port
        process.kill()
        process.wait(timeout=20)
    raise MariadbUnavailableError(f"mariadbd did not start: {(folder / 'log').read_text(errors='replace')[-500:]}")


def _certificates(folder: Path) -> dict[str, Path]:
    """A certificate for 127.0.0.1 by an authority of its own."""
    above = authority(folder, AUTHORITY)
    certificate, key = above.issue(folder, "127.0.0.1")
    return {"ssl-ca": above.file, "ssl-cert": certificate, "ssl-key": key}


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=True, capture_output=True, timeout=180)
    except subprocess.CalledProcessError as error:
        said = (error.stdout + error.stderr).decode(errors="replace")[-500:]
        raise MariadbUnavailableError(f"{command[0]} failed: {said}") from error
    except OSError as error:
        raise MariadbUnavailableError(f"{command[0]} cannot be run: {error}") from error


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    import pymysql

    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            pymysql.connect(
                host="127.0.0.1", port=port, user=OWNER, password=PASSWORD.encode(), ssl_disabled=True, connect_timeout=5
            ).close()
            return True
        except pymysql.err.OperationalError:
            time.sleep(0.1)
    return False
