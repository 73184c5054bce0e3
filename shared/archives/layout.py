"""Which class and split each file of an archive belongs to, by the folders that it lies in."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import islice

from jobyard.shared.archives.asides import lies_aside, set_aside
from jobyard.shared.archives.class_folders import LAYOUTS, ClassFolders, find_classes
from jobyard.shared.archives.class_names import check_classes, name_classes
from jobyard.shared.archives.file_kinds import has_picture_suffix
from jobyard.shared.archives.gathering import Gathered
from jobyard.shared.archives.left_out import LeftOut
from jobyard.shared.archives.members import printable
from jobyard.shared.archives.safe_names import safe_name, unique
from jobyard.shared.archives.splits import SPLIT_NAMES, TRAIN, says_nothing, split_of, split_said
from jobyard.shared.archives.tree import Folder, Parts
from jobyard.shared.errors import WorkError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file goes: `split`/`class_name`/`file_name`, all safe."""

    split: str
    class_name: str
    file_name: str

    @property
    def path(self) -> str:
        return f"{self.split}/{self.class_name}/{self.file_name}"


@dataclass
class Layout(ABC):
    """Which files have a place, and the `classes` of each split.

    `pictures` counts the files that have one; the others are `left_out`. `read_as` says in a line which
    classes were found where, and `warnings` what people should look at.
    """

    classes: dict[str, list[str]]
    pictures: int
    left_out: LeftOut
    read_as: str
    warnings: list[str]

    @abstractmethod
    def take(self, path: Parts) -> Place | None:
        """The place of a file, once: another file of the same path has none."""


@dataclass
class FolderLayout(Layout):
    """Classes are folders, or the beginnings of names in one folder."""

    _top: Folder
    _found: ClassFolders

    def take(self, path: Parts) -> Place | None:
        folder = self._top.find(path[:-1])
        place = self.class_of(path)
        name = folder.files.pop(path[-1], None) if folder is not None and place is not None else None
        return Place(*place, name) if place is not None and name else None

    def class_of(self, path: Parts) -> tuple[str, str] | None:
        """The split and the class of a file."""
        found = self._found.class_path(path)
        return None if found is None else self._found.places.get(found)


def lay_out_folders(gathered: Gathered, read: Collection[Parts] = ()) -> FolderLayout:
    """Find the classes: folders at the top, or inside outer folders that hold nothing else.

    Where one of the folders is called after training, as `train` or `Training_set`, and has classes, these
    are the classes, and those in folders called after validation and test beside it. A part without classes
    is left out. Else every folder is a class, whatever it is called, with all that is below it. Where there
    is one folder only, or none, and its files are called CLASS.NUMBER.SUFFIX (two classes or more), then a
    file's class is what stands before its first dot; so it is in a part that has no folders. Folders that
    hold nothing but documents are no classes.

    Files that have no class are left out; of those at the paths `read` something else is told.

    Raises WorkError if there are no classes, only one, an empty one, classes that differ between train
    and validation or test, or two whose safe names are the same; and where it can't be known what they are.
    """
    top, left_out = gathered.top, gathered.left_out.copy()
    if next(top.each_file(), None) is None:
        raise WorkError(f"there are no pictures; the archive {LAYOUTS}")
    has_asides = set_aside(top)
    try:
        found = find_classes(top)
        name_classes(found, gathered.pages)
        check_classes(found.places)
    except WorkError as error:
        _refuse_links(gathered.links)
        raise _about_files(top, error) from None
    levels = {found.root, *found.flat, *(path[:-1] for path in found.places)}
    _refuse_links([link for link in gathered.links if link[0][:-1] in levels])

    taken: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    deeper = _Deeper()
    for folders, folder, name in top.each_file():
        path = (*folders, name)
        class_path = found.class_path(path)
        place = None if class_path is None else found.places.get(class_path)
        is_aside = has_asides and lies_aside(top, path)
        if place is None or class_path is None or is_aside:
            unlabelled = found.is_unlabelled(path)
            why = "in a folder beside the pictures" if is_aside else _why(found, path)
            left_out.add(path, why, unlabelled=unlabelled, told=path in read)
            continue
        folder.files[name] = unique(safe_name(name), taken[place])
        if folders not in found.flat and not _is_near(path, class_path):
            deeper.add(path, class_path)
    names: dict[str, list[str]] = defaultdict(list)
    for split_name, class_name in sorted(found.places.values()):
        if not taken[split_name, class_name]:
            raise WorkError(f"the class {class_name!r} is empty in {split_name}; it should have pictures")
        names[split_name].append(class_name)
    pictures = sum(map(len, taken.values()))
    return FolderLayout(
        dict(names),
        pictures,
        left_out,
        _read_as(found, names[TRAIN]),
        [*_about_pages(gathered.pages), *deeper.warnings(pictures)],
        top,
        found,
    )


