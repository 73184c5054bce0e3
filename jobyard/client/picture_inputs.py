"""Pictures as people have them: paths, folders, patterns, open files, bytes, pictures of PIL, arrays.

All become files to upload, in the order in which they were given; each keeps the name that it was given by.
"""

import uuid
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from jobyard.client import png
from jobyard.client.errors import BadRequest
from jobyard.client.folders import walk
from jobyard.client.libraries import is_of
from jobyard.client.open_files import copy_of, is_of_text, is_open_file, saved
from jobyard.client.series import is_missing, series_of
from jobyard.client.sources import is_folder, matching
from jobyard.client.uploads import is_address, names

SUFFIXES = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"RIFF": ".webp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}
RIGHT = "a path, bytes, an open file, a picture of PIL, an array, or the id of an uploaded file"


class Pictures(NamedTuple):
    """`files` are paths and ids of files, in order; `called` is what each was given as, a path or its number.

    `given` is the series that they came from, which results are joined to, or None.
    """

    files: list[str | Path]
    called: list[str | int]
    given: Any = None

    def names(self) -> dict[str, str]:
        """What each was given as, by the name that its row has on the server, where it is only one."""
        uploaded = names([file for file in self.files if isinstance(file, Path)])
        found: dict[str, str] = {}
        unclear = set()
        for file, called in zip(self.files, self.called, strict=True):
            name = uploaded[file] if isinstance(file, Path) else str(called)
            if found.setdefault(name, str(called)) != str(called):
                unclear.add(name)
        return {name: called for name, called in found.items() if name not in unclear}


def is_one(value: object) -> bool:
    """Whether it is one picture, file or path, and not several of them."""
    return (
        isinstance(value, str | bytes | bytearray | memoryview | PathLike | uuid.UUID)
        or is_open_file(value)
        or png.is_pil(value)
        or png.is_array(value)
    )


def pictures(images: Any, folder: Path) -> Pictures:
    """The files of what `Client.predict` was given; those of what lies in memory are written into `folder`.

    Raises BadRequest, with its place, at what is no picture.
    """
    given = None
    each: Iterable[Any]
    if is_one(images):
        each = [images]
    elif isinstance(images, list | tuple):
        each = images
    else:
        series = series_of(images, "images", f"should be one or several of {RIGHT}")
        each = series.values
        given = (
            series.given
            if is_of(series.given, "pandas", "Series") or is_of(series.given, "polars", "Series")
            else None
        )
    files: list[str | Path] = []
    called: list[str | int] = []
    single = is_one(images)
    for place, image in enumerate(each):
        argument = "images" if single else f"images[{place}]"
        before = len(files)
        for name, file in _files_of(image, before, folder, argument):
            files.append(file)
            called.append(name)
        if given is not None and len(files) != before + 1:
            raise BadRequest(
                f"{argument}: is {len(files) - before:,} pictures; in a series, each should be one"
            )
    if not files:
        raise BadRequest("images: there are none; should be at least one picture")
    return Pictures(files, called, given)


def _files_of(image: Any, number: int, folder: Path, argument: str) -> Iterator[tuple[str | int, str | Path]]:
    """The names and files of one element: one of each, but for folders, patterns and batches."""
    if png.is_pil(image):
        yield number, _written(png.of_pil(image, argument), number, folder)
    elif png.is_array(image):
        for place, content in enumerate(png.of_array(image, argument), number):
            yield place, _written(content, place, folder)
    elif isinstance(image, bytes | bytearray | memoryview):
        if not len(image):
            raise BadRequest(f"{argument}: is empty; should be the bytes of a picture")
        yield number, _written(bytes(image), number, folder)
    elif is_open_file(image):
        if is_of_text(image):
            raise BadRequest(
                f'{argument}: is open as text; should be open in binary mode, as open(path, "rb")'
            )
        file = saved(image, folder, argument, f"{number}")
        name = getattr(image, "name", None)
        yield name if isinstance(name, str) else number, file
    elif isinstance(image, str | PathLike | uuid.UUID):
        yield from _of_path(image, folder, argument)
    else:
        said = "there is none" if is_missing(image) else f"is {image!r:.50}"
        raise BadRequest(f"{argument}: {said}; should be {RIGHT}")


def _of_path(image: Any, folder: Path, argument: str) -> Iterator[tuple[str | int, str | Path]]:
    if isinstance(image, str) and is_address(image):
        raise BadRequest(f"{argument}: is an address; should be a path, or the id of an uploaded file")
    for file in matching(image, folder, argument):
        if isinstance(file, Path) and is_folder(file):
            inside = [found.path for found in walk(file)]
            if not inside:
                raise BadRequest(f"{argument}: there are no files in {file}")
            yield from ((str(path), path) for path in inside)
        else:
            yield str(file), file


def _written(content: bytes, number: int, folder: Path) -> Path:
    suffix = next((one for start, one in SUFFIXES.items() if content.startswith(start)), "")
    return copy_of(content, folder, f"{number}{suffix}")
