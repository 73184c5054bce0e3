"""Opening what an import names by its path on this machine, if it may read that."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from jobyard.shared.archives.folders import FILE, Folder, Identity, identity, open_folder, open_inside
from jobyard.shared.archives.members import printable
from jobyard.shared.archives.walk import Source
from jobyard.shared.errors import WorkError
from jobyard.shared.import_roots import ImportRoots, real


@contextmanager
def opened(path: str, roots: ImportRoots) -> Iterator[Source]:
    """The folder, or the archive, of that path, to be walked inside the context.

    From the root on no link is followed, so that nothing can be exchanged after it was checked. Raises
    WorkError for what may not be read, or can't be.
    """
    shown, target = printable(path), real(Path(path))
    root = roots.root_of(target)
    if root is None:
        raise roots.refusal(shown)
    private = frozenset(_identities(roots.private))
    try:
        with closing(open_folder(root)) as top:
            inside = target.relative_to(root).parts or (".",)
            descriptor = open_inside(replace(top, private=private), inside, FILE)
    except OSError as error:
        raise WorkError(f"{shown} can't be read: {error.strerror or error}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            if identity(descriptor) in private:
                raise WorkError(f"{shown} can't be read: it is a folder of Jobyard's own")
            yield Folder(descriptor, target, private)
        elif stat.S_ISREG(mode):
            yield Path(f"/dev/fd/{descriptor}")
        else:
            raise WorkError(f"{shown} is neither a folder nor an archive")
    finally:
        os.close(descriptor)


def _identities(folders: Iterable[Path]) -> Iterator[Identity]:
    for folder in folders:
        with suppress(OSError):  # it is not there, so nobody can read it
            status = folder.stat()
            yield status.st_dev, status.st_ino
