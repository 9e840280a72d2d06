"""The publications that the settings name: `[[projects.NAME.publications]]`."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.tables.write_options import Audience
from strongroom.publish import PublishOptions, parse_place
from strongroom.selection import SelectionOptions
from strongroom.table_options import TableOptions
from vault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.destinations import Bucket, Folder
    from strongroom.settings import Settings
    from strongroom.settings.projects import PublicationSettings


class NamedPublication(Struct, frozen=True):
    """What a publication of the settings publishes, and where."""

    name: str
    selection: SelectionOptions
    destination: Folder | Bucket
    options: PublishOptions


def of_project(settings: Settings, project: str, name: str | None = None) -> Sequence[NamedPublication]:
    """The publications of a project, or the one of that name. Raises `UsageError` where there is none."""
    found = settings.project(project).publications
    chosen = [one for one in found if name in (None, one.name)]
    if chosen:
        return [_named(one) for one in chosen]
    hint = "add one: [[projects.NAME.publications]], see docs/publishing.md; or say what to publish, with --to"
    if name is None:
        raise UsageError(f"missing destination: use --to DIR, as the settings name no publication of {project!r}", hint=hint)
    close = difflib.get_close_matches(name, [one.name for one in found], n=1)
    raise UsageError(
        f"the settings name no publication {name!r} of project {project!r}",
        hint=f"did you mean {close[0]!r}?" if close else hint,
    )


def _named(one: PublicationSettings) -> NamedPublication:
    return NamedPublication(
        one.name,
        SelectionOptions(
            paths=list(one.paths),
            kinds=list(one.kinds),
            periods=list(one.periods),
            formats=list(one.formats),
            source=one.source,
            with_deleted=one.include_deleted,
        ),
        parse_place(one.to, endpoint=one.endpoint, region=one.region),
        PublishOptions(
            tables=TableOptions(
                format=one.as_,
                profile=None if one.profile is None else Audience(one.profile),
                delimiter=one.delimiter,
                bom=one.bom,
            ),
            keep_removed=one.keep_removed,
            name=one.name,
        ),
    )
