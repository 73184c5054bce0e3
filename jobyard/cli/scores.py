"""The command score."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click

from jobyard.cli.dialects import dialect_options, fields_of
from jobyard.cli.follow import POLL_SECONDS, follow, working
from jobyard.cli.outputs import check_printable, save
from jobyard.cli.pipes import STANDARD_INPUT
from jobyard.cli.scored import show_file, show_texts
from jobyard.cli.session import (
    connect,
    json_option,
    marks_options,
    outcome,
    print_json,
    priority_option,
)
from jobyard.cli.stored_formats import stored_format
from jobyard.cli.tables import tables_of
from jobyard.cli.targets import check_target, is_standard_output
from jobyard.client import Job
from jobyard.client.errors import Json

FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".xlsx": "xlsx"}
# Of fields of the spec that are called otherwise on the command line.
OPTIONS = {"null_values": "null_value"}


@click.command(short_help="Score the sentiment of texts, or of a file of texts.")
@click.argument("what", metavar="FILE|TEXT...", nargs=-1, required=True)
@dialect_options
@click.option("--sheet", metavar="NAME", help="The sheet of a workbook; default: the one with the column.")
@click.option("--encoding", metavar="NAME", help="FILE's encoding; default: utf-8.")
@click.option(
    "--errors", type=click.Choice(["fail", "skip"]),
    help="Fail at a broken row of FILE (default), or skip and report it.",
)  # fmt: skip
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Save the scored file; the suffix sets its format: .parquet, .csv, .jsonl or .xlsx. - prints it to "
    "standard output, and nothing else.",
)  # fmt: skip
@click.option(
    "--format", "format_", type=click.Choice(sorted(FORMATS.values())),
    help="The format of the scored file; default: by the suffix of -o; csv for -o -.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="With -o: overwrite a file that is there, but no source.")
@click.option(
    "--text", "as_texts", is_flag=True, help="Take what looks like the name of a file for a text, too."
)
@click.option(
    "--escape-formulas", is_flag=True, default=None,
    help="In a .csv, put an apostrophe before what a spreadsheet would run as a formula.",
)  # fmt: skip
@click.option("--positive", type=float, help="Least compound score of a positive text; default: 0.05.")
@click.option("--negative", type=float, help="Greatest compound score of a negative text; default: -0.05.")
@click.option(
    "--lexicon", "lexicon_file", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
    help='Your own words with valences from -4 to 4: a JSON file like {"sick": 2.1}.',
)  # fmt: skip
@click.option(
    "--word",
    "words",
    multiple=True,
    metavar="WORD=VALENCE",
    help="One of your own words or emoji; may be repeated.",
)
@click.option(
    "--normalize", type=click.Choice(["none", "standard"]),
    help="standard: emoji become words, curly quotes straight ones, HTML its text; default: none.",
)  # fmt: skip
@click.option("--explain", is_flag=True, help="For TEXTs: show what each word adds to the score, and why.")
@marks_options("--name", "--job-name")
@priority_option
@json_option
def score(
    what: tuple[str, ...],
    target: Path | None,
    format_: str | None,
    force: bool,
    as_texts: bool,
    positive: float | None,
    negative: float | None,
    lexicon_file: Path | None,
    words: tuple[str, ...],
    normalize: str | None,
    explain: bool,
    priority: int | None,
    marks: Json,
    as_json: bool,
    **of_file: Any,
) -> int:
    """Score FILE (CSV, TSV, JSON, Parquet, a workbook or plain lines, also packed), or each TEXT, with NLTK's
    VADER. FILE is a path, a folder, a pattern, - for standard input, or an address (https://…, s3://…) that
    the server fetches it from; several are scored as one.
    """
    options = {**of_file, "format": format_, "output": target}
    format_ = _format(target, format_)
    if target is not None and STANDARD_INPUT.intersection(what):  # which may take long to read
        check_target(target, [], force=force)
    files = click.get_current_context().with_resource(tables_of(what, as_texts=as_texts))
    _check_options(files, options, explain)
    escape = bool(of_file["escape_formulas"])
    if escape and format_ != "csv":
        raise click.UsageError("--escape-formulas needs a .csv file, as in -o scored.csv")
    if target is not None:
        sources = [file for file in (*files, lexicon_file) if isinstance(file, Path)]
        check_target(target, sources, force=force)
        check_printable(target, str(format_), as_json=as_json)
    given = {"positive": positive, "negative": negative}
    spec: Json = {
        "thresholds": {key: value for key, value in given.items() if value is not None} or None,
        "lexicon": _own_words(lexicon_file, words) or None,
        "normalize": normalize,
        "explain": explain or None,
    }
    if files:
        stored = format_ if target is None and format_ != "xlsx" else stored_format(format_, files)
        spec |= fields_of(of_file) | {"format": stored}
        if stored != "csv":  # then what is downloaded is escaped
            spec["escape_formulas"] = None
    with connect() as client:
        if not files:
            # Also those that are names of files.
            job = client.score(iter(what), priority=priority, wait=POLL_SECONDS, **marks, **spec)
        else:
            given_files = {"file": files[0]} if len(files) == 1 else {"files": files}
            with _uploading([file for file in files if isinstance(file, Path)], what):
                job = client.score(**given_files, priority=priority, **marks, **spec)
        follow(job)
        if job.succeeded and target is not None:
            with nullcontext() if is_standard_output(target) else working(f"saving {target} …"):
                save(
                    job, target, lambda path: _download(job, path, format_, escape), str(format_), force=force
                )
        if as_json:
            print_json(job.raw)
        elif job.succeeded and not (target is not None and is_standard_output(target)):
            # Texts that are long or empty, or over a thousand, went as a file.
            show_texts(job, what) if "scores" in (job.result or {}) else show_file(job, target)
        return outcome(job)


def _download(job: Job, path: Path, format_: str | None, escape: bool) -> Path:
    name = scored_file(job)
    if name.endswith(f".{format_}"):
        return job.download(name, path)
    return job.save_scores(path, format=format_, escape_formulas=escape)


def _uploading(files: Sequence[Path], what: Sequence[str]) -> AbstractContextManager[object]:
    """Says so while these are sent, if there are any."""
    return working(f"uploading {_shown(files, what)} …") if files else nullcontext()


def _shown(files: Sequence[Path], what: Sequence[str]) -> str:
    """What is uploaded, as it was given: a pipe and standard input are copies in a folder of their own."""
    if len(files) > 1:
        return f"{len(files):,} files"
    return "standard input" if STANDARD_INPUT.intersection(what) else str(files[0])


def _check_options(files: Sequence[Path | str], of_file: Mapping[str, object], explain: bool) -> None:
    """Raises UsageError at an option that is for the other kind of source."""
    if files:
        if explain:
            raise click.UsageError("--explain is for texts, not for a file")
        return
    for name, value in of_file.items():
        if value is not None and value != ():
            option = "-o" if name == "output" else f"--{OPTIONS.get(name, name).replace('_', '-')}"
            raise click.UsageError(f"{option} is for a file, not for texts")


def _own_words(file: Path | None, words: tuple[str, ...]) -> dict[str, float]:
    """Of the file, and over them those of the command line. Raises UsageError."""
    found: dict[str, float] = {}
    if file is not None:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise click.UsageError(f"--lexicon {file}: can't be read: {error.strerror}") from None
        except ValueError as error:  # not UTF-8, or not JSON
            raise click.UsageError(f"--lexicon {file}: is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise click.UsageError(f'--lexicon {file}: should be an object, as {{"sick": 2.1}}')
    for pair in words:
        word, _, valence = pair.rpartition("=")
        try:
            found[word] = float(valence)
        except ValueError:
            word = ""
        if not word or not math.isfinite(found[word]):
            raise click.UsageError(f"--word {pair}: should be a word and its valence, as sick=2.1")
    return found


def scored_file(job: Job) -> str:
    """The name of the artifact that holds the scores."""
    return str((job.result or {})["file"])


def _format(target: Path | None, given: str | None) -> str | None:
    """The scored file's: of --format, or of the suffix. Raises UsageError where they don't fit."""
    if target is None:
        return given
    if is_standard_output(target):
        return given or "csv"
    found = FORMATS.get(target.suffix.lower())
    if found is None and given is None:
        raise click.UsageError(f"-o {target}: should end in {', '.join(FORMATS)}")
    if None not in (found, given) and found != given:
        raise click.UsageError(f"-o {target}: should end in .{given}, as --format says")
    return given or found
