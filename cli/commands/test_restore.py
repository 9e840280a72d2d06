"""`strongroom test-restore`: prove, from the real sources, that what is backed up can be restored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli import output, progress, signals
from cli.options import Config, Json, Quiet, Source
from strongroom import settings
from vault import wording
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.restore_test import SourceTest

SHOWN = 10


def test_restore(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all of the settings.")] = None,
    config: Config = None,
    source: Source = None,
    into: Annotated[
        Literal["folder", "moto"],
        typer.Option("--into", help="Where the throw-away repository lies: a scratch folder, or an S3 server in this process."),
    ] = "folder",
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the result there as JUnit XML.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Back up the sources to a throw-away repository, restore them, and compare every byte: for CI.

    The repository that the settings name is neither opened nor asked, and no key is needed. Says first how much room it needs
    in the folder for temporary files (TMPDIR), and refuses where there is not enough; nothing stays there. What changes at a
    source meanwhile is named, and is no failure. Ends with 3 where an item does not come back as it was or could not be read.
    """
    from strongroom.junit_report import check_junit_path, write_junit
    from strongroom.restore_test import RestoreTestOptions, run_restore_test

    signals.listen(grace=None)  # what was restored is removed first
    if junit is not None:
        check_junit_path(junit)
    found = settings.load(settings.find(config))
    with progress.shown(quiet=quiet or as_json, project="test of restoring") as listener:
        options = RestoreTestOptions(into=into, source=source, progress=listener)
        result = run_restore_test(found, projects or [], options)
    if junit is not None:
        write_junit(junit, result)
    if as_json:
        output.document("test-restore/1", result.as_json())
    else:
        for one in result.sources:
            _report(one)
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def _report(done: SourceTest) -> None:
    name = f"{done.project}/{done.source}"
    output.problems(done.problems)
    compared = done.comparison
    if done.error is not None:
        output.failure(done.error)
    if compared is None:
        output.result(f"{name}: FAILED, nothing was compared")
        return
    for one in compared.changed.items[:SHOWN]:
        output.notice(f"not compared: {name}: {one}")
    if compared.changed.count > SHOWN:
        output.notice(f"not compared: {name}: {counted(compared.changed.count - SHOWN, 'more item')} changed meanwhile")
    for one in compared.differences.items[:SHOWN]:
        output.result(f"  differs: {one}")
    if compared.differences.count > SHOWN:
        output.result(f"  … and {counted(compared.differences.count - SHOWN, 'more difference')}")
    output.result(
        f"{name}: {'passed' if done.passed else 'FAILED'}: {counted(compared.items, 'item')} ({wording.size(compared.bytes)}) "
        f"came back as they were, {compared.differences.count} differ, {compared.changed.count} changed meanwhile, "
        f"{compared.left_out} left out; {wording.duration(done.seconds)}"
    )
