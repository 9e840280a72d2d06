"""Runs that are forked by a process which has imported everything: as good as programs, whatever becomes of that process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from msgspec.structs import replace

from cli.warm_parent import FOR_S3, MODULES
from policies.daemon.child_processes import Children, ProcessResult
from policies.daemon.warm_parent import WarmParent
from policies.scheduling.jobs import Stop
from strongroom.daemon_config import RUN, WARM_PARENT
from tests.e2e.test_daemon import SCHEDULE, has, home, restored, running, settle, wait
from tests.support.desk import Desk
from tests.support.tree_facts import write_files
from vault.clock import SystemClock

REPORTING = """
import os, sys
def in_child():
    before, leave = set(sys.modules), os._exit
    def left(code):
        with open(os.environ["NEW_MODULES"], "w") as file:
            file.write("\\n".join(set(sys.modules) - before))
        leave(code)
    os._exit = left
os.register_at_fork(after_in_child=in_child)
"""
"""What has a child say which modules it has imported itself."""

SECRET = "not-for-the-parent-5d1f"
CLOCK = SystemClock()
__all__ = ["home"]  # a fixture


@contextmanager
def warm(desk: Desk, before: str = "pass", **variables: str) -> Iterator[tuple[WarmParent, list[str]]]:
    """A parent that is ready, and what was said of it. before: what it does first."""
    told: list[str] = []
    server = (sys.executable, "-P", "-c", f"import os; os.chdir({str(desk.folder)!r}); {before}; {WARM_PARENT[3]}")
    mine = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    parent = WarmParent(RUN, server, mine | variables, CLOCK, told.append)
    try:
        wait(parent.warm_up, "the parent is never ready")
        yield parent, told
    finally:
        parent.close()


def children(desk: Desk, parent: WarmParent | None) -> Children:
    environment = desk.environment | {"AWS_SECRET_ACCESS_KEY": SECRET, "STRONGROOM_PARENT": str(os.getpid())}
    return Children(environment, kill_after=20.0, warm=parent)


def stop() -> Stop:
    return Stop(CLOCK, CLOCK.monotonic() + 120)


def command(desk: Desk, *words: str) -> list[str]:
    return [*RUN, *words, "--config", str(desk.settings)]


class Background:
    """A run on a thread of its own, as the daemon's."""

    def __init__(self, run: Callable[[Stop], ProcessResult]) -> None:
        self.stop = stop()
        self.results: list[ProcessResult] = []
        self.thread = threading.Thread(target=lambda: self.results.append(run(self.stop)))
        self.thread.start()

    def end(self) -> ProcessResult:
        self.stop.ask()
        self.thread.join(60)
        return self.results[0]


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory_of(pid: int) -> Iterator[bytes]:
    """What a process could tell somebody who reads its memory."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                start, end = (int(one, 16) for one in found.groups())
                memory.seek(start)
                try:
                    yield memory.read(end - start)
                except OSError:
                    continue


def test_a_forked_run_says_and_does_what_the_program_does(home: Desk) -> None:
    with warm(home) as (parent, _):
        backup, unknown = command(home, "backup", "--quiet", "--json"), command(home, "backup", "nobody", "--json")
        forked, refused = (children(home, parent).run(one, stop()) for one in (backup, unknown))
        assert parent.forked == 2
        assert (forked.code, forked.document["snapshots"][0]["added"], forked.errors) == (0, 21, "")
        assert refused == children(home, None).run(unknown, stop()) and refused.code == 2
        program = children(home, None).run(backup, stop())
        assert program.document.keys() == forked.document.keys()
    assert restored(home, "back")


def test_the_parent_has_one_thread_and_never_learns_a_secret(home: Desk) -> None:
    key = home.identity.read_text().splitlines()[-1].encode()
    with warm(home) as (parent, _):
        assert children(home, parent).run(command(home, "backup", "--quiet", "--json"), stop()).code == 0
        assert parent.forked == 1 and parent.pid is not None
        assert len(list(Path(f"/proc/{parent.pid}/task").iterdir())) == 1
        seen = list(memory_of(parent.pid))
        assert sum(map(len, seen)) > 10_000_000 and any(b"Strongroom's settings" in one for one in seen)
        assert not [one for one in seen if SECRET.encode() in one or key in one]


def test_every_module_that_it_imports_is_there() -> None:
    assert [name for name in (*MODULES, *FOR_S3) if find_spec(name) is None] == []


def test_a_forked_backup_imports_next_to_nothing(home: Desk) -> None:
    module = home.folder / "packages/sitecustomize.py"
    write_files(module.parent, {module.name: REPORTING.encode()})
    with warm(home, PYTHONPATH=str(module.parent)) as (parent, _):
        run = children(home, parent)
        environment = dict(run.environment) | {"NEW_MODULES": str(home.folder / "new")}
        backup = command(home, "backup", "--quiet", "--json")
        assert replace(run, environment=environment).run(backup, stop()).code == 0 and parent.forked == 1
    new = (home.folder / "new").read_text().split()
    assert len(new) < 25, new


def test_a_run_whose_parent_is_killed_is_run_again_as_a_program(home: Desk) -> None:
    settle(home, "[daemon]\ngrace = '1 second'\n")
    with warm(home) as (parent, told):
        first, others = parent.pid, set(children_of_this())  # such as a server of other tests
        assert first is not None
        long = Background(lambda asked: children(home, parent).run(command(home, "daemon"), asked))
        wait(lambda: children_of(first), "it was not forked")
        (run,) = children_of(first)
        assert os.getsid(run) == run
        os.kill(first, signal.SIGKILL)
        wait(lambda: not Path(f"/proc/{run}").exists(), "a run outlives its parent")
        wait(lambda: len({*children_of_this()} - others - {first, parent.pid}) == 1, "it was not run again")
        assert long.end().asked and parent.forked == 1
        assert [text for text in told if "a new one is started" in text]
        wait(parent.warm_up, "there is no new parent")
        assert parent.pid not in (None, first)
        assert children(home, parent).run(command(home, "list", "--json"), stop()).code == 0 and parent.forked == 2


def children_of_this() -> list[int]:
    tasks = Path("/proc/self/task").iterdir()
    return [int(one) for task in tasks for one in (task / "children").read_text().split()]


def test_one_that_is_asked_to_end_ends_and_its_parent_goes_on(home: Desk) -> None:
    settle(home, "[daemon]\ngrace = '1 second'\n")
    with warm(home) as (parent, told):
        assert parent.pid is not None
        long = Background(lambda asked: children(home, parent).run(command(home, "daemon"), asked))
        wait(lambda: children_of(parent.pid or 0), "it was not forked")
        time.sleep(1.0)  # until then SIGTERM ends it without a word, as it would a program
        ended = long.end()
        assert (ended.asked, ended.killed) == (True, False) and ended.code in (0, -15, 130)  # 130: it had not begun to serve
        assert children(home, parent).run(command(home, "list", "--json"), stop()).code == 0
        assert parent.forked == 2 and told == []


def test_after_an_upgrade_no_child_mixes_old_and_new(home: Desk) -> None:
    module = home.folder / "packages/sitecustomize.py"
    module.parent.mkdir()
    module.write_text("version = 1\n")
    with warm(home, PYTHONPATH=str(module.parent)) as (parent, _):
        run = children(home, parent)
        assert run.run(command(home, "list", "--json"), stop()).code == 0 and parent.forked == 1
        module.write_text("version = 20\n")
        assert run.run(command(home, "list", "--json"), stop()).code == 0 and parent.forked == 1
        wait(parent.warm_up, "there is no new parent")
        assert run.run(command(home, "list", "--json"), stop()).code == 0 and parent.forked == 2


def test_a_parent_that_has_got_threads_forks_nothing(home: Desk) -> None:
    thread = "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    with warm(home, thread) as (parent, _):
        assert children(home, parent).run(command(home, "list", "--json"), stop()).code == 0
        assert parent.forked == 0


def test_forked_runs_end_with_a_daemon_that_is_killed(home: Desk) -> None:
    daemon = (
        "import time\n"
        "from policies.daemon.child_processes import Children\n"
        "from policies.daemon.warm_parent import WarmParent\n"
        "from policies.scheduling.jobs import Stop\n"
        "from strongroom import environment\n"
        "from strongroom.daemon_config import RUN, WARM_PARENT\n"
        "from vault.clock import SystemClock\n"
        "parent = WarmParent(RUN, WARM_PARENT, environment.for_warm_parent(), SystemClock(), print)\n"
        "while not parent.warm_up():\n"
        "    time.sleep(0.05)\n"
        f"Children(environment.for_children(), warm=parent).run({command(home, 'daemon')!r}, Stop(SystemClock(), 1e9))\n"
    )
    with subprocess.Popen([sys.executable, "-c", daemon], env=home.environment, cwd=home.folder) as process:
        wait(lambda: warm_parents(process.pid), "no parent")
        (parent,) = warm_parents(process.pid)
        wait(lambda: children_of(parent), "no run")
        (run,) = children_of(parent)
        process.kill()
    wait(lambda: is_dead(run) and is_dead(parent), "a run outlives the daemon")


def test_a_daemon_whose_warm_parent_is_killed_goes_on_and_gets_a_new_one(home: Desk) -> None:
    settle(home, SCHEDULE)
    (home.folder / "source").rename(home.folder / "elsewhere")
    with running(home) as daemon:
        wait(lambda: warm_parents(daemon.pid), "no parent")
        (parent,) = warm_parents(daemon.pid)
        wait(lambda: has(home, "ended", "failed"), "no run")
        os.kill(parent, signal.SIGKILL)
        wait(lambda: has(home, "notice", "a new one is started"), "its end was not noticed")
        wait(lambda: warm_parents(daemon.pid), "no new parent")
        assert warm_parents(daemon.pid) != [parent]
        (home.folder / "elsewhere").rename(home.folder / "source")
        wait(lambda: has(home, "ended", "acme/backup reports: done"), "no backup was made")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0
    assert restored(home, "back")


def warm_parents(daemon: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(daemon)], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in found.splitlines() if "cli.warm_parent" in line]


def is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
