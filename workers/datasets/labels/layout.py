"""Which class and split each file of an archive has by the tables beside it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from jobyard.shared.archives.class_names import check_classes
from jobyard.shared.archives.gathering import Gathered
from jobyard.shared.archives.layout import FolderLayout, Layout, Place
from jobyard.shared.archives.members import printable
from jobyard.shared.archives.safe_names import MAX_NAME_BYTES, safe_name, unique
from jobyard.shared.archives.splits import SPLIT_NAMES, SPLITS, TEST, TRAIN, UNLABELLED, split_of
from jobyard.shared.archives.tree import Folder, Parts
from jobyard.shared.errors import WorkError
from jobyard.workers.datasets.labels.kept import KeptTable
from jobyard.workers.datasets.labels.pictures import File, Pictures, is_picture_name
from jobyard.workers.datasets.labels.report import Tally
from jobyard.workers.datasets.labels.rows import Row, Table
from jobyard.workers.runtime.progress import Progress

# Of all tables: an archive has at most a quarter as many files.
MAX_ROWS = 2_000_000
ROWS_AT_ONCE = 1_000

# In the tree, of a file that two rows give different labels.
CONTRADICTED = "?"


@dataclass
class TableLayout(Layout):
    """Classes are labels. In the tree each file has the number of its split and class, and its safe name."""

    _top: Folder
    _classes: list[tuple[str, str]]

    def take(self, path: Parts) -> Place | None:
        folder = self._top.find(path[:-1])
        number, _, name = (folder.files.pop(path[-1], "") if folder is not None else "").partition("/")
        return Place(*self._classes[int(number)], name) if name else None


@dataclass
class Labels:
    """The labels of files, as the rows of the tables come.

    `named` counts the rows that name a file, `files` the files that have a label, `folder_classes` the
    classes of these by their folders, where there are such; in `differ` of them that is another one than the
    label.
    """

    pictures: Pictures
    folders: FolderLayout | None
    progress: Progress
    tally: Tally = field(default_factory=Tally)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    named: int = 0
    files: int = 0
    folder_classes: set[str] = field(default_factory=set)
    differ: int = 0
    first_difference: str = ""

    def read(self, kept: KeptTable, table: Table, scope: Parts) -> None:
        """Take the labels of a table for the files in the folder `scope`. Raises WorkError."""
        self.tally.tables.append(kept.name)
        self.tally.others += [name for name in table.columns.others if name not in self.tally.others]
        for row in table.rows:
            self.tally.rows += 1
            if self.tally.rows % ROWS_AT_ONCE == 0:
                self.progress.check()
            if self.tally.rows > MAX_ROWS:
                raise WorkError(f"{kept.name}: tables of labels should have at most {MAX_ROWS:,} rows")
            self._take(kept, row, scope)

    def _take(self, kept: KeptTable, row: Row, scope: Parts) -> None:
        if row.problem is not None:
            self.tally.broken(kept.name, row.line, row.problem)
            return
        where = f"{kept.name}: line {row.line:,}"
        name = class_name(row.label, where)
        file = self.pictures.find(row.file, kept.folder, scope)
        if file is None:
            self.tally.no_picture(kept.name, row.line, f"there is no picture {printable(row.file, 80)!r}")
            return
        self.named += 1
        key = _split(row, kept, file, where), name
        number = str(self.numbers.setdefault(key, len(self.numbers)))
        before = file.inside.files[file.name]
        if before in (number, CONTRADICTED):
            return
        if before:
            file.inside.files[file.name] = CONTRADICTED
            self.tally.contradicted += 1
            self.files -= 1
            return
        file.inside.files[file.name] = number
        self.files += 1
        self._compare(file, name)

    def _compare(self, file: File, name: str) -> None:
        found = self.folders.class_of(file.path) if self.folders is not None else None
        if found is None or split_of(found[1]) is not None:
            return
        self.folder_classes.add(found[1])
        if found[1] != name:
            self.differ += 1
            self.first_difference = (
                self.first_difference or f"{printable('/'.join(file.path))} has the label {name!r}"
            )


def class_name(label: str, where: str) -> str:
    """The class of a label; raises WorkError for one that can't be a folder's name anywhere."""
    if len(label) > MAX_NAME_BYTES:
        raise WorkError(
            f"{where} has a label of {len(label):,} characters; should have at most {MAX_NAME_BYTES}"
        )
    name = _class_name(label)
    if name is None:
        raise WorkError(
            f"{where} has the label {printable(label, 40)!r}, which can't be the name of a class: it should "
            f"have neither '/' nor '\\' nor control characters, and at most {MAX_NAME_BYTES} bytes"
        )
    return name


@lru_cache(maxsize=4_096)
def _class_name(label: str) -> str | None:
    name = safe_name(label)
    is_odd = "/" in label or "\\" in label or not label.isprintable() or (name == "_" and label != "_")
    return None if is_odd or len(label.encode()) > MAX_NAME_BYTES else name


def _split(row: Row, kept: KeptTable, file: File, where: str) -> str:
    """The split that a row gives its picture: by its column, else the table's name, else the folder."""
    by_folder = next((split for part in file.folders if (split := split_of(part)) in SPLIT_NAMES), None)
    said = kept.split
    if row.split is not None:
        said = SPLITS.get(row.split.casefold())
        if said is None:
            raise WorkError(
                f"{where} has the split {printable(row.split, 40)!r}; should be one of "
                f"{', '.join(SPLIT_NAMES)}"
            )
    if said is not None and by_folder is not None and said != by_folder:
        raise WorkError(
            f"{where} puts {printable('/'.join(file.path))} into {said}, but it lies in {by_folder}; "
            "should be the same"
        )
    return said or by_folder or TRAIN


