"""The folders and files of an archive as a tree: each name is kept once, however many paths it is part of."""

from collections.abc import Iterator

from jobyard.shared.archives import limits
from jobyard.shared.archives.file_kinds import is_document
from jobyard.shared.errors import WorkError

Parts = tuple[str, ...]


class Folder:
    """A folder: the folders in it by name, and for the name of each file in it the name that it is given.

    `is_aside`: it holds pictures that are of no class (see `asides`).
    """

    __slots__ = ("_below", "files", "folders", "is_aside")

    def __init__(self) -> None:
        self.folders: dict[str, Folder] = {}
        self.files: dict[str, str] = {}
        self.is_aside = False
        self._below: tuple[bool, bool] | None = None

    @property
    def holds_documents_only(self) -> bool:
        """Whether there are files below, and none that may be a picture. Asked when all files are known."""
        return self._counted() == (True, False)

    def _counted(self) -> tuple[bool, bool]:
        """Whether there are files below, and whether one may be a picture."""
        if self._below is None:
            inner = [folder._counted() for folder in self.folders.values()]
            self._below = (
                bool(self.files) or any(files for files, _ in inner),
                bool(self.pictures()) or any(pictures for _, pictures in inner),
            )
        return self._below

    def picture_folders(self) -> "dict[str, Folder]":
        """The folders in this one, in order, without asides and those that hold documents only."""
        return {
            name: inner
            for name, inner in sorted(self.folders.items())
            if not (inner.holds_documents_only or inner.is_aside)
        }

    def pictures(self) -> list[str]:
        """The names of the files in this folder that may be pictures."""
        return [name for name in self.files if not is_document(name)]

    def find(self, path: Parts) -> "Folder | None":
        """The folder at a path below this one."""
        found: Folder | None = self
        for name in path:
            if found is None:
                break
            found = found.folders.get(name)
        return found

    def each_file(self, path: Parts = ()) -> Iterator[tuple[Parts, "Folder", str]]:
        """All files below, in the order of their paths, each with its folder and that one's path."""
        for name in sorted({*self.folders, *self.files}):
            if name in self.files:
                yield path, self, name
            if name in self.folders:
                yield from self.folders[name].each_file((*path, name))


class Tree:
    """The outermost folder, to which paths are added."""

    def __init__(self) -> None:
        self.top = Folder()
        self._folders = 0

    def add_folder(self, path: Parts) -> Folder:
        """The folder at that path, with those that it lies in. Raises WorkError at too many."""
        folder = self.top
        for name in path:
            inner = folder.folders.get(name)
            if inner is None:
                self._folders += 1
                if self._folders > limits.MAX_FOLDERS:
                    raise WorkError(f"the archive should have at most {limits.MAX_FOLDERS:,} folders")
                inner = folder.folders[name] = Folder()
            folder = inner
        return folder

    def add_file(self, path: Parts) -> bool:
        """Whether it was not there yet."""
        folder = self.add_folder(path[:-1])
        is_new = path[-1] not in folder.files
        folder.files[path[-1]] = ""
        return is_new
