"""docs/settings.md and docs/settings.schema.json, from the models of the settings; `tests.docs.generated` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from strongroom.settings import agent, console, document, models, notifications, projects
from strongroom.settings.document import Document
from strongroom.settings.example import EXAMPLE
from strongroom.settings.tables import Table
from tests.docs.settings_schema import schema_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {"string": "text", "boolean": "true or false", "integer": "whole number", "number": "number", "object": "table"}

SECTIONS: Mapping[str, type[Table]] = {
    "repository": models.RepositorySettings,
    "identity": models.IdentitySettings,
    "recovery": models.RecoverySettings,
    "projects.NAME": projects.ProjectSettings,
    "projects.NAME.sources": projects.SourceSettings,
    "projects.NAME.sources.expected": projects.Expectation,
    "projects.NAME.publications": projects.PublicationSettings,
    "defaults": projects.DefaultSettings,
    "defaults.schedule": projects.Schedules,
    "defaults.schedule.backup": projects.JobSettings,
    "defaults.schedule.check": projects.CheckJob,
    "defaults.hooks": projects.HookSettings,
    "defaults.keep": projects.KeepSettings,
    "defaults.lock": projects.LockSettings,
    "defaults.alerts": projects.AlertSettings,
    "copies.NAME": document.CopySettings,
    "copies.NAME.schedule": document.CopySchedules,
    "daemon": models.DaemonSettings,
    "notify": notifications.NotifySettings,
    "notify.email": notifications.EmailSettings,
    "notify.webhook": notifications.WebhookSettings,
    "notify.healthchecks": notifications.HealthchecksSettings,
    "notify.apprise": notifications.AppriseSettings,
    "erasure": models.ErasureSettings,
    "audit": models.AuditSettings,
    "console": console.ConsoleSettings,
    "console.roles": console.ConsoleRole,
    "console.openid": console.OpenIdSettings,
    "console.proxy": console.ProxySettings,
    "agent": agent.AgentSettings,
    "agent.allow": agent.AgentRule,
}
"""Every table of the file, in the order of the page."""

HEAD = """# Settings

{note}

One TOML file. It is looked for in this order: `--config FILE`; `$STRONGROOM_CONFIG`; `./strongroom.toml`;
`~/.config/strongroom/strongroom.toml`; `/etc/strongroom/strongroom.toml`. `strongroom init` writes it and
`strongroom project add` adds to it; comments stay.

| command | what it does |
| --- | --- |
| `strongroom settings check` | tells all that is wrong, each with its line, its key and what to do, then what looks odd |
| `strongroom settings show --origin` | tells every value that applies, and where it came from |
| `strongroom settings edit` | opens a copy in your editor, checks it, and puts it in place only when it can be used |
| `strongroom settings migrate` | rewrites names of earlier versions to those of today; comments and layout stay |
| `strongroom settings example` | prints the example below |

- **Nothing is guessed.** An unknown key is an error, with the nearest one that exists; so is a text that means nothing.
  Every command that reads the file tells all errors at once, and ends with exit code 2.
- **Secrets are never in it.** Identities, passwords and URLs that bear a token are files, or printed by commands (no shell
  is involved). Keys that sound like a secret, secret keys, and URLs with a user or a token in them are refused, and no
  message repeats them.
- **Paths** that are relative count from the folder of the file; `~` is the home folder.
- **Lengths of time** are `30 seconds`, `15 minutes`, `1 hour`, `30 days`, `1 week`. Where the calendar counts, in `keep`
  and `item_retention`, they are `90 days`, `6 months`, `7 years`.
- **Projects inherit.** What a project does not say it has from `[defaults]`, key by key, also within tables: a project that
  says `keep = {{ hourly = 48 }}` still has the `daily` of the defaults. Lists are not put together. A project that says
  `every` or `cron` has said when; `every = "never"` leaves a job out.

Settings that had other names in earlier versions still work by these, with one line that says the new name; a table that has
both is an error: `at_once` (now `max_parallel`), `items` (`item_retention`), `shrunk` (`deleted_share`), `changed`
(`rewritten_share`), `expect` (`expected`).

