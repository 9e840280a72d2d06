"""The process that opens a bag which somebody has brought: `python -m console.bag_worker`; and whoever asks it.

It has no keys, no repository, an environment without secrets and bounded memory, and writes no file. It looks at the bag by
itself, says where that says that it is from, hears what the repository has of that, and compares. Whoever started it ends it
when it takes too long.

Standard input takes two lines, `Task` and `Known`, as JSON; standard output gives `Answer`s, a line each: how far it is, what
was found by itself, what was found in all, or why there is nothing.
"""

from __future__ import annotations

import os
import resource
import selectors
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

import msgspec
from msgspec import Struct

from console.previews.worker import MEMORY, Refusal
from restore.export.bag_files import BagBounds
from strongroom import environment
from strongroom.bag_verification import BagOrigin, BagTrust, StoredContents, VerifiedBag, bag_alone
from vault.clock import Clock, SystemClock
from vault.errors import Damaged, StrongroomError
from vault.problems import printable

SECONDS = 3600
"""Of the processor's time, and of the clock's."""

REPORT_EVERY = 0.5
DIGEST = 16
LARGEST_LINE = 64 << 20
FINDINGS = 1000
_PIECE = 1 << 16


class Task(Struct, frozen=True):
    """signers: names by public keys (hexadecimal) · certificates: of a time-stamp authority; "" for none."""

    path: str
    signers: dict[str, str]
    certificates: str
    files: int
    bytes: int
    text: int


class Known(Struct, frozen=True):
    """What the repository has. compare: whether content is compared at all · opens: whether the project is the one that it is
    compared with · digests: a file of what is stored, sorted; "" for none · missing: snapshots that are not there."""

    compare: bool
    opens: bool = False
    digests: str = ""
    missing: tuple[str, ...] = ()


class Finding(Struct, frozen=True):
    """What is wrong. path: as it can be shown."""

    path: str
    what: str
    message: str


class Facts(Struct, frozen=True):
    """What was found; see `strongroom.bag_verification.VerifiedBag`. findings: how many, in all."""

    files: int = 0
    bytes: int = 0
    signed: bool = False
    signer: str = ""
    stamped_at: str = ""
    stamp_verified: bool = False
    compared: int = 0
    converted: int = 0
    snapshots_asked: bool = False
    findings: int = 0
    first: tuple[Finding, ...] = ()


class Answer(Struct, frozen=True, omit_defaults=True):
    """progress: files and bytes so far · origin: where it says that it is from · facts: in all, the last answer."""

    progress: tuple[int, int] | None = None
    alone: bool = False
    origin: BagOrigin | None = None
    facts: Facts | None = None
    refused: Refusal | None = None


class BagWorker:
    """A process that verifies one bag. Use it as a context: at its end the process is gone."""

    def __init__(self, clock: Clock | None = None, seconds: float = SECONDS) -> None:
        self._clock = clock or SystemClock()
        self._until = self._clock.monotonic() + seconds
        self._left = bytearray()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "console.bag_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment.for_warm_parent() | {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"},
            bufsize=0,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()

    def say(self, line: Task | Known) -> None:
        """Raises `Damaged` where it is gone."""
        stdin = self._process.stdin
        try:
            if stdin is not None:
                stdin.write(msgspec.json.encode(line) + b"\n")
                stdin.flush()
        except OSError as error:
            raise _broken() from error

    def answer(self, stop: Callable[[], None], progress: Callable[[int, int], None]) -> Answer:
        """The next one that says more than how far it is. stop: called often · progress: hears of files and bytes. Raises
        `Damaged` where there is none in time."""
        while True:
            found = msgspec.json.decode(self._line(stop), type=Answer)
            if found.progress is not None:
                progress(*found.progress)
                continue
            return found

    def _line(self, stop: Callable[[], None]) -> bytes:
        out: Any = self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while b"\n" not in self._left:
                stop()
                if self._clock.monotonic() > self._until:
                    raise Damaged(
                        "the bag takes too long to be verified here", hint="verify it with `strongroom export verify`"
                    )
                if not selector.select(REPORT_EVERY):
                    continue
                piece = out.read(_PIECE)
                if not piece or len(self._left) + len(piece) > LARGEST_LINE:
                    raise _broken()
                self._left += piece
        line, _, rest = bytes(self._left).partition(b"\n")
        self._left = bytearray(rest)
        return line


