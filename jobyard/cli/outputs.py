"""Files that a command makes: saved, or printed to standard output, which then has nothing else."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import click

from jobyard.cli.targets import check_writable, is_standard_output
from jobyard.client import (
    BadRequest,
    Conflict,
    ConnectionFailed,
    Job,
    JobyardClientError,
    NotFound,
    Refused,
    ServerError,
)
from jobyard.client.drafts import draft_of

# Formats that a terminal can show; the others are bytes.
TEXTS: Final = frozenset({"csv", "json", "jsonl"})


def check_printable(target: Path, format_: str, *, as_json: bool, option: str = "-o") -> None:
    """Raises UsageError where standard output is not for such a file, or for two things at once."""
    if not is_standard_output(target):
        return
    if as_json:
        raise click.UsageError(f"{option} {target} and --json would both print to standard output; give one")
    if format_ not in TEXTS and _is_terminal():
        raise click.UsageError(
            f"{option} {target}: {format_} is no text for a terminal; write it to a file or a pipe"
        )


def save(
    job: Job, target: Path, write: Callable[[Path], object], format_: str, *, force: bool, option: str = "-o"
) -> None:
    """Let `write` make the file `target`, or one that is printed where that is standard output.

    Raises ClickException, with how to get the job's results all the same: the disk may be full now, or the
    file may have come since the command began.
    """
    try:
        save_file(target, write, format_, force=force, option=option)
    except (click.UsageError, JobyardClientError) as error:
        what = error.format_message() if isinstance(error, click.UsageError) else str(error)
        if (when := _when(error, job)) is None:
            raise click.ClickException(what) from None
        raise click.ClickException(f"{what}; `jobyard results {job.id} -o FILE` saves it {when}") from None


def _when(error: Exception, job: Job) -> str | None:
    """When or how the results are had all the same; None where another file or time would not help."""
    match error:
        case Refused() | NotFound():
            return None
        case Conflict():  # too many rows for a workbook, or for the time that converting them may take
            return "in another format" if job.kind == "sentiment" else None
        case BadRequest(problem={"status": 429}) | ConnectionFailed() | ServerError():
            return "later"
        case BadRequest(problem=dict()):
            return None
        case _:
            return "elsewhere"


def save_file(
    target: Path, write: Callable[[Path], object], format_: str, *, force: bool, option: str = "-o"
) -> None:
    """As `save`, where there is no job. Raises UsageError for a file that is there."""
    if not is_standard_output(target):
        check_writable(target, force=force, option=option)
        write(target)
        return
    with tempfile.TemporaryDirectory(prefix="jobyard-") as folder:
        draft = Path(folder) / f"output.{format_}"
        write(draft)
        _print(draft)


@contextmanager
def atomic_text(target: Path) -> Iterator[IO[str]]:
    """A file to write text to, which is there when all of it is; names that are no UTF-8 keep their bytes.

    Raises JobyardClientError where it can't be written.
    """
    with (
        draft_of(target) as draft,
        draft.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        yield file


def write_text(target: Path, text: str) -> None:
    """Write all of it, or nothing."""
    with atomic_text(target) as file:
        file.write(text)


def _print(file: Path) -> None:
    """All bytes; on a terminal, what is text, so that nothing in it moves the cursor."""
    if _is_terminal():
        with file.open(encoding="utf-8", errors="replace", newline="") as lines:
            for line in lines:
                sys.stdout.write("".join(c for c in line.rstrip("\r\n") if c.isprintable() or c == "\t"))
                sys.stdout.write("\n")
        return
    sys.stdout.flush()
    with file.open("rb") as source:
        shutil.copyfileobj(source, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()
