"""Paths on the command line, and what may be written: never over a source, over others if that was said."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import click

STANDARD_OUTPUT: Final = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})


def expanded(path: str) -> Path:
    """A path with `~` as a shell has it: that of a user who is not there stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises for such a user


def is_standard_output(target: Path) -> bool:
    """Whether `-o` names it."""
    return str(target) in STANDARD_OUTPUT


def check_target(target: Path, sources: Sequence[Path], *, force: bool, option: str = "-o") -> None:
    """Raises UsageError where a file can't be written, or would overwrite what it should not.

    `option` is the one that names it, and `sources` is what the command reads.
    """
    if is_standard_output(target):
        return
    check_no_source(target, sources, option=option)
    check_writable(target, force=force, option=option)


def check_no_source(target: Path, sources: Sequence[Path], *, option: str = "-o") -> None:
    """Raises UsageError where `target` is one of `sources`, or what standard input is read from."""
    with _named(f"{option} {target}"):
        if not target.exists():
            return
        if any(source.exists() and target.samefile(source) for source in sources) or _is_read(target):
            raise click.UsageError(f"{option} {target}: is a file that is read; name another one")


def check_writable(target: Path, *, force: bool, option: str = "-o") -> None:
    """Raises UsageError where a file is there already, or can't be written."""
    with _named(f"{option} {target}"):
        if not target.parent.is_dir():
            raise click.UsageError(f"{option} {target}: there is no folder {target.parent}")
        if target.exists() and not target.is_file():
            # A download takes its place, and a device would be gone.
            raise click.UsageError(f"{option} {target}: is no file; name another one")
        if (target.exists() or target.is_symlink()) and not force:
            raise click.UsageError(f"{option} {target}: is there already; --force overwrites it")
        # As the download will have it, whose draft has a longer name.
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}"):
            pass


def check_folder(folder: Path, *, option: str = "-o") -> None:
    """Raises UsageError where a folder is not there and can't be made, or where nothing can be written."""
    with _named(f"{option} {folder}"):
        there = folder.absolute()
        while not there.exists():
            there = there.parent
        if not there.is_dir():
            raise click.UsageError(f"{option} {folder}: {there} is a file, and no folder")
        with tempfile.TemporaryFile(dir=there):
            pass


@contextmanager
def _named(what: str) -> Iterator[None]:
    """An OSError inside says what can't be written."""
    try:
        yield
    except OSError as error:
        raise click.UsageError(f"{what}: can't be written: {error.strerror or error}") from None


def _is_read(target: Path) -> bool:
    """Whether standard input comes from this file: `< reviews.csv`."""
    with suppress(OSError, ValueError):
        return sys.stdin is not None and os.path.samestat(os.fstat(sys.stdin.fileno()), target.stat())
    return False
