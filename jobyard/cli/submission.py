"""The command submit: a job of any kind, by the fields of its spec."""

import json
import sys
from contextlib import nullcontext

import click

from jobyard.cli.fields import fill, uploads
from jobyard.cli.follow import follow, working
from jobyard.cli.results import show_result
from jobyard.cli.session import connect, json_option, marks_options, outcome, print_json, priority_option
from jobyard.cli.targets import expanded
from jobyard.client import Client
from jobyard.client.again import marks_of, require_files, without_others
from jobyard.client.errors import Json
from jobyard.client.suggestions import nearest


@click.command(short_help="Submit a job of any kind, given the fields of its spec.")
@click.argument("kind", required=False)
@click.argument("fields", metavar="FIELD=VALUE...", nargs=-1)
@click.option(
    "--spec", "file", metavar="FILE", help="Read the spec from this JSON file; - for standard input."
)
@click.option(
    "--from",
    "earlier",
    metavar="ID",
    help="Begin with what this job was asked to do; its files are not uploaded again.",
)
@click.option(
    "--detach", "--no-follow", "detach", is_flag=True, help="Submit the job and exit without following it."
)
@marks_options("--name", "--job-name")
@priority_option
@json_option
def submit(
    kind: str | None,
    fields: tuple[str, ...],
    file: str | None,
    earlier: str | None,
    detach: bool,
    priority: int | None,
    marks: Json,
    as_json: bool,
) -> int:
    """Submit a job of KIND: train, predict, evaluate, sentiment, import, register, export, or a plugin's.

    VALUE is read as the type of its field; use dots for a nested field (augment.shear=0.2). Repeat a field
    that takes several values, or give a JSON array. FIELD=@PATH uploads a file for a field that takes the id
    of a file. The server documents the fields at /api/docs. A FIELD=VALUE overrides the same field in --spec.

    With --from ID, KIND may be left out, and a FIELD=VALUE changes what that job was asked to do.
    """
    if earlier is not None and kind is not None and "=" in kind:
        fields, kind = (kind, *fields), None
    if kind is None and earlier is None:
        raise click.UsageError("Missing argument 'KIND'.")
    given = {} if file is None else _spec_of(file)
    with connect() as client:
        if earlier is None:
            kind = str(kind)
            spec = fill(given, fields, _schema(client, kind))
        else:
            found = client.job(earlier).request()
            request = found["request"]
            if kind not in (None, request["kind"]):
                raise click.UsageError(f"the job of --from is of kind {request['kind']}, and not {kind}")
            kind = str(request["kind"])
            changed = {*given, *(field.partition("=")[0].partition(".")[0] for field in fields)}
            kept = without_others(request["spec"], changed, found["alternatives"])
            spec = fill(kept | given, fields, _schema(client, kind))
            require_files(spec, found["missing"])
            priority = request["priority"] if priority is None else priority
            marks = marks_of(request) | marks
        sent = list(uploads(spec))
        with working(f"uploading {', '.join(map(str, sent))} …") if sent else nullcontext():
            job = client.submit(kind, spec, priority=priority, **marks)
        if not detach:
            follow(job)
        if as_json:
            print_json(job.raw)
        elif detach:
            click.echo(f"job {job.id} was submitted ({job.state}); `jobyard watch {job.id}` follows it")
        elif job.succeeded:
            show_result(job)
        return 0 if detach else outcome(job)


def _schema(client: Client, kind: str) -> Json:
    """The JSON Schema of a kind's spec. Raises UsageError with the nearest kind."""
    kinds = {found["kind"]: found for found in client.kinds()}
    if kind not in kinds:
        meant = nearest(kind, kinds)
        hint = f"did you mean {meant!r}?" if meant is not None else f"should be one of {', '.join(kinds)}"
        raise click.UsageError(f"there is no kind {kind!r}; {hint}")
    schema: Json = kinds[kind]["schema"]
    return schema


def _spec_of(file: str) -> Json:
    """The JSON object of a file or of standard input. Raises UsageError."""
    try:
        text = sys.stdin.read() if file == "-" else expanded(file).read_text(encoding="utf-8")
        spec = json.loads(text)
    except OSError as error:
        raise click.UsageError(f"--spec {file}: can't be read: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise click.UsageError(f"--spec {file}: is not JSON: {error}") from None
    if not isinstance(spec, dict):
        raise click.UsageError(f'--spec {file}: should be an object, as {{"epochs": 5}}')
    return spec
