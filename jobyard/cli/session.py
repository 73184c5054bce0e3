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
from jobyard.cli.settings import ClientSettings, ConfigError
from jobyard.client import Client, ConnectionFailed, Job, JobFailed, JobyardClientError, Refused
from jobyard.client.errors import Json

WIDE = 160


@contextmanager
def connect() -> Iterator[Client]:
    """The server of the settings; what goes wrong with it becomes one line."""
    settings = ClientSettings.load()
    token = settings.find_token()
    if token is None:
        raise ConfigError(
            f"JOBYARD_TOKEN: no token is set, and there is none in {settings.home / 'token'}; "
            "start a server with `jobyard up`, or set JOBYARD_URL and JOBYARD_TOKEN for a remote one"
        )
    url = settings.find_url()
    try:
        with Client(url, token) as client:
            yield client
    except ConnectionFailed as error:
        raise click.ClickException(
            f"{error}; is `jobyard up` running? (JOBYARD_URL sets another address)"
        ) from None
    except Refused as error:
        raise click.ClickException(f"{url} refused the token: {error}; set JOBYARD_TOKEN") from None
    except JobyardClientError as error:
        raise click.ClickException(str(error)) from None


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


def on_a_line(text: str) -> str:
    """What a file or a result holds must not move the cursor of a terminal."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def local(moment: str | None, never: str = "") -> str:
    """A moment of the API by this machine's clock; `never` if there is none."""
    if moment is None:
        return never
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def output() -> Console:
    """Standard output for people; where it is no terminal, wide enough not to cut anything useful."""
    console = Console(highlight=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, emoji=False, width=WIDE)


def outcome(job: Job) -> int:
    """The exit status for an ended job; prints on standard error why it failed."""
    if job.succeeded:
        return 0
    click.echo(f"jobyard: {JobFailed(job)}", err=True)
    if job.state == "failed":
        click.echo(f"         `jobyard logs {job.id}` shows its timeline", err=True)
    return FAILED
