"""The process that forks the daemon's runs: it has imported what they need. See `policies.daemon.warm_parent`.

It has one thread, opens no repository, reads no settings and no key. A child gets its arguments and its environment from the
daemon itself, and is from then on what a program of its own would be: a session, standard streams, signals, the same `run`.

    python -P -c "from cli.warm_parent import serve; serve()" DESCRIPTOR
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from cli import runtime
from policies.daemon.warm_parent import LARGEST_REPLY, LARGEST_REQUEST, READY, REFUSED
from strongroom import environment

MODULES = (
    "cli.main", "cli.commands.backup", "cli.commands.check", "cli.commands.copy", "cli.commands.drill", "cli.commands.prune",
    "cli.commands.retention", "cli.commands.status", "pyarrow.acero", "pyarrow.compute", "pyarrow.parquet",
    "strongroom.backup", "strongroom.checks", "strongroom.identities", "strongroom.prune", "strongroom.restore_drill",
    "strongroom.retention", "strongroom.rolling_check", "strongroom.settings.reader", "strongroom.settings_copy",
    "policies.monitoring.expected_files", "policies.monitoring.retention_freeze", "policies.monitoring.state_store",
    "policies.retention.holds", "policies.scheduling.run_history", "vault.backup.run", "vault.repository.check",
    "vault.repository.gc.forget", "vault.repository.gc.prune", "vault.repository.snapshots", "vault.repository.store_trust",
    "vault.storage.caching", "vault.storage.counting", "vault.storage.local", "vault.storage.retrying",
    "vault.storage.s3_client", "vault.repository.legal_holds", "vault.repository.lost_items", "policies.retention.plan",
    "policies.retention.verdict", "policies.monitoring.check_coverage", "policies.daemon.project_state",
    "restore.execution.executor", "restore.local_fs.writer", "restore.planning.plan", "restore.selection.select",
    "classify.path_layout", "classify.path_patterns", "_strptime", "cryptography.hazmat.backends.openssl.backend",
    "restore.tables.profile", "sqlite3", "strongroom.command_log", "strongroom.settings_changes", "vault.repository.grants",
    "vault.repository.audit.writer", "vault.repository.audit.draft", "vault.format.log_entry",
    "strongroom.copies", "strongroom.copy_repository", "strongroom.reading", "vault.copying.run", "vault.storage.fallback",
    "strongroom.settings.value_readers", "dateutil.relativedelta", "pyfastcdc",
    "vault.backup.scan_ahead", "vault.backup.attribute_changes", "vault.backup.delta_bases", "vault.backup.dictionaries",
    "vault.backup.new_content", "vault.backup.new_manifest", "classify.period_recognizer",
)  # fmt: skip
"""What the runs of a daemon import."""

FOR_S3 = (
    "vault.storage.s3", "vault.storage.s3_client", "vault.storage.s3_direct", "http.client", "xml.etree.ElementTree",
    "botocore.session", "boto3.session",
)  # fmt: skip
_TASKS = Path("/proc/self/task")


def serve() -> NoReturn:
    """Until the daemon is gone. The last argument is the descriptor of its socket; `s3` before it: the repository is there."""
    runtime.ensure_utf8()
    runtime.set_up()
    control = socket.socket(fileno=int(sys.argv[-1]))
    for name in (*MODULES, *(FOR_S3 if "s3" in sys.argv[1:-1] else ())):
        with suppress(ImportError):  # its child will say so
            import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a child leaves the pages that it shares as they are
    parent = _Parent(control)
    with suppress(ConnectionError):
        control.send(READY)
        while parent.step():
            pass
    os._exit(0)


class _Parent:
    """children: the number of each that runs, by its pidfd · channels: each one's channel, by its pidfd."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}
        self._channels: dict[int, socket.socket] = {}
        self._code = _code_files()
        self._poll = select.poll()
        self._poll.register(control.fileno(), select.POLLIN)

    def step(self) -> bool:
        """One event; False once the daemon has let go of this process, and its children have ended."""
        for descriptor, _ in self._poll.poll():
            if descriptor in self._children:
                self._ended(descriptor)
            elif descriptor == self._control.fileno():
                if not self._asked():
                    self._poll.unregister(descriptor)
                    self._control.close()
            else:
                self._abandoned(descriptor)
        return self._control.fileno() != -1 or bool(self._children)

    def _asked(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._control, LARGEST_REPLY, 3)
        if not message:
            return False
        number, out, errors = descriptors
        channel = socket.socket(fileno=number)
        if _is_single_threaded() and _code_files() == self._code:
            self._fork(channel, out, errors)
        else:
            with suppress(OSError):
                channel.send(REFUSED)
            channel.close()
        os.close(out)
        os.close(errors)
        return True

    def _fork(self, channel: socket.socket, out: int, errors: int) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            channel.close()  # the daemon starts the run as a program, or says what is missing
            return
        if pid == 0:
            for other in (self._control, *self._channels.values()):
                other.close()
            for known in self._children:
                os.close(known)
            _become_run(channel, out, errors, parent)
        try:
            pidfd = os.pidfd_open(pid)  # nobody else waits for it: the number is still its own
        except OSError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            channel.close()
            return
        self._children[pidfd], self._channels[pidfd] = pid, channel
        self._poll.register(pidfd, select.POLLIN)
        self._poll.register(channel.fileno(), 0)  # for its end alone
        with suppress(OSError):  # whoever asked is gone: `_abandoned` is next
            socket.send_fds(channel, [str(pid).encode()], [pidfd])

    def _abandoned(self, channel: int) -> None:
        """Nobody waits for a run any more, as the daemon is gone: it is asked to end."""
        for pidfd, pid in self._children.items():
            if self._channels[pidfd].fileno() == channel:  # not one whose run has ended a moment ago
                self._poll.unregister(channel)
                os.kill(pid, signal.SIGTERM)

    def _ended(self, pidfd: int) -> None:
        pid, channel = self._children.pop(pidfd), self._channels.pop(pidfd)
        self._poll.unregister(pidfd)
        with suppress(KeyError):
            self._poll.unregister(channel.fileno())
        _, status = os.waitpid(pid, 0)
        with suppress(OSError):
            channel.send(str(os.waitstatus_to_exitcode(status)).encode())
        channel.close()
        os.close(pidfd)


def _become_run(channel: socket.socket, out: int, errors: int, parent: int) -> NoReturn:
    """In the child: all that a program of its own would have, then the command."""
    code = 1
    try:
        os.setsid()
        request = json.loads(channel.recv(LARGEST_REQUEST))
        channel.close()
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(out, 1)
        os.dup2(errors, 2)
        os.close(out)
        os.close(errors)
        environment.replace_all(request["environment"], parent=parent)
        sys.argv[:] = ["-c", *request["arguments"]]
        from cli.main import run

        run()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:  # noqa: BLE001 (nothing is above this; the end of standard error is shown)
        traceback.print_exc()
    finally:
        os._exit(code)


def _is_single_threaded() -> bool:
    """A lock that another thread holds while a child is made would stay locked there for ever."""
    return threading.active_count() == 1 and sum(1 for _ in _TASKS.iterdir()) == 1


def _code_files() -> frozenset[tuple[str, int, int]]:
    """The files that were imported, with size and time: after an upgrade a child would mix old and new."""
    found = set()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            try:
                facts = os.stat(file)  # noqa: PTH116 (a thousand of them before each run)
            except OSError:
                found.add((file, -1, -1))
            else:
                found.add((file, facts.st_size, facts.st_mtime_ns))
    return frozenset(found)
