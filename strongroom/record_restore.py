"""Records back into a REST interface that creates them: `--to rest:NAME`, where NAME is a source of the settings, or
`--to rest:FILE.toml?base=…`; planned first, as a value.

    with planned_records(context, selected, place, options) as planned:
        planned.plan.missing, planned.plan.resources[0].losses
        planned.apply()

Nothing is created twice: what was created is found by its marker, and by a map of ids below the state folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from strongroom.command_log import recorded
from strongroom.settings import secrets
from strongroom.snapshot_records import SnapshotRecords
from strongroom.source_kinds import options as option
from strongroom.source_kinds import registry, rest
from strongroom.source_kinds.context import SourceContext
from vault.errors import NothingFound, SettingsError, SourceError, UsageError
from vault.progress import Stop, never

if TYPE_CHECKING:
    from restore.interfaces.plan import Created, CreationPlan
    from restore.interfaces.planner import Creation
    from strongroom.context import Context
    from strongroom.selection import SelectedItems
    from strongroom.settings.projects import SourceSettings
    from vault.progress import Progress
    from vault.source.rest.client import RestClient
    from vault.source.rest.description import Description

SCHEME = "rest"
PARAMETERS = ("base", "user", "password_file", "refresh_token_file", "certificates", "requests_per_second")
"""What the address of a description may say besides, after a question mark."""

ELSEWHERE = "restore the records to a folder or an archive instead, with --to FOLDER"


class RestPlace(Struct, frozen=True):
    """An interface that records go to. url: of a description · options: of whoever writes · folder: that relative paths count
    from · text: as it was named"""

    url: str
    options: Mapping[str, str]
    folder: Path
    text: str


class RecordOptions(Struct, frozen=True, kw_only=True):
    """only: keys of the records that are meant; empty for all · id_map: a file that has ids, and gets the new ones; None: there
    is none but this machine's."""

    only: frozenset[str] = frozenset()
    id_map: Path | None = None


class PlannedRecords(Struct, frozen=True):
    """What would be created. `apply` does it."""

    plan: CreationPlan
    creation: Creation
    context: Context
    selected: SelectedItems
    options: RecordOptions

    def apply(self, progress: Progress | None = None) -> Created:
        """Create the records. Raises `TargetError` where the interface is away or takes the credentials no more; what was
        created until then is known, and is not created again."""
        from restore.interfaces import writer
        from restore.interfaces.id_map import write_file
        from restore.interfaces.target import as_target_error

        if progress is not None:
            self.creation.progress = progress
        file = self.options.id_map
        with recorded(self.context, "restore", [self.selected.project], self._asked()) as entry:
            entry.begin()
            try:
                done = writer.create(self.creation)
            except SourceError as error:
                raise as_target_error(error) from error
            finally:
                if file is not None:
                    write_file(file, self.creation.id_map.for_people())
            entry.count(records=done.created, files=done.files)
            entry.problems(len(done.problems))
        return done

    def _asked(self) -> dict[str, object]:
        """For the log."""
        return {
            "selection": self.selected.options.as_json(),
            "to": self.plan.where,
            "records": sorted(self.options.only),
            "snapshots": [one.id for one in self.selected.selection.records],
        }


def is_interface(text: str) -> bool:
    """Whether `--to` names one."""
    return registry.scheme_of(text) == SCHEME


def named(context: Context, selected: SelectedItems, text: str) -> RestPlace:
    """The interface that `--to` names. Raises `UsageError`, which repeats no secret."""
    name = text.partition(":")[2].removeprefix("//")
    file, mark, _ = name.partition("?")
    if file.endswith(".toml") or mark:
        url, options = option.server_and_parameters(text, PARAMETERS)
        url = f"{SCHEME}:{url.partition(':')[2].removeprefix('//')}"
        if "base" in options:
            secrets.plain_url(options["base"])
        return RestPlace(url, options, Path.cwd(), text.partition("?")[0])
    source = _source(context, selected, name)
    options = option.writer_of(source.options)
    return RestPlace(source.url or "", options, context.settings.file.absolute().parent, text)


def _source(context: Context, selected: SelectedItems, name: str) -> SourceSettings:
    """A source of kind rest by its name: of this project, else the only one of all projects."""
    own = context.settings.project(selected.project.name).sources
    everywhere = [source for sources in context.settings.projects.values() for source in sources]
    for sources in (own, everywhere):
        found = [one for one in sources if one.name == name and registry.scheme_of(one.url or "") == SCHEME]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                f"several projects have a source {name!r}", hint="write rest:FILE.toml?base=…&user=…&password_file=…"
            )
    there = sorted({one.name for one in everywhere if registry.scheme_of(one.url or "") == SCHEME})
    hint = f"there are: {', '.join(there)}" if there else "add one: strongroom source add PROJECT KIND rest:NAME"
    raise UsageError(f"no source of a REST interface is named {name!r}", hint=f"{hint}; or write rest:FILE.toml?base=…")


