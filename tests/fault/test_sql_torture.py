"""PostgreSQL over a network that cuts, delays and goes silent, with processes and servers that die: whatever was under way,
nothing half is committed anywhere, the error says what it was, and the next run is right."""

from __future__ import annotations

import os
import random
import shutil
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from restore.databases.postgresql_target import PgPlace, PostgresqlTarget
from restore.databases.staged_rows import FetchedItem
from restore.planning.conflict_policy import ConflictPolicy
from tests.support.coverage_notes import not_covered
from tests.support.message_proxy import MessageProxy
from tests.support.places import made_on
from tests.support.postgres_server import (
    OWNER,
    PASSWORD,
    PostgresServer,
    PostgresUnavailableError,
    ServerProcess,
    answers,
    postgres_server,
    programs_folder,
)
from tests.support.server_certificates import authority
from vault.backup import run
from vault.clock import SystemClock
from vault.errors import Interrupted, SourceError, TargetError
from vault.problems import Problem
from vault.progress import never
from vault.repository import snapshots
from vault.repository.project import Project
from vault.source.sql import postgresql
from vault.source.sql.postgresql import PgOptions, PostgresqlSource
from vault.source.sql.postgresql_catalog import relations
from vault.source.sql.postgresql_connection import PgAddress, connect
from vault.storage.memory import MemoryStore

SEED = 20261130
DESCRIPTION, COPIED = b"T", b"d"
"""Messages of PostgreSQL: what columns an answer has, and rows of a table that is copied."""

IN_CI = 12
"""Cut points that the normal suite tries; the slow one tries all."""

SCRIPT = """
create table agents (id int primary key, name text);
create table calls (id int primary key, at date, agent int references agents);
insert into agents select n, 'agent ' || n from generate_series(1, 5) n;
insert into calls select n, date '2024-01-01' + n % 60, n % 5 + 1 from generate_series(1, 40) n;
"""


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[MessageProxy]:
    with MessageProxy(postgres.port) as made:
        yield made


def address(port: int, database: str, user: str = OWNER, password: str = PASSWORD) -> PgAddress:
    return PgAddress("127.0.0.1", port, database, user, password, "disable")


def source(port: int, database: str, **options: Any) -> PostgresqlSource:
    found = PgOptions(address(port, database, **options), time_column="at")
    return PostgresqlSource(found, b"raw", SystemClock())


def back_up(project: Project, one: PostgresqlSource, stop: Callable[[], None] = never) -> None:
    report = run.back_up(project, run.Source("db", "raw", one), run.BackupOptions(stop=stop))
    assert not report.problems


def contents(one: PostgresqlSource) -> dict[bytes, bytes]:
    """Every item, read without a backup."""
    found = {}
    with closing(one):
        scan = one.scan(never).table
        files = [path for path, kind in zip(scan["path"].to_pylist(), scan["type"].to_pylist(), strict=True) if not kind]
        with one.reader() as reader:
            for path in files:
                stream = reader.open_large(path)
                assert not isinstance(stream, Problem)
                with stream:
                    data = bytearray(1 << 20)
                    found[path] = bytes(data[: stream.readinto(data, 0)])
    return found


def points(count: int, pick: int | None) -> list[int]:
    """Some of the numbers from 1 on, the same ones every time, or all of them."""
    every = list(range(1, count + 1))
    return every if pick is None or pick >= count else sorted(random.Random(SEED).sample(every, pick))


@pytest.mark.parametrize("pick", [IN_CI, pytest.param(None, marks=pytest.mark.slow)])
def test_a_backup_that_is_cut_anywhere_commits_nothing_and_the_next_one_is_right(
    postgres: PostgresServer, proxy: MessageProxy, pick: int | None
) -> None:
    database = postgres.new_database(SCRIPT)
    project = made_on(MemoryStore())
    proxy.mend()
    expected = contents(source(proxy.port, database))
    messages = proxy.seen
    done = 0
    for point in points(messages + 5, pick):
        proxy.cut_at(point, inside=point % 7)
        try:
            back_up(project, source(proxy.port, database))
            done += 1  # how many messages there are depends on when the second session is open; the last are not needed
        except SourceError as error:
            assert database in str(error) and PASSWORD not in str(error)
        stands = snapshots.read_all(project)
        assert [(one.counts.files, one.counts.problems) for one in stands] == [(len(expected), 0)] * done
    proxy.mend()
    back_up(project, source(proxy.port, database))
    record = max(snapshots.read_all(project), key=lambda one: one.id)
    assert (record.counts.files, record.counts.problems) == (len(expected), 0)


