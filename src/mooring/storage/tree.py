"""An artifact on disk: one file, or a folder of files, walked so that nothing can lead out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mooring.errors import NotFoundError, RecordError, StorageError
from mooring.records.manifest import check_name
from mooring.storage.atomic import storage_error, translating

__all__ = ["OpenFile", "Tree"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: should a file be swapped for a FIFO, opening it must not wait for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAX_DEPTH = 100
_Stamp = tuple[int, int, int, int]


class Tree:
    """The files of an artifact by name; use it in a `with` block.

    Symbolic links inside are refused, wherever they point; `path` itself may be one. Every file is opened from the
    folder's own handle, a path part at a time, so that swapping a part for a link meanwhile leads nowhere.
    """

    def __init__(self, path: Path) -> None:
        """Open the artifact; raises NotFoundError `artifact-not-found`, StorageError `artifact-kind`."""
        self.path = path
        try:
            kind = path.stat().st_mode
        except FileNotFoundError:
            raise NotFoundError(
                f"there is no artifact at {path}", code="artifact-not-found", hint="name a file or a folder of files"
            ) from None
        except OSError as error:
            raise storage_error(error, f"open {path}") from error
        if not stat.S_ISDIR(kind) and not stat.S_ISREG(kind):
            raise _special(path, "the artifact")
        with translating(f"open {path}"):
            real = path.resolve(strict=True) if path.is_symlink() else path
            self._only = None if stat.S_ISDIR(kind) else real.name
            self._root = os.open(real.parent if self._only else real, _FOLDER)

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    @property
    def is_file(self) -> bool:
        """Whether the artifact is one file and no folder."""
        return self._only is not None

    def files(self) -> tuple[tuple[str, int], ...]:
        """Return names and sizes in no order; raises StorageError for a link, device, FIFO, socket or unusable name."""
        if self._only is not None:
            _check(self.path, self._only)
            with translating(f"look at {self.path}"):
                return ((self._only, os.stat(self._only, dir_fd=self._root, follow_symlinks=False).st_size),)
        return tuple(self._walk(self._root, "", 0))

    @contextmanager
    def open(self, name: str, size: int) -> Iterator[OpenFile]:
        """Open a file that `files` named; on leaving, refuse with `artifact-changing` if it changed meanwhile."""
        try:
            fd = self._open(name)
        except FileNotFoundError:
            raise self.changing(name) from None
        except OSError as error:
            raise storage_error(error, f"read {self.path / name if not self._only else self.path}") from error
        try:
            file = OpenFile(fd, self, name)
            if not stat.S_ISREG(os.fstat(fd).st_mode) or file.size != size:
                raise self.changing(name)
            with translating(f"read {name} of {self.path}"):
                yield file
                file.check()
        finally:
            os.close(fd)

    def changing(self, name: str) -> StorageError:
        """Return the error for a file that somebody writes to."""
        return StorageError(
            f"{name} of {self.path} changed while it was read",
            code="artifact-changing",
            hint="wait until nothing writes to the artifact, then run this again",
        )

    def stamp(self, name: str) -> _Stamp | None:
        """Return the stamp of what has that name now, None if nothing has."""
        try:
            return _stamp(os.stat(name, dir_fd=self._root, follow_symlinks=False))
        except OSError:
            return None

    def _open(self, name: str) -> int:
        *folders, last = name.split("/")
        folder = self._root
        try:
            for part in folders:
                inner = os.open(part, _FOLDER, dir_fd=folder)
                if folder != self._root:
                    os.close(folder)
                folder = inner
            return os.open(last, _FILE, dir_fd=folder)
        finally:
            if folder != self._root:
                os.close(folder)

    def _walk(self, folder: int, prefix: str, depth: int) -> Iterator[tuple[str, int]]:
        if depth > _MAX_DEPTH:
            raise StorageError(
                f"{self.path} nests folders deeper than {_MAX_DEPTH}", code="artifact-depth", hint="flatten it"
            )
        with translating(f"list {self.path / prefix}"), os.scandir(folder) as entries:
            for entry in entries:
                name = prefix + entry.name
                _check(self.path, name)
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    yield name, found.st_size
                elif stat.S_ISDIR(found.st_mode):
                    with self._folder(folder, entry.name) as inner:
                        yield from self._walk(inner, name + "/", depth + 1)
                else:
                    raise _link(self.path, name) if stat.S_ISLNK(found.st_mode) else _special(self.path, name)

    @contextmanager
    def _folder(self, parent: int, name: str) -> Iterator[int]:
        fd = os.open(name, _FOLDER, dir_fd=parent)
        try:
            yield fd
        finally:
            os.close(fd)


class OpenFile:
    """A regular file of the artifact, open for reading."""

    def __init__(self, fd: int, tree: Tree, name: str) -> None:
        """Remember the file's stamp, to notice a change."""
        self.fd = fd
        self._tree = tree
        self._name = name
        found = os.fstat(fd)
        self.size = found.st_size
        self._stamp = _stamp(found)

    def check(self) -> None:
        """Raise StorageError `artifact-changing` if the file, or what has its name, is not what was opened."""
        if not self._stamp == _stamp(os.fstat(self.fd)) == self._tree.stamp(self._name):
            raise self._tree.changing(self._name)

    def changing(self) -> StorageError:
        """Return the error for a file that somebody writes to."""
        return self._tree.changing(self._name)


def _stamp(found: os.stat_result) -> _Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _check(path: Path, name: str) -> None:
    try:
        check_name(name)
    except RecordError as error:
        raise StorageError(f"in {path}: {error.message}", code="artifact-name", hint=error.hint) from error


def _link(path: Path, name: str) -> StorageError:
    return StorageError(
        f"{name!r} of {path} is a symbolic link",
        code="artifact-link",
        hint="put the file itself there: a link may lead out of the artifact, or elsewhere tomorrow",
    )


def _special(path: Path, name: str) -> StorageError:
    return StorageError(
        f"{name!r} of {path} is neither a file nor a folder", code="artifact-kind", hint="remove it: it has no bytes"
    )
