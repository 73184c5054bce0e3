"""What train and evaluate work on: an imported data set, or a folder or archive that becomes one."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from jobyard.cli.follow import follow, working
from jobyard.cli.session import outcome, print_json
from jobyard.cli.targets import expanded
from jobyard.client import BadRequest, Client, Job
from jobyard.client.errors import Json
from jobyard.client.packing import classes_in, digest_of, packed
from jobyard.client.parameters import given
from jobyard.client.uploads import PENDING

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_NAME = 64


def find_dataset(
    client: Client,
    data: str,
    name: str | None,
    labels: str | None,
    allow_partial: bool,
    *,
    as_json: bool,
    check: Callable[[str], None],
) -> str:
    """The data set that DIR|DATASET means: its reference, imported before if it is a folder or an archive.

    `check` raises what is wrong with the rest of the command, before anything is uploaded; it is given what
    stands for a data set that is yet to be imported. Ends the command where the import does not succeed: then
    it prints why, and its job `as_json`. Raises UsageError.
    """
    source = _source(data)
    options = {"--name": name, "--labels": labels, "--allow-partial": allow_partial or None}
    for option, value in options.items():
        if source is None and value is not None:
            raise click.UsageError(f"{option} needs a folder or an archive; there is none at {data}")
    if source is None:
        return data
    name = name or folder_name(source)
    spec = given({"name": name, "file": PENDING, "labels": labels, "allow_partial": allow_partial or None})
    check(PENDING)
    client.check("import", spec)
    with archive_of(source, name) as archive:
        if (known := _known(client, archive, name, labels, allow_partial)) is not None:
            left_out = known["rejected_count"]
            note = f" ({left_out:,} files were left out then)" if left_out else ""
            click.echo(f"{known['reference']} has these pictures already; not uploaded again{note}", err=True)
            return str(known["reference"])
        imported = import_pictures(client, archive, name, labels, allow_partial=allow_partial, shown=source)
    if not imported.succeeded or imported.result is None:
        if as_json:
            print_json(imported.raw)
        raise click.exceptions.Exit(outcome(imported))
    return str(imported.result["dataset"])


def import_pictures(
    client: Client,
    source: Path,
    name: str,
    labels: str | None = None,
    *,
    allow_partial: bool = False,
    shown: Path | None = None,
) -> Job:
    """Upload and import; prints where the classes are from, which files were left out, and warnings.

    `shown` is what is said to be uploaded.
    """
    with working(f"uploading {shown or source} …"):
        job = client.import_pictures(
            name, source, **given({"labels": labels, "allow_partial": allow_partial or None})
        )
    follow(job)
    result = job.result or {}
    if result.get("read_as"):
        click.echo(f"  read as {result['read_as']}", err=True)
    if result.get("labels"):
        click.echo(f"  {result['labels']['summary']}", err=True)
    for warning in result.get("warnings", []):
        click.echo(f"  warning: {warning}", err=True)
    rejected = result.get("rejected", [])
    for row in rejected[:5]:
        click.echo(f"  rejected: {row['file']}: {row['reason']}", err=True)
    if len(rejected) > 5:
        click.echo(f"  … for all, see {job.link('page')}", err=True)
    return job


@contextmanager
def archive_of(source: Path, name: str) -> Iterator[Path]:
    """What is uploaded: an archive as it is, or a zip of a folder that the same pictures always make.

    Raises UsageError for a folder without files, and BadRequest for what can't be read.
    """
    if not source.is_dir():
        yield source
        return
    if not (files := classes_in(source)):
        raise click.UsageError(f"there are no files in {source}")
    with ExitStack() as opened:
        with working(f"packing {source} …"):
            archive = opened.enter_context(packed(files, name))
        yield archive


def _known(client: Client, archive: Path, name: str, labels: str | None, allow_partial: bool) -> Json | None:
    """The version of this name that the server made of this archive; None of one that doesn't tell."""
    asked: Any = {"labels": labels, "allow_partial": allow_partial or None}
    try:
        found = client.datasets(name=name, source_sha256=digest_of(archive), **asked)
        return next(iter(found), None)
    except BadRequest:  # an earlier server, which knows no such question
        return None


def folder_name(source: Path) -> str:
    """A data set's name for a folder or an archive: its own name, in the letters that are allowed.

    Where others have to go, a digest tells apart what would be called the same: 猫 and 花.
    """
    written = unicodedata.normalize("NFC", source.resolve().name)
    for suffix in ARCHIVES:
        if written.lower().endswith(suffix):
            written = written[: -len(suffix)]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", written).strip("-._") or "pictures"
    if written.isascii():
        return name[:MAX_NAME]
    digest = hashlib.sha256(written.encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{name[: MAX_NAME - 9]}-{digest}"


def _source(data: str) -> Path | None:
    """The folder or archive that is meant, or None if it is the name of a data set."""
    path = expanded(data)
    if path.is_dir() or (path.is_file() and path.name.lower().endswith(ARCHIVES)):
        return path
    if path.is_file():
        raise click.UsageError(f"{data} should be a folder, or an archive ({', '.join(ARCHIVES)})")
    if "/" in data or "\\" in data or data.startswith("."):  # no data set is called so
        raise click.UsageError(f"there is no folder {data}")
    return None
