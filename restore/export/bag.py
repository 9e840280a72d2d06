"""A plan's items into a bag: the payload, the report, the declaration, and the manifests last.

items -> restore.outputs (fetched, perhaps converted) -> BagSink (named, hashed) -> a folder or a ZIP
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC
from typing import IO

from restore.execution.executor import RestoreReport as Done
from restore.export import tags
from restore.export.html_report import write_page
from restore.export.payload_names import DATA
from restore.export.report import Exported, ExportReport
from restore.export.request import ExportRequest
from restore.export.signature import BagSigner
from restore.export.sink import BagSink, Payload, digests
from restore.local_fs import Attributes
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.scratch_dir import new_file
from restore.outputs.sink import OutputEntry, OutputSink
from restore.outputs.write_items import OutputOptions, OutputReport, write_items
from restore.planning.plan import RestorePlan
from restore.selection.select import Selection
from vault.errors import Interrupted, StrongroomError, TargetError
from vault.problems import Problem, printable
from vault.progress import Progress


class Bag:
    """A bag that is being written. inner: what takes its files · base: what their paths begin with there: empty, or `NAME/`."""

    def __init__(
        self, inner: OutputSink, base: str, request: ExportRequest, selection: Selection, signer: BagSigner | None = None
    ) -> None:
        self._inner = inner
        self._base = base
        self._request = request
        self._selection = selection
        self._signer = signer
        newest = max(record.taken_at for record in selection.records)
        self._entry = OutputEntry(Attributes(mode=0o644, mtime_ns=int(newest.timestamp()) * 1_000_000_000))
        self._tags: list[tuple[str, str]] = []

    def fill(
        self,
        plan: RestorePlan,
        options: OutputOptions,
        stop: Callable[[], None] = lambda: None,
        progress: Progress | None = None,
    ) -> Exported:
        """Everything. What is missing, damaged or not to be converted is left out or given as it is, and told.

        Raises `TargetError`, `StorageError`."""
        sink = BagSink(self._inner, self._base, options.scratch)
        self._refuse(self._inner.folder((self._base + DATA).encode(), OutputEntry(self._entry.attributes._replace(mode=0o755))))
        output = write_items(plan.without_missing(), sink, options, stop, progress)
        payload = list(sink.payload.values())
        items = plan.items.slice(0, self._selection.table.num_rows)  # without the folders above them
        exported = Exported(self._request, self._selection, items, output, payload, self._signer)
        report = ExportReport(exported)
        for name, write in ((tags.REPORT, report.write), (tags.PAGE, lambda out: write_page(report, out))):
            self._written(name, options, write)
        self._text(tags.BAGIT, tags.DECLARATION)
        self._text(tags.INFO, tags.info(self._info(payload, output)))
        self._refuse(self._inner.finish())
        self._text(tags.MANIFEST, tags.manifest((one.file, one.sha256) for one in payload))
        self._refuse(self._inner.finish())
        tag_manifest = tags.manifest(self._tags)
        self._text(tags.TAG_MANIFEST, tag_manifest)
        if self._signer is not None:
            output.report.problems += self._sign(self._signer, tag_manifest.encode())
        self._refuse(self._inner.finish())
        return exported

    def _sign(self, signer: BagSigner, data: bytes) -> list[Problem]:
        """The signature, and its time stamp. That an authority does not answer costs the stamp alone."""
        signature = signer.sign(data)
        self._text(tags.SIGNATURE, signature)
        if signer.stamp is None:
            return []
        try:
            stamp = signer.stamp(signature.encode())
        except Interrupted:
            raise
        except StrongroomError as error:
            return [Problem(tags.SIGNATURE.encode(), "not-stamped", f"the signature has no time stamp: {error}")]
        self._put(tags.STAMP, io.BytesIO(stamp), len(stamp))
        return []

    def _info(self, payload: list[Payload], output: OutputReport) -> list[tuple[str, str]]:
        request, project = self._request, self._selection.project
        asker = request.asker
        moment = "" if request.moment is None else request.moment.astimezone(UTC).isoformat()
        return [
            ("Bagging-Date", asker.at.astimezone(request.zone).date().isoformat()),
            ("External-Description", request.words),
            ("Payload-Oxum", tags.oxum([one.size for one in payload])),
            ("Bag-Software-Agent", request.software),
            ("Strongroom-Project", project.name),
            ("Strongroom-Project-Id", project.id),
            ("Strongroom-Asked-By", asker.by),
            ("Strongroom-Asked-At", asker.at.astimezone(UTC).isoformat(timespec="seconds")),
            ("Strongroom-Asked-For", asker.reason),
            ("Strongroom-Moment", moment),
            *(("Strongroom-Snapshot", f"{one.id} {one.source}") for one in self._selection.records),
            ("Strongroom-Problems", str(len(output.report.problems))),
        ]

    def _written(self, name: str, options: OutputOptions, write: Callable[[IO[bytes]], None]) -> None:
        file = options.scratch / name
        with new_file(file) as content:
            write(content)
            size = content.tell()
            content.seek(0)
            self._put(name, content, size)
        file.unlink()

    def _text(self, name: str, text: str) -> None:
        data = text.encode()
        self._put(name, io.BytesIO(data), len(data))

    def _put(self, name: str, content: IO[bytes], size: int) -> None:
        self._tags.append((name, digests(content)[0]))
        path = (self._base + name).encode()
        item = OutputItem(path, content, size, ItemOutcome(-1, path, None, outputs=[path]))
        self._refuse(self._inner.file(item, self._entry, replace=True))

    def _refuse(self, problems: list[Problem]) -> None:
        """Raises `TargetError`: without one of these files a bag is none."""
        for problem in problems:
            if problem.what != "attributes":
                raise TargetError(f"cannot write {printable(problem.path)}: {problem.message}", hint="the bag is not whole")


def done(exported: Exported) -> Done:
    """What was done, in numbers: the files of the bag, which has no folders and links."""
    report = exported.output.report
    report.folders = report.links = 0
    report.files, report.bytes = len(exported.payload), sum(one.size for one in exported.payload)
    return report
