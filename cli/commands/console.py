"""`strongroom console`: pages in a browser for people without a command line; local accounts; hosts that restore for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, prompts
from cli.commands import console_agent
from cli.options import EXIT_CODES, Config, Identity, Json, Yes
from strongroom import context, environment, settings, store_access
from vault.errors import StrongroomError, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from console.accounts.local import LocalAccounts
    from strongroom.repository import Repository
    from strongroom.settings import Settings

NEEDED = (
    *("anyio", "argon2", "babel", "h11", "jinja2", "joserfc"),
    *("markupsafe", "python_multipart", "starlette", "uvicorn", "webauthn"),
)
"""Modules of the extra."""
LONGEST_PASSWORD_FILE = 4096

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
user = typer.Typer(help="Local accounts of the console: their passwords, groups and second factors.", rich_markup_mode=None)
app.add_typer(user, name="user")
app.add_typer(console_agent.host, name="host")
app.command("agent", epilog=EXIT_CODES)(console_agent.agent)

Name = Annotated[str, typer.Argument(metavar="NAME", help="With which the person signs in.")]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="GROUP", help="A group that the settings give roles to; may be given again."),
]
PasswordFile = Annotated[
    str | None,
    typer.Option(
        "--password-file", metavar="FILE", help="Read the password from the first line of a file, `-` for standard input."
    ),
]


@app.callback(epilog=EXIT_CODES)
def console(
    context_: typer.Context,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Where to listen, whatever the settings say. Port 0: a free one."),
    ] = None,
    systemd: Annotated[bool, typer.Option("--systemd", help="Print a unit for systemd, and end.")] = False,
    config: Config = None,
    identity: Identity = None,
) -> None:
    """Serve pages in a browser, in which people find and restore what is theirs, and nothing else.

    Who may what, where it listens and who vouches for people is in the settings: [console]. Other addresses than loopback need
    a certificate. It has the capabilities of its identity, and no more. SIGTERM and Ctrl-C end it. Another console of the same
    state folder is refused with exit code 11.
    """
    if context_.invoked_subcommand is not None:
        own = ("listen", "systemd", "config", "identity")
        if any(getattr(context_.get_parameter_source(name), "name", "") == "COMMANDLINE" for name in own):
            behind = context_.invoked_subcommand
            raise UsageError(f"options of `console {behind}` stand behind it", hint=f"see `strongroom console {behind} --help`")
        return
    require_extra()
    file = settings.find(config).absolute()
    found = settings.load(file)
    identities = [one.expanduser().absolute() for one in identity or []]
    if systemd:
        output.result(_unit(found, identities).rstrip("\n"))
        return
    from console import server

    services = environment.services()
    where = server.listening(found, listen)
    with server.opened(file, identities, where, services.clock, services.randomness) as site:
        for notice in _to_do(found, site.accounts.local):
            output.notice(notice)
        server.serve(site, where, _tell_begun)


@user.command("add", epilog=EXIT_CODES)
def add(
    name: Name,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="As people call them.")] = "",
    groups: Groups = None,
    password_file: PasswordFile = None,
    config: Config = None,
) -> None:
    """Make an account. The password is asked for, or read from a file; it is at least 12 characters long.

    What the person may is in the settings: `[[console.roles]]`.
    """
    with _accounts(config) as accounts:
        accounts.add(name, _password(password_file), title, groups or [])
    output.result(f"{name} can sign in")


@user.command("list", epilog=EXIT_CODES)
def list_(config: Config = None, as_json: Json = False) -> None:
    """Local accounts, with their groups and whether they have a second factor."""
    with _accounts(config) as accounts:
        found = accounts.all()
    if as_json:
        rows = [
            {
                "name": one.name,
                "title": one.title,
                "groups": list(one.groups),
                "created_at": one.created.isoformat().replace("+00:00", "Z"),
                "one_time_password": one.has_totp,
                "passkeys": one.passkeys,
            }
            for one in found
        ]
        output.document("console-user-list/1", {"accounts": rows})
        return
    if not found:
        output.result("there is no local account; make one with `strongroom console user add NAME`")
        return
    rows_ = [(one.name, one.title, ", ".join(one.groups), "yes" if one.has_totp or one.passkeys else "no") for one in found]
    output.tell_left_out(output.table(rows_, ["NAME", "TITLE", "GROUPS", "SECOND FACTOR"]))


@user.command("groups", epilog=EXIT_CODES)
def groups_(name: Name, groups: Groups = None, config: Config = None) -> None:
    """Give an account these groups in place of those that it has; without --group none."""
    with _accounts(config) as accounts:
        accounts.set_groups(name, groups or [])
    output.result(f"{name} is in {', '.join(sorted(groups)) if groups else 'no group'}")


@user.command("remove", epilog=EXIT_CODES)
def remove(name: Name, config: Config = None, yes: Yes = False) -> None:
    """Remove an account with its sessions and tokens; or let a provider name another person so from now on."""
    prompts.confirm(f"Remove the account {name}, with its sessions and tokens?", yes=yes, undone="nothing was removed")
    with _accounts(config) as accounts:
        accounts.remove(name)
    output.result(f"{name} is removed")


@user.command("passwd", epilog=EXIT_CODES)
def passwd(name: Name, password_file: PasswordFile = None, config: Config = None) -> None:
    """Give an account another password. All of its sessions end."""
    with _accounts(config) as accounts:
        accounts.set_password(name, _password(password_file))
        account = accounts.get(name)
    if account is not None and account.passkeys:
        left = counted(account.passkeys, "passkey")
        output.notice(f"{name} still signs in with {left}: `strongroom console user reset-passkeys {name}` forgets all")
    output.result(f"{name} has another password; all sessions have ended")


@user.command("reset-totp", epilog=EXIT_CODES)
def reset_totp(name: Name, config: Config = None) -> None:
    """Forget the second factor of an account, for somebody whose telephone is lost. All of its sessions end."""
    with _accounts(config) as accounts:
        accounts.reset_totp(name)
    output.result(f"{name} signs in with the password alone, until a second factor is set up anew")


@user.command("reset-passkeys", epilog=EXIT_CODES)
def reset_passkeys(name: Name, config: Config = None) -> None:
    """Forget all passkeys of an account, for somebody whose device is lost. All of its sessions end."""
    with _accounts(config) as accounts:
        gone = accounts.reset_passkeys(name)
    output.result(f"{counted(gone, 'passkey')} of {name} forgotten; all sessions have ended")


@contextmanager
def _accounts(config: Path | None) -> Iterator[LocalAccounts]:
    """What was done with them meanwhile goes into the log, or waits for the console where that cannot be now."""
    require_extra()
    from console import server
    from console.accounts import account_log, accounts
    from console.recording import write_due
    from console.state import ConsoleState

    found = settings.load(settings.find(config).absolute())
    services = environment.services()
    state = ConsoleState(server.state_file(found))
    opened = accounts.opened(state, lambda: found.document.console, services.clock, services.randomness)
    with closing(state), account_log.acting_as(environment.user_name(), ""):
        yield opened.local
        if not opened.log.due(1):
            return
        try:
            write_due(opened.log, lambda: _briefly(found.file), state.file)
        except StrongroomError as error:
            output.notice(f"the entry of the log waits on this machine, for the console or the next such command: {error}")


@contextmanager
def _briefly(file: Path) -> Iterator[Repository]:
    """With little patience: the entry can wait, and a person does."""
    from strongroom.repository import Repository

    with context.opened(file, brief=True) as found:
        yield Repository(found, ExitStack())


def _password(file: str | None) -> str:
    if file is None:
        if not environment.is_interactive():
            raise UsageError("there is no terminal to ask for a password", hint="name a file with --password-file FILE, or -")
        typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    try:
        if file == "-":
            return sys.stdin.readline(LONGEST_PASSWORD_FILE).rstrip("\r\n")
        with Path(file).open(encoding="utf-8") as opened:
            return opened.readline(LONGEST_PASSWORD_FILE).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the password cannot be read from {file}: {error}", hint="it is the first line of a text") from error


def require_extra() -> None:
    """Raises `UsageError` where the extra is not installed."""
    missing = [one for one in NEEDED if find_spec(one) is None]
    if missing:
        raise UsageError(
            f"the console needs the Python package {missing[0]}", hint="install it: pip install 'strongroom[console]'"
        )


def _to_do(found: Settings, local: LocalAccounts) -> Iterator[str]:
    """What is missing, so that nobody could do anything."""
    table = found.document.console
    if not table.roles:
        yield "nobody has a role: add [[console.roles]] to the settings; they are read again while the console runs"
    if table.openid is None and (table.proxy is None or table.proxy.header is None) and not local.all():
        yield "nobody can sign in: make an account with `strongroom console user add NAME`"


def _tell_begun(url: str, at: str) -> None:
    """url: what people type · at: address and port."""
    output.notice(f"the console is at {url} (it listens at {at})")
    output.notice(
        "the settings are read again when they change; where it listens, its url, the names of the certificate's files and the "
        "state folder are those of the start"
    )


def _unit(found: Settings, identity: list[Path]) -> str:
    from console import systemd_unit
    from vault.storage.address import FolderAddress

    table = found.identity
    own = None if table.command is not None else table.file or environment.identity_file()
    address = store_access.settings_address(found)
    return systemd_unit.text(
        systemd_unit.UnitOptions(
            program=Path(sys.argv[0]).absolute(),
            settings=found.file.absolute(),
            identity=identity[0] if identity else own,
            writable=[
                *([address.path] if isinstance(address, FolderAddress) else []),
                *([found.document.daemon.state] if found.document.daemon.state is not None else []),
                *found.document.console.restore_folders,
            ],
        )
    )
