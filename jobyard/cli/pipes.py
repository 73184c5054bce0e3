"""Standard input and pipes as files: their bytes come once, and a file may have to be sent again."""

import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import IO, Final

import click

STANDARD_INPUT: Final = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})


def standard_input(folder: Path, what: str) -> Path:
    """A copy in `folder`; a terminal is asked for `what`. Raises UsageError, also where it is empty."""
    if sys.stdin is None:
        raise click.UsageError("there is no standard input")
    if sys.stdin.isatty():
        click.echo(f"reading {what} from standard input, up to Ctrl-D …", err=True)
    target = folder / "stdin"
    _copy(sys.stdin.buffer, target, "standard input")
    if not target.stat().st_size:
        raise click.UsageError("standard input is empty")
    return target


def copied(path: Path, folder: Path) -> Path:
    """A copy of a pipe in `folder`, under its name. Raises UsageError for a device."""
    if not stat.S_ISFIFO(path.stat().st_mode):
        raise click.UsageError(f"{path} is a device, and no file")
    target = Path(tempfile.mkdtemp(dir=folder)) / path.name
    with path.open("rb") as source:
        _copy(source, target, str(path))
    return target


def _copy(source: IO[bytes], target: Path, what: str) -> None:
    try:
        with target.open("wb") as file:
            shutil.copyfileobj(source, file)
    except OSError as error:
        raise click.UsageError(f"{what} can't be copied to {target.parent}: {error.strerror}") from None