@contextmanager
def planned_records(
    context: Context,
    selected: SelectedItems,
    place: RestPlace,
    options: RecordOptions,
    stop: Stop = never,
    progress: Progress | None = None,
) -> Iterator[PlannedRecords]:
    """What creating the records of the selected items in an interface would do. Nothing is written to it.

    Raises `UsageError` where the description does not say how such records are created, or no item has any; `NothingFound`
    where none has a key that is meant; `TargetError` where the interface cannot be asked; `Busy`, `SettingsError`, `Damaged`,
    `StorageError`.
    """
    from restore.interfaces.id_map import IdMap, read_file
    from restore.interfaces.planner import plan_creation
    from restore.interfaces.target import as_target_error
    from restore.outputs.scratch_dir import scratch_dir
    from strongroom import environment

    clock = environment.services().clock
    with scratch_dir() as scratch:
        records = SnapshotRecords(context, selected, scratch, stop)
        try:
            client = rest.client_of(place.url, place.options, SourceContext(place.folder, clock=clock))
        except SettingsError as error:
            raise UsageError(f"{place.text}: {error}", hint=error.hint) from error
        except SourceError as error:
            raise as_target_error(error) from error
        client.use_stop(stop)
        id_map = IdMap.open(_file_of_map(context, selected, records.source, client))
        try:
            if options.id_map is not None:
                id_map.give(read_file(options.id_map))
            creation = _creation(context, selected, records, client, id_map, options, stop)
            if progress is not None:
                creation.progress = progress
            try:
                plan = plan_creation(creation)
            except SourceError as error:
                raise as_target_error(error) from error
            if options.only and not any(one.records for one in plan.resources):
                raise NothingFound(
                    f"none of these items has a record {', '.join(sorted(options.only))}",
                    hint="look for it: strongroom find PROJECT --record KEY",
                )
            yield PlannedRecords(plan, creation, context, selected, options)
        finally:
            id_map.close()
            client.close()


def _creation(
    context: Context,
    selected: SelectedItems,
    records: SnapshotRecords,
    client: RestClient,
    id_map: Any,  # noqa: ANN401
    options: RecordOptions,
    stop: Stop,
) -> Creation:
    from restore.interfaces.markers import marker_of
    from restore.interfaces.planner import Creation
    from restore.interfaces.references import References
    from restore.interfaces.target import RecordTarget, dictionary_of
    from strongroom import environment

    clock, description = environment.services().clock, client.description
    chosen = _chosen(description, records)
    cache: dict[tuple[str, str, str], dict[str, str]] = {}

    def old_names(resource: str, by: str) -> dict[str, str]:
        if ("old", resource, by) not in cache:
            cache["old", resource, by] = records.names(resource, description.resources.get(resource), by)
        return cache["old", resource, by]

    def new_names(resource: str, by: str) -> dict[str, str]:
        if ("new", resource, by) not in cache:
            known = description.resources.get(resource)
            cache["new", resource, by] = {} if known is None else dictionary_of(client, resource, known, by, stop)
        return cache["new", resource, by]

    targets = {}
    for name in chosen:
        resource = description.resources[name]
        if resource.create is not None:
            targets[name] = RecordTarget(client, name, resource, resource.create, clock, stop)
    project, source = selected.project.id, records.source
    is_same = _base_of(context, selected, source) == client.text
    references = References(id_map, old_names, new_names, is_same_interface=is_same)
    return Creation(
        description.title,
        client.text,
        targets,
        records,
        id_map,
        references,
        lambda name, key: marker_of(project, source, name, key),
        stop,
        options.only,
    )


def _chosen(description: Description, records: SnapshotRecords) -> list[str]:
    """The resources that are created, those that others refer to first. Raises `UsageError` where none of them can be."""
    from restore.interfaces.references import in_order

    found = records.resources()
    able = in_order({name: one.create for name, one in description.resources.items() if one.create is not None})
    if not able:
        raise UsageError(f"the description of {description.title} does not say how records are created", hint=ELSEWHERE)
    chosen = [name for name in able if name in found]
    if not chosen:
        what = f"it creates {', '.join(able)}; these items have {', '.join(found) or 'no records'}"
        raise UsageError(f"nothing that was selected can be created in {description.title}: {what}", hint=ELSEWHERE)
    return chosen


def _base_of(context: Context, selected: SelectedItems, source: str) -> str:
    """The address of the interface that the records come from, for people; empty where the settings do not know it."""
    from vault.source.rest.connections import Origin

    for one in context.settings.project(selected.project.name).sources:
        if one.name == source and registry.scheme_of(one.url or "") == SCHEME:
            folder = context.settings.file.absolute().parent
            base = one.options.get("base") or rest.described(one.url or "", folder).base
            base = base if base.endswith("/") else f"{base}/"
            try:
                return f"{Origin.of(base).text}{urlsplit(base).path or '/'}"
            except ValueError:
                return ""
    return ""


def _file_of_map(context: Context, selected: SelectedItems, source: str, client: RestClient) -> Path:
    """The map of ids of a source and an interface: it goes when the project is erased."""
    from blake3 import blake3

    from strongroom import local_state

    mark = blake3(f"{selected.project.id}\0{source}\0{client.text}".encode()).hexdigest(length=12)
    return local_state.of_sources(context.settings, selected.project.name) / source / f"restored-{mark}.sqlite"
