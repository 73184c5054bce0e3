"""Which folders of a machine an import may read: those of JOBYARD_IMPORT_ROOTS, but for Jobyard's own."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobyard.shared.errors import WorkError


@dataclass(frozen=True)
class ImportRoots:
    """The folders, and those that are never read even if they lie in one of them."""

    folders: Sequence[Path]
    private: Sequence[Path] = ()

    def check(self, path: str) -> None:
        """Raises WorkError for a path that, as it is written, is in none of the folders.

        It looks at no file: where links lead is for the worker to find out, when it opens the folder.
        """
        written = Path(os.path.normpath(path))
        if not any(written.is_relative_to(one) for folder in self.folders for one in (folder, real(folder))):
            raise self.refusal(path)

    def root_of(self, path: Path) -> Path | None:
        """The real path of the folder that a real path lies in; None if it is in none."""
        return next((folder for folder in map(real, self.folders) if path.is_relative_to(folder)), None)

    def refusal(self, path: str) -> WorkError:
        """The error for a path that is in none of the folders."""
        if not self.folders:
            return WorkError(
                f"{path} can't be imported: JOBYARD_IMPORT_ROOTS names no folder that imports may read; "
                "upload an archive instead"
            )
        return WorkError(
            f"{path} is not in a folder that imports may read (JOBYARD_IMPORT_ROOTS: {_listed(self.folders)})"
        )


def real(path: Path) -> Path:
    """Without links and `..`, also where it does not exist."""
    return Path(os.path.realpath(path))


def _listed(folders: Iterable[Path]) -> str:
    return os.pathsep.join(map(str, folders))
