"""Pictures that are to be predicted: how they travel, and how they are called in the answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from jobyard.cli.pipes import STANDARD_INPUT, copied, standard_input
from jobyard.cli.sources import ARCHIVES
from jobyard.client import JobyardClientError
from jobyard.client.errors import Json
from jobyard.client.packing import files_in, named, packed
from jobyard.client.sources import paths_matching

# Gives a picture, by its name on the server, the one that it is to be called by.
Called = Callable[[str], str]


def as_it_is(image: str) -> str:
    """The name that the server has."""
    return image


class Sent(NamedTuple):
    """What travels: an archive as it is, or files by the paths that their rows have, or nothing.

    `given` is what the user calls the copy of a pipe.
    """

    archive: Path | None
    files: Mapping[str, Path]
    given: Mapping[Path, Path] = {}

    @property
    def description(self) -> str:
        if self.archive is None and len(self.files) != 1:
            return f"{len(self.files):,} files"
        return str(self.archive or self._shown(next(iter(self.files.values()))))

    @contextmanager
    def source(self) -> Iterator[dict[str, Any]]:
        """What `Client.predict` is to be given: one picture alone, or a zip of all."""
        if self.archive is not None or not self.files:
            yield {"archive": self.archive}
        elif len(self.files) == 1:
            yield {"images": list(self.files.values())}
        else:
            with packed(self.files, "pictures") as archive:
                yield {"archive": archive}

    def called(self) -> Called:
        """What gives a picture, by its name on the server, the path that was given for it.

        Those of an archive keep their names in there.
        """
        if len(self.files) == 1:
            (path,) = self.files.values()
            return lambda _: str(self._shown(path))
        shown = {name: str(self._shown(path)) for name, path in self.files.items()}
        if all(name == path for name, path in shown.items()):
            return as_it_is
        return lambda image: shown.get(image, image)

    def named(self, rows: Iterator[Json]) -> Iterator[Json]:
        """The rows, each picture by its path."""
        called = self.called()
        return ({**row, "image": called(row["image"])} for row in rows)

    def _shown(self, path: Path) -> Path:
        return self.given.get(path, path)


def matching(given: Sequence[Path]) -> tuple[Path, ...]:
    """These paths, and those that a pattern stands for which the shell has left as it is.

    Raises UsageError for what is not there.
    """
    found: list[Path] = []
    for path in given:
        if str(path) in STANDARD_INPUT or path.exists():
            found.append(path)
            continue
        if not (matched := paths_matching(str(path))):
            raise click.UsageError(f"{str(path)!r} does not exist")
        found += matched
    return tuple(found)


def pictures_of(images: Sequence[Path], folder: Path) -> Sent:
    """What is to be sent; pipes are copied to `folder`. Raises UsageError, and ClickException."""
    if len(images) == 1 and images[0].is_file() and images[0].name.lower().endswith(ARCHIVES):
        return Sent(images[0], {})
    pipes = [path for path in images if str(path) in STANDARD_INPUT or not (path.is_file() or path.is_dir())]
    copies = {_copy(path, folder): path for path in dict.fromkeys(pipes)}
    there = [path for path in images if path not in pipes]
    try:
        files = files_in(there)
    except JobyardClientError as error:
        raise click.ClickException(str(error)) from None
    if there and not files:
        raise click.UsageError(f"there are no pictures in {', '.join(map(str, images))}")
    names = named(files, there)
    return Sent(None, names | {f"{copy.name}-{n}": copy for n, copy in enumerate(copies, 1)}, copies)


def _copy(pipe: Path, folder: Path) -> Path:
    return standard_input(folder, "a picture") if str(pipe) in STANDARD_INPUT else copied(pipe, folder)
