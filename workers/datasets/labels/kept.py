"""The tables of an archive, kept aside while its names are gathered: a tar has an order of its own."""

import codecs
import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from jobyard.shared.archives.limits import MAX_FILE_BYTES, too_large
from jobyard.shared.archives.members import DAMAGED, Member, is_meant, reason
from jobyard.shared.archives.splits import SPLITS, split_said
from jobyard.shared.archives.tree import Parts
from jobyard.shared.errors import WorkError

MAX_TABLES = 64
PIECE = 256 * 1024

ENCODINGS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

SUFFIXES = ("csv", "tsv", "jsonl")
WORDS = "labels?|metadata|annotations?"
# "labels.csv", "metadata.jsonl", "train_labels.csv", "trainLabels.csv", "labels-test.csv", and "train.csv";
# "_annotations.csv", as Roboflow has it.
NAME = re.compile(
    rf"_?((?P<before>{'|'.join(SPLITS)})[ _-]?)?((?P<what>{WORDS})([ _-]?(?P<after>{'|'.join(SPLITS)}))?)?",
    re.IGNORECASE,
)
# Of a set of that name: "HAM10000_metadata.csv", "pets train labels.csv".
OF_A_SET = re.compile(rf"\w.*[ _.-]({WORDS})", re.IGNORECASE)
# What people call such tables where they are not read; "_classes.csv" of Roboflow has a column per class.
UNREAD = re.compile(
    rf"(.*[\W_])?(image)?({WORDS})\.(json|parquet|xlsx?|ods|pkl|mat|txt|xml|yaml|yml)|_classes\.csv",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class KeptTable:
    """A table that may have labels. `split` is what its name says of its rows.

    `is_of_labels`: it is called after labels, so that a column without a usual name may be theirs.
    `may_be_another`: "train.csv" is also what other tables are called, and so is one that is called after a
    set.
    """

    path: Parts
    name: str
    text: IO[str]
    split: str | None
    is_of_labels: bool
    may_be_another: bool

    @property
    def folder(self) -> Parts:
        return self.path[:-1]


class KeptTables:
    """Copies of the tables, in files without names; closed at the end of the context."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """`folder` is on the disk that takes the copies, at most `max_bytes` of them."""
        self._folder = folder
        self._left = max_bytes
        self._max_bytes = max_bytes
        self.tables: list[KeptTable] = []
        # The first that is called like a table of labels, and can't be one.
        self.unread: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for table in self.tables:
            table.text.close()

    def watch(self, members: Iterator[Member]) -> Iterator[Member]:
        """Pass the members on; those that are called like tables of labels are copied meanwhile.

        Raises WorkError for too many, too large ones, and what can't be read.
        """
        for member in members:
            if not member.folder and member.problem is None and is_meant(member.parts):
                self._take(member)
            yield member

    def _take(self, member: Member) -> None:
        stem, _, suffix = member.parts[-1].rpartition(".")
        found = NAME.fullmatch(stem)
        of_a_set = OF_A_SET.fullmatch(stem)
        if not (found or of_a_set) or not stem.strip("_") or suffix.casefold() not in SUFFIXES:
            if self.unread is None and UNREAD.fullmatch(member.parts[-1]):
                self.unread = member.name
            return
        if len(self.tables) == MAX_TABLES:
            raise WorkError(
                f"the archive should have at most {MAX_TABLES} tables of labels; with labels: folders none "
                "is read"
            )
        word = (found["before"] or found["after"]) if found else None
        split = split_said(stem) if found is None else SPLITS[word.casefold()] if word else None
        what = (found["what"] or "").casefold() if found else ""
        self.tables.append(
            KeptTable(
                path=member.parts,
                name=member.name,
                text=self._copied(member),
                split=split,
                is_of_labels=what.startswith("label"),
                may_be_another=not what,
            )
        )

    def _copied(self, member: Member) -> IO[str]:
        """Ends of lines stay as they are, as `csv` wants them."""
        copy = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by the context
        try:
            for piece in _pieces(member):
                self._left -= len(piece)
                if self._left < 0:
                    raise too_large(self._max_bytes)
                copy.write(piece)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        head = copy.read(3)
        copy.seek(0)
        encoding = next((found for bom, found in ENCODINGS.items() if head.startswith(bom)), "utf-8")
        return io.TextIOWrapper(copy, encoding, newline="")


def _pieces(member: Member) -> Iterator[bytes]:
    size = 0
    try:
        with member.open() as file:
            while piece := file.read(PIECE):
                size += len(piece)
                if size > MAX_FILE_BYTES:  # whatever was said about its size
                    raise WorkError(
                        f"{member.name} is too large; should have at most {MAX_FILE_BYTES:,} bytes; with "
                        "labels: folders it is not read"
                    )
                yield piece
    except DAMAGED as error:
        raise WorkError(f"{member.name} can't be read: {reason(error)}") from None
