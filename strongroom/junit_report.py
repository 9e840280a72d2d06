"""The result of a test of restoring as JUnit XML, which every CI system reads: a suite for each project, a case for each
source, and where items of a source did not come back as they were, a case for each of these in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from vault.errors import TargetError, UsageError
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.restore_test import RestoreTestResult, SourceTest

CHANGED_NAMED = 100

_FOREIGN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def check_junit_path(path: Path) -> None:
    """Raises `UsageError` where no file can come to lie there: better before the test than after it."""
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise UsageError(f"{path} cannot be written: its folder is not there", hint="name a file in a folder that exists")


def write_junit(path: Path, result: RestoreTestResult) -> None:
    """Write the report. Raises `TargetError`."""
    try:
        path.write_bytes(junit_report(result))
    except OSError as error:
        raise TargetError(f"{path} cannot be written: {error.strerror}", hint="name another file with --junit FILE") from error


def junit_report(result: RestoreTestResult) -> bytes:
    """The report as UTF-8."""
    root = Element("testsuites", name="strongroom test-restore")
    for project, tests in groupby(result.sources, key=lambda one: one.project):
        _suite(SubElement(root, "testsuite", name=_text(project), timestamp=result.at.isoformat()), list(tests))
    _count(root, list(root), sum(one.seconds for one in result.sources))
    indent(root)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _suite(suite: Element, tests: Sequence[SourceTest]) -> None:
    for test in tests:
        failures = list(_failures(test))
        if test.error is None and failures:
            for name, what, message in failures:
                case = SubElement(suite, "testcase", classname=_text(f"{test.project}.{test.source}"), name=_text(name))
                SubElement(case, "failure", type=what, message=_text(message)).text = _text(f"{name}: {message}")
            continue
        case = SubElement(suite, "testcase", classname=_text(test.project), name=_text(test.source), time=f"{test.seconds:.3f}")
        if test.error is not None:
            error = SubElement(case, "error", type=type(test.error).__name__, message=_text(str(test.error)))
            error.text = _text(f"{test.error}\nhint: {test.error.hint}" if test.error.hint else str(test.error))
    said = "\n".join(_said(tests))
    if said:
        SubElement(suite, "system-out").text = _text(said)
    _count(suite, suite.findall("testcase"), sum(one.seconds for one in tests))


def _failures(test: SourceTest) -> Iterator[tuple[str, str, str]]:
    """Name, sort and message of whatever did not come back as it was: of each item one."""
    items: dict[str, tuple[str, list[str]]] = {}
    compared = test.comparison
    differences = [] if compared is None else [(one.path, one.what, one.message) for one in compared.differences.items]
    for path, what, message in [*((one.path, one.what, one.message) for one in test.problems), *differences]:
        items.setdefault(printable(path) or ".", (what, []))[1].append(message)
    for name, (what, messages) in items.items():
        yield name, what, "; ".join(messages)
    more = 0 if compared is None else compared.differences.count - len(compared.differences.items)
    if more > 0:
        yield "more", "more", f"{counted(more, 'more difference')} that are not named one by one"
    if test.compared_nothing:
        yield test.source, "nothing-compared", "every item changed at the source meanwhile: nothing could be compared"


def _said(tests: Iterable[SourceTest]) -> Iterator[str]:
    for test in tests:
        if test.comparison is not None:
            one = test.comparison
            yield (
                f"{test.source}: {counted(one.items, 'item')} as they were, {one.bytes} bytes; {one.left_out} left out, "
                f"{one.changed.count} changed at the source meanwhile"
            )
            yield from (f"  {each}" for each in one.changed.items[:CHANGED_NAMED])


def _count(element: Element, below: Sequence[Element], seconds: float) -> None:
    """The totals that readers want as attributes."""
    cases = [case for one in below for case in ([one] if one.tag == "testcase" else one.findall("testcase"))]
    element.set("tests", str(len(cases)))
    element.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    element.set("errors", str(sum(case.find("error") is not None for case in cases)))
    element.set("time", f"{seconds:.3f}")


def _text(text: str) -> str:
    """Only what XML may hold."""
    return _FOREIGN.sub("\ufffd", text)