An editor that knows JSON Schema checks the file while it is written, with [settings.schema.json](settings.schema.json);
some want to be told so in its first line: `#:schema settings.schema.json`.
"""

NOTES = {
    "repository": "S3 credentials come from the SDK's own chain: environment, profile, container, instance role.",
    "projects.NAME": "And everything that [`[defaults]`](#defaults) may have.",
    "projects.NAME.sources": """Left out unless an `exclude` pattern `!name` brings them back: `~$*` and `.~lock.*#` (lock
files of office programs), `*.crdownload`, `*.partial` and `*.part`.

Fields of a layout are `{year}`, `{quarter}`, `{month}`, `{week}`, `{day}`, `{hour}`, `{any}`; `{month:02}` is two figures,
`**/` at the beginning any folders.""",
    "projects.NAME.publications": "And everything that [jobs](#defaultsschedulebackup) may have.",
    "copies.NAME": """And everything that [`[repository]`](#repository) has. What `keep` says here takes the place of what
projects say, as a whole.""",
    "defaults.schedule": "Each is a table: see [backup](#defaultsschedulebackup) and [check](#defaultsschedulecheck).",
    "defaults.schedule.backup": """The same for `drill`, `retention` and `prune`. On a night when clocks change, a job at 02:30
runs once.""",
    "defaults.schedule.check": "And everything that the other jobs may have.",
}

FOOT = """## Environment

| variable | meaning |
| --- | --- |
| `STRONGROOM_CONFIG` | the settings file |
| `XDG_CONFIG_HOME`, `XDG_CACHE_HOME`, `XDG_STATE_HOME` | where identity, cache and memory lie |
| `TZ` | the time zone that `strongroom project add` writes for a new project; else `/etc/localtime` tells it |
| `TERM=dumb` | no progress line |
"""


def page(note: str) -> str:
    """docs/settings.md."""
    parts = [HEAD.format(note=note), *(_section(heading, model) for heading, model in SECTIONS.items())]
    return "\n".join([*parts, f"## An example\n\n```toml\n{EXAMPLE}```\n", FOOT])


def schema() -> str:
    """docs/settings.schema.json."""
    return json.dumps({"$schema": DIALECT, **schema_of(Document)}, indent=2, ensure_ascii=False) + "\n"


def _section(heading: str, model: type[Table]) -> str:
    made = schema_of(model)
    above = (projects.ProjectSettings, projects.CheckJob, projects.PublicationSettings, document.CopySettings)
    inherited = set(model.__mro__[1].model_fields) if model in above else set()  # type: ignore[attr-defined]  # its parent is a model
    rows = [_row(name, about, made) for name, about in made["properties"].items() if name not in inherited]
    told = " ".join((model.__doc__ or "").split())
    table = "\n".join(["| key | type | meaning |", "| --- | --- | --- |", *rows])
    return "\n\n".join([f"## {heading}", told, table, *([NOTES[heading]] if heading in NOTES else [])]) + "\n"


def _row(name: str, about: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    type_ = " or ".join(dict.fromkeys(_words(about, made)))
    required = ", required" if name in made.get("required", ()) else ""
    default = about.get("default")
    shown = "" if default in (None, [], {}) or isinstance(default, dict) else f" (default: `{_toml(default)}`)"
    return f"| `{name}` | {type_}{required} | {about['description']}{shown} |".replace("\n", " ")


def _words(about: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[str]:
    """What a value may be, in words."""
    if "$ref" in about:
        yield "table"
    elif "enum" in about:
        yield ", ".join(f"`{one}`" for one in about["enum"])
    elif "const" in about:
        yield f"`{about['const']}`"
    elif "anyOf" in about:
        for one in about["anyOf"]:
            if one.get("type") != "null":
                yield from _words(one, made)
    elif about.get("format") == "path":
        yield "path"
    elif about["type"] == "array":
        inner = " or ".join(_words(about["items"], made))
        yield f"list of {inner}s"
    else:
        yield _TYPES[about["type"]]


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
