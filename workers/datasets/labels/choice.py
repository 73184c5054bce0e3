"""Whether the classes of an archive are its folders or what tables beside the pictures say."""

from collections.abc import Collection
from copy import deepcopy
from typing import Literal

from jobyard.shared.archives.file_kinds import has_picture_suffix
from jobyard.shared.archives.gathering import Gathered
from jobyard.shared.archives.layout import FolderLayout, Layout, lay_out_folders
from jobyard.shared.archives.members import printable
from jobyard.shared.archives.splits import split_of
from jobyard.shared.archives.tree import Folder, Parts
from jobyard.shared.errors import WorkError
from jobyard.workers.datasets.labels.columns import Unreadable
from jobyard.workers.datasets.labels.kept import KeptTable, KeptTables
from jobyard.workers.datasets.labels.layout import Labels, lay_out_tables
from jobyard.workers.datasets.labels.pictures import Pictures
from jobyard.workers.datasets.labels.report import LabelsReport, Tally
from jobyard.workers.datasets.labels.rows import Table, read_table
from jobyard.workers.runtime.progress import Progress

From = Literal["auto", "folders", "table"]


def lay_out_labelled(
    gathered: Gathered, kept: KeptTables, wanted: From, progress: Progress
) -> tuple[Layout, LabelsReport | None]:
    """The layout of an archive with what tables said, if there are such.

    `auto`: a table with labels gives the classes, as Hugging Face has it, even where pictures lie in folders
    that could be classes; but not where it names no picture, or the same classes as the folders.

    Raises WorkError where neither gives classes, and where both name the same classes and contradict each
    other: which is right can't be known.
    """
    if wanted == "folders" or not kept.tables:
        return _without_tables(gathered, kept, wanted), None
    progress.phase("reading labels")
    folders, error = _by_folders(gathered)
    _forget_names(gathered.top)
    labels, unreadable, passed_over = _read(gathered, kept, wanted, folders, progress)
    if not labels.files:
        if wanted == "table" or folders is None:
            raise _useless(labels, [*unreadable, *passed_over], error)
        if not labels.tally.rows and not unreadable:
            return _by_folders_again(gathered), None
        return _by_folders_after_all(gathered, kept, labels, unreadable)
    if wanted == "auto" and len(labels.folder_classes) > 1:
        if not labels.differ:
            return _by_folders_after_all(gathered, kept, labels, [])
        _refuse_contradiction(labels)
    for table in kept.tables:  # they are no pictures
        inside = gathered.top.find(table.folder)
        if inside is not None and table.name in labels.tally.tables:
            inside.files.pop(table.path[-1], None)
    read = {table.path for table in kept.tables if table.name in {found.table for found in unreadable}}
    layout, pictures = lay_out_tables(gathered, labels, read)
    warnings = [found.why for found in unreadable]
    if len(labels.folder_classes) > 1 and labels.differ:
        warnings.append(
            f"the pictures lie in folders, too, as {_some(labels.folder_classes)}: these are not the "
            "classes; for those, import it with labels: folders"
        )
    return layout, labels.tally.report(pictures, layout.pictures, used=True, warnings=warnings)


def _without_tables(gathered: Gathered, kept: KeptTables, wanted: From) -> FolderLayout:
    unread = f"; labels are read from .csv, .tsv and .jsonl, not from {kept.unread}" if kept.unread else ""
    if wanted == "table":
        raise WorkError(f"there is no table of labels, as labels.csv or metadata.csv{unread}")
    try:
        return lay_out_folders(gathered)
    except WorkError as error:
        raise WorkError(f"{error.message}{unread}") from None


def _by_folders(gathered: Gathered) -> tuple[FolderLayout | None, WorkError | None]:
    try:
        return lay_out_folders(gathered), None
    except WorkError as error:
        return None, error


def _has_classes(folders: FolderLayout) -> bool:
    """Whether the folders can be classes: those of splits alone hardly are."""
    return any(split_of(name) is None for names in folders.classes.values() for name in names)


def _by_folders_again(gathered: Gathered, read: Collection[Parts] = ()) -> FolderLayout:
    _forget_names(gathered.top)
    return lay_out_folders(gathered, read)


