"""Which columns of a table name the picture, its label and its split."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from jobyard.shared.archives.members import printable
from jobyard.shared.errors import WorkError

# Hugging Face's ImageFolder: a column of this name is the picture's, whatever else there is.
FILE_NAME = "file_name"

# Names as `_plain` makes them: "Image_ID" and "image id" are one.
FILES = frozenset(
    {"filename", "file", "filepath", "path", "relativepath", "photo", "picture", "idcode"}
    | {
        f"{noun}{what}"
        for noun in ("image", "img")
        for what in ("", "file", "filename", "id", "name", "path")
    }
)
# Of a picture only where there is no other: many tables number their rows.
NUMBERS = frozenset({"id"})
LABELS = frozenset(
    {"labels", "classes", "target", "breed", "species", "diagnosis", "tag", "classlabel"}
    | {f"{noun}{what}" for noun in ("label", "class", "category") for what in ("", "id", "name")}
)
SPLIT_NAMES = frozenset({"split", "subset", "partition"})

MAX_SHOWN = 10


@dataclass(frozen=True)
class Columns:
    """The numbers of the columns, from 0; `count` is how many there are, `others` names those not read."""

    file: int
    label: int
    split: int | None
    count: int
    others: list[str]


@dataclass(frozen=True)
class Unreadable:
    """Why a table, of that name, is not one of labels."""

    table: str
    why: str


def find_columns(header: Sequence[str], table: str, *, is_of_labels: bool) -> Columns | Unreadable:
    """The columns of a table by their names, in any letter case and with any separator of words.

    In a table of labels (that is: called so) the column that is left when the others are known is the label.
    Raises WorkError where two columns could be the same thing.
    """
    plain = [_plain(name) for name in header]
    split = _only([at for at, name in enumerate(plain) if name in SPLIT_NAMES], header, table, "split")
    file = _file(header, plain, table)
    if file is None:
        return Unreadable(
            table, f"{table} has no column that names the pictures, as file_name: it has {_list(header)}"
        )
    rest = [at for at in range(len(header)) if at not in (file, split)]
    label = _only([at for at in rest if plain[at] in LABELS], header, table, "label")
    if label is None and len(rest) == 1 and is_of_labels:
        (label,) = rest
    if label is None:
        return Unreadable(table, f"{table} has no column label: it has {_list(header)}")
    others = [header[at] for at in rest if at != label]
    return Columns(file, label, split, len(header), others)


def _file(header: Sequence[str], plain: list[str], table: str) -> int | None:
    exact = [at for at, name in enumerate(header) if name.strip().casefold() == FILE_NAME]
    if len(exact) == 1:
        return exact[0]
    named = [
        at
        for at, name in enumerate(plain)
        if name in FILES or header[at].strip().casefold().endswith(f"_{FILE_NAME}")
    ]
    return _only(named or [at for at, name in enumerate(plain) if name in NUMBERS], header, table, "picture")


def _only(found: list[int], header: Sequence[str], table: str, what: str) -> int | None:
    if len(found) > 1:
        wanted = FILE_NAME if what == "picture" else what
        raise WorkError(
            f"{table} has {len(found)} columns that could be the {what}: "
            f"{_list([header[at] for at in found])}; call only the right one {wanted}, and rename the others"
        )
    return found[0] if found else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(printable(name, 40)) for name in names[:MAX_SHOWN])
    return f"{shown} and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else shown
