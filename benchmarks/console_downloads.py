"""A gigabyte as a ZIP out of the console, sent while it is read, beside `restore` of the same to a folder.

    python -m benchmarks.console_downloads [--scale 0.1] [--rounds 5] [--at-once 8] [--only SET] [--https] [--work FOLDER]

The console is a process of its own, set up as the command's is, with the console's own server on loopback, which a client
asks as a browser does: ticks, plan, task, download. Its largest resident set is the kernel's figure, from before the first
request. Each archive is compared with the source. Both take turns, and the best of each counts: a virtual machine that has
given free memory back to its host takes up to 2 s a gigabyte to get it again, of whoever writes next. The command pays for its
start, the console has started. At last several people download the same at once, as many as a console admits. With --https
the console has a certificate of its own, and encrypts what it sends; then curl takes it, where it is on the path: Python takes
as long to decrypt 16 KiB at a time as the console to encrypt them, on the same two processors. Exits with 1 where a limit is
missed.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

from msgspec import Struct

from benchmarks import measure
from benchmarks.datasets import Dataset, dataset
from benchmarks.scratch import child_environment, empty_folder, require_program, say
from cli import runtime
from tests.support.server_certificates import authority

SETS = ("recordings", "records")
SCALES = {"recordings": 1.0, "records": 0.5}
"""A gibibyte each."""

SLOWEST, MOST_MEMORY = 2.0, 400_000_000
PIECE = 1 << 20


class Download(Struct, frozen=True):
    """wall: seconds from the request to the last byte · first: to the first one · size: of the archive, bytes."""

    wall: float
    first: float
    size: int


class Tls(Struct, frozen=True):
    """Files of the console's certificate and its key, and of the authority that it is trusted by."""

    certificate: Path
    key: Path
    authority: Path


class Browser:
    """Asks the console as one person. tls: None for plain HTTP."""

    def __init__(self, port: int, tls: Tls | None = None, person: str = "anna") -> None:
        self.port = port
        self.tls = tls
        self._person = person
        self._trust = None if tls is None else ssl.create_default_context(cafile=str(tls.authority))

    def ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
        """An answer, whose body is still to be read."""
        connection = (
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
            if self._trust is None
            else http.client.HTTPSConnection("127.0.0.1", self.port, timeout=600, context=self._trust)
        )
        headers = {"x-person": self._person}
        if form is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urlencode(form).encode() if form is not None else None, headers)
        return connection.getresponse()

    def download(self, target: Path) -> Download:
        """Everything of the project, as a ZIP, into a new file or one that takes everything."""
        self.ask("POST", "/projects/data/basket", {"folder": ""}).read()
        page = self.ask("GET", "/projects/data/get-back?goal=download").read().decode()
        (form,) = re.findall(r'<form method="post" action="[^"]*get-back">(.*?)</form>', page, re.DOTALL)
        fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form))
        task = self.ask("POST", "/projects/data/get-back", fields).headers["location"]
        (address,) = re.findall(r'class="button" href="([^"]*)"', self.ask("GET", task).read().decode())
        if self.tls is not None and (curl := shutil.which("curl")) is not None:
            return self._by_curl(curl, unescape(address), target)
        began = time.perf_counter()
        answer = self.ask("GET", unescape(address))
        size, first, buffer = 0, 0.0, memoryview(bytearray(PIECE))  # read into, as a browser does: two copies less
        with target.open("wb", buffering=0) as file:
            while count := _filled(answer, buffer):
                first = first or time.perf_counter() - began
                size += count
                file.write(buffer[:count])
        return Download(time.perf_counter() - began, first, size)

    def _by_curl(self, curl: str, address: str, target: Path) -> Download:
        words = [curl, "--silent", "--show-error", "--fail", "--cacert", str(self.tls.authority if self.tls else "")]
        words += ["--header", f"x-person: {self._person}", "--output", str(target)]
        words += ["--write-out", "%{time_total} %{time_starttransfer} %{size_download}"]
        done = subprocess.run([*words, f"https://127.0.0.1:{self.port}{address}"], check=True, capture_output=True, text=True)
        wall, first, size = done.stdout.split()
        return Download(float(wall), float(first), int(size))


def _filled(answer: http.client.HTTPResponse, buffer: memoryview) -> int:
    """How much of a buffer came; less than all of it only at the end. TLS gives 16 KiB at a time, for which no browser goes to
    its disk."""
    size = 0
    while size < len(buffer) and (count := answer.readinto(buffer[size:])):
        size += count
    return size


@contextmanager
def console_process(settings: Path, environment: Mapping[str, str], tls: Tls | None) -> Iterator[tuple[Browser, int]]:
    """A console, and the number of its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.console_downloads", "--serve", str(settings), "--port", str(port)]
    if tls is not None:
        command += ["--certificate", str(tls.certificate), "--key", str(tls.key)]
    process = subprocess.Popen(command, env=dict(environment), cwd=Path(__file__).parents[1])
    try:
        browser = Browser(port, tls)
        for _ in range(600):
            try:
                browser.ask("GET", "/").read()
                break
            except OSError:
                time.sleep(0.1)
        yield browser, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def processor_time(process: int) -> float:
    """Seconds of user and system that a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def largest_memory(process: int) -> int:
    """The largest resident set that a process ever had, bytes."""
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found) * 1024