@pytest.mark.parametrize("pick", [IN_CI, pytest.param(None, marks=pytest.mark.slow)])
def test_a_restore_that_is_cut_anywhere_writes_all_or_nothing(
    postgres: PostgresServer, proxy: MessageProxy, tmp_path: Path, pick: int | None
) -> None:
    database = postgres.new_database(SCRIPT)
    items = fetched(postgres, database, tmp_path)
    whole = state(postgres, database)
    postgres.run(database, "delete from calls where id > 20; update agents set name = 'x' where id = 3")
    damaged = state(postgres, database)
    proxy.mend()
    put_back(proxy.port, database, items)
    assert state(postgres, database) == whole
    messages = proxy.seen
    for point in points(messages, pick):
        proxy.mend()
        postgres.run(database, "delete from calls where id > 20; update agents set name = 'x' where id = 3")
        proxy.cut_at(point, inside=point % 7)
        said = ""
        try:
            put_back(proxy.port, database, items)
        except TargetError as error:
            said = f"{error} {error.hint}"
            assert database in said and PASSWORD not in said
        until(lambda: not sessions(postgres, database))
        found = state(postgres, database)
        assert found in (damaged, whole)
        assert found == damaged if "nothing was written" in said else found == whole or "all of them are there, or none" in said
        proxy.mend()
        put_back(proxy.port, database, items)  # again: what is there stays
        assert state(postgres, database) == whole


def fetched(server: PostgresServer, database: str, folder: Path) -> list[FetchedItem]:
    """The items of a database, each in a file."""
    found = []
    for number, (path, data) in enumerate(contents(source(server.port, database)).items()):
        (folder / f"{number}").write_bytes(data)
        found.append(FetchedItem(path.removeprefix(b"raw/"), folder / f"{number}"))
    return found


def put_back(port: int, database: str, items: list[FetchedItem]) -> None:
    with PostgresqlTarget(PgPlace(address(port, database)), items, ConflictPolicy.REPLACE) as target:
        target.plan()
        target.apply()


def state(server: PostgresServer, database: str) -> list[tuple[Any, ...]]:
    return server.rows(
        database, "select 'agents', id, name from agents union all select 'calls', id, agent::text from calls order by 1, 2"
    )


def sessions(server: PostgresServer, database: str) -> int:
    ((count,),) = server.rows("postgres", f"select count(*) from pg_stat_activity where datname = '{database}'")
    return int(count)