def _broken() -> Damaged:
    return Damaged(
        "the bag takes more time or memory than a verification may, or its reader broke",
        hint="verify it with `strongroom export verify`",
    )


class _Sorted:
    """Digests of a file, sorted: 16 bytes for each, not eighty as in a set."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __contains__(self, digest: object) -> bool:
        if not isinstance(digest, bytes):
            return False
        number = bisect_left(range(len(self._data) // DIGEST), digest, key=self._at)
        return self._at(number) == digest

    def _at(self, number: int) -> bytes:
        return self._data[number * DIGEST : (number + 1) * DIGEST]


class _Telling:
    """Says now and then how far it is."""

    def __init__(self, found: VerifiedBag, say: Callable[[Answer], None]) -> None:
        self._found = found
        self._say = say
        self._clock = SystemClock()
        self._next = 0.0

    def __call__(self) -> None:
        now = self._clock.monotonic()
        if now >= self._next:
            self._next = now + REPORT_EVERY
            self._say(Answer(progress=(self._found.files, self._found.bytes)))


def serve(requests: IO[bytes], say: Callable[[Answer], None]) -> None:
    """Verify the one bag."""
    task = msgspec.json.decode(requests.readline(), type=Task)
    found = VerifiedBag(Path(task.path))
    keys = {bytes.fromhex(key): name for key, name in task.signers.items()}
    trust = BagTrust(None, keys, Path(task.certificates) if task.certificates else None)
    bounds = BagBounds(task.files, task.bytes, task.text)
    try:
        with bag_alone(found.path, trust, stop=_Telling(found, say), bounds=bounds, found=found) as bag:
            say(Answer(alone=True, origin=bag.origin))
            known = msgspec.json.decode(requests.readline(), type=Known)
            if known.compare and bag.origin is not None:
                bag.compare(_stored(known))
        say(Answer(facts=_facts(found)))
    except StrongroomError as error:
        say(Answer(refused=Refusal(str(error), error.hint or "", nothing=False)))
    except (MemoryError, RecursionError, OSError, ValueError) as error:
        say(Answer(refused=Refusal(f"the bag cannot be read: {type(error).__name__}", "", nothing=False)))


def _stored(known: Known) -> StoredContents | None:
    if not known.opens:
        return None
    return StoredContents(_Sorted(Path(known.digests).read_bytes()), known.missing)


def _facts(found: VerifiedBag) -> Facts:
    first = tuple(
        Finding(printable(one.path)[:1000], one.what, printable(one.message.encode("utf-8", "surrogateescape"))[:2000])
        for one in found.findings[:FINDINGS]
    )
    return Facts(
        files=found.files,
        bytes=found.bytes,
        signed=found.signing_key is not None,
        signer=found.signer,
        stamped_at="" if found.stamped_at is None else found.stamped_at.isoformat(),
        stamp_verified=found.stamp_verified,
        compared=found.compared,
        converted=found.converted,
        snapshots_asked=found.snapshots_asked,
        findings=len(found.findings),
        first=first,
    )


def _bound() -> None:
    """This process's own limits, before it opens anything."""
    for limit, most in (
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CPU, SECONDS),
    ):
        _, hard = resource.getrlimit(limit)
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (wanted, wanted))


def main() -> None:
    """Bound, then serve."""
    _bound()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer

    def say(answer: Answer) -> None:
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()

    serve(sys.stdin.buffer, say)


if __name__ == "__main__":
    main()