def compare(archive: Path, source: Path) -> None:
    """Raises `SystemExit` where an archive is not what the source has."""
    with zipfile.ZipFile(archive) as found:
        names = {one.filename: one for one in found.infolist() if not one.is_dir()}
        wanted = {f"data/{path.relative_to(source)}": path for path in source.rglob("*") if path.is_file()}
        if names.keys() != wanted.keys():
            raise SystemExit("the archive has other names than the source")
        for name, path in wanted.items():
            with found.open(names[name]) as one, path.open("rb") as other:
                while piece := one.read(PIECE):
                    if piece != other.read(len(piece)):
                        raise SystemExit(f"{name} is not what the source has")


def several(one: Browser, people: int) -> None:
    """Everything by each of them at once. Raises what one of them met."""
    with ThreadPoolExecutor(people) as pool:
        browsers = [Browser(one.port, one.tls, f"person-{number}") for number in range(people)]
        list(pool.map(lambda browser: browser.download(Path(os.devnull)), browsers))


def measured(data: Dataset, rounds: int, people: int, work: Path, tls: Tls | None) -> bool:
    """Prints a line; gives whether the limits hold."""
    program = require_program("strongroom")
    with empty_folder(work / "home") as home:
        environment = child_environment() | {"HOME": str(home)}

        def call(*words: str) -> measure.Cost:
            return measure.run([program, *words], environment=environment, folder=home, log=work / "log")

        call("init", "repository", "--recovery-kit", "kit.txt")
        call("project", "add", "data", "--source", f"data={data.path}")
        call("backup")
        restores: list[measure.Cost] = []
        cpu: list[float] = []
        downloads: list[Download] = []
        with console_process(home / "strongroom.toml", environment, tls) as (browser, process):
            idle = largest_memory(process)
            for number in range(rounds):
                say(f"{data.name}: round {number + 1}")
                with empty_folder(work / "target") as target:
                    restores.append(call("restore", "data", "--to", str(target / "back")))
                with empty_folder(work / "target") as target:
                    os.sync()  # as before a restore: nobody pays for what came before
                    before = processor_time(process)
                    downloads.append(browser.download(target / "data.zip"))
                    cpu.append(processor_time(process) - before)
                    compare(target / "data.zip", data.path)
            memory = largest_memory(process)
            several(browser, people)
            memory_of_several = largest_memory(process)
    restore, restore_cpu = min(one.wall for one in restores), statistics.median(one.cpu for one in restores)
    download = min(one.wall for one in downloads)
    median = statistics.median(one.wall for one in downloads)
    first = statistics.median(one.first for one in downloads)
    fine = download <= SLOWEST * restore and memory_of_several <= MOST_MEMORY
    print(
        f"| {data.name}, {data.bytes / 1e6:,.0f} MB, {data.files:,} files | {restore:.2f} s | {restore_cpu:.2f} s "
        f"| {download:.2f} s ({median:.2f} s) | {statistics.median(cpu):.2f} s | {first:.2f} s "
        f"| {restore / download:.2f} | {idle / 1e6:.0f} MB | {memory / 1e6:.0f} MB | {memory_of_several / 1e6:.0f} MB "
        f"| {'passed' if fine else 'FAILED'} |",
        flush=True,
    )
    return fine


def certified(folder: Path) -> Tls:
    """A new certificate for this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    trusted = authority(folder, "an authority")
    return Tls(*trusted.issue(folder, "127.0.0.1"), trusted.file)


def serve(settings: Path, port: int, tls: tuple[Path, Path] | None) -> None:
    """The console's process: one person, who may everything."""
    from starlette.requests import Request

    import strongroom
    from console.access.rights import Assignment, Person, Role
    from console.accounts import accounts
    from console.app import templates
    from console.repositories import RepositoryPool
    from console.server import Listening
    from console.server import serve as serve_console
    from console.state import ConsoleState
    from console.visit import Caller, Console
    from strongroom.settings.console import ConsoleSettings
    from vault.clock import SystemClock
    from vault.randomness import SystemRandomness

    class Everybody:
        """Whoever asks is the person that they say they are."""

        def caller(self, request: Request) -> Caller | None:
            """See `console.visit.Authenticator`."""
            return Caller(Person(request.headers["x-person"], assignments=(Assignment(Role.EXPORTER),)), "token")

    clock = SystemClock()
    pool = RepositoryPool(lambda: strongroom.open_repository(settings), clock)
    state = ConsoleState(settings.parent / "console" / "console.sqlite")
    people = accounts.opened(state, ConsoleSettings.model_construct, clock, SystemRandomness())
    console = Console(pool, state, people, Everybody(), templates(), clock, SystemRandomness())
    serve_console(console, Listening(("127.0.0.1", port), f"http://127.0.0.1:{port}", tls), lambda _url, _address: None)


def main() -> int:
    """Measures each set of data."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--only", choices=SETS)
    parser.add_argument("--https", action="store_true")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-console-downloads")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--certificate", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--key", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        runtime.set_up()  # as the command does
        serve(options.serve, options.port, (options.certificate, options.key) if options.certificate else None)
        return 0
    work = options.work.resolve()
    titles = (
        "data|restore|its cpu|ZIP (median)|cpu of the console|first byte|speed of restore|idle|memory|of several at once|limits"
    )
    for row in (titles.split("|"), ["---"] * (titles.count("|") + 1)):
        print(f"| {' | '.join(row)} |")
    names = [options.only] if options.only else SETS
    sets = [dataset(name, work / "data", scale=SCALES[name] * options.scale) for name in names]
    tls = certified(work / "certificates") if options.https else None
    results = [measured(one, options.rounds, options.at_once, work, tls) for one in sets]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