def until(seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_slow_answers_are_waited_for(postgres: PostgresServer, proxy: MessageProxy) -> None:
    database = postgres.new_database(SCRIPT)
    proxy.mend()
    proxy.delays = 0.001
    project = made_on(MemoryStore())
    back_up(project, source(proxy.port, database))
    assert len(snapshots.read_all(project)) == 1


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_server_that_went_silent_holds_nobody_who_is_to_stop(
    postgres: PostgresServer, proxy: MessageProxy, share: float
) -> None:
    database = postgres.new_database(SCRIPT)
    project = made_on(MemoryStore())
    proxy.mend()
    contents(source(proxy.port, database))
    proxy.silence_at(max(1, int(proxy.seen * share)))

    def stop() -> None:
        if proxy.reached.is_set():
            raise Interrupted("told to stop")

    with pytest.raises(Interrupted):
        back_up(project, source(proxy.port, database), stop)
    assert snapshots.read_all(project) == []


def test_time_limits_of_the_user_and_the_database_do_not_hold_for_our_sessions(postgres: PostgresServer) -> None:
    database = postgres.new_database(SCRIPT)
    names = ["statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"]
    names += ["transaction_timeout"] if version(postgres) >= 170000 else []
    for name in names:
        postgres.run("postgres", f"alter database {database} set {name} = '1h'")
    assert postgres.rows(database, f"select current_setting('{names[-1]}')") == [("1h",)]
    with closing(connect(address(postgres.port, database))) as session:
        for name in names:
            assert session.execute("select current_setting(%s)", (name,)).fetchone() == ("0",)


def version(server: PostgresServer) -> int:
    ((number,),) = server.rows("postgres", "select current_setting('server_version_num')::int")
    return int(number)


@pytest.mark.parametrize("change", ["password 'another'", "valid until '2001-01-01'", "nologin"])
def test_a_user_who_may_not_come_in_any_more_in_the_middle_ends_the_backup(postgres: PostgresServer, change: str) -> None:
    database = postgres.new_database(SCRIPT)
    user = f"u_{database}"
    postgres.run(database, f"create role {user} login password '{PASSWORD}'; grant pg_read_all_data to {user}")

    class Shut(PostgresqlSource):
        def _open_ahead(self, scanning: Any) -> None:
            """No session for reading is open yet when the user is shut out."""

        def reader(self, stop: Callable[[], None] = never) -> Any:
            postgres.run("postgres", f"alter role {user} {change}")
            return super().reader(stop)

    place = address(postgres.port, database, user)
    one = Shut(PgOptions(place, time_column="at"), b"raw", SystemClock())
    project = made_on(MemoryStore())
    with pytest.raises(SourceError, match=database) as error:
        back_up(project, one)
    assert PASSWORD not in str(error.value) and snapshots.read_all(project) == []
    postgres.run("postgres", f"alter role {user} password '{PASSWORD}' valid until 'infinity' login")
    back_up(project, PostgresqlSource(one.options, b"raw", SystemClock()))
    assert len(snapshots.read_all(project)) == 1


@pytest.mark.parametrize(
    "script", ["drop table calls", "alter table calls drop column agent", "alter table calls rename to c2"]
)
def test_a_table_that_goes_or_changes_between_the_listing_and_the_lock_is_taken_as_it_is_then(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    database = postgres.new_database(SCRIPT)
    waiting = [script]

    def listed(connection: Any) -> Any:
        found = relations(connection)
        if waiting:
            postgres.run(database, waiting.pop())
        return found

    monkeypatch.setattr(postgresql, "relations", listed)
    found = contents(source(postgres.port, database))
    monkeypatch.undo()
    assert found == contents(source(postgres.port, database))


NAMES = ["a/b", "..", ".", ".hidden", "line\nbreak", "tab\t", "%2F", "a%", "schema.sql", "Calls", "calls", "CALLS", "ünïcödé ☎",
         "Ж" * 31, "a" * 63, " ", "x.parquet", 'q"uote', "it's", "back\\slash", "2024-01", "select"]  # fmt: skip


def test_names_that_a_path_cannot_say_come_and_go_back(postgres: PostgresServer, tmp_path: Path) -> None:
    """Of tables, of columns, and of a schema."""
    quoted = [name.replace('"', '""') for name in NAMES]
    database = postgres.new_database("")
    for place, name in enumerate(quoted):
        postgres.run(database, f'create table "{name}" (id int primary key, "{name}" text)')
        postgres.run(database, f"insert into \"{name}\" values ({place}, 'v')")
    postgres.run(database, 'create schema "od/d.."; create table "od/d.."."a.b" (id int primary key)')
    postgres.run(database, 'insert into "od/d.."."a.b" values (7)')
    items = fetched(postgres, database, tmp_path)
    other = postgres.new_database("")
    put_back(postgres.port, other, items)
    for place, name in enumerate(quoted):
        assert postgres.rows(other, f'select id, "{name}" from "{name}"') == [(place, "v")]
    assert postgres.rows(other, 'select id from "od/d.."."a.b"') == [(7,)]


def test_a_server_that_is_stopped_in_the_middle_ends_everything_and_the_next_run_is_right(tmp_path: Path) -> None:
    with own_server() as server, MessageProxy(server.port) as proxy:
        database = server.new_database(SCRIPT)
        project = made_on(MemoryStore())
        process = server.process
        assert process is not None
        for place, kind in ((20, DESCRIPTION), (20, COPIED)):  # while it looks at the catalogue, and among the rows
            proxy.cut_at(place, of=kind)
            with stopped_when_reached(proxy, process), pytest.raises(SourceError):
                back_up(project, source(proxy.port, database))
            assert snapshots.read_all(project) == []
            process.start()
            assert answers(server)
        proxy.mend()
        back_up(project, source(proxy.port, database))
        assert len(snapshots.read_all(project)) == 1
        items = fetched(server, database, tmp_path)
        whole = state(server, database)
        server.run(database, "delete from calls where id > 20")
        damaged = state(server, database)
        proxy.mend()
        put_back(proxy.port, database, items)
        messages = proxy.seen
        server.run(database, "delete from calls where id > 20")
        proxy.cut_at(int(messages * 0.9))
        with stopped_when_reached(proxy, process), pytest.raises(TargetError):
            put_back(proxy.port, database, items)
        process.start()
        assert answers(server) and state(server, database) == damaged
        put_back(server.port, database, items)
        assert state(server, database) == whole


@contextmanager
def own_server() -> Iterator[PostgresServer]:
    try:
        with postgres_server() as server:
            yield server
    except PostgresUnavailableError as error:
        not_covered(f"PostgreSQL: {error}")
        pytest.skip(str(error))


@contextmanager
def stopped_when_reached(proxy: MessageProxy, process: ServerProcess) -> Iterator[None]:
    """The server is stopped at the moment at which the proxy cuts."""

    def stop() -> None:
        proxy.reached.wait(60)
        process.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        proxy.reached.set()
        thread.join()


@pytest.fixture(scope="module")
def tls_server() -> Iterator[PostgresServer]:
    """A server that can speak TLS."""
    for programs in (programs_folder(), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))):
        with suppress(PostgresUnavailableError), postgres_server({}, programs) as server:
            try:
                server.run("postgres", "alter system set ssl = on")
            except psycopg.Error:
                continue  # built without
            server.run("postgres", "alter system reset ssl")
            yield server
            return
    reason = "PostgreSQL with TLS: no server here was built with it (STRONGROOM_TEST_POSTGRES names another)"
    not_covered(reason)
    pytest.skip(reason)


