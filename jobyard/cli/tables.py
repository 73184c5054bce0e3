"""What `score` is given: texts, or files of texts, folders, patterns, addresses, and standard input."""

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from jobyard.cli.pipes import STANDARD_INPUT, copied, standard_input
from jobyard.cli.targets import expanded
from jobyard.client.errors import BadRequest
from jobyard.client.folders import walk
from jobyard.client.sources import paths_matching
from jobyard.client.system_paths import with_slashes
from jobyard.client.table_suffixes import PACKED, TABLES
from jobyard.client.uploads import is_address

# What the name of a file looks like: one word that ends in a suffix, or several that end in one of a table.
NAME: Final = re.compile(r"\S*[^\s.]\.(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{2,8}")
PATH: Final = re.compile(r"(/|\./|\.\./|~[\w.-]*/)\S*|[\w.-]\S*/")
ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
WILD: Final = re.compile(r"[*?\[]")
# The parts that Spark and Hive write (part-00000, 000000_0) have none; what has one is called like something.
SUFFIX: Final = re.compile(r"\.[A-Za-z]\w*")
MAX_PATH: Final = 4_096
# As the server has it: so many files are scored as one.
MAX_FILES: Final = 1_000
# An argument that is meant as a text though it looks otherwise.
HINT: Final = "to score it as a text, add --text"


@contextmanager
def tables_of(what: Sequence[str], *, as_texts: bool) -> Iterator[list[Path | str]]:
    """The files that are meant, or none if these are texts; standard input is copied to a file first.

    What the server is to fetch stays the address that it is.

    Raises UsageError for what is no file but looks like one, is not there, or can't be read.
    """
    if as_texts:
        _check_characters(what)
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="jobyard-") as folder:
        files = _found(what, Path(folder))
        for file in files:
            if isinstance(file, Path):
                _check_readable(file)
        yield files


def _found(what: Sequence[str], folder: Path) -> list[Path | str]:
    if any(one in STANDARD_INPUT for one in what):
        if len(what) > 1:
            raise click.UsageError("standard input should be alone: other files can't be read with it")
        return [standard_input(folder, "texts")]
    found: list[Sequence[Path | str] | None] = [
        [one] if ADDRESS.fullmatch(one) and is_address(one) else _files_at(one, folder) for one in what
    ]
    if all(files is None for files in found):
        for one in what:
            _refuse_missing(one)
        _check_characters(what)
        return []
    for one, files in zip(what, found, strict=True):
        if files is None:
            raise click.UsageError(f"there is no file {_shown(one)}; give files alone, or texts alone")
    files = list(dict.fromkeys(file for files in found for file in files or []))
    if len(files) > MAX_FILES:
        raise click.UsageError(f"these are {len(files):,} files; at most {MAX_FILES:,} are scored as one")
    return files


def _files_at(one: str, folder: Path) -> list[Path] | None:
    """The files of a path or a pattern; None if there is nothing."""
    path = expanded(one)
    try:
        if not one or len(one) >= MAX_PATH or not path.exists():
            return _matches(one)
        if path.is_dir():
            return _files_in(path)
    except OSError as error:
        raise click.UsageError(f"{_shown(one)} can't be read: {error.strerror}") from None
    except ValueError:  # a null character
        return None
    return [path if path.is_file() else copied(path, folder)]


def _matches(one: str) -> list[Path] | None:
    """The files that a pattern stands for, which the shell has left as it is; None if it is no pattern."""
    if not looks_like_a_pattern(one):
        return None
    files = [path for path in paths_matching(str(expanded(one))) if path.is_file()]
    return _with_content(files, one) if files else None


def looks_like_a_pattern(one: str, separator: str = os.sep) -> bool:
    """Whether an argument is meant for several files: `*` or the like, in a path or the name of a file."""
    path = with_slashes(one, separator)
    is_path = PATH.fullmatch(path) or NAME.fullmatch(path) or "/" in path
    return bool(WILD.search(path) and is_path) and not any(map(str.isspace, path))


def _files_in(folder: Path) -> list[Path]:
    """The tables of a folder and those in it, by their paths; without hidden files and marks as _SUCCESS."""
    try:
        files = [path for path, inside in walk(folder) if not any(part.startswith("_") for part in inside)]
    except BadRequest as error:
        raise click.UsageError(str(error)) from None
    if not files:
        raise click.UsageError(f"there are no files in {folder}")
    chosen = [path for path in files if _is_table(path)]
    chosen = chosen or [path for path in files if not SUFFIX.fullmatch(path.suffix)]
    if not chosen:
        raise click.UsageError(
            f"none of the files in {folder} is called like a table (.csv, .jsonl, .parquet, …); name those "
            "that are meant"
        )
    _say_left_out(len(files) - len(chosen), str(folder), "no table by its name")
    return _with_content(chosen, str(folder))


def _with_content(files: list[Path], where: str) -> list[Path]:
    """Without those that are empty, as parts of a job without rows are."""
    found = [path for path in files if path.stat().st_size]
    if not found:
        raise click.UsageError(f"there are only empty files in {where}")
    _say_left_out(len(files) - len(found), where, "empty")
    return found


def _say_left_out(count: int, where: str, why: str) -> None:
    if count:
        were = "1 other file was" if count == 1 else f"{count:,} other files were"
        click.echo(f"  {were} left out of {where}: {why}", err=True)


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLES | PACKED


def _check_readable(file: Path) -> None:
    try:
        with file.open("rb"):
            is_empty = not file.stat().st_size
    except OSError as error:
        raise click.UsageError(f"{file} can't be read: {error.strerror}") from None
    if is_empty:
        raise click.UsageError(f"{file} is empty")


def _check_characters(texts: Sequence[str]) -> None:
    """Raises UsageError at what is no Unicode: the bytes of another encoding, which Python keeps apart."""
    for place, text in enumerate(texts, 1):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise click.UsageError(
                f"text {place} has bytes that are not UTF-8: {_shown(text)}; a file of texts may have any "
                "encoding, see --encoding"
            ) from None


def _refuse_missing(one: str) -> None:
    """Raises UsageError for what looks like the name of a file, a folder or an address."""
    if ADDRESS.fullmatch(one):
        raise click.UsageError(
            f"{_shown(one)} is an address, and should be one of https:// or s3://; download the file ({HINT})"
        )
    if looks_like_a_path(one):
        raise click.UsageError(f"there is no file {_shown(one)} ({HINT})")


def looks_like_a_path(one: str, separator: str = os.sep) -> bool:
    """Whether an argument is meant as a path though there is nothing: by its suffix, or its slashes."""
    one = with_slashes(one, separator)
    if len(one) > MAX_PATH or "\n" in one:
        return False
    suffix = Path(one).suffix.lower()
    if NAME.fullmatch(one) or PATH.fullmatch(one) or suffix in TABLES | PACKED:
        return True
    parent = Path(one).parent
    return "/" in one and not any(map(str.isspace, one)) and parent != Path() and parent.is_dir()


def _shown(one: str) -> str:
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in one)
    return text if len(text) <= 100 else f"{text[:100]} …"