def _by_folders_after_all(
    gathered: Gathered, kept: KeptTables, labels: Labels, unreadable: list[Unreadable]
) -> tuple[Layout, LabelsReport]:
    tables = {*labels.tally.tables, *(found.table for found in unreadable)}
    layout = _by_folders_again(gathered, {table.path for table in kept.tables if table.name in tables})
    warnings = [f"{found.why}: labels are from the folders" for found in unreadable]
    if labels.tally.rows and not labels.files:
        warnings.append(f"no row of {labels.tally.names} names a picture: labels are from the folders")
        labels.tally = Tally(tables=labels.tally.tables, rows=labels.tally.rows)
    if not labels.tally.tables:
        labels.tally.tables = [found.table for found in unreadable]
    return layout, labels.tally.report(layout.pictures, labels.files, used=False, warnings=warnings)


def _read(
    gathered: Gathered, kept: KeptTables, wanted: From, folders: FolderLayout | None, progress: Progress
) -> tuple[Labels, list[Unreadable], list[Unreadable]]:
    """The labels of all tables; those that have none; and those that need not have any, as train.csv.

    Raises WorkError for a broken table, unless it may be another one and has named no picture before that.
    """
    labels = Labels(Pictures(gathered.top), folders, progress)
    unreadable: list[Unreadable] = []
    passed_over: list[Unreadable] = []
    for one in kept.tables:
        scope = _scope(gathered.top, one)

        def names_picture(cell: str, one: KeptTable = one, scope: Parts = scope) -> bool:
            if not has_picture_suffix(cell):
                return False
            try:
                return labels.pictures.find(cell, one.folder, scope) is not None
            except WorkError:  # it could be several: hardly the name of one
                return False

        before, named = deepcopy(labels.tally), labels.named
        try:
            table = read_table(one.text, one.name, is_of_labels=one.is_of_labels, names_picture=names_picture)
            if isinstance(table, Table):
                labels.read(one, table, scope)
            else:
                (passed_over if one.may_be_another else unreadable).append(table)
        except WorkError as error:
            if not one.may_be_another or labels.named > named:  # it is about these pictures
                if wanted == "auto" and folders is not None and _has_classes(folders):
                    raise WorkError(f"{error.message}; or import it with labels: folders") from None
                raise
            labels.tally = before
            unreadable.append(Unreadable(one.name, error.message))
    return labels, unreadable, passed_over


def _scope(top: Folder, table: KeptTable) -> Parts:
    """The folder whose pictures a table is about: its own, or beside it one that is called after its split.

    A table that lies alone is about all of the archive.
    """
    own = top.find(table.folder)
    if own is None or not (own.folders or len(own.files) > 1):
        return ()
    if table.split is not None:
        beside = [name for name in own.folders if name.casefold().startswith(_beginning(table))]
        if len(beside) == 1:
            return (*table.folder, beside[0])
    return table.folder


def _beginning(table: KeptTable) -> str:
    """What a folder's name begins with that is called after a table's split: val, valid, validation."""
    return {"validation": "val"}.get(table.split or "", table.split or "")


def _forget_names(top: Folder) -> None:
    for _, inside, name in top.each_file():
        inside.files[name] = ""


def _refuse_contradiction(labels: Labels) -> None:
    """Where labels are called like the folders, one of both is wrong."""
    known = {name.casefold() for _, name in labels.numbers}
    if {name.casefold() for name in labels.folder_classes} <= known:
        raise WorkError(
            f"{labels.tally.names} and the folders contradict each other for {labels.differ:,} "
            f"picture{'' if labels.differ == 1 else 's'}: {labels.first_difference}; say which is right: "
            "labels should be folders or table"
        )


def _useless(labels: Labels, unreadable: list[Unreadable], error: WorkError | None) -> WorkError:
    """The tables give no label, and the folders no class."""
    if labels.tally.problems:
        first = labels.tally.problems[0]
        return WorkError(
            f"no row of {labels.tally.names} gives a picture a label ({first['table']}, line "
            f"{first['line']:,}: {first['problem']})"
        )
    if unreadable:
        return WorkError(unreadable[0].why)
    return error or WorkError("there is no table of labels, as labels.csv or metadata.csv")


def _some(names: set[str]) -> str:
    shown = sorted(names)[:3]
    return ", ".join(printable(name, 40) for name in shown) + (" …" if len(names) > 3 else "")
