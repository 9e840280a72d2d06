"""A person at the command line: a home, settings, credentials and a clock of their own, and nothing of this machine's.

desk = Desk(tmp_path, Place("/srv/repository"))
desk.init()
desk.run("backup", exits=3)                 a process of the installed command
desk.call("list", "--json").document        the same in this process, twenty times as fast

Both check the exit code, that no traceback and no secret was ever shown, and that what `--json` prints follows its schema.
"""

from __future__ import annotations

import ctypes
import gc
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from signal import SIGALRM, SIGINT, SIGTERM, getsignal, signal
from typing import Any

import pytest
from msgspec import Struct, field

from cli.runtime import WithoutModules
from tests.support.json_documents import validate_output
from vault.clock import SystemClock
from vault.randomness import SystemRandomness
from vault.storage.address import StoreOptions, open_store, parse_address
from vault.storage.contract import Store
from vault.storage.s3_client import S3Options

STRONGROOM = Path(sys.executable).with_name("strongroom")
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2  # linux/prctl.h, linux/capability.h
SECRET = re.compile(rb"AGE-SECRET-KEY-(PQ-)?1[A-Z0-9]{8}")
INHERITED = ("PATH", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED")


class Place(Struct, frozen=True):
    """Where a repository may be made. endpoint: the S3 server's URL."""

    address: str
    endpoint: str | None = None

    @property
    def options(self) -> tuple[str, ...]:
        return ("--endpoint", self.endpoint) if self.endpoint else ()


class Result(Struct, frozen=True):
    """What a command left behind."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def document(self) -> Any:
        """The one JSON document on stdout; that there is nothing else there follows from its being read."""
        return json.loads(self.out)


class Desk(Struct, frozen=True):
    """See this module's text. folder: all of it lies there, and it is the current folder of every command."""

    folder: Path
    place: Place
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def settings(self) -> Path:
        return self.folder / "strongroom.toml"

    @property
    def identity(self) -> Path:
        return self.folder / "home" / ".config" / "strongroom" / "identity.txt"

    @property
    def kit(self) -> Path:
        return self.folder / "safe" / "kit.txt"

    @property
    def environment(self) -> dict[str, str]:
        found = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return found | {"HOME": str(self.folder / "home"), "TZ": "UTC", "LC_ALL": "C.UTF-8", **self.variables}

    def init(self) -> None:
        """A repository, an identity, a recovery kit and settings."""
        self.kit.parent.mkdir(exist_ok=True)
        self.call("init", self.place.address, *self.place.options, "--recovery-kit", str(self.kit))

    def add(self, project: str, *sources: str) -> None:
        """A project; sources as KIND=PATH."""
        self.call("project", "add", project, *(word for source in sources for word in ("--source", source)))

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The stored objects, for looking behind the scenes."""
        address = self.place.address if self.place.endpoint else str(self.folder / self.place.address)
        options = StoreOptions(s3=S3Options(endpoint=self.place.endpoint))
        store = open_store(parse_address(address), options, SystemClock(), SystemRandomness())
        try:
            yield store
        finally:
            store.close()

    def shrink_packs(self, size: int) -> None:
        """From now on packs are closed when they have so many bytes; before anything is in the repository."""
        with self.store() as store:
            descriptor = json.loads(store.get("strongroom.json"))
            descriptor["limits"]["pack"] = size
            store.put("strongroom.json", json.dumps(descriptor).encode())
        for copy in (self.folder / "home/.local/state/strongroom").glob("*/strongroom.json"):
            copy.unlink()  # it never changes: this machine would miss the one that it has met

    def start(self, *arguments: str | bytes, **more: Any) -> subprocess.Popen[bytes]:
        """The command as a process that runs; the caller waits for it. more: as for Popen."""
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        return subprocess.Popen([STRONGROOM, *arguments], cwd=self.folder, env=self.environment, **streams)

    def run(self, *arguments: str | bytes, exits: int | Sequence[int] = 0, **more: Any) -> Result:
        """A process, from its start to its end. more: as for Popen."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=120)
        return checked(arguments, Result(process.returncode, out, err.decode()), (exits,) if isinstance(exits, int) else exits)

    def call(self, *arguments: str, exits: int | Sequence[int] = 0) -> Result:
        """In this process: the same function that the console script calls, with streams and environment of its own."""
        from cli.main import run

        out, err = io.BytesIO(), io.BytesIO()
        texts = [io.TextIOWrapper(stream, encoding="utf-8", write_through=True) for stream in (out, err)]
        with self.surroundings(arguments), redirect_stdout(texts[0]), redirect_stderr(texts[1]):
            with pytest.raises(SystemExit) as ended:
                run()
            code = ended.value.code
        number = code if isinstance(code, int) else 0 if code is None else 1
        return checked(
            arguments, Result(number, out.getvalue(), err.getvalue().decode()), (exits,) if isinstance(exits, int) else exits
        )

    @contextmanager
    def surroundings(self, arguments: Sequence[str]) -> Iterator[None]:
        """Environment, folder and arguments of a command that runs in this process."""
        thresholds, variables = gc.get_threshold(), dict(os.environ)
        handlers = {number: getsignal(number) for number in (SIGINT, SIGTERM, SIGALRM)}
        try:
            with pytest.MonkeyPatch.context() as patch:
                _have(self.environment)
                patch.setattr(sys, "argv", ["strongroom", *arguments])
                patch.setattr(os, "_exit", _leave)
                patch.chdir(self.folder)
                yield
        finally:
            gc.set_threshold(*thresholds)
            _have(variables)  # what the command has set is its own
            # a command's process has neither numpy nor pandas; this one goes on
            sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, WithoutModules)]
            for number, handler in handlers.items():
                signal(number, handler)


def _have(variables: Mapping[str, str]) -> None:
    """From now on the environment of this process is this one; what is the same already is left alone, which is most of it."""
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    for name, value in variables.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _leave(code: int) -> None:
    """In place of `os._exit`, with which a command leaves: this process goes on."""
    raise SystemExit(code)


def checked(arguments: Sequence[str | bytes], result: Result, exits: Sequence[int]) -> Result:
    """The result, once it is clear that it ended as expected and showed neither a traceback nor a secret."""
    shown = f"{arguments}\nexit {result.code}\n{result.out[-3000:]!r}\n{result.err[-3000:]}"
    assert result.code in exits, shown
    assert "Traceback" not in result.err and "an unexpected error" not in result.err, shown
    assert not SECRET.search(result.out + result.err.encode()), shown
    validate_output(tuple(os.fsdecode(one) for one in arguments), result.out)
    return result


def without_root_powers() -> None:
    """For Popen's `preexec_fn`: root's processes, too, meet the permissions of files from here on."""
    libc = ctypes.CDLL(None, use_errno=True)
    for power in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH) if os.geteuid() == 0 else ():
        if libc.prctl(PR_CAPBSET_DROP, power, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "cannot drop a capability")


def refusal(result: Result) -> str:
    """The message of a refused command: an error and a hint on stderr, nothing at all on stdout."""
    assert result.out == b"", result
    lines = result.err.splitlines()
    assert sum(line.startswith("strongroom: error: ") for line in lines) == 1, result
    assert sum(line.startswith("hint: ") for line in lines) == 1, result
    return result.err
