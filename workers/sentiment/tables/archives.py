"""Archives (zip, tar) that hold one table."""

import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from jobyard.shared.archives.members import DAMAGED, Member, is_meant, printable, reason
from jobyard.shared.archives.tars import walk_tar
from jobyard.shared.archives.zips import PIECE, open_member, open_zip, walk_zip
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.tables.contents import WORKBOOKS
from jobyard.workers.sentiment.tables.packing import SUFFIXES as PACKED
from jobyard.workers.sentiment.tables.packing import without_suffix
from jobyard.workers.sentiment.tables.steps import Opened, Step, Target

TAR: Final = "a tar archive"
ZIPPED: Final = "a zip archive"
ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")

PLAIN: Final = frozenset({".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".tab", ".tsv", ".txt"})
TABLES: Final = PLAIN | WORKBOOKS
# What is beside tables, whatever its suffix.
NOTES: Final = (
    "about",
    "changelog",
    "citation",
    "copying",
    "datasheet",
    "license",
    "licence",
    "notice",
    "readme",
)
SHOWN: Final = 20

# Zip archives that are another kind of file: a member that only they have, what people call it.
OTHERS: Final = (
    ("word/document.xml", "a Word document (.docx)"),
    ("ppt/presentation.xml", "a PowerPoint presentation (.pptx)"),
    ("visio/document.xml", "a Visio drawing"),
    ("Index/Document.iwa", "a document of Apple's Numbers, Pages or Keynote"),
    ("Index.zip", "a document of Apple's Numbers, Pages or Keynote"),
    ("AndroidManifest.xml", "an Android program"),
    ("META-INF/MANIFEST.MF", "a Java archive (.jar)"),
    ("model.weights.h5", "a Keras model"),
)
# By how the member `mimetype` begins.
MIMETYPES: Final = {
    b"application/vnd.oasis.opendocument.text": "an OpenDocument text (.odt)",
    b"application/vnd.oasis.opendocument.presentation": "an OpenDocument presentation (.odp)",
    b"application/epub": "an EPUB book",
}


class Extract(Step):
    """Of an archive, its one table."""

    def applies(self, opened: Opened, spec: SentimentSpec) -> bool:
        found = archive_of(opened.head)
        if found is None:
            return False
        if found in opened.layers or "archive" in opened.read_as:
            raise WorkError(f"the file is {found} in another archive; should be a table in one archive")
        suffix = PurePosixPath(opened.name.lower()).suffix
        if found == TAR and suffix in PLAIN:
            raise WorkError(
                f"the file is called {suffix} but is a tar archive; take the table out of it, or call it .tar"
            )
        return True

    def take(self, opened: Opened, spec: SentimentSpec, target: Target, progress: Progress) -> None:
        found = archive_of(opened.head) or ""
        if found == ZIPPED:
            refuse_other_kinds(opened.path)
        members = [member.name for member in _files(opened.path, found, progress)]
        chosen = choose(members, found)
        files = enumerate(_files(opened.path, found, progress))
        member = next(file for number, file in files if number == chosen)
        target.write(_blocks(member))
        others = [name for number, name in enumerate(members) if number != chosen]
        if others:
            opened.warnings.append(f"the archive's other files were left out: {_shown(others)}")
        opened.layers.append(found)
        opened.read_as |= {"archive": found.split()[1], "member": member.name}
        opened.name = member.parts[-1]


def archive_of(head: bytes) -> str | None:
    """What kind of archive begins so; None if it is none."""
    if head.startswith(ZIP):
        return ZIPPED
    block = head[: tarfile.BLOCKSIZE]
    try:  # the first header has a checksum
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return None
    return TAR


def choose(names: Sequence[str], archive: str) -> int:
    """Which of an archive's files is its table. Raises WorkError that names them where that isn't plain."""
    if not names:
        raise WorkError(f"the file is {archive} without files; should have one table")
    tables = [number for number, name in enumerate(names) if _is_table(name)]
    if len(names) == 1:
        return 0
    if len(tables) == 1:
        return tables[0]
    what = "tables" if tables else "files, none of which is called as tables are"
    shown = [names[number] for number in tables] or names
    raise WorkError(
        f"the file is {archive} of {len(shown):,} {what}: {_shown(shown)}; should have one, "
        "so take the one that is meant out of it"
    )


def refuse_other_kinds(path: Path) -> None:
    """Raises WorkError for a zip archive that is a document or a program, by its true name."""
    with path.open("rb") as file, open_zip(file) as archive:
        names = set(archive.namelist())
        found = next((name for member, name in OTHERS if member in names), None)
        if found is None and "mimetype" in names:
            told = mimetype(archive)
            found = next((name for begin, name in MIMETYPES.items() if told.startswith(begin)), None)
        if found is None and names and all(name.endswith(".npy") for name in names):
            found = "a NumPy archive (.npz)"
        if found is None and any(name.endswith("/data.pkl") for name in names):
            found = "a PyTorch model"
    if found is not None:
        raise WorkError(f"the file is {found}; should be CSV, JSON lines, Parquet, a workbook or plain text")


def mimetype(archive: zipfile.ZipFile) -> bytes:
    """The beginning of an OpenDocument's or a book's own name for what it is."""
    try:
        with open_member(archive, archive.getinfo("mimetype")) as file:
            return file.read(100)
    except DAMAGED:
        return b""


def _files(path: Path, archive: str, progress: Progress) -> Iterator[Member]:
    """The files that are there on purpose, in order."""
    with path.open("rb") as file:
        for member in walk_zip(file) if archive == ZIPPED else walk_tar(file, b"", path.stat().st_size):
            progress.check()
            if not member.folder and is_meant(member.parts):
                yield member


def _is_table(name: str) -> bool:
    path = PurePosixPath(name.lower())
    plain = PurePosixPath(without_suffix(path.name))
    if path.suffix not in PACKED and path.suffix not in TABLES:
        return False
    return plain.suffix in TABLES and not plain.name.startswith(NOTES)


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(printable(name)) for name in names[:SHOWN]) + more


def _blocks(member: Member) -> Iterator[bytes]:
    try:
        with member.open() as stream:
            while block := stream.read(PIECE):
                yield block
    except DAMAGED as error:
        raise WorkError(f"the archive is damaged at {member.name!r}: {reason(error)}") from None