def _is_near(path: Parts, class_path: Parts) -> bool:
    """Whether a file lies in the folder of its class, or there in one that is called after pictures."""
    inner = path[len(class_path) : -1]
    return all(says_nothing(name) and split_of(name) is None for name in inner)


def _refuse_links(links: list[tuple[Parts, str]]) -> None:
    """A folder of a class or a part that is a link would be missed."""
    if links:
        path, why = links[0]
        raise WorkError(
            f"{printable('/'.join(path))} is a link that can't be followed ({why}): copy what it leads "
            "to, or import the folder that holds both"
        )


def _about_pages(pages: dict[str, str]) -> list[str]:
    return [
        f"names are in no stated encoding and were read as {page} ({name})"
        for page, name in sorted(pages.items())
    ]


@dataclass
class _Deeper:
    """Files that lie deeper than the folder of their class."""

    count: int = 0
    example: str = ""
    class_name: str = ""
    inner: dict[str, None] = field(default_factory=dict)

    def add(self, path: Parts, class_path: Parts) -> None:
        self.count += 1
        self.example = self.example or printable("/".join(path))
        self.class_name = self.class_name or printable(class_path[-1], 40)
        if len(self.inner) < 4:
            self.inner[path[len(class_path)]] = None

    def warnings(self, pictures: int) -> list[str]:
        if not self.count:
            return []
        inner = ", ".join(printable(name, 40) for name in list(self.inner)[:3])
        more = " …" if len(self.inner) > 3 else ""
        lie, their = ("lies", "its") if self.count == 1 else ("lie", "their")
        return [
            f"{self.count:,} of {pictures:,} pictures {lie} deeper than the folder of {their} class "
            f"({self.example} is taken as {self.class_name!r}): if the inner folders ({inner}{more}) are the "
            "classes, put them at the top"
        ]


def _about_files(top: Folder, error: WorkError) -> WorkError:
    """What is wrong, or that no file is a picture by its name, if that is so."""
    if any(has_picture_suffix(name) for _, _, name in top.each_file()):
        return error
    first = [printable("/".join((*folders, name))) for folders, _, name in islice(top.each_file(), 4)]
    some = ", ".join(first[:3]) + (" …" if len(first) > 3 else "")
    return WorkError(f"none of the files ({some}) is called like a picture; {error.message}")


def _why(found: ClassFolders, path: Parts) -> str:
    if path[:-1] in found.flat:
        return "should be called CLASS.NUMBER.SUFFIX, as cat.0.jpg, to have a class"
    if any(path[: len(folder)] == folder for folder in found.again):
        return "in a folder that holds the classes once more"
    depth = len(found.root) + 1
    is_beside = len(path) > depth and split_said(path[depth - 1]) is None and not found.is_unlabelled(path)
    if TRAIN in found.parts and is_beside:
        return (
            f"beside {printable(found.parts[TRAIN][len(found.root)], 40)}/, but not called validation or test"
        )
    return "not in a class folder"


def _read_as(found: ClassFolders, names: list[str]) -> str:
    """Which classes were found where."""
    if found.parts:
        where = ", ".join(
            f"{split} from {printable('/'.join(found.parts[split]))}/"
            for split in SPLIT_NAMES
            if split in found.parts
        )
    else:
        root = next(iter(found.flat), found.root)
        where = f"the folders in {printable('/'.join(root))}/" if root else "the folders"
    if found.flat:
        where = f"the beginnings of names: {where}" if found.parts else "the beginnings of names"
    shown = ", ".join(printable(name, 40) for name in names[:10])
    return f"{where}; {len(names):,} classes: {shown}{' …' if len(names) > 10 else ''}"
