"""The names of classes: safe on every system, each the same in all parts, no two of them alike."""

from jobyard.shared.archives.class_folders import LAYOUTS, ClassFolders
from jobyard.shared.archives.code_pages import UNIX, find_page
from jobyard.shared.archives.gathering import has_surrogates
from jobyard.shared.archives.members import printable
from jobyard.shared.archives.safe_names import safe_name
from jobyard.shared.archives.splits import SPLIT_NAMES
from jobyard.shared.archives.tree import Parts
from jobyard.shared.errors import WorkError


def name_classes(found: ClassFolders, pages: dict[str, str]) -> None:
    """Give the classes safe names; a code page in which some are is added to `pages`, with such a name.

    Raises WorkError where the name of one can't be known.
    """
    raw = {
        name.encode(errors="surrogateescape") for _, name in found.places.values() if has_surrogates((name,))
    }
    page = None
    if raw:
        page, doubt = find_page(raw, UNIX)
        if page is None:
            name = min(raw).decode(errors="replace")
            raise WorkError(f"the name of the class {name!r} is not UTF-8, and it {doubt}; rename its folder")
    for path, (split, name) in found.places.items():
        known = name
        if page is not None and has_surrogates((name,)):
            known = name.encode(errors="surrogateescape").decode(page, "replace")
            pages.setdefault(page, known)
        found.places[path] = split, safe_name(known)


def check_classes(classes: dict[Parts, tuple[str, str]]) -> None:
    """`classes` has each one's split and safe name by its path. Raises WorkError as `lay_out_folders`."""
    if not classes:
        raise WorkError(f"there are no class folders; the archive {LAYOUTS}")
    first: dict[tuple[str, str], Parts] = {}
    for folder, (split, name) in classes.items():
        other = first.setdefault((split, name.casefold()), folder)
        if other != folder:
            raise WorkError(
                f"{printable('/'.join(other))!r} and {printable('/'.join(folder))!r} would be one class; "
                "their names should differ in more than case, punctuation and how accents are encoded"
            )
    train, *judging = (
        {name for split, name in classes.values() if split == wanted} for wanted in SPLIT_NAMES
    )
    if len(train) < 2:
        raise WorkError(f"there is only one class, {_list(train)}; there should be two or more: {LAYOUTS}")
    for split, names in zip(SPLIT_NAMES[1:], judging, strict=True):
        if names and names != train:
            raise WorkError(
                f"{split} should have the classes of train ({_list(train)}), but has {_list(names)}"
            )


def _list(names: set[str], most: int = 10) -> str:
    shown = ", ".join(repr(name) for name in sorted(names)[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
