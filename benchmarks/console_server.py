"""The console as `benchmarks.console` measures it: uvicorn in a process as a command has it, and one person who may see all.

    python -m benchmarks.console_server SETTINGS PORT PERSON

Who asks is believed to be the person: to sign in is measured nowhere. Prints `ready` once it listens.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cli.runtime import set_up


def main() -> None:
    """Serves until it is ended."""
    set_up()
    import uvicorn
    from starlette.requests import Request

    import strongroom
    from console.access.rights import Assignment, Person, Role
    from console.accounts import accounts
    from console.app import application, templates
    from console.repositories import RepositoryPool
    from console.state import ConsoleState
    from console.visit import Caller, Console
    from strongroom.settings.console import ConsoleSettings
    from vault.clock import SystemClock
    from vault.randomness import SystemRandomness

    settings, port, name = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    person = Person(name, name, assignments=(Assignment(Role.RESTORER), Assignment(Role.VIEWER)))

    class Everybody:
        """Is that person."""

        def caller(self, request: Request) -> Caller:
            """See `console.visit.Authenticator`."""
            return Caller(person, "session", request.client.host if request.client else "", "a-token")

    class Telling(uvicorn.Server):
        """Says when it listens."""

        async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
            await super().startup(None)
            print("ready", flush=True)

    clock, randomness = SystemClock(), SystemRandomness()
    pool = RepositoryPool(lambda: strongroom.open_repository(settings), clock)
    state = ConsoleState(settings.with_name("console") / "console.sqlite")
    people = accounts.opened(state, ConsoleSettings.model_construct, clock, randomness)
    console = Console(pool, state, people, Everybody(), templates(), clock, randomness)
    Telling(uvicorn.Config(application(console), host="127.0.0.1", port=port, log_level="warning")).run()


if __name__ == "__main__":
    main()