CERTIFICATES = {
    "right": ("127.0.0.1", 1, "ours", ""),
    "of another authority": ("127.0.0.1", 1, "others", "certificate verify failed"),
    "for another name": ("db.example.com", 1, "ours", "does not match host name"),
    "expired": ("127.0.0.1", -1, "ours", "certificate"),
}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_only_the_right_certificate_is_believed_with_verify_full(tls_server: PostgresServer, tmp_path: Path, kind: str) -> None:
    name, days, trusted, message = CERTIFICATES[kind]
    authorities = {one: authority(tmp_path, one) for one in ("ours", "others")}
    certificate, key = authorities["ours"].issue(tmp_path, name, days=days)
    ((data,),) = tls_server.rows("postgres", "select current_setting('data_directory')")
    owner = Path(data).stat()
    for setting, file in (("ssl_cert_file", certificate), ("ssl_key_file", key)):
        there = Path(data) / file.name
        shutil.copy(file, there)
        os.chown(there, owner.st_uid, owner.st_gid)
        tls_server.run("postgres", f"alter system set {setting} = '{file.name}'")
    tls_server.run("postgres", "alter system set ssl = on")
    tls_server.run("postgres", "select pg_reload_conf()")
    until(lambda: served(tls_server.port) == certificate.read_bytes())
    database = tls_server.new_database(SCRIPT)
    place = PgAddress("127.0.0.1", tls_server.port, database, OWNER, PASSWORD, "verify-full", str(authorities[trusted].file))
    project = made_on(MemoryStore())
    one = PostgresqlSource(PgOptions(place), b"raw", SystemClock())
    if message:
        with pytest.raises(SourceError, match=message):
            back_up(project, one)
    else:
        back_up(project, one)
    assert len(snapshots.read_all(project)) == (0 if message else 1)


def served(port: int) -> bytes:
    """The certificate that a server shows now; empty where it shows none."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(struct.pack(">ii", 8, 80877103))
        if plain.recv(1) != b"S":
            return b""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain) as secured:
            found = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
            return found.public_bytes(Encoding.PEM)
    return b""