def lay_out_tables(gathered: Gathered, labels: Labels, read: Collection[Parts]) -> tuple[TableLayout, int]:
    """The layout by the labels, and how many pictures there are with those that have none.

    Of tables at the paths `read`, which gave no labels, something else is told.

    Raises WorkError as `lay_out_folders` does.
    """
    numbers = dict(labels.numbers)
    splits = {split for split, _ in numbers}
    if len(splits) == 1 and TRAIN not in splits:  # all there is: as of folders, it trains
        numbers = {(TRAIN, name): number for (_, name), number in numbers.items()}
    used = _used(gathered.top)
    classes = [place for place in numbers if numbers[place] in used]
    try:
        check_classes(_by_label(classes))
    except WorkError as error:
        also = "; for the classes of the folders, import it with labels: folders"
        raise WorkError(
            f"by {labels.tally.names}, {error.message}{also if len(labels.folder_classes) > 1 else ''}"
        ) from None
    left_out = gathered.left_out.copy()
    taken: dict[str, dict[str, int]] = {number: {} for number in map(str, used)}
    is_tested = any(split == TEST for split, _ in classes)
    pictures = total = 0
    for folders, inside, name in gathered.top.each_file():
        number = inside.files[name]
        total += is_picture_name(name) or bool(number)
        if number in taken:
            inside.files[name] = f"{number}/{unique(safe_name(name), taken[number])}"
            pictures += 1
        else:
            inside.files[name] = ""
            why = "has rows with different labels" if number else "has no label"
            unlabelled = not number and not is_tested and _is_test(folders)
            left_out.add(
                (*folders, name),
                f"{why} in {labels.tally.names}",
                unlabelled=unlabelled,
                told=is_picture_name(name) or (*folders, name) in read,  # by the report of the tables
            )
    names: dict[str, list[str]] = {}
    for split, name in sorted(classes):
        names.setdefault(split, []).append(name)
    by_number = {number: place for place, number in numbers.items()}
    layout = TableLayout(
        names,
        pictures,
        left_out,
        labels.tally.summary(total, pictures),
        [],
        gathered.top,
        [by_number[number] for number in range(len(by_number))],
    )
    return layout, total


def _is_test(folders: Parts) -> bool:
    """Whether pictures lie where they need no labels: those of a competition's test have none."""
    return any(split_of(part) in (TEST, UNLABELLED) for part in folders)


def _used(top: Folder) -> set[int]:
    """The numbers that files have: one that only contradicted files had is no class."""
    return {int(number) for number in _numbers(top) if number not in ("", CONTRADICTED)}


def _numbers(top: Folder) -> Iterator[str]:
    return (inside.files[name] for _, inside, name in top.each_file())


def _by_label(classes: list[tuple[str, str]]) -> dict[Parts, tuple[str, str]]:
    return {place: place for place in classes}
