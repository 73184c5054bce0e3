"""What the client commands have in common: the server they talk to, and how they end."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from jobyard.cli import FAILED
from jobyard.client import (
    Client,
    ConfigError,
    ConnectionFailed,
    Job,
    JobFailed,
    JobyardClientError,
    Refused,
    servers,
)
from jobyard.client.errors import Json
from jobyard.client.fields import renamed

WIDE = 160


@contextmanager
def connect(timeout: float = 60.0) -> Iterator[Client]:
    """The server of `jobyard -s`, or of the settings; what goes wrong with it becomes one line.

    `timeout`, in seconds, is for each answer.
    """
    context = click.get_current_context(silent=True)
    named = None if context is None else context.find_root().params.get("server")
    try:
        server = servers.find(profile=named)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    of_profile = f"profile {server.profile.name!r}" if server.profile is not None else None
    try:
        with Client(server.url, server.token, timeout=timeout) as client:
            yield client
    except ConnectionFailed as error:
        here = "is `jobyard up` running? (JOBYARD_URL sets another address)"
        if str(error).startswith("url:"):  # it is no address
            here = "JOBYARD_URL sets it"
        raise click.ClickException(f"{error}; {of_profile or here}") from None
    except Refused as error:
        hint = f"that of {of_profile}" if of_profile else "set JOBYARD_TOKEN"
        raise click.ClickException(f"{server.url} refused the token: {error}; {hint}") from None
    except JobyardClientError as error:
        raise click.ClickException(_in_options(error, context)) from None


def _in_options(error: JobyardClientError, context: click.Context | None) -> str:
    """With the options that were given in place of the fields of a request that are wrong: `--epochs: …`."""

    def called(field: str) -> str:
        name = field.rpartition(".")[2]
        wanted = "job_name" if field == "name" else name
        for option in context.command.params if context is not None else ():
            if isinstance(option, click.Option) and (option.name or "").rstrip("_") == wanted:
                return max(option.opts, key=len)
        return field

    return renamed(error, called)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json` for programs."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one line of JSON to standard output at the end."
    )(command)


def priority_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--priority` of a job."""
    return click.option("--priority", type=click.IntRange(0, 9), help="9 runs first, 0 last; default: 5.")(
        command
    )


def marks_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Options for what a job is called and how it is marked; the command gets them as `marks`, for `submit`.

    `names` are those of the option for its name: some commands call something else so.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(
            *args: Any,
            job_name: str | None,
            labels_given: tuple[str, ...],
            note: str | None,
            keep: bool,
            **options: Any,
        ) -> Any:
            labels = labels_of(labels_given) or None
            marks = {"name": job_name, "labels": labels, "note": note, "keep": keep or None}
            given = {name: value for name, value in marks.items() if value is not None}
            return command(*args, marks=given, **options)

        for option in (
            click.option("--keep", is_flag=True, help="Retention leaves the job, and all that is its own."),
            click.option("--note", help="What is to be remembered of the job."),
            label_option,
            click.option(
                *names, "job_name", help="What to call the job; default: it is called by what it does."
            ),
        ):
            run = option(run)
        return run

    return decorate


label_option = click.option(
    "--label", "labels_given", multiple=True, metavar="KEY=VALUE", help="A label of the job; may be repeated."
)


def labels_of(given: tuple[str, ...]) -> dict[str, str]:
    """`team=birds` as a map. Raises click.UsageError."""
    labels = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not key or not equals:
            raise click.UsageError(f"--label {one}: should be KEY=VALUE, as in --label team=birds")
        labels[key] = value
    return labels


def print_json(value: object) -> None:
    """One line of JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))


def print_list(
    found: Iterable[Json],
    row: Callable[[Json], Iterable[str]],
    *columns: str,
    as_json: bool,
    nothing: str,
) -> None:
    """A line of JSON for each, or a table for people; `nothing` is said of an empty one."""
    if as_json:
        for one in found:
            print_json(one)
        return
    table = Table(*columns)
    for one in found:
        table.add_row(*row(one))
    if table.row_count:
        output().print(table)
    else:
        click.echo(nothing)


def local(moment: str | None, never: str = "") -> str:
    """A moment of the API by this machine's clock; `never` if there is none."""
    if moment is None:
        return never
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def output() -> Console:
    """Standard output for people; where it is no terminal, wide enough not to cut anything useful."""
    console = Console(highlight=False, emoji=False)
    return console if is_terminal(console) else Console(highlight=False, emoji=False, width=WIDE)


def is_terminal(console: Console) -> bool:
    """Whether it shows one; FORCE_COLOR asks for colours, and not for bars and lines of its width."""
    return console.is_terminal and console.file.isatty()


def outcome(job: Job) -> int:
    """The exit status for an ended job; prints on standard error why it failed."""
    if job.succeeded:
        return 0
    click.echo(f"jobyard: {JobFailed(job)}", err=True)
    if job.state == "failed":
        click.echo(f"         `jobyard logs {job.id}` shows its timeline", err=True)
    return FAILED
