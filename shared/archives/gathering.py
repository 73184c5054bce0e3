"""The names in an archive, gathered before anything in it is read."""

from collections.abc import Iterable
from dataclasses import dataclass

from jobyard.shared.archives.left_out import MAX_LISTED, LeftOut
from jobyard.shared.archives.members import Member, is_meant
from jobyard.shared.archives.tree import Folder, Parts, Tree
from jobyard.shared.errors import WorkError


@dataclass(frozen=True)
class Gathered:
    """The files of an archive by their paths; those that come twice are `left_out`.

    `links` are those that are not followed and may be meant as folders, with the reason; `pages` has a name
    for each code page that names were found to be in.
    """

    top: Folder
    left_out: LeftOut
    links: list[tuple[Parts, str]]
    pages: dict[str, str]


def gather(members: Iterable[Member]) -> Gathered:
    """The files, and the folders that they or others lie in.

    Hidden files and what systems leave behind (.DS_Store, __MACOSX, Thumbs.db) are skipped silently. Raises
    WorkError for too many folders, and for a folder whose name can't be known.
    """
    tree, left_out = Tree(), LeftOut()
    links: list[tuple[Parts, str]] = []
    pages: dict[str, str] = {}
    for member in members:
        if not is_meant(member.parts):
            continue
        if member.doubt and has_surrogates(member.parts if member.folder else member.parts[:-1]):
            raise WorkError(
                f"{member.name!r}: the zip does not say in which encoding this name is, and it "
                f"{member.doubt}; zip the folder again with names in UTF-8, or as a tar"
            )
        if member.page:
            pages.setdefault(member.page, member.name)
        if member.link and len(links) < MAX_LISTED:
            links.append((member.parts, member.problem or ""))
        if member.folder:
            tree.add_folder(member.parts)
        elif not tree.add_file(member.parts):
            left_out.add(member.parts, "twice in the archive")
    return Gathered(tree.top, left_out, links, pages)


def has_surrogates(parts: Parts) -> bool:
    """Whether a name is of bytes that are no Unicode."""
    return any("\ud800" <= character <= "\udfff" for name in parts for character in name)
