"""`strongroom://project/kind/relative/path`: the items of a moment for everything that reads through fsspec.

Read-only. A subclass says how a project is opened; see `strongroom.filesystem` for the one that an entry point names.
"""

from __future__ import annotations

import errno
import io
import os
import threading
from abc import abstractmethod
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from fsspec import AbstractFileSystem
from msgspec import Struct

from restore.fsspec.file import as_os_error, open_file
from restore.fsspec.file_contents import FileContents
from restore.fsspec.tree import FolderTree, TreeEntry
from restore.selection.select import Selection
from vault.errors import UsageError
from vault.format import manifest


class OpenProject(Struct, frozen=True):
    """A project at a moment, ready to be read."""

    tree: FolderTree
    contents: FileContents

    @classmethod
    def of(cls, selection: Selection, zone: ZoneInfo) -> OpenProject:
        """The items of a selection. zone: in which periods are told."""
        return cls(FolderTree(selection.table, zone), FileContents(selection.project, selection.index, selection.table))


class HistoryFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Projects as top folders, kinds below them. Used from several threads safely; pickles by its options."""

    protocol = "strongroom"
    root_marker = ""

    def __init__(self, *words: object, **options: object) -> None:
        super().__init__(*words, **options)
        self._opening = threading.Lock()
        self._opened: dict[str, OpenProject] = {}

    @abstractmethod
    def project_names(self) -> list[str]:
        """All projects."""

    @abstractmethod
    def open_project(self, name: str) -> OpenProject:
        """A project at the moment that was asked for. Raises `UsageError` where there is none, `StrongroomError`."""

    def ls(self, path: str, detail: bool = True, **_options: object) -> list[Any]:  # noqa: FBT001, FBT002 (fsspec's form)
        """What lies in a folder; a file lists itself. Raises FileNotFoundError."""
        path = self._strip_protocol(path)
        if not path:
            with as_os_error("strongroom://"):
                found = [_folder(name) for name in self.project_names()]
        else:
            name, opened, inside = self._within(path)
            if inside and not opened.tree.is_folder(inside):
                found = [self.info(path)]
            else:
                found = [_below(name, info) for info in opened.tree.infos(list(opened.tree.children(inside)))]
        return found if detail else [one["name"] for one in found]

    def info(self, path: str, **_options: object) -> dict[str, Any]:
        """Size, type, mtime, mode, kind, format and period of an item. Raises FileNotFoundError."""
        path = self._strip_protocol(path)
        if not path:
            return _folder("")
        name, opened, inside = self._within(path)
        if not inside:
            return _folder(name)
        row = opened.tree.row(inside)
        if row is None and not opened.tree.is_folder(inside):
            raise _missing(path)
        return _below(name, opened.tree.infos([TreeEntry(inside, row)])[0])

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,  # noqa: FBT001, FBT002 (fsspec's form)
        detail: bool = False,  # noqa: FBT001, FBT002
        **options: object,
    ) -> Any:  # noqa: ANN401
        """All files below a folder: one run of the manifest's rows."""
        path = self._strip_protocol(path)
        if maxdepth is not None or withdirs or not path or not self.isdir(path):
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **options)
        name, opened, inside = self._within(path)
        rows = opened.tree.span(inside)
        table = opened.tree.table.slice(rows.start, len(rows))
        if not detail:
            import pyarrow.compute as pc

            paths = table.filter(pc.not_equal(table["type"], manifest.FOLDER))["path"].to_pylist()
            return [f"{name}/{os.fsdecode(one)}" for one in paths]
        infos = opened.tree.infos([TreeEntry(b"", row) for row in rows])
        return {one["name"]: one for one in (_below(name, info) for info in infos) if one["type"] != "directory"}

    def created(self, path: str) -> Any:  # noqa: ANN401 (fsspec's form)
        """As `modified`: when an item was made is not kept."""
        return self.modified(path)

    def modified(self, path: str) -> Any:  # noqa: ANN401 (fsspec's form)
        """When an item was last written, in UTC. Raises FileNotFoundError, IsADirectoryError."""
        info = self.info(path)
        if "mtime" not in info:
            raise IsADirectoryError(errno.EISDIR, "it is a folder", path)
        return info["mtime"]

    def invalidate_cache(self, path: str | None = None) -> None:
        """Look anew, at the next use, at what is the newest now."""
        with self._opening:
            self._opened.clear()
        super().invalidate_cache(path)

    def _open(self, path: str, mode: str = "rb", **_options: object) -> io.BufferedReader:
        if mode != "rb":
            self._refuse(path)
        _, opened, inside = self._within(path)
        row = opened.tree.row(inside)
        if row is None:
            if opened.tree.is_folder(inside):
                raise IsADirectoryError(errno.EISDIR, "it is a folder", path)
            raise _missing(path)
        type_ = opened.tree.table["type"][row].as_py()
        if type_ == manifest.FOLDER:
            raise IsADirectoryError(errno.EISDIR, "it is a folder", path)
        if type_ == manifest.LINK:
            raise OSError(errno.ELOOP, "it is a symbolic link; open what it points to", path)
        return open_file(opened.contents, row, f"strongroom://{path}")

    def _within(self, path: str) -> tuple[str, OpenProject, bytes]:
        """The project that a path begins with, and the rest of it."""
        name, _, inside = path.partition("/")
        with self._opening:
            if name not in self._opened:
                try:
                    with as_os_error(f"strongroom://{name}"):
                        self._opened[name] = self.open_project(name)
                except OSError as error:
                    if isinstance(error.__cause__, UsageError):
                        raise FileNotFoundError(errno.ENOENT, str(error.__cause__), f"strongroom://{path}") from error
                    raise
            return name, self._opened[name], os.fsencode(inside)

    def _refuse(self, *paths: object, **_options: object) -> NoReturn:
        raise OSError(errno.EROFS, "history cannot be written", str(paths[0]) if paths else "strongroom://")

    mkdir = makedirs = rmdir = cp_file = mv = rm = rm_file = _rm = put_file = put = pipe_file = pipe = touch = _refuse


def _folder(path: str) -> dict[str, Any]:
    return {"name": path, "size": 0, "type": "directory"}


def _below(project: str, info: dict[str, Any]) -> dict[str, Any]:
    return {**info, "name": f"{project}/{info['name']}"}


def _missing(path: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "there is no such item at this moment", f"strongroom://{path}")
